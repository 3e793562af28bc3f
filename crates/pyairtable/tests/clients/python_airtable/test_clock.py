"""The emulator's clock, which decides all that Airtable's time decides (sections 2, 4, 5.2, 7 and 11 of Airtable's reference)."""

from urllib.parse import quote

import requests

from harbour import EAST
from hooks import HOOKS, Hook, Receiver
from test_pings import until
from wire import BERTHS_PATH, CRATES_PATH, SHIPS_PATH, Wire

DAY = 86_400


def test_the_clock_is_read_and_turned(wire: Wire) -> None:
    wire.stop_clock("2030-02-28T12:00:00.000Z")
    assert wire.own("GET", "clock") == {"time": "2030-02-28T12:00:00.000Z", "stopped": True} == wire.own("GET", "clock")
    wire.wait(1.5)
    assert wire.own("GET", "clock")["time"] == "2030-02-28T12:00:01.500Z"
    wire.own("PUT", "clock", {"stopped": False})
    assert wire.own("GET", "clock")["stopped"] is False
    wire.own("POST", "reset", {})
    assert wire.own("GET", "clock")["time"] < "2030", "a reset sets it right"
    for wrong in ({"time": "noon"}, {"advanceSeconds": "x"}, {"advanceSeconds": 1e300}, {"stopped": 1}, {"hour": 5}, [], {"time": "2030-02-30T00:00:00Z"}):
        assert requests.put(f"{wire.admin or wire.url}/__emulator/clock", json=wrong, timeout=5).status_code == 422, wrong


def test_records_are_made_and_changed_by_it(wire: Wire) -> None:
    """Sections 2 and 7: created without a fraction; changed to the millisecond."""
    wire.stop_clock("2030-02-28T23:59:59.250Z")
    ship = wire.ship(Ship="Pia")
    assert ship["createdTime"] == "2030-02-28T23:59:59.000Z" == ship["fields"]["Made"]
    wire.wait(DAY)
    touched = wire.good("PATCH", f"{SHIPS_PATH}/{ship['id']}", {"fields": {"Crew": 1}})
    assert touched["createdTime"] == ship["createdTime"] and touched["fields"]["Touched"].startswith("2030-03-01T23:59:59")


def test_formulas_go_by_it(wire: Wire) -> None:
    """Section 15: volatile inputs."""
    wire.stop_clock("2031-05-06T07:08:09.000Z")

    def found(formula: str) -> bool:
        return bool(wire.unpaced.good("GET", f"{BERTHS_PATH}?filterByFormula={quote(formula)}")["records"])

    assert found("DATETIME_FORMAT(NOW(), 'YYYY-MM-DD HH:mm:ss') = '2031-05-06 07:08:09'") and found("DATETIME_FORMAT(TODAY(), 'YYYY-MM-DD') = '2031-05-06'")
    wire.wait(DAY)
    assert found("DATETIME_FORMAT(TODAY(), 'YYYY-MM-DD') = '2031-05-07'")


def test_comments_go_by_it(wire: Wire) -> None:
    """Section 9."""
    wire.stop_clock("2030-01-01T00:00:00.125Z")
    made = wire.good("POST", f"{BERTHS_PATH}/{EAST}/comments", {"text": "now"})
    wire.wait(60)
    edited = wire.good("PATCH", f"{BERTHS_PATH}/{EAST}/comments/{made['id']}", {"text": "later"})
    assert (edited["createdTime"], edited["lastUpdatedTime"]) == ("2030-01-01T00:00:00.125Z", "2030-01-01T00:01:00.125Z")


def test_an_iterator_lives_for_minutes_of_idleness(wire: Wire) -> None:
    """Sections 3.3 and 5.2: used again in time it lives on; else the client begins again at page one."""
    wire = wire.unpaced
    wire.limit(offsetLifeSeconds=300)
    wire.own("PUT", "clock", {"stopped": True})
    offset = wire.good("GET", f"{CRATES_PATH}?pageSize=10")["offset"]
    for _ in range(4):
        wire.wait(200)
        offset = wire.good("GET", f"{CRATES_PATH}?pageSize=10&offset={quote(offset, safe='')}")["offset"]
    wire.wait(301)
    wire.refused(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "GET", f"{CRATES_PATH}?pageSize=10&offset={quote(offset, safe='')}")
    wire.refused(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "POST", f"{CRATES_PATH}/listRecords", {"pageSize": 10, "offset": offset})
    assert wire.good("GET", f"{CRATES_PATH}?pageSize=10")["offset"]


