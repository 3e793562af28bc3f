"""Faults that are asked for, and what clients make of them (sections 3.2, 3.3 and 14.1 of Airtable's reference)."""

import time
from collections.abc import Iterator

import pytest
import requests
from pyairtable import Api, retry_strategy

from harbour import BERTHS, EAST, FULL, HARBOUR, NO_LIMITS
from wire import BERTHS_PATH, Wire, cells

RETRIABLE = {"type": "RETRIABLE_ERROR", "message": "Server encountered an error while processing your request, and it is safe to retry the request"}
QUICK = retry_strategy(backoff_factor=0.001)


@pytest.fixture
def faults(wire: Wire) -> Iterator:
    """Whoever tests the gateway's manners has tests of their own: these are of the emulator."""
    wire.url = wire.unpaced.url

    def put(**asked: object) -> None:
        requests.put(f"{wire.url}/__emulator/faults", json=asked, timeout=5).raise_for_status()

    yield put
    put()


def seen(wire: Wire) -> list[dict]:
    """The requests since the last reset."""
    return requests.get(f"{wire.url}/__emulator/requests", timeout=5).json()["requests"]


def test_faults_are_told_as_they_were_asked_for(wire: Wire, faults) -> None:
    faults(refusePercent=30, refuseStatus=502, latencyMinMs=1, latencyMaxMs=3)
    told = requests.get(f"{wire.url}/__emulator/faults", timeout=5).json()
    assert (told["refusePercent"], told["refuseStatus"], told["latencyMinMs"], told["latencyMaxMs"], told["truncatePercent"]) == (30, 502, 1, 3, 0)
    for wrong in ({"refusePercent": 101}, {"refusePercent": -1}, {"refuseStatus": 418}, {"latencyMinMs": 5, "latencyMaxMs": 1}, {"colour": 1}, [], {"truncatePercent": "all"}):
        answer = requests.put(f"{wire.url}/__emulator/faults", json=wrong, timeout=5)
        assert 400 <= answer.status_code < 500, wrong
    assert requests.get(f"{wire.url}/__emulator/faults", timeout=5).json() == told, "what is wrong changes nothing"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_refusal_does_nothing(wire: Wire, faults, status: int) -> None:
    """Sections 3.1 to 3.3: with the body that belongs to the status."""
    faults(refusePercent=100, refuseStatus=status)
    answer = wire.ask("POST", BERTHS_PATH, {"fields": {"Berth": "x"}})
    assert answer.status_code == status
    if status == 503:
        assert answer.json()["error"] == RETRIABLE
    if status == 429:
        assert answer.json() == {"errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}]}
    faults()
    assert len(wire.good("GET", BERTHS_PATH)["records"]) == 3


def test_some_are_refused_and_some_are_not(wire: Wire, faults) -> None:
    faults(refusePercent=50)
    states = [wire.ask("GET", BERTHS_PATH).status_code for _ in range(60)]
    assert set(states) == {200, 503} and 10 <= states.count(503) <= 50


def test_a_connection_is_cut_before_or_after_the_work(wire: Wire, faults) -> None:
    """A client cannot tell which: a write that was cut off may have happened."""
    for key, name in (("cutBeforePercent", "before"), ("cutAfterPercent", "after")):
        faults(**{key: 100})
        with pytest.raises(requests.ConnectionError):
            wire.ask("POST", BERTHS_PATH, {"fields": {"Berth": name}})
    faults()
    names = cells(wire.good("GET", BERTHS_PATH)["records"], "Berth")
    assert "before" not in names and "after" in names


def test_an_answer_that_ends_in_the_middle(wire: Wire, faults) -> None:
    """The write was done."""
    faults(truncatePercent=100)
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        wire.ask("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 77}})
    faults()
    assert wire.good("GET", f"{BERTHS_PATH}/{EAST}")["fields"]["Depth"] == 77


def test_answers_that_take_their_time(wire: Wire, faults) -> None:
    faults(latencyMinMs=150, latencyMaxMs=200)
    answer = wire.ask("GET", BERTHS_PATH)
    assert answer.status_code == 200 and answer.elapsed.total_seconds() >= 0.15
    with pytest.raises(requests.ReadTimeout):
        requests.get(wire.url + BERTHS_PATH, headers={"Authorization": f"Bearer {FULL}"}, timeout=0.05)


def test_the_emulators_own_api_has_no_faults(wire: Wire, faults) -> None:
    """Else nobody could end them."""
    for asked in ({"refusePercent": 100}, {"cutBeforePercent": 100}, {"truncatePercent": 100}):
        faults(**asked)
        assert requests.get(f"{wire.url}/__emulator/counters", timeout=5).status_code == 200
    assert requests.post(f"{wire.url}/__emulator/reset", json={}, timeout=5).ok
    assert wire.ask("GET", BERTHS_PATH).status_code == 200, "a reset ends them"


def test_the_client_asks_six_times_before_it_gives_up(wire: Wire, faults) -> None:
    """Section 14.1: at 429 only, whatever the method; writes of such a series do not happen."""
    faults(refusePercent=100, refuseStatus=429)
    berths = Api(FULL, endpoint_url=wire.url, retry_strategy=QUICK).table(HARBOUR, BERTHS)
    for call in (berths.all, lambda: berths.create({"Berth": "x"}), lambda: berths.delete(EAST)):
        before = len(seen(wire))
        with pytest.raises(requests.exceptions.RetryError):
            call()
        assert [request["status"] for request in seen(wire)[before:]] == [429] * 6
    faults()
    assert len(berths.all()) == 3


@pytest.mark.parametrize("status", [500, 502, 503])
def test_the_client_asks_once_at_other_errors(wire: Wire, faults, status: int) -> None:
    """Section 14.1: without `Retry-After`."""
    faults(refusePercent=100, refuseStatus=status)
    with pytest.raises(requests.HTTPError) as told:
        Api(FULL, endpoint_url=wire.url, retry_strategy=QUICK).table(HARBOUR, BERTHS).all()
    assert told.value.response.status_code == status and len(seen(wire)) == 1


def test_the_client_waits_as_long_as_it_is_told(wire: Wire) -> None:
    """Section 14.1: with `Retry-After` it outlives the penalty, which its own patience would not."""
    wire.url = wire.unpaced.url
    berths = Api(FULL, endpoint_url=wire.url).table(HARBOUR, BERTHS)
    strict = {**NO_LIMITS, "requestsPerSecondPerBase": 2, "penaltySeconds": 1}
    requests.put(f"{wire.url}/__emulator/limits", json={**strict, "retryAfterHeader": True}, timeout=5).raise_for_status()
    for depth in range(40):
        assert berths.update(EAST, {"Depth": depth})["fields"]["Depth"] == depth
        if 429 in {request["status"] for request in seen(wire)}:
            break
    else:
        raise AssertionError("never too fast")
    requests.put(f"{wire.url}/__emulator/limits", json={**strict, "penaltySeconds": 30}, timeout=5).raise_for_status()
    hasty = Api(FULL, endpoint_url=wire.url, retry_strategy=QUICK).table(HARBOUR, BERTHS)
    with pytest.raises(requests.exceptions.RetryError):
        for depth in range(30):
            hasty.update(EAST, {"Depth": depth})


def test_an_outage_comes_and_goes_by_the_clock(wire: Wire, faults) -> None:
    """Section 3.2: nothing is carried out meanwhile."""
    wire.own("PUT", "clock", {"stopped": True})
    faults(outages=[{"afterSeconds": 10, "forSeconds": 20, "status": 502}, {"afterSeconds": 60, "forSeconds": 5}])
    states = []
    for _ in range(7):
        try:
            states.append(wire.ask("POST", BERTHS_PATH, {"fields": {"Berth": "x"}}).status_code)
        except requests.ConnectionError:
            states.append(None)
        wire.wait(10.1)
    assert states == [200, 502, 502, 200, 200, 200, None]
    assert wire.ask("GET", BERTHS_PATH).status_code == 200
    assert len(wire.good("GET", BERTHS_PATH)["records"]) == 3 + 4


def test_an_answer_that_is_not_airtables(wire: Wire, faults) -> None:
    """The write was done; no client takes the answer for a record."""
    faults(rubbishPercent=100)
    berths = Api(FULL, endpoint_url=wire.url, retry_strategy=QUICK).table(HARBOUR, BERTHS)
    for depth in range(8):
        with pytest.raises((requests.RequestException, ValueError, KeyError, TypeError, AttributeError)):
            berths.update(EAST, {"Depth": depth})["fields"]["Depth"]
    faults()
    assert wire.good("GET", f"{BERTHS_PATH}/{EAST}")["fields"]["Depth"] == 7


def test_an_answer_that_trickles(wire: Wire, faults) -> None:
    """Complete at last; a client with a limit between two bytes does not notice, one with a limit in total does."""
    whole = wire.ask("GET", BERTHS_PATH).content
    faults(slowPercent=100, slowBytesPerSecond=1000)
    with requests.get(wire.url + BERTHS_PATH, headers={"Authorization": f"Bearer {FULL}"}, timeout=5, stream=True) as slow:
        begun = time.monotonic()
        assert slow.content == whole
    assert time.monotonic() - begun > len(whole) / 1000 / 2


def test_faults_of_some_requests_only(wire: Wire, faults) -> None:
    """By method, by what the target contains, and so many."""
    faults(refusePercent=100, methods=["POST", "PATCH"])
    assert [wire.ask("GET", BERTHS_PATH).status_code, wire.ask("POST", BERTHS_PATH, {"fields": {}}).status_code] == [200, 503]
    faults(refusePercent=100, target=EAST)
    assert [wire.ask("GET", f"{BERTHS_PATH}/{EAST}").status_code, wire.ask("GET", BERTHS_PATH).status_code] == [503, 200]
    faults(refusePercent=100, requests=2)
    assert [wire.ask("GET", BERTHS_PATH).status_code for _ in range(4)] == [503, 503, 200, 200]


def test_latencies_may_be_spread_as_they_are_in_life(wire: Wire, faults) -> None:
    """Most are short and a few are long, within the bounds; a busy machine adds to them and takes nothing away."""
    faults(latencyMedianMs=10, latencyP99Ms=80, latencyMinMs=4, latencyMaxMs=100)
    times = sorted(wire.ask("GET", f"{BERTHS_PATH}/{EAST}").elapsed.total_seconds() * 1000 for _ in range(40))
    assert times[0] >= 4 and times[20] > 7 and times[38] > times[5] + 5
