"""Limits, whose bodies are lists (sections 3.1 and 4 of Airtable's reference)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from harbour import BERTHS, HARBOUR, LAMPS, NO_LIMITS, OF_BO, QUAY, READ
from wire import BERTHS_PATH, Wire

TOO_MANY = {"errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}]}


@pytest.fixture
def limit(wire: Wire) -> Iterator:
    """Past a gateway, which is there to keep its callers from such answers."""
    wire.url = wire.unpaced.url

    def put(**change: object) -> None:
        wire.limit(**{**NO_LIMITS, **change})

    yield put
    put()


def until_refused(wire: Wire, *paths: str) -> tuple[int, requests.Response]:
    """Bursts of a dozen, so that a slow machine too has more of them in a second than are allowed."""
    taken = 0
    with ThreadPoolExecutor(12) as pool:
        for _ in range(10):
            answers = list(pool.map(lambda number: wire.ask("GET", paths[number % len(paths)]), range(12)))
            refused = [answer for answer in answers if answer.status_code != 200]
            taken += len(answers) - len(refused)
            if refused:
                return taken, refused[0]
    raise AssertionError(f"{paths} were never refused")


def test_the_sixth_request_in_a_second_is_refused_and_all_that_follow(wire: Wire, limit) -> None:
    """Section 4: five a second to a base, all tokens together, then thirty seconds; other bases go on."""
    limit(requestsPerSecondPerBase=5)
    count, answer = until_refused(wire, BERTHS_PATH)
    assert count >= 5 and (answer.status_code, answer.json()) == (429, TOO_MANY)
    assert "retry-after" not in answer.headers, "none is documented"
    assert wire.ask("GET", BERTHS_PATH, key=READ).status_code == 429, "another token to the same base"
    assert wire.ask("GET", f"/v0/bases/{HARBOUR}/webhooks").status_code == 429, "webhooks count to the same base"
    assert wire.ask("POST", BERTHS_PATH, {"fields": {}}).status_code == 429
    assert wire.ask("GET", f"/v0/{QUAY}/{LAMPS}").status_code == 200
    assert wire.ask("GET", "/v0/meta/whoami").status_code == 200


def test_what_is_refused_writes_nothing(wire: Wire, limit) -> None:
    """Section 4."""
    limit(requestsPerSecondPerBase=1)
    until_refused(wire, BERTHS_PATH)
    assert wire.ask("POST", BERTHS_PATH, {"fields": {"Berth": "unseen"}}).status_code == 429
    limit()
    requests.post(f"{wire.url}/__emulator/reset", json={}, timeout=5)
    assert len(wire.good("GET", BERTHS_PATH)["records"]) == 3


def test_a_user_has_a_limit_over_all_bases(wire: Wire, limit) -> None:
    """Section 4: fifty a second by default; smaller here."""
    limit(requestsPerSecondPerUser=6)
    count, answer = until_refused(wire, BERTHS_PATH, f"/v0/{QUAY}/{LAMPS}", "/v0/meta/bases")
    assert count >= 6 and (answer.status_code, answer.json()) == (429, TOO_MANY)
    assert wire.ask("GET", BERTHS_PATH, key=OF_BO).status_code == 200, "another user"


def test_misshapen_routes_and_wrong_tokens_are_answered_before_the_limit(wire: Wire, limit) -> None:
    """Section 3.3, order of checks: route, token, limit."""
    limit(requestsPerSecondPerBase=1)
    until_refused(wire, BERTHS_PATH)
    assert wire.ask("GET", f"/v0/{HARBOUR}/{BERTHS}/rec1").status_code == 404
    assert wire.ask("GET", BERTHS_PATH, key="patNone.x").status_code == 401
    assert wire.ask("GET", f"{BERTHS_PATH}?pageSize=101").status_code == 429, "and the limit before the parameters"