def test_a_webhook_is_off_after_a_week_and_gone_after_two(wire: Wire) -> None:
    """Section 11.1: what it had collected can still be read in the second week; nothing is added."""
    wire.stop_clock("2030-01-01T00:00:00.000Z")
    hook = Hook.create(wire)
    assert hook.told()["expirationTime"] == "2030-01-08T00:00:00.000Z"
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 1}})
    wire.wait(7 * DAY - 1)
    assert hook.told()["isHookEnabled"] is True
    wire.wait(2)
    assert hook.told()["isHookEnabled"] is False
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 2}})
    assert hook.told()["cursorForNextPayload"] == 2
    wire.wait(7 * DAY)
    assert wire.good("GET", HOOKS) == {"webhooks": []}
    assert wire.ask("GET", f"{hook.path}/payloads").status_code in (403, 404, 422)


def test_reading_payloads_and_refreshing_give_another_week(wire: Wire) -> None:
    """Section 11.1: from that moment on."""
    wire.stop_clock("2030-01-01T00:00:00.000Z")
    read, refreshed = Hook.create(wire), Hook.create(wire)
    wire.wait(5 * DAY)
    read.page()
    assert wire.good("POST", f"{refreshed.path}/refresh", {}) == {"expirationTime": "2030-01-13T00:00:00.000Z"}
    assert {hook["expirationTime"] for hook in wire.good("GET", HOOKS)["webhooks"]} == {"2030-01-13T00:00:00.000Z"}
    wire.wait(6 * DAY)
    assert read.told()["isHookEnabled"] is True and refreshed.told()["isHookEnabled"] is True
    wire.wait(2 * DAY)
    assert read.told()["isHookEnabled"] is False
    read.page()
    assert read.told()["isHookEnabled"] is False, "too late: only an active one is extended by reading"


def test_payloads_are_kept_for_a_week_and_their_numbers_go_on(wire: Wire) -> None:
    """Section 11.1."""
    wire.stop_clock("2030-01-01T00:00:00.000Z")
    hook = Hook.create(wire)
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 1}})
    wire.wait(6 * DAY)
    assert len(hook.payloads()) == 1
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 2}})
    wire.wait(2 * DAY)
    (left,) = hook.page("?cursor=2")["payloads"]
    assert left["timestamp"] == "2030-01-07T00:00:00.000Z" and hook.told()["cursorForNextPayload"] == 3
    from_start = hook.page()
    assert from_start["payloads"] in ([], [left]) and from_start["cursor"] in (1, 3), "the first is too old"


def test_a_ping_is_tried_thirteen_times_more_and_then_there_are_none(wire: Wire) -> None:
    """Section 11.3: ever later, for about a day; payloads go on. Half a day is longer than any of the gaps."""
    with Receiver(status=500) as receiver:
        wire.own("PUT", "clock", {"stopped": True})
        hook = Hook.create(wire, url=receiver.url)
        wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 1}})
        tries = []
        for number in range(14):
            result = until(lambda: (told := hook.told()["lastNotificationResult"]) and told["retryNumber"] == number and told)
            tries.append((result["success"], result["willBeRetried"]))
            wire.wait(DAY / 2 if number < 13 else 0)
        assert tries == [(False, True)] * 13 + [(False, False)]
        assert hook.told()["areNotificationsEnabled"] is False
        wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 2}})
        assert hook.told()["cursorForNextPayload"] == 3


def test_a_ping_that_is_taken_at_last_ends_the_series(wire: Wire) -> None:
    """Section 11.3: after ten seconds."""
    with Receiver(status=503) as receiver:
        wire.own("PUT", "clock", {"stopped": True})
        hook = Hook.create(wire, url=receiver.url)
        wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 1}})
        until(lambda: hook.told()["lastNotificationResult"])
        receiver.status = 200
        wire.wait(11)
        result = until(lambda: (told := hook.told()["lastNotificationResult"])["success"] and told)
        assert result["retryNumber"] == 1 and hook.told()["lastSuccessfulNotificationTime"]
