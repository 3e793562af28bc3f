"""Changes that people make in Airtable's own interface, past its API (sections 5.2, 11 and 15 of Airtable's reference)."""

import requests

from harbour import ADA, BERTHS, BO, CRATES, EAST, FULL, HARBOUR, NORTH, SHIPS, ident
from hooks import Hook
from wire import BERTHS_PATH, CRATES_PATH, SHIPS_PATH, Wire


def edit(wire: Wire, *calls: tuple, **more: object) -> list[dict]:
    edits = [{"method": method, "path": path, **({"body": body[0]} if body else {})} for method, path, *body in calls]
    return wire.own("POST", "edits", {"edits": edits, **more})["answers"]


def edited(wire: Wire, *calls: tuple, **more: object) -> list[dict]:
    answers = edit(wire, *calls, **more)
    assert [answer["status"] for answer in answers] == [200] * len(calls), answers
    return [answer["body"] for answer in answers]


def test_an_edit_is_made_by_somebody(wire: Wire) -> None:
    """The first user, unless another is named."""
    for who, more in ((ADA, {}), (BO, {"user": BO}), (BO, {"user": "bo@harbour.test"})):
        (made,) = edited(wire, ("POST", SHIPS_PATH, {"fields": {"Ship": "By hand"}}), **more)
        assert wire.good("GET", f"{SHIPS_PATH}/{made['id']}")["fields"]["Maker"]["id"] == who


def test_an_edit_is_a_change_by_a_person(wire: Wire) -> None:
    """Section 11.4: by name, by source; told to webhooks as what it is."""
    hook = Hook.create(wire)
    ours, theirs = Hook.create(wire, fromSources=["publicApi"]), Hook.create(wire, fromSources=["client"])
    (made, _) = edited(wire, ("POST", SHIPS_PATH, {"fields": {"Ship": "By hand"}}), ("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 8}}), user=BO)
    assert wire.good("GET", f"{SHIPS_PATH}/{made['id']}")["fields"]["Maker"]["id"] == BO
    payloads = hook.payloads()
    assert len(payloads) == 2 and payloads == theirs.payloads() and ours.payloads() == []
    for payload in payloads:
        assert payload["actionMetadata"]["source"] == "client" and payload["actionMetadata"]["sourceMetadata"]["user"]["id"] == BO
    assert payloads[1]["changedTablesById"][BERTHS]["changedRecordsById"][EAST]["current"]["cellValuesByFieldId"] == {ident("fld", "Depth"): 8}


def test_edits_are_not_of_the_api(wire: Wire) -> None:
    """They count to no limit, stand in no log and meet no fault."""
    wire.limit(requestsPerSecondPerBase=1)
    wire.own("PUT", "faults", {"refusePercent": 100})
    edited(wire, *[("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": depth}}) for depth in range(20)])
    assert wire.own("GET", "requests")["requests"] == [] and wire.own("GET", "counters")["bases"][HARBOUR]["requests"] == 0
    wire.own("PUT", "faults", {})
    assert Wire(wire.admin or wire.url).good("GET", f"{BERTHS_PATH}/{EAST}")["fields"]["Depth"] == 19


def test_edits_are_seen_in_a_listing_that_goes_on(wire: Wire) -> None:
    """Section 5.2: somebody changes the table between two pages; nothing is lost that was not touched."""
    emulator = wire.unpaced
    first = emulator.good("GET", f"{CRATES_PATH}?pageSize=100")
    gone = [record["id"] for record in first["records"][:5]]
    edited(wire, ("DELETE", f"{CRATES_PATH}?{'&'.join(f'records[]={record}' for record in gone)}"), ("POST", CRATES_PATH, {"fields": {"Mark": "new"}}))
    found, offset = [record["id"] for record in first["records"]], first["offset"]
    while offset:
        page = emulator.good("GET", f"{CRATES_PATH}?pageSize=100&offset={offset.replace('/', '%2F')}")
        found += [record["id"] for record in page["records"]]
        offset = page.get("offset")
    assert len(found) == len(set(found)) and {ident("rec", f"Crate{number:03}") for number in range(230)} <= set(found)


def test_edits_that_are_refused_say_so(wire: Wire) -> None:
    """The others are made."""
    answers = edit(wire, ("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Nope": 1}}), ("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 5}}), ("GET", "/v0/nowhere"))
    assert [answer["status"] for answer in answers] == [422, 200, 404] and answers[0]["body"]["error"]["type"] == "UNKNOWN_FIELD_NAME"
    for wrong in ({}, {"edits": {}}, {"edits": [{"method": "GET"}]}, {"edits": [], "user": "nobody@harbour.test"}, {"edits": [], "colour": 1}, []):
        answer = requests.post(f"{wire.admin or wire.url}/__emulator/edits", json=wrong, timeout=5)
        assert answer.status_code == 422, wrong


def test_nobody_edits_with_a_token(wire: Wire) -> None:
    """They are of this machine, not of Airtable: a token neither helps nor hinders."""
    answer = requests.post(f"{wire.admin or wire.url}/__emulator/edits", json={"edits": []}, headers={"Authorization": f"Bearer {FULL}"}, timeout=5)
    assert answer.json() == {"answers": []}
    for foreign in ({"Host": "evil.test"}, {"Origin": "https://evil.test"}):
        assert requests.post(f"{wire.admin or wire.url}/__emulator/edits", json={"edits": []}, headers=foreign, timeout=5).status_code in (400, 403, 421), foreign
    assert edited(wire, ("GET", "/v0/meta/whoami"))[0]["id"] == ADA


def test_the_last_reader_of_a_page_sees_an_edit_at_once(wire: Wire) -> None:
    """Section 15: a write past the API; of the emulator itself, which keeps no cache."""
    emulator = wire.unpaced
    ship = emulator.good("POST", SHIPS_PATH, {"fields": {"Ship": "Pia", "Berths": [NORTH]}})
    edited(wire, ("PATCH", f"{BERTHS_PATH}/{NORTH}", {"fields": {"Depth": 50}}))
    assert emulator.good("GET", f"{SHIPS_PATH}/{ship['id']}")["fields"]["Depth sum"] == 50
    assert emulator.good("GET", f"/v0/{HARBOUR}/{SHIPS}")["records"][0]["fields"]["Depth sum"] == 50
    assert len(emulator.good("GET", f"/v0/{HARBOUR}/{CRATES}?pageSize=1")["records"]) == 1
