"""Bases, schema and whoami as they are read (section 10 of Airtable's reference)."""

import pytest

from harbour import CRATES, HARBOUR, LIGHTHOUSE, QUAY, QUAY_ONLY, ROLES, SCHEMA, SHIPS, SHIPS_NAME, ident
from wire import CRATES_PATH, Wire

TABLES = f"/v0/meta/bases/{HARBOUR}/tables"


def test_bases_with_the_rights_to_them(wire: Wire) -> None:
    """Section 10: `id`, `name`, `permissionLevel` (none too), no `offset` on the last page."""
    answer = wire.good("GET", "/v0/meta/bases", key=SCHEMA)
    assert set(answer) == {"bases"}
    assert sorted(answer["bases"], key=lambda base: base["name"]) == [
        {"id": HARBOUR, "name": "Harbour", "permissionLevel": "create"},
        {"id": LIGHTHOUSE, "name": "Lighthouse", "permissionLevel": "read"},
        {"id": QUAY, "name": "Quay", "permissionLevel": "create"},
        *({"id": ROLES[level], "name": f"Role {level}", "permissionLevel": level} for level in ("comment", "edit", "none")),
    ]


def test_a_token_sees_its_own_bases_only(wire: Wire) -> None:
    """Section 13."""
    assert [base["id"] for base in wire.good("GET", "/v0/meta/bases", key=QUAY_ONLY)["bases"]] == [QUAY]


def test_tables_with_fields_and_views(wire: Wire) -> None:
    """Section 10: a view has `visibleFieldIds` only when asked."""
    tables = wire.good("GET", TABLES, key=SCHEMA)["tables"]
    assert [table["name"] for table in tables] == [SHIPS_NAME, "Berths", "Crates"]
    assert all(set(table) - {"description"} == {"id", "name", "primaryFieldId", "fields", "views"} for table in tables)
    assert tables[2]["views"] == [{"id": ident("viw", "CrateAll"), "name": "All of them", "type": "grid"}]


@pytest.mark.parametrize("query", ["include=visibleFieldIds", "include[]=visibleFieldIds", "include%5B%5D=visibleFieldIds"])
def test_visible_fields_when_asked(wire: Wire, query: str) -> None:
    """Sections 1 and 10: pyairtable asks without brackets."""
    crates = next(table for table in wire.good("GET", f"{TABLES}?{query}")["tables"] if table["id"] == CRATES)
    assert crates["views"][0]["visibleFieldIds"] == [field["id"] for field in crates["fields"]]


def test_unknown_things_to_include_are_refused(wire: Wire) -> None:
    """Section 3.3, bad enum."""
    wire.refused(422, "INVALID_REQUEST_UNKNOWN", "GET", f"{TABLES}?include=secrets")


def test_computed_fields_tell_what_they_give(wire: Wire) -> None:
    """Section 7: `result`, `isValid`, `referencedFieldIds`."""
    ships = next(table for table in wire.good("GET", TABLES)["tables"] if table["id"] == SHIPS)
    options = {field["name"]: field.get("options", {}) for field in ships["fields"]}
    assert options["Twice"]["isValid"] is True and options["Twice"]["referencedFieldIds"] == [ident("fld", "Crew")]
    assert options["Twice"]["result"] == {"type": "number", "options": {"precision": 0}}
    assert options["Names"]["recordLinkFieldId"] == ident("fld", "Berths") and options["Names"]["result"]["type"] == "singleLineText"
    assert options["How many"] == {"isValid": True, "recordLinkFieldId": ident("fld", "Berths")}
    assert options["Made"]["result"]["type"] == "dateTime"


def test_record_reads_do_not_depend_on_how_the_table_is_named(wire: Wire) -> None:
    """Section 1."""
    assert wire.good("GET", f"/v0/{HARBOUR}/Crates?pageSize=5")["records"] == wire.good("GET", f"{CRATES_PATH}?pageSize=5")["records"]
