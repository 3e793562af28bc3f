"""Creates, updates, upserts, deletions and typecast (sections 5.4 to 5.8 of Airtable's reference)."""

from urllib.parse import quote

import pytest

from harbour import ADA_CELL, BERTHS, BO_CELL, EAST, HARBOUR, NORTH, SHIPS, SOUTH, ident
from wire import BERTHS_PATH, CRATES_PATH, SHIPS_PATH, Wire, cells

GONE = ident("rec", "Gone")
MERGE = {"performUpsert": {"fieldsToMergeOn": ["Berth"]}}


def test_one_record_is_answered_bare_and_several_in_a_list(wire: Wire) -> None:
    """Section 5.4; both flags may stand there as false."""
    flags = {"typecast": False, "returnFieldsByFieldId": False}
    one = wire.good("POST", BERTHS_PATH, {"fields": {"Berth": "A"}, **flags})
    assert set(one) == {"id", "createdTime", "fields"}
    many = wire.good("POST", BERTHS_PATH, {"records": [{"fields": {"Berth": name}} for name in "CBD"], **flags})
    assert set(many) == {"records"} and cells(many["records"], "Berth") == ["C", "B", "D"], "in the order asked"
    assert wire.good("POST", BERTHS_PATH, {"fields": {"Berth": None, "Depth": None}})["fields"] == {}


def test_new_ids_are_never_used_twice(wire: Wire) -> None:
    """Section 2."""
    first = wire.good("POST", BERTHS_PATH, {"records": [{"fields": {}}] * 10})["records"]
    wire.good("DELETE", f"{BERTHS_PATH}/{first[9]['id']}")
    second = wire.good("POST", BERTHS_PATH, {"records": [{"fields": {}}] * 10})["records"]
    assert len({record["id"] for record in first + second}) == 20


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_batch_is_updated_in_the_order_asked(wire: Wire, method: str) -> None:
    """Section 5.5: whole records; no lists of ids without performUpsert."""
    body = {"records": [{"id": SOUTH, "fields": {"Depth": 1}}, {"id": NORTH, "fields": {"Depth": 2}}]}
    answer = wire.good(method, BERTHS_PATH, body)
    assert set(answer) == {"records"}
    assert [record["id"] for record in answer["records"]] == [SOUTH, NORTH]
    assert cells(answer["records"], "Depth") == [1, 2]
    assert cells(answer["records"], "Berth") == (["Berth South", "Berth North"] if method == "PATCH" else [None, None])


def test_a_deletion_names_what_it_deleted(wire: Wire) -> None:
    """Section 5.7: one, several, with raw brackets or numbered ones."""
    assert wire.good("DELETE", f"{BERTHS_PATH}/{EAST}") == {"id": EAST, "deleted": True}
    query = f"records%5B%5D={SOUTH}&records%5B%5D={NORTH}"
    assert wire.good("DELETE", f"{BERTHS_PATH}?{query}") == {"records": [{"id": SOUTH, "deleted": True}, {"id": NORTH, "deleted": True}]}
    made = [record["id"] for record in wire.good("POST", BERTHS_PATH, {"records": [{"fields": {}}] * 2})["records"]]
    wire.good("DELETE", f"{BERTHS_PATH}/?records[0]={made[0]}&records[1]={made[1]}")
    assert wire.good("GET", BERTHS_PATH) == {"records": []}


def test_upsert_updates_what_it_finds_and_creates_the_rest(wire: Wire) -> None:
    """Section 5.6: in the order asked, with the ids of both kinds."""
    body = {"records": [{"fields": {"Berth": "West", "Depth": 1}}, {"fields": {"Berth": "Berth East", "Depth": 2}}, {"id": NORTH, "fields": {"Depth": 3}}], **MERGE}
    answer = wire.good("PATCH", BERTHS_PATH, body)
    assert set(answer) == {"records", "createdRecords", "updatedRecords"}
    ids = [record["id"] for record in answer["records"]]
    assert ids[1:] == [EAST, NORTH] and answer["createdRecords"] == ids[:1] and sorted(answer["updatedRecords"]) == sorted(ids[1:])
    assert cells(answer["records"], "Berth") == ["West", "Berth East", "Berth North"]


def test_upsert_by_put_clears_what_it_does_not_name(wire: Wire) -> None:
    """Section 5.6."""
    answer = wire.good("PUT", BERTHS_PATH, {"records": [{"fields": {"Berth": "Berth East"}}], **MERGE})
    assert answer["records"][0]["fields"] == {"Berth": "Berth East"} and answer["updatedRecords"] == [EAST]


