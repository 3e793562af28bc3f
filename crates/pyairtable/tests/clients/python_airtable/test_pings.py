"""Pings of webhooks, with Airtable's MAC (section 11.3 of Airtable's reference)."""

import base64
import hashlib
import hmac
import json
import queue
import threading
from collections.abc import Iterator

import pytest
from pyairtable.models import WebhookNotification

from harbour import EAST, HARBOUR
from hooks import HOOKS, Hook, Ping, Receiver
from wire import BERTHS_PATH, CREATED_TIME, Wire


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


def dig(wire: Wire, depth: int) -> None:
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": depth}})


def until(condition, within_seconds: float = 10):  # noqa: ANN001, ANN201
    """What `condition` gives as soon as it gives something true."""
    over = threading.Event()
    for _ in range(int(within_seconds / 0.02)):
        if found := condition():
            return found
        over.wait(0.02)
    raise AssertionError("it has not become true")


def code_of(secret: str, body: bytes) -> str:
    return "hmac-sha256=" + hmac.new(base64.b64decode(secret), body, hashlib.sha256).hexdigest()


def test_a_change_is_pinged_with_nothing_of_it(wire: Wire, receiver: Receiver) -> None:
    """Section 11.3: base, webhook, time; a code over the very bytes of the body; no data."""
    hook = Hook.create(wire, url=f"{receiver.url}/ping?from=airtable")
    dig(wire, 5)
    ping = receiver.next()
    body = json.loads(ping.body)
    assert ping.path == "/ping?from=airtable" and ping.headers["content-type"].startswith("application/json")
    assert body == {"base": {"id": HARBOUR}, "webhook": {"id": hook.id}, "timestamp": body["timestamp"]} and CREATED_TIME.match(body["timestamp"])
    assert ping.headers["x-airtable-content-mac"] == code_of(hook.secret, ping.body)
    assert len(hook.payloads()) == 1, "there before the ping"


def test_the_client_verifies_pings(wire: Wire, receiver: Receiver) -> None:
    """Section 14.1: pyairtable reads a ping and refuses one that was changed or is of another secret."""
    hook, other = Hook.create(wire, url=receiver.url), Hook.create(wire)
    dig(wire, 5)
    ping = receiver.next()
    code = ping.headers["x-airtable-content-mac"]
    read = WebhookNotification.from_request(ping.body.decode(), code, hook.secret)
    assert (read.base.id, read.webhook.id) == (HARBOUR, hook.id)
    for body, secret in ((ping.body.decode().replace(hook.id, other.id), hook.secret), (ping.body.decode(), other.secret)):
        with pytest.raises(ValueError, match="validation"):
            WebhookNotification.from_request(body, code, secret)


def test_a_ping_that_was_taken_is_told_of(wire: Wire, receiver: Receiver) -> None:
    """Section 11.1: the time, and the result with its duration and number of the try."""
    receiver.status = 204
    hook = Hook.create(wire, url=receiver.url)
    dig(wire, 5)
    told = until(lambda: (found := hook.told())["lastNotificationResult"] and found)
    result = told["lastNotificationResult"]
    assert set(result) == {"success", "completionTimestamp", "durationMs", "retryNumber"}
    assert result["success"] is True and result["retryNumber"] == 0 and 0 <= result["durationMs"] < 25_000
    assert CREATED_TIME.match(result["completionTimestamp"]) and CREATED_TIME.match(told["lastSuccessfulNotificationTime"])


@pytest.mark.parametrize("status", [500, 404, 302, 410])
def test_a_ping_that_was_refused_will_be_tried_again(wire: Wire, receiver: Receiver, status: int) -> None:
    """Sections 11.1 and 11.3: only 200 and 204 are taken; payloads go on."""
    receiver.status = status
    hook = Hook.create(wire, url=receiver.url)
    dig(wire, 5)
    told = until(lambda: (found := hook.told())["lastNotificationResult"] and found)
    result = told["lastNotificationResult"]
    assert result["success"] is False and result["willBeRetried"] is True and result["error"]["message"] and result["retryNumber"] == 0
    assert told["lastSuccessfulNotificationTime"] is None and told["areNotificationsEnabled"] is True and told["isHookEnabled"] is True
    assert len(hook.payloads()) == 1


def test_nobody_listens(wire: Wire) -> None:
    """Section 11.3."""
    with Receiver() as gone:
        url = gone.url
    hook = Hook.create(wire, url=url)
    dig(wire, 5)
    result = until(lambda: hook.told()["lastNotificationResult"])
    assert result["success"] is False and result["error"]["message"] and result["willBeRetried"] is True


def test_no_pings_while_they_are_off(wire: Wire, receiver: Receiver) -> None:
    """Section 11.1: payloads are kept; once on again, there are pings again."""
    hook, always = Hook.create(wire, url=f"{receiver.url}/hook"), Hook.create(wire, url=f"{receiver.url}/always")
    wire.good_or_empty("POST", f"{hook.path}/enableNotifications", {"enable": False})
    dig(wire, 5)
    assert receiver.next().path == "/always"
    assert len(hook.payloads()) == 1 and len(always.payloads()) == 1
    wire.good_or_empty("POST", f"{hook.path}/enableNotifications", {"enable": True})
    dig(wire, 6)
    seen: set[str] = set()
    while "/hook" not in seen:
        seen.add(receiver.next().path)


def test_what_a_hook_does_not_watch_pings_nobody(wire: Wire, receiver: Receiver) -> None:
    """Section 11.2."""
    Hook.create(wire, "tableFields", url=f"{receiver.url}/fields")
    Hook.create(wire, "tableData", url=f"{receiver.url}/data")
    receiver.drain()
    dig(wire, 5)
    assert receiver.next().path == "/data"
    with pytest.raises(queue.Empty):
        receiver.next(0.3)


def test_a_deleted_hook_is_not_pinged(wire: Wire, receiver: Receiver) -> None:
    """Section 11.1."""
    hook = Hook.create(wire, url=f"{receiver.url}/gone")
    wire.good_or_empty("DELETE", hook.path)
    Hook.create(wire, url=f"{receiver.url}/there")
    dig(wire, 5)
    assert receiver.next().path == "/there"
    assert [found["notificationUrl"] for found in wire.good("GET", HOOKS)["webhooks"]] == [f"{receiver.url}/there"]


def test_many_changes_are_pinged_at_least_once(wire: Wire, receiver: Receiver) -> None:
    """Section 11.3: pings may be put together; the last change is not lost."""
    hook = Hook.create(wire, url=receiver.url)
    for depth in range(10, 40):
        dig(wire, depth)
    pings: list[Ping] = [receiver.next()]
    assert len(hook.payloads()) == 30
    with pytest.raises(queue.Empty):
        while True:
            pings.append(receiver.next(0.5))
    assert 1 <= len(pings) <= 31
    assert all(ping.headers["x-airtable-content-mac"] == code_of(hook.secret, ping.body) for ping in pings)
