"""Two copies of one Airtable: one used directly, one only through the gateway.

A scenario runs on both and writes a transcript. What differs for good reason is made equal (ids made while
running become their order of appearance, times of the run become `<now>`); the rest must be the same.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import http.client
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyairtable
import requests

SEED = Path(__file__).parent.parent / "seed.json"
SEED_TEXT = SEED.read_text(encoding="utf-8")
SEED_DATA = json.loads(SEED_TEXT)

AN_ID = re.compile(r"\b(?:rec|itr|sel|att|usr|fld|tbl|viw|app|com)[A-Za-z0-9]{14}\b")
SEEDED_IDS = frozenset(AN_ID.findall(SEED_TEXT))
A_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

CUSTOMERS, WAREHOUSE, LEDGER = (base["id"] for base in SEED_DATA["bases"])
PEOPLE, EVERYTHING, PROJECTS = (table["id"] for table in SEED_DATA["bases"][0]["tables"])
ITEMS, ORDERS, BULK = (table["id"] for table in SEED_DATA["bases"][1]["tables"])
LINES = SEED_DATA["bases"][2]["tables"][0]["id"]
PROJECTS_NAME = SEED_DATA["bases"][0]["tables"][2]["name"]

FULL_TOKEN, READER_TOKEN, SCHEMA_TOKEN, WAREHOUSE_TOKEN = (token["token"] for token in SEED_DATA["tokens"])


def record_id(kind: str, number: int) -> str:
    """The id of a seeded record: `record_id("Item", 7)` is `recItem0000000007`."""
    return f"rec{kind}{number:0{14 - len(kind)}d}"


@dataclass
class Answer:
    """What went over the wire, as far as the tests look at it."""

    method: str
    target: str
    status: int
    headers: requests.structures.CaseInsensitiveDict

    @property
    def cache_status(self) -> str:
        return self.headers.get("Cache-Status", "")

    @property
    def is_hit(self) -> bool:
        return "hit" in [part.strip() for part in self.cache_status.split(";")]


@dataclass
class Twin:
    """One of the two, and the credentials that mean the same on either."""

    name: str
    url: str
    keys: dict[str, str]  # full, reader, schema, warehouse
    through_gateway: bool

    def api(self, key: str = "full", **options: Any) -> pyairtable.Api:
        return pyairtable.Api(self.keys[key], endpoint_url=self.url, timeout=(5, 120), **options)


@dataclass
class RawAnswer:
    status_code: int
    headers: Any
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def body(self) -> Any:
        try:
            return self.json()
        except ValueError:
            return self.text


class Run:
    """One scenario on one twin."""

    def __init__(self, twin: Twin):
        self.twin = twin
        self.started = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=2)
        self.answers: list[Answer] = []
        self.transcript: list[tuple[str, Any]] = []
        self._ids: dict[str, str] = {}
        self.api = self.client()

    def client(self, key: str = "full", **options: Any) -> pyairtable.Api:
        """A real client whose answers are remembered; 429 is never retried away unseen."""
        api = self.twin.api(key, retry_strategy=None, **options)
        api.session.hooks["response"].append(self._remember)
        return api

    def table(self, base: str, name_or_id: str, **options: Any) -> pyairtable.Table:
        return (self.client(**options) if options else self.api).table(base, name_or_id)

    def read(self, label: str, call: Callable[[], Any]) -> Any:
        """Notes what `call` gives. Through the gateway it is called twice: the cache must not change the answer."""
        first = outcome(call)
        if self.twin.through_gateway:
            before = len(self.answers)
            again = outcome(call)
            assert again == first, f"{label}: the second answer differs from the first"
            warm = self.answers[before:]
            assert warm, f"{label}: the reading sent nothing"
            if warm[0].status == 200:
                assert warm[0].is_hit, f"{label}: not from the cache ({warm[0].target[:200]}: {warm[0].cache_status!r})"
        return self._note(label, first)

    def write(self, label: str, call: Callable[[], Any]) -> Any:
        """Notes what `call` gives; it is called once."""
        return self._note(label, outcome(call))

    def raw(self, label: str, method: str, target: str, key: str | None = "full", body: Any = None, content: bytes | None = None, headers: dict[str, str] | None = None) -> "RawAnswer":
        """A request that no client library would make, noted with status, type and body. `target` goes byte for byte."""
        sent = dict(headers or {})
        if body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        if key is not None:
            sent["Authorization"] = f"Bearer {self.twin.keys.get(key, key)}"
        connection = http.client.HTTPConnection(self.twin.url.removeprefix("http://"), timeout=120)
        with contextlib.closing(connection):
            connection.request(method, target, body=content, headers=sent)
            response = connection.getresponse()
            answer = RawAnswer(response.status, response.headers, response.read())
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        self._note(label, {"status": answer.status_code, "type": kind, "body": answer.body()})
        return answer

    def _note(self, label: str, value: Any) -> Any:
        self.transcript.append((label, self._comparable(value)))
        if isinstance(value, dict) and set(value) == {"gave"}:
            return value["gave"]
        return value

    def _comparable(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._text(str(key)): self._comparable(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._comparable(item) for item in value]
        if isinstance(value, str):
            return self._text(value)
        return value

    def _text(self, text: str) -> str:
        text = AN_ID.sub(lambda found: self._known(found.group()), text)
        return A_TIME.sub(lambda found: self._time(found.group()), text)

    def _known(self, identifier: str) -> str:
        if identifier in SEEDED_IDS:
            return identifier
        if identifier.startswith("itr"):
            return "<itr>"  # a listing from the cache continues where the first one does
        return self._ids.setdefault(identifier, f"<{identifier[:3]} {len(self._ids) + 1}>")

    def _time(self, text: str) -> str:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
        return "<now>" if SESSION_STARTED <= moment <= now else text

    def _remember(self, response: requests.Response, *_: Any, **__: Any) -> None:
        target = response.request.path_url
        self.answers.append(Answer(response.request.method, target, response.status_code, response.headers))


SESSION_STARTED = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=2)


def outcome(call: Callable[[], Any]) -> dict[str, Any]:
    """What a call of the client gave: a value, or the status and body of the error."""
    try:
        return {"gave": call()}
    except requests.HTTPError as error:
        return {"refused": {"status": error.response.status_code, "body": error.response.json()}}


def on_both(scenario: Callable[[Run], None]) -> Callable[..., None]:
    """Makes a scenario a test: it holds on either twin, and the two transcripts are equal."""

    def test(twins: list[Twin]) -> None:
        transcripts = []
        for twin in twins:
            run = Run(twin)
            scenario(run)
            limited = [answer.target for answer in run.answers if answer.status == 429]
            assert not limited, f"{twin.name} answered 429 to {limited}"
            transcripts.append(run.transcript)
        assert transcripts[0], "the scenario noted nothing"
        direct, gateway = transcripts
        assert [label for label, _ in gateway] == [label for label, _ in direct]
        for (label, expected), (_, actual) in zip(direct, gateway, strict=True):
            assert actual == expected, f"{label}: through the gateway differs from direct use"

    # Not `functools.wraps`: pytest would take the scenario's argument for a fixture.
    functools.update_wrapper(test, scenario, assigned=("__name__", "__qualname__", "__module__", "__doc__"))
    del test.__wrapped__
    return test


def refusal(noted: Any) -> tuple[int, Any]:
    """Status and error of a refused call, for comparing with Airtable's documented errors."""
    assert isinstance(noted, dict) and "refused" in noted, f"expected an error, got {noted!r}"
    return noted["refused"]["status"], noted["refused"]["body"]["error"]