def test_upsert_takes_ids_of_fields_and_up_to_three(wire: Wire) -> None:
    """Sections 4 and 5.6: all must agree."""
    one = {"records": [{"fields": {"fldBerth000000000": "Berth East", "Depth": 3}}], "performUpsert": {"fieldsToMergeOn": ["fldBerth000000000", "Depth"]}}
    assert wire.good("PATCH", BERTHS_PATH, one)["updatedRecords"] == [EAST]
    one["records"][0]["fields"]["Depth"] = 4  # type: ignore[index]
    assert wire.good("PATCH", BERTHS_PATH, one)["updatedRecords"] == []
    fields = {"Mark": "a", "Weight": 1, "Grade": "Best", "Remark": "b"}
    for count in (0, 4):
        body = {"records": [{"fields": fields}], "performUpsert": {"fieldsToMergeOn": list(fields)[:count]}}
        wire.refused(422, "INVALID_REQUEST_UNKNOWN", "PATCH", CRATES_PATH, body)
    three = wire.good("PATCH", CRATES_PATH, {"records": [{"fields": fields}], "performUpsert": {"fieldsToMergeOn": ["Mark", "Weight", "Grade"]}})
    assert len(three["createdRecords"]) == 1


def test_upsert_refuses_and_then_writes_nothing(wire: Wire) -> None:
    """Section 5.6: an unknown id, a merge field that is missing, two that match, a field that is computed or unknown."""
    good = {"fields": {"Berth": "should not appear"}}
    wire.refused(422, "ROW_DOES_NOT_EXIST", "PATCH", BERTHS_PATH, {"records": [good, {"id": GONE, "fields": {"Depth": 1}}], **MERGE})
    assert wire.ask("PATCH", BERTHS_PATH, {"records": [good, {"fields": {"Depth": 1}}], **MERGE}).status_code == 422
    twin = wire.good("POST", BERTHS_PATH, {"fields": {"Berth": "Berth East"}})
    assert wire.ask("PATCH", BERTHS_PATH, {"records": [good, {"fields": {"Berth": "Berth East"}}], **MERGE}).status_code == 422
    wire.good("DELETE", f"{BERTHS_PATH}/{twin['id']}")
    unknown = {"records": [good], "performUpsert": {"fieldsToMergeOn": ["Tiefe"]}}
    wire.refused(422, {"type": "UNKNOWN_FIELD_NAME", "message": 'Unknown field name: "Tiefe"'}, "PATCH", BERTHS_PATH, unknown)
    for name, value in (("No", 1), ("Twice", 2), ("Berths", [EAST]), ("Papers", []), ("Seaworthy", True)):
        body = {"records": [{"fields": {name: value}}], "performUpsert": {"fieldsToMergeOn": [name]}}
        assert wire.ask("PATCH", SHIPS_PATH, body).status_code == 422, name
    assert sorted(cells(wire.good("GET", BERTHS_PATH)["records"], "Berth")) == ["Berth East", "Berth North", "Berth South"]


@pytest.mark.parametrize(("name", "value"), [("Ship", "Nora"), ("Log", "two\nlines"), ("Crew", 0), ("Tonnage", 1.5), ("Flag", "Malta"), ("Cargo", ["Tin", "Silk"]), ("Launched", "2001-02-03")])
def test_upsert_by_each_kind_of_field(wire: Wire, name: str, value: object) -> None:
    """Section 5.6: number, text, long text, one choice, several, date."""
    made = wire.ship(**{name: value})
    wire.ship(Ship="another")
    body = {"records": [{"fields": {name: value, "Mail": "x"}}], "performUpsert": {"fieldsToMergeOn": [name]}}
    assert wire.good("PATCH", SHIPS_PATH, body)["updatedRecords"] == [made["id"]]


def test_upsert_by_nothing_finds_the_empty_or_creates(wire: Wire) -> None:
    """Section 5.6: null matches an existing empty cell."""
    body = {"records": [{"fields": {"Berth": None, "Depth": 7}}], **MERGE}
    created = wire.good("PATCH", BERTHS_PATH, body)["createdRecords"]
    assert len(created) == 1
    assert wire.good("PATCH", BERTHS_PATH, body)["updatedRecords"] == created


def test_upsert_takes_ten(wire: Wire) -> None:
    """Section 4."""
    many = [{"fields": {"Berth": str(number)}} for number in range(11)]
    assert wire.ask("PATCH", BERTHS_PATH, {"records": many, **MERGE}).status_code == 422
    assert len(wire.good("PATCH", BERTHS_PATH, {"records": many[:10], **MERGE})["createdRecords"]) == 10


