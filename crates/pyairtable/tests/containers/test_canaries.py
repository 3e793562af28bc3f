"""No secret gets out: every generated value is looked for, after everything that could have printed it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from canaries import Canaries, paths_in_images, search_images, search_processes, search_stack, secrets_of
from collector import Collector
from engine import Container, wait_until
from stack import APPS, BASE, Stack
from upstream import FailingUpstream

PLANTED_TOKEN = "patC4n4ryT0kenXy0." + "c0ffee5eed" * 6 + "cafe"
PLANTED_KEY = "AIza" + "SyC4n4ry-PLANTED_key-0123456789abcd"


def exercise(stack: Stack, key: str) -> list[httpx.Response]:
    """Right calls, wrong calls, wrong keys: everything whose answer could hold too much."""
    internal, wrong = stack.secret("internal-api-key"), key[:-4] + "zzzz"
    answers = [
        stack.airtable("GET", f"{BASE}/Tasks", key=key, params={"maxRecords": 3}),
        stack.airtable("POST", f"{BASE}/Tasks", key=key, json={"fields": {"Task": "for the canaries"}}),
        stack.airtable("POST", f"{BASE}/Tasks", key=key, json={"fields": {"No such field": 1}}),
        stack.airtable("GET", f"{BASE}/No such table", key=key),
        stack.airtable("GET", "appDoesNotExist00/Tasks", key=key),
        stack.airtable("GET", f"{BASE}/Tasks", key=wrong),
        stack.airtable("GET", f"{BASE}/Tasks", key=internal),
        stack.tool("list_bases", {}, key=key),
        stack.tool("list_records", {"base": BASE, "table": "None"}, key=key),
        stack.tool("list_bases", {}, key=wrong),
        stack.chat("How many tasks are there?", key=key, stream=True),
        stack.chat("How many tasks are there?", key=wrong),
        stack.chat("", key=key, model="no-such-model"),
    ]
    for service in APPS:
        answers += [httpx.get(f"{stack.url(service)}{path}", timeout=10) for path in ("/health", "/ready", "/metrics", "/openapi.json", "/docs", "/no/such")]
        # A key in a place where no key belongs, and a body that is none.
        answers.append(httpx.post(f"{stack.url(service)}/v1/chat/completions", headers=stack.headers(key), content=b"{", timeout=10))
        answers.append(httpx.get(f"{stack.url(service)}/api/v1/none", headers={**stack.headers(key), "x-api-key": wrong}, timeout=10))
    return answers


def nothing_found(stack: Stack, canaries: Canaries, answers: list[httpx.Response], traces: Collector | None) -> None:
    found = search_stack(stack, canaries) | search_processes(canaries)
    for answer in answers:
        told = "\n".join(f"{name}: {value}" for name, value in answer.headers.items()) + answer.text
        if hits := canaries.within(told):
            found[f"the answer to {answer.request.method} {answer.request.url}"] = hits
    if traces is not None:
        assert sum(map(len, traces.received)) > 10_000, "traces have come"
        if hits := canaries.within(b"\n".join(traces.received)):
            found["traces"] = hits
    assert not found, found


def test_no_generated_secret_gets_out(stack: Stack, traces: Collector) -> None:
    before = secrets_of(stack)
    key = stack.create_key("canary")
    answers = exercise(stack, key) + exercise(stack, stack.secret("operator-api-key"))
    for name in ("internal-api-key", "operator-api-key"):
        printed = stack.generate("--rotate", name)
        assert not Canaries.of(secrets_of(stack)).within(printed), "the generator prints no secret"
    answers += exercise(stack, stack.secret("operator-api-key"))
    stack.must("restart", "airtable-gateway")
    stack.wait_healthy(within=60)
    answers += exercise(stack, key)
    wait_until(lambda: len(traces.received) > 3, 30, "traces arrive")
    canaries = Canaries.of({**before, **secrets_of(stack), "a key from `keys create`": key})
    nothing_found(stack, canaries, answers, traces)


def test_no_secret_is_in_a_layer_of_an_image(stack: Stack) -> None:
    canaries = Canaries.of({**secrets_of(stack), "token": PLANTED_TOKEN, "key": PLANTED_KEY})
    assert not search_images(stack.images, canaries)
    suspicious = {path for path in paths_in_images(stack.images) if path.split("/")[-1] in {".env", "secrets", "Cargo.toml", ".git"}}
    assert not suspicious


@pytest.fixture
def upstream(traces: Collector) -> Iterator[FailingUpstream]:
    upstream = FailingUpstream(traces.url.removeprefix("http://").split(":")[0])
    yield upstream
    upstream.close()


def test_no_planted_token_gets_out_while_airtable_and_the_model_fail(new_stack: Callable[..., Stack], upstream: FailingUpstream, traces: Collector) -> None:
    stack = new_stack("canaries", OTEL_EXPORTER_OTLP_ENDPOINT=traces.url, LOG_LEVEL="debug")
    printed = stack.generate(
        AIRTABLE_TOKEN=PLANTED_TOKEN, AIRTABLE_API_URL=upstream.url, GEMINI_API_KEY=PLANTED_KEY, GEMINI_API_URL=upstream.url
    )
    canaries = Canaries.of(secrets_of(stack))
    assert not canaries.within(printed)
    assert canaries.within(PLANTED_TOKEN) and canaries.within(PLANTED_KEY), "the generator has taken them"
    stack.up()
    assert not {"airtable-emulator", "gemini-emulator"} & set(stack.containers()), "with real credentials no emulator is needed"
    key, answers = stack.secret("operator-api-key"), []
    for mode in FailingUpstream.MODES:
        upstream.mode = mode
        answers += exercise(stack, key)
    assert PLANTED_TOKEN in upstream.seen and PLANTED_KEY in upstream.seen, "both were really used"
    assert all(answer.headers.get("x-pyairtable-emulated") != "true" for answer in answers)
    nothing_found(stack, canaries, answers, traces)
    all_logs = {service: Container(container.id).logs() for service, container in stack.containers().items()}
    assert all(all_logs[service] for service in APPS)
