"""Every type of field: what a write may say, and what is read then (sections 5.4, 5.5 and 7 of Airtable's reference)."""

import pytest

from harbour import ADA, ADA_CELL, BERTHS, BO, BO_CELL, EAST, NORTH, OF_BO, SHIP_COMPUTED, SHIP_FIELDS, SHIPS, SOUTH, ident
from wire import BERTHS_PATH, CREATED_TIME, SHIPS_PATH, Wire

GONE_USER = ident("usr", "Gone")
# field, what is written, what is read back
KEPT = [
    ("Ship", "Ωmega 🚢"),
    ("Log", "first\nsecond\t third"),
    ("Log", 'ahoy <airtable:mention id="menAAAAAAAAAAAAAA">@Ada</airtable:mention>'),
    ("Story", "**bold** and `code`\n"),
    ("Mail", "cook@galley.test"),
    ("Mail", "not really a mail"),
    ("Site", "https://ship.test/?a=b#c"),
    ("Phone", "+49 (0)30 12-34"),
    ("Tonnage", -1200.25),
    ("Crew", 0),
    ("Crew", 17),
    ("Load", 0.123),
    ("Price", 1999.99),
    ("Voyage", 3723),
    ("Rank", 7),
    ("Seaworthy", True),
    ("Flag", "Åland"),
    ("Cargo", ["Dry fish", "Tin"]),
    ("Launched", "1912-04-10"),
    ("Docked", "2024-02-29T23:59:58.123Z"),
    ("Berths", [SOUTH, NORTH]),
    ("Captain", ADA_CELL),
    ("Mates", [BO_CELL, ADA_CELL]),
    ("Tag", {"text": "4006381333931", "type": "ean13"}),
    ("Tag", {"text": "no type"}),
]
CONVERTED = [
    ("Captain", {"id": BO}, BO_CELL),
    ("Captain", {"email": "ada@harbour.test"}, ADA_CELL),
    ("Mates", [ADA, BO], [ADA_CELL, BO_CELL]),
    ("Mates", [{"id": BO}, {"email": "ada@harbour.test"}], [BO_CELL, ADA_CELL]),
    ("Docked", "2024-03-01T10:00:00+02:00", "2024-03-01T08:00:00.000Z"),
    ("Docked", "2024-03-01T10:00:00", "2024-03-01T10:00:00.000Z"),
    ("Sailing", "2024-03-01T10:00:00", "2024-03-01T01:00:00.000Z"),
    ("Sailing", "2024-03-01T10:00:00.250Z", "2024-03-01T10:00:00.250Z"),
]
EMPTY = [
    *((field["name"], None) for field in SHIP_FIELDS),
    *((name, "") for name in ("Ship", "Log", "Story", "Mail", "Site", "Phone")),
    *((name, []) for name in ("Cargo", "Papers", "Berths", "Mates")),
    ("Seaworthy", False),
    ("Rank", 0),
]
REFUSED = [
    *((name, value) for name in ("Ship", "Log", "Story", "Mail", "Site", "Phone") for value in (5, True, ["x"], {"text": "x"})),
    *((name, value) for name in ("Tonnage", "Crew", "Load", "Price", "Voyage", "Rank") for value in ("12", "many", True, [1], {})),
    *(("Seaworthy", value) for value in ("true", 1, [], {})),
    *(("Flag", value) for value in (3, ["Malta"], {"name": 4})),
    *(("Cargo", value) for value in ("Tin", 3, {"name": "Tin"}, [3], [["Tin"]])),
    *((name, value) for name in ("Launched", "Docked") for value in ("yesterday evening", "2024-13-01", 20240101, ["2024-01-01"], True)),
    *(("Berths", value) for value in (EAST, [7], {"id": EAST}, [[EAST]])),
    *(("Captain", value) for value in (7, [ADA], [{"id": ADA}], {})),
    *(("Mates", value) for value in (7, True, [7])),
    *(("Tag", value) for value in (7, ["x"], {"type": "ean13"}, {"text": 7})),
    *(("Papers", value) for value in (7, True)),
]

# Links and attachments have errors of their own; which of them, the reference leaves open.
REFUSALS = {"Papers": ["INVALID_ATTACHMENT_OBJECT", "INVALID_VALUE_FOR_COLUMN"], "Berths": ["INVALID_VALUE_FOR_COLUMN", "INVALID_RECORD_ID"]}


def named(case: tuple) -> str:
    return f"{case[0]}={case[1]!r}"[:50].replace("\n", " ")


@pytest.mark.parametrize("case", KEPT, ids=named)
def test_a_value_is_read_as_it_was_written(wire: Wire, case: tuple) -> None:
    """Section 7: by create, by update and when read again."""
    name, value = case
    made = wire.ship(**{name: value})
    assert made["fields"][name] == value
    assert wire.good("GET", f"{SHIPS_PATH}/{made['id']}")["fields"][name] == value
    empty = wire.ship()
    assert wire.good("PATCH", f"{SHIPS_PATH}/{empty['id']}", {"fields": {name: value}})["fields"][name] == value