CAST = [
    ("Crew", "12", 12),
    ("Tonnage", "-3.5", -3.5),
    ("Price", "19.99", 19.99),
    ("Rank", "4", 4),
    ("Seaworthy", "true", True),
    ("Seaworthy", "checked", True),
    ("Seaworthy", "1", True),
    ("Ship", 5, "5"),
    ("Ship", True, "true"),
    ("Cargo", "Silk, Tin", ["Silk", "Tin"]),
    ("Berths", [NORTH], [NORTH]),
    ("Berths", ["Berth East", SOUTH], [EAST, SOUTH]),
    ("Berths", "Berth East", [EAST]),
    ("Captain", "Bo Bilge", BO_CELL),
    ("Captain", "ada@harbour.test", ADA_CELL),
    ("Launched", "2024-05-06T12:00:00Z", "2024-05-06"),
    ("Launched", "May 6, 2024", "2024-05-06"),
    ("Docked", "2024-05-06 15:04", "2024-05-06T15:04:00.000Z"),
    ("Voyage", "1:02:03", 3723),
    ("Mates", ["Ada Anchor", "bo@harbour.test"], [ADA_CELL, BO_CELL]),
    ("Crew", 12, 12),
    ("Flag", "Malta", "Malta"),
]


@pytest.mark.parametrize(("name", "value", "read"), CAST, ids=str)
def test_typecast_reads_words_as_values(wire: Wire, name: str, value: object, read: object) -> None:
    """Section 5.8: by create and by update."""
    made = wire.good("POST", SHIPS_PATH, {"fields": {name: value}, "typecast": True})
    assert made["fields"][name] == read
    again = {"records": [{"id": wire.ship()["id"], "fields": {name: value}}], "typecast": True}
    assert wire.good("PATCH", SHIPS_PATH, again)["records"][0]["fields"][name] == read


@pytest.mark.parametrize(("name", "value"), [("Crew", "a dozen"), ("Price", "cheap"), ("Tonnage", "1,2,x")])
def test_what_typecast_cannot_read(wire: Wire, name: str, value: str) -> None:
    """Sections 3.3 and 5.8."""
    error = {"type": "INVALID_VALUE_FOR_COLUMN", "message": f'Cannot parse value "{value}" for field {name}'}
    wire.refused(422, error, "POST", SHIPS_PATH, {"fields": {name: value}, "typecast": True})


def test_typecast_makes_choices(wire: Wire) -> None:
    """Section 5.8: with a new id and a colour, told by the schema at once, once per name."""
    body = {"records": [{"fields": {"Flag": "Peru", "Cargo": ["Salt", "Tin"]}}, {"fields": {"Flag": "Peru", "Cargo": ["Salt"]}}], "typecast": True}
    records = wire.good("POST", SHIPS_PATH, body)["records"]
    assert cells(records, "Flag") == ["Peru", "Peru"] and cells(records, "Cargo") == [["Salt", "Tin"], ["Salt"]]
    tables = wire.good("GET", f"/v0/meta/bases/{HARBOUR}/tables")["tables"]
    fields = {field["name"]: field for table in tables if table["id"] == SHIPS for field in table["fields"]}
    for field, name in (("Flag", "Peru"), ("Cargo", "Salt")):
        made = [choice for choice in fields[field]["options"]["choices"] if choice["name"] == name]
        assert len(made) == 1 and made[0]["id"].startswith("sel") and len(made[0]["id"]) == 17 and made[0]["color"]
    assert wire.ship(Flag="Peru")["fields"]["Flag"] == "Peru", "afterwards without typecast"


def test_a_refused_typecast_makes_no_choice_and_no_record(wire: Wire) -> None:
    """Sections 3.3 and 5.8: all or nothing."""
    body = {"records": [{"fields": {"Flag": "Chad", "Berths": ["Berth Nowhere"]}}, {"fields": {"Crew": "many"}}], "typecast": True}
    assert wire.ask("POST", SHIPS_PATH, body).status_code == 422
    wire.refused(422, "INVALID_MULTIPLE_CHOICE_OPTIONS", "POST", SHIPS_PATH, {"fields": {"Flag": "Chad"}})
    assert len(wire.good("GET", BERTHS_PATH)["records"]) == 3


def test_typecast_creates_what_a_link_names(wire: Wire) -> None:
    """Section 5.8: a record of the linked table with this primary field."""
    made = wire.good("POST", SHIPS_PATH, {"fields": {"Ship": "Ole", "Berths": ["Berth East", "Berth New"]}, "typecast": True})
    assert made["fields"]["Names"] == ["Berth East", "Berth New"]
    found = wire.good("GET", f"{BERTHS_PATH}?filterByFormula={quote('{Berth}=') + quote(chr(39))}Berth+New%27")["records"]
    assert found[0]["fields"] == {"Berth": "Berth New", "Moored": [made["id"]]}


def test_a_write_to_a_record_of_another_table(wire: Wire) -> None:
    """Section 5.3: only a read falls back to the base."""
    assert wire.ask("PATCH", f"{SHIPS_PATH}/{EAST}", {"fields": {"Ship": "x"}}).status_code in (403, 404)
    assert wire.ask("DELETE", f"{SHIPS_PATH}/{EAST}").status_code in (403, 404)
    assert wire.good("GET", f"/v0/{HARBOUR}/{BERTHS}/{EAST}")["fields"]["Berth"] == "Berth East"
