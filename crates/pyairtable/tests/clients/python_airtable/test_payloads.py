"""What webhooks tell of changes, and its numbers without gaps (sections 7 and 11.4 of Airtable's reference)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harbour import ADA, ADA_CELL, BERTHS, CRATES, EAST, HARBOUR, NORTH, SHIPS, SOUTH, WORKSPACES, ident
from hooks import HOOKS, Hook
from wire import BERTHS_PATH, CRATES_PATH, CREATED_TIME, SHIPS_PATH, Wire

BERTH, DEPTH, MOORED = (ident("fld", name) for name in ("Berth", "Depth", "Moored"))
TABLES = f"/v0/meta/bases/{HARBOUR}/tables"
BERTH_FIELDS_PATH = f"{TABLES}/{BERTHS}/fields"


def test_a_payload_tells_when_and_by_whom(wire: Wire) -> None:
    """Section 11.4: the envelope."""
    hook = Hook.create(wire)
    made = wire.good("POST", BERTHS_PATH, {"fields": {"Berth": "West", "Depth": 0}})
    payload = hook.only()
    assert set(payload) == {"timestamp", "baseTransactionNumber", "payloadFormat", "actionMetadata", "changedTablesById"}
    assert CREATED_TIME.match(payload["timestamp"]) and payload["payloadFormat"] == "v0" and type(payload["baseTransactionNumber"]) is int
    user = payload["actionMetadata"]["sourceMetadata"]["user"]
    assert payload["actionMetadata"] == {"source": "publicApi", "sourceMetadata": {"user": user}}
    assert {"id", "email", "permissionLevel"} <= set(user) <= {"id", "email", "name", "permissionLevel", "profilePicUrl"}
    assert (user["id"], user["email"], user["permissionLevel"]) == (ADA, ADA_CELL["email"], "create")
    created = {made["id"]: {"createdTime": made["createdTime"], "cellValuesByFieldId": {BERTH: "West", DEPTH: 0}}}
    assert payload["changedTablesById"] == {BERTHS: {"createdRecordsById": created}}


def test_a_change_tells_the_cells_that_changed(wire: Wire) -> None:
    """Section 11.4: not the others; a cleared one is null."""
    hook = Hook.create(wire)
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 4}})
    assert hook.changes(BERTHS) == {"changedRecordsById": {EAST: {"current": {"cellValuesByFieldId": {DEPTH: 4}}}}}
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": None}})
    assert hook.changes(BERTHS, 2) == {"changedRecordsById": {EAST: {"current": {"cellValuesByFieldId": {DEPTH: None}}}}}
    wire.good("PUT", f"{BERTHS_PATH}/{NORTH}", {"fields": {"Depth": 1}})
    assert hook.changes(BERTHS, 3) == {"changedRecordsById": {NORTH: {"current": {"cellValuesByFieldId": {BERTH: None, DEPTH: 1}}}}}


def test_what_was_before_and_what_did_not_change_are_told_if_asked_for(wire: Wire) -> None:
    """Sections 11.2 and 11.4."""
    old, every = Hook.create(wire, includes={"includePreviousCellValues": True}), Hook.create(wire, includes={"includeCellValuesInFieldIds": "all"})
    named = Hook.create(wire, includes={"includeCellValuesInFieldIds": [BERTH, DEPTH], "includePreviousCellValues": True})
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 4}})
    current, previous, unchanged = {"cellValuesByFieldId": {DEPTH: 4}}, {"cellValuesByFieldId": {DEPTH: 3}}, {"cellValuesByFieldId": {BERTH: "Berth East"}}
    assert old.changes(BERTHS)["changedRecordsById"] == {EAST: {"current": current, "previous": previous}}
    told = every.changes(BERTHS)["changedRecordsById"][EAST]
    assert told["current"] == current and told["unchanged"]["cellValuesByFieldId"][BERTH] == "Berth East" and "previous" not in told
    assert named.changes(BERTHS)["changedRecordsById"] == {EAST: {"current": current, "previous": previous, "unchanged": unchanged}}


def test_a_deletion_names_what_is_gone(wire: Wire) -> None:
    """Section 11.4."""
    hook = Hook.create(wire)
    wire.good("DELETE", f"{BERTHS_PATH}/{EAST}")
    assert hook.changes(BERTHS) == {"destroyedRecordIds": [EAST]}
    wire.good("DELETE", f"{BERTHS_PATH}?records[]={NORTH}&records[]={SOUTH}")
    gone = [record for payload in hook.payloads(2) for record in payload["changedTablesById"][BERTHS]["destroyedRecordIds"]]
    assert sorted(gone) == sorted([NORTH, SOUTH])


def test_a_batch_is_one_transaction(wire: Wire) -> None:
    """Section 11.4: if it is told in several payloads, they share its time, number and author."""
    hook = Hook.create(wire)
    made = wire.good("POST", BERTHS_PATH, {"records": [{"fields": {"Berth": f"b{number}"}} for number in range(10)]})["records"]
    payloads = hook.payloads()
    assert len({(payload["timestamp"], payload["baseTransactionNumber"]) for payload in payloads}) == 1
    told = [record for payload in payloads for record in payload["changedTablesById"][BERTHS]["createdRecordsById"]]
    assert sorted(told) == sorted(record["id"] for record in made)


def test_an_upsert_tells_what_was_made_and_what_was_changed(wire: Wire) -> None:
    """Sections 5.6 and 11.4."""
    hook = Hook.create(wire)
    body = {"performUpsert": {"fieldsToMergeOn": ["Berth"]}, "records": [{"fields": {"Berth": "Berth East", "Depth": 9}}, {"fields": {"Berth": "West"}}]}
    answer = wire.good("PATCH", BERTHS_PATH, body)
    changed, created = {}, {}
    for payload in hook.payloads():
        told = payload["changedTablesById"][BERTHS]
        changed.update(told.get("changedRecordsById", {}))
        created.update(told.get("createdRecordsById", {}))
    assert changed == {EAST: {"current": {"cellValuesByFieldId": {DEPTH: 9}}}}
    assert {record: told["cellValuesByFieldId"] for record, told in created.items()} == {answer["createdRecords"][0]: {BERTH: "West"}}


def test_what_is_refused_is_not_told(wire: Wire) -> None:
    """Section 3.3: a failed batch writes nothing."""
    hook = Hook.create(wire)
    wire.refused(422, "UNKNOWN_FIELD_NAME", "POST", BERTHS_PATH, {"records": [{"fields": {"Berth": "x"}}, {"fields": {"Nope": 1}}]})
    wire.refused(404, "MODEL_ID_NOT_FOUND", "DELETE", f"{BERTHS_PATH}/{ident('rec', 'Nope')}")
    assert hook.page() == {"payloads": [], "cursor": 1, "mightHaveMore": False}


def test_twenty_changes_are_twenty_payloads(wire: Wire) -> None:
    """Section 11.4: at once, none merged, oldest first, in transactions of their own."""
    hook = Hook.create(wire)
    for number in range(20):
        wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 100 + number}})
    payloads = hook.payloads()
    depths = [payload["changedTablesById"][BERTHS]["changedRecordsById"][EAST]["current"]["cellValuesByFieldId"][DEPTH] for payload in payloads]
    assert depths == list(range(100, 120))
    numbers, times = ([payload[key] for payload in payloads] for key in ("baseTransactionNumber", "timestamp"))
    assert numbers == sorted(set(numbers)) and times == sorted(times)


def test_payloads_come_in_pages_of_fifty(wire: Wire) -> None:
    """Sections 4 and 11.4: `cursor` is the number of the next; `limit` up to fifty."""
    hook = Hook.create(wire)
    for number in range(60):
        wire.unpaced.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": number + 100}})
    first = hook.page()
    assert (len(first["payloads"]), first["cursor"], first["mightHaveMore"]) == (50, 51, True)
    rest = hook.page("?cursor=51")
    assert (len(rest["payloads"]), rest["cursor"], rest["mightHaveMore"]) == (10, 61, False)
    assert hook.page("?cursor=61") == {"payloads": [], "cursor": 61, "mightHaveMore": False}
    few = hook.page("?cursor=7&limit=3")
    assert (few["payloads"], few["cursor"], few["mightHaveMore"]) == (first["payloads"][6:9], 10, True)
    last = hook.page("?cursor=60&limit=1")
    assert (last["payloads"], last["cursor"]) == (rest["payloads"][9:], 61)
    assert hook.told()["cursorForNextPayload"] == 61
    for query in ("limit=51", "limit=0", "limit=x", "cursor=x", "cursor=-1", "cursor=1.5"):
        assert wire.ask("GET", f"{hook.path}/payloads?{query}").status_code == 422, query


def test_numbers_have_no_gaps_while_many_write(wire: Wire) -> None:
    """Section 11.4: every write once, also for who reads while they write."""
    hook, everything = Hook.create(wire, recordChangeScope=BERTHS), Hook.create(wire)
    done, seen = threading.Event(), []

    def read() -> None:
        cursor = 1
        while True:
            last = done.is_set()
            page = wire.ask("GET", f"{hook.path}/payloads?cursor={cursor}").json()
            assert page["cursor"] == cursor + len(page["payloads"])
            seen.extend(page["payloads"])
            cursor = page["cursor"]
            if last and not page["mightHaveMore"]:
                return

    def write(number: int) -> None:
        path, name = ((BERTHS_PATH, "Berth"), (CRATES_PATH, "Mark"))[number % 2]
        wire.unpaced.good("POST", path, {"fields": {name: f"w{number}"}})

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(120)))
    done.set()
    reader.join()
    names = [created["cellValuesByFieldId"][BERTH] for payload in seen for created in payload["changedTablesById"][BERTHS]["createdRecordsById"].values()]
    assert sorted(names) == sorted(f"w{number}" for number in range(0, 120, 2))
    assert seen == hook.payloads() and len(everything.payloads()) == 120
    numbers = [payload["baseTransactionNumber"] for payload in everything.payloads()]
    assert numbers == list(range(numbers[0], numbers[0] + 120))


def test_links_are_told_on_both_sides(wire: Wire) -> None:
    """Sections 7 and 11.4: as `{id, name}`; what is computed from them too, in the same payload or one that follows."""
    hook = Hook.create(wire)
    ship = wire.ship(Ship="Pia", Berths=[EAST])
    told: dict = {}
    for payload in hook.payloads():
        for table, change in payload["changedTablesById"].items():
            told.setdefault(table, {}).update(change)
    cells = told[SHIPS]["createdRecordsById"][ship["id"]]["cellValuesByFieldId"]
    assert cells[ident("fld", "Berths")] == [{"id": EAST, "name": "Berth East"}]
    assert told[BERTHS]["changedRecordsById"][EAST]["current"]["cellValuesByFieldId"] == {MOORED: [{"id": ship["id"], "name": "Pia"}]}
    assert cells[ident("fld", "Depthsum")] == 3 and cells[ident("fld", "Howmany")] == 1
    assert cells[ident("fld", "Names")] == {"linkedRecordIds": [EAST], "valuesByLinkedRecordId": {EAST: ["Berth East"]}}


def test_cells_have_the_shapes_of_webhooks(wire: Wire) -> None:
    """Section 7, column V2."""
    hook = Hook.create(wire)
    given = {
        "Ship": "Pia", "Log": "a\nb", "Tonnage": 1.25, "Crew": 0, "Load": 0.5, "Price": 3, "Voyage": 60, "Rank": 2, "Seaworthy": True, "Flag": "Malta", "Cargo": ["Silk", "Tin"],
        "Launched": "1999-12-31", "Docked": "2024-05-06T07:08:09.123Z", "Captain": {"id": ADA}, "Mates": [{"id": ADA}], "Tag": {"text": "42"},
    }
    ship = wire.ship(**given)
    created = hook.changes(SHIPS)["createdRecordsById"][ship["id"]]
    cells = created["cellValuesByFieldId"]

    def cell(name: str) -> object:
        return cells[ident("fld", name)]

    for name in ("Ship", "Log", "Tonnage", "Crew", "Load", "Price", "Voyage", "Rank", "Seaworthy", "Launched", "Docked"):
        assert cell(name) == ship["fields"][name], name
    assert cell("Tag")["text"] == "42"
    choices = {choice["name"]: choice for choice in schema_of(wire, SHIPS, "Flag")["options"]["choices"] + schema_of(wire, SHIPS, "Cargo")["options"]["choices"]}
    assert cell("Flag") == choices["Malta"] and cell("Cargo") == [choices["Silk"], choices["Tin"]]
    for name in ("Captain", "Maker", "Toucher"):
        person = cell(name)
        assert {key: person[key] for key in ("id", "email", "name")} == ADA_CELL and person["permissionLevel"] == "create", name
    assert [person["id"] for person in cell("Mates")] == [ADA]
    assert (cell("No"), cell("Made"), cell("Twice")) == (ship["fields"]["No"], ship["fields"]["Made"], 0)


def schema_of(wire: Wire, table: str, name: str) -> dict:
    tables = wire.good("GET", TABLES)["tables"]
    return next(field for found in tables if found["id"] == table for field in found["fields"] if field["name"] == name)


def test_computed_cells_follow(wire: Wire) -> None:
    """Section 11.4: in the same payload or in one that follows."""
    ship = wire.ship(Ship="Pia", Crew=2)
    hook = Hook.create(wire, includes={"includePreviousCellValues": True})
    wire.good("PATCH", f"{SHIPS_PATH}/{ship['id']}", {"fields": {"Crew": 5}})
    now, before = {}, {}
    for payload in hook.payloads():
        told = payload["changedTablesById"][SHIPS]["changedRecordsById"][ship["id"]]
        now.update(told["current"]["cellValuesByFieldId"])
        before.update(told["previous"]["cellValuesByFieldId"])
    crew, twice = ident("fld", "Crew"), ident("fld", "Twice")
    assert (now[crew], now[twice], before[crew], before[twice]) == (5, 10, 2, 4)
    assert ident("fld", "Ship") not in now and ident("fld", "No") not in now


@pytest.mark.parametrize(("kind", "key"), [("add", "createdRecordsById"), ("update", "changedRecordsById"), ("remove", "destroyedRecordIds")])
def test_kinds_of_changes_are_filtered(wire: Wire, kind: str, key: str) -> None:
    """Section 11.2: changeTypes."""
    hook = Hook.create(wire, changeTypes=[kind])
    made = wire.good("POST", CRATES_PATH, {"fields": {"Mark": "x"}})
    wire.good("PATCH", f"{CRATES_PATH}/{made['id']}", {"fields": {"Mark": "y"}})
    wire.good("DELETE", f"{CRATES_PATH}/{made['id']}")
    assert list(hook.changes(CRATES)) == [key] and made["id"] in hook.changes(CRATES)[key]


def test_sources_are_filtered(wire: Wire) -> None:
    """Section 11.2: fromSources."""
    ours, others = Hook.create(wire, fromSources=["publicApi"]), Hook.create(wire, fromSources=["client", "automation", "system", "sync"])
    wire.good("POST", BERTHS_PATH, {"fields": {"Berth": "x"}})
    assert len(ours.payloads()) == 1 and others.payloads() == []


def test_tables_are_filtered(wire: Wire) -> None:
    """Section 11.2: recordChangeScope."""
    hook = Hook.create(wire, recordChangeScope=BERTHS)
    wire.good("POST", CRATES_PATH, {"fields": {"Mark": "x"}})
    assert hook.payloads() == []
    ship = wire.ship(Berths=[NORTH])
    assert set(hook.changes(BERTHS)["changedRecordsById"]) == {NORTH}, ship


def test_fields_are_filtered(wire: Wire) -> None:
    """Section 11.2: watchDataInFieldIds."""
    hook = Hook.create(wire, watchDataInFieldIds=[DEPTH], changeTypes=["update"])
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Berth": "E"}})
    assert hook.payloads() == []
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 8}})
    assert hook.changes(BERTHS)["changedRecordsById"][EAST]["current"]["cellValuesByFieldId"] == {DEPTH: 8}


def test_a_view_tells_of_its_records(wire: Wire) -> None:
    """Section 11.4: under `changedViewsById`, if the scope is a view."""
    view = ident("viw", "BerthAll")
    hook = Hook.create(wire, recordChangeScope=view)
    made = wire.good("POST", BERTHS_PATH, {"fields": {"Berth": "x"}})
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 4}})
    wire.good("DELETE", f"{BERTHS_PATH}/{NORTH}")
    wire.good("POST", CRATES_PATH, {"fields": {"Mark": "x"}})
    created, changed, gone = (payload["changedTablesById"][BERTHS]["changedViewsById"][view] for payload in hook.payloads())
    assert created["createdRecordsById"] == {made["id"]: {"createdTime": made["createdTime"], "cellValuesByFieldId": {BERTH: "x"}}}
    assert changed == {"changedRecordsById": {EAST: {"current": {"cellValuesByFieldId": {DEPTH: 4}}}}}
    assert gone == {"destroyedRecordIds": [NORTH]}


def test_fields_that_are_made_and_renamed_are_told(wire: Wire) -> None:
    """Section 11.4: to who watches tableFields."""
    hook, old, rows = Hook.create(wire, "tableFields"), Hook.create(wire, "tableFields", includes={"includePreviousFieldDefinitions": True}), Hook.create(wire)
    made = wire.good("POST", BERTH_FIELDS_PATH, {"name": "Owner", "type": "singleLineText"})
    assert hook.changes(BERTHS) == {"createdFieldsById": {made["id"]: {"name": "Owner", "type": "singleLineText"}}}
    wire.good("PATCH", f"{BERTH_FIELDS_PATH}/{made['id']}", {"name": "Landlord"})
    assert hook.changes(BERTHS, 2)["changedFieldsById"][made["id"]]["current"]["name"] == "Landlord"
    assert old.changes(BERTHS, 2)["changedFieldsById"][made["id"]]["previous"]["name"] == "Owner"
    assert rows.payloads() == []


def test_schemas_of_fields_are_filtered(wire: Wire) -> None:
    """Section 11.2: watchSchemasOfFieldIds."""
    hook = Hook.create(wire, "tableFields", watchSchemasOfFieldIds=[DEPTH])
    wire.good("PATCH", f"{BERTH_FIELDS_PATH}/{BERTH}", {"name": "Place"})
    assert hook.payloads() == []
    wire.good("PATCH", f"{BERTH_FIELDS_PATH}/{DEPTH}", {"name": "Draught"})
    assert hook.changes(BERTHS)["changedFieldsById"][DEPTH]["current"]["name"] == "Draught"


def test_tables_that_are_made_and_renamed_are_told(wire: Wire) -> None:
    """Section 11.4: to who watches tableMetadata."""
    hook = Hook.create(wire, "tableMetadata")
    made = wire.good("POST", TABLES, {"name": "Cranes", "description": "Tall", "fields": [{"name": "Crane", "type": "singleLineText"}]})
    told = hook.only()["createdTablesById"][made["id"]]
    assert told["metadata"] == {"name": "Cranes", "description": "Tall"}
    assert told["fieldsById"] == {made["primaryFieldId"]: {"name": "Crane", "type": "singleLineText"}}
    wire.good("PATCH", f"{TABLES}/{BERTHS}", {"name": "Places"})
    changed = hook.only(2)["changedTablesById"][BERTHS]["changedMetadata"]
    assert (changed["current"]["name"], changed["previous"]["name"]) == ("Places", "Berths")
    wire.good("PATCH", f"{TABLES}/{BERTHS}", {"description": "Where ships lie"})
    assert hook.only(3)["changedTablesById"][BERTHS]["changedMetadata"]["current"]["description"] == "Where ships lie"


def test_values_of_choices_that_typecast_makes_are_told_with_them(wire: Wire) -> None:
    """Sections 5.8 and 7."""
    hook = Hook.create(wire)
    made = wire.good("POST", CRATES_PATH, {"fields": {"Grade": "Royal"}, "typecast": True})
    cell = hook.changes(CRATES)["createdRecordsById"][made["id"]]["cellValuesByFieldId"][ident("fld", "Grade")]
    assert cell == next(choice for choice in schema_of(wire, CRATES, "Grade")["options"]["choices"] if choice["name"] == "Royal")


def test_a_scope_of_workspaces_shows_no_payloads(wire: Wire) -> None:
    """Section 1."""
    hook = Hook.create(wire)
    assert wire.ask("GET", f"{hook.path}/payloads", key=WORKSPACES).status_code == 403
    assert wire.ask("GET", HOOKS, key=WORKSPACES).status_code == 403


def test_what_is_computed_elsewhere_is_told_with_the_write(wire: Wire) -> None:
    """Section 11.4; section 15: a write in one table changes another. One write stays one number."""
    ship = wire.ship(Ship="Pia", Berths=[EAST, NORTH])
    hook, of_ships = Hook.create(wire), Hook.create(wire, recordChangeScope=SHIPS)
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 100, "Berth": "Deep East"}})
    told = hook.only()["changedTablesById"]
    assert told[BERTHS]["changedRecordsById"][EAST]["current"]["cellValuesByFieldId"] == {BERTH: "Deep East", DEPTH: 100}
    cells = told[SHIPS]["changedRecordsById"][ship["id"]]["current"]["cellValuesByFieldId"]
    assert cells[ident("fld", "Depthsum")] == 107.5
    assert cells[ident("fld", "Names")]["valuesByLinkedRecordId"] == {EAST: ["Deep East"], NORTH: ["Berth North"]}
    assert set(of_ships.only()["changedTablesById"]) == {SHIPS}


def test_a_new_field_that_is_computed_tells_its_cells_or_none(wire: Wire) -> None:
    """Section 11.4: whatever it tells, the numbers go on."""
    hook = Hook.create(wire, "tableData", "tableFields")
    wire.good("POST", BERTH_FIELDS_PATH, {"name": "Double", "type": "formula", "options": {"formula": "{Depth}*2"}})
    wire.good("POST", BERTHS_PATH, {"fields": {"Berth": "x", "Depth": 4}})
    payloads = hook.payloads()
    (created,) = payloads[-1]["changedTablesById"][BERTHS]["createdRecordsById"].values()
    assert 8 in created["cellValuesByFieldId"].values()