@pytest.mark.parametrize("case", CONVERTED, ids=named)
def test_a_value_is_read_in_its_own_form(wire: Wire, case: tuple) -> None:
    """Section 7: collaborators in full; moments in UTC with milliseconds, without an offset in the field's zone."""
    name, written, read = case
    assert wire.ship(**{name: written})["fields"][name] == read


@pytest.mark.parametrize("case", EMPTY, ids=named)
def test_a_value_that_clears_the_cell(wire: Wire, case: tuple) -> None:
    """Sections 2, 5.4 and 5.5: null, "", [], false, and no stars."""
    name, value = case
    full = {"Ship": "x", "Log": "x", "Story": "x", "Mail": "x", "Site": "x", "Phone": "x", "Cargo": ["Tin"], "Berths": [EAST], "Mates": [ADA], "Seaworthy": True, "Rank": 3}
    made = wire.ship(**{key: cell for key, cell in full.items() if key == name})
    cleared = wire.good("PATCH", f"{SHIPS_PATH}/{made['id']}", {"fields": {name: value}})
    assert name not in cleared["fields"]
    assert name not in wire.ship(**{name: value})["fields"]


@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_a_value_of_the_wrong_kind(wire: Wire, case: tuple) -> None:
    """Sections 3.3 and 5.8: without typecast the JSON type must be the field's."""
    name, value = case
    before = wire.ship()
    for method, path in (("POST", SHIPS_PATH), ("PATCH", f"{SHIPS_PATH}/{before['id']}")):
        answer = wire.ask(method, path, {"fields": {name: value}})
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["type"] in REFUSALS.get(name, ["INVALID_VALUE_FOR_COLUMN"]), answer.text
    assert len(wire.good("GET", SHIPS_PATH)["records"]) == 1


@pytest.mark.parametrize(("name", "value"), [("Ship", 5), ("Crew", "12"), ("Seaworthy", "true"), ("Launched", "yesterday evening")])
def test_what_is_said_of_a_value_of_the_wrong_kind(wire: Wire, name: str, value: object) -> None:
    """Section 3.3."""
    error = {"type": "INVALID_VALUE_FOR_COLUMN", "message": f'Field "{name}" cannot accept the provided value'}
    wire.refused(422, error, "POST", SHIPS_PATH, {"fields": {name: value}})


@pytest.mark.parametrize("name", [field["name"] for field in SHIP_COMPUTED])
def test_computed_fields_are_not_written(wire: Wire, name: str) -> None:
    """Sections 3.3 and 7: with typecast neither."""
    error = {"type": "INVALID_VALUE_FOR_COLUMN", "message": f'Field "{name}" cannot accept a value because the field is computed'}
    made = wire.ship()
    for typecast in (False, True):
        wire.refused(422, error, "POST", SHIPS_PATH, {"fields": {name: "x"}, "typecast": typecast})
        wire.refused(422, error, "PATCH", f"{SHIPS_PATH}/{made['id']}", {"fields": {name: "x"}, "typecast": typecast})


@pytest.mark.parametrize(("name", "value", "said"), [("Flag", "Peru", "Peru"), ("Flag", "", ""), ("Flag", "malta", "malta"), ("Cargo", ["Tin", "Salt"], "Salt"), ("Flag", '"Peru"', '"Peru"')])
def test_a_choice_that_is_not_there(wire: Wire, name: str, value: object, said: str) -> None:
    """Section 3.3: names are exact; an empty name is a choice that is not there."""
    error = {"type": "INVALID_MULTIPLE_CHOICE_OPTIONS", "message": f'Insufficient permissions to create new select option "{said}"'}
    wire.refused(422, error, "POST", SHIPS_PATH, {"fields": {name: value}})


def test_lists_replace_and_do_not_join(wire: Wire) -> None:
    """Section 5.5."""
    made = wire.ship(Cargo=["Tin", "Silk"], Berths=[NORTH, EAST], Mates=[ADA])
    new = wire.good("PATCH", f"{SHIPS_PATH}/{made['id']}", {"fields": {"Cargo": ["Dry fish"], "Berths": [SOUTH], "Mates": [BO]}})["fields"]
    assert (new["Cargo"], new["Berths"], new["Mates"]) == (["Dry fish"], [SOUTH], [BO_CELL])


def test_patch_keeps_what_it_does_not_name_and_put_clears_it(wire: Wire) -> None:
    """Section 5.5: answers carry the whole record; computed cells stay."""
    made = wire.ship(Ship="Jo", Crew=4, Seaworthy=True, Berths=[EAST])
    path = f"{SHIPS_PATH}/{made['id']}"
    patched = wire.good("PATCH", path, {"fields": {"Crew": 5}})
    assert patched["createdTime"] == made["createdTime"]
    assert {key: patched["fields"][key] for key in ("Ship", "Crew", "Seaworthy", "Berths", "Twice")} == {"Ship": "Jo", "Crew": 5, "Seaworthy": True, "Berths": [EAST], "Twice": 10}
    put = wire.good("PUT", path, {"fields": {"Crew": 6}})["fields"]
    assert {"Ship", "Seaworthy", "Berths"}.isdisjoint(put) and put["Twice"] == 12 and put["No"] == made["fields"]["No"]
    assert wire.good("GET", path)["fields"] == put


def test_computed_cells_of_a_ship_at_three_berths(wire: Wire) -> None:
    """Section 7: formula, lookup, rollup, count, number, times and people."""
    first, ship = wire.ship(), wire.ship(Crew=21, Berths=[SOUTH, NORTH, EAST])
    cells = ship["fields"]
    assert cells["Twice"] == 42
    assert cells["Names"] == ["Berth South", "Berth North", "Berth East"]
    assert cells["Depth sum"] == 22.75
    assert cells["How many"] == 3 and first["fields"]["How many"] == 0
    assert cells["No"] == first["fields"]["No"] + 1
    assert cells["Made"] == ship["createdTime"] and CREATED_TIME.match(cells["Touched"])
    assert cells["Maker"] == cells["Toucher"] == ADA_CELL
    assert "Names" not in first["fields"]


def test_a_change_elsewhere_changes_what_is_computed(wire: Wire) -> None:
    """Section 7, and the note of section 15: a write in one table changes another."""
    ship = wire.ship(Berths=[NORTH])
    wire.good("PATCH", f"{BERTHS_PATH}/{NORTH}", {"fields": {"Berth": "Pier 1", "Depth": 1.5}})
    cells = wire.good("GET", f"{SHIPS_PATH}/{ship['id']}")["fields"]
    assert (cells["Names"], cells["Depth sum"]) == (["Pier 1"], 1.5)


def test_the_last_to_write_is_named(wire: Wire) -> None:
    """Section 7: created by stays, last modified by follows."""
    ship = wire.ship(Ship="Kim")
    cells = wire.good("PATCH", f"{SHIPS_PATH}/{ship['id']}", {"fields": {"Crew": 1}}, key=OF_BO)["fields"]
    assert (cells["Maker"], cells["Toucher"]) == (ADA_CELL, BO_CELL)


def test_an_error_in_a_formula_has_a_form_of_its_own(wire: Wire) -> None:
    """Section 7.2."""
    assert wire.ship(Crew=13)["fields"]["Broken"] == {"error": "#ERROR!"}
    assert "Broken" not in wire.ship(Crew=12)["fields"]


def test_links_are_kept_on_both_sides(wire: Wire) -> None:
    """Sections 5.7 and 7: also when a record is deleted."""
    one, two = wire.ship(Ship="L", Berths=[EAST]), wire.ship(Ship="M", Berths=[EAST, NORTH])
    assert wire.good("GET", f"{BERTHS_PATH}/{EAST}")["fields"]["Moored"] == [one["id"], two["id"]]
    wire.good("PATCH", f"{BERTHS_PATH}/{NORTH}", {"fields": {"Moored": [one["id"]]}})
    assert wire.good("GET", f"{SHIPS_PATH}/{two['id']}")["fields"]["Berths"] == [EAST]
    assert set(wire.good("GET", f"{SHIPS_PATH}/{one['id']}")["fields"]["Berths"]) == {EAST, NORTH}
    assert wire.good("DELETE", f"{BERTHS_PATH}/{EAST}") == {"id": EAST, "deleted": True}
    assert wire.good("GET", f"{SHIPS_PATH}/{one['id']}")["fields"]["Berths"] == [NORTH]
    assert "Berths" not in wire.good("GET", f"{SHIPS_PATH}/{two['id']}")["fields"]


def test_the_schema_tells_every_field_as_it_is(wire: Wire) -> None:
    """Section 7, notes, and section 10: no `options` where there are none, no `description` where unset."""
    tables = wire.good("GET", "/v0/meta/bases/appHarbour0000000/tables")["tables"]
    ships = next(table for table in tables if table["id"] == SHIPS)
    assert (ships["primaryFieldId"], ships["description"]) == (ident("fld", "Ship"), "Everything that floats")
    seeded = {field["id"]: field for field in SHIP_FIELDS}
    for field in ships["fields"]:
        if field["id"] in seeded:
            assert {key: value for key, value in field.items() if value != {}} == seeded[field["id"]]
    berths = next(table for table in tables if table["id"] == BERTHS)
    assert set(berths) == {"id", "name", "primaryFieldId", "fields", "views"}
    assert berths["fields"][0] == {"id": ident("fld", "Berth"), "name": "Berth", "type": "singleLineText"}
