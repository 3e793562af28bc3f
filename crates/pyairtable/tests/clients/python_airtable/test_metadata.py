"""Bases, schema and whoami as they are read (section 10 of Airtable's reference)."""

import re

import pytest
from pyairtable import Api

from harbour import ADA, BO, CRATES, FULL, HARBOUR, LIGHTHOUSE, QUAY, QUAY_ONLY, READ, ROLES, SCHEMA, SHIPS, SHIPS_NAME, WORKSPACES, ident
from wire import CRATES_PATH, CREATED_TIME, HIDDEN, Wire

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


def test_views_of_a_base_and_one_of_them(wire: Wire) -> None:
    """Section 10: over all tables; with their visible fields if asked; by a scope that is not the schema's."""
    views = f"/v0/meta/bases/{HARBOUR}/views"
    grids = [{"id": ident("viw", f"{name}All"), "name": "All of them", "type": "grid"} for name in ("Ships", "Berth", "Crate")]
    assert wire.good("GET", views, key=WORKSPACES) == {"views": grids}
    one = f"{views}/{grids[2]['id']}"
    assert wire.good("GET", one, key=WORKSPACES) == grids[2]
    fields = [ident("fld", name) for name in ("Mark", "Weight", "Grade", "Sealed", "Remark")]
    assert wire.good("GET", f"{one}?include=visibleFieldIds", key=WORKSPACES) == {**grids[2], "visibleFieldIds": fields}
    assert wire.good("GET", f"{views}?include[]=visibleFieldIds", key=WORKSPACES)["views"][2]["visibleFieldIds"] == fields
    for key in (SCHEMA, QUAY_ONLY):
        wire.refused(403, HIDDEN, "GET", views, key=key)
        wire.refused(403, HIDDEN, "GET", one, key=key)
    wire.refused(403, HIDDEN, "GET", f"{views}/{ident('viw', 'Nowhere')}", key=WORKSPACES)
    wire.refused(404, "NOT_FOUND", "GET", f"{views}/viw1", key=WORKSPACES)
    wire.refused(422, "INVALID_REQUEST_UNKNOWN", "GET", f"{views}?include=records", key=WORKSPACES)


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


def test_who_works_on_a_base(wire: Wire) -> None:
    """Section 10: by either of two scopes; what is not asked for may be missing."""
    base = f"/v0/meta/bases/{HARBOUR}"
    query = "?include=collaborators&include=inviteLinks&include=interfaces"
    for key in (SCHEMA, WORKSPACES):
        told = wire.good("GET", base + query, key=key)
        assert (told["id"], told["name"], told["permissionLevel"]) == (HARBOUR, "Harbour", "create")
        assert CREATED_TIME.match(told["createdTime"]) and re.fullmatch("wsp[A-Za-z0-9]{14}", told["workspaceId"])
        assert {"individualCollaborators", "groupCollaborators", "inviteLinks", "interfaces"} <= set(told)
    assert set(told["groupCollaborators"]) == {"baseCollaborators", "workspaceCollaborators"} == set(told["individualCollaborators"])
    assert (told["inviteLinks"], told["interfaces"]) == ({"baseInviteLinks": [], "workspaceInviteLinks": []}, {})
    people = [person for group in told["individualCollaborators"].values() for person in group]
    assert {person["userId"] for person in people} == {ADA, BO} and all(person["email"] and person["permissionLevel"] == "create" for person in people)
    assert wire.good("GET", base + query.replace("include=", "include[]=")) == told
    assert {"id", "name", "createdTime", "permissionLevel", "workspaceId"} <= set(wire.good("GET", base))
    for key in (READ, QUAY_ONLY):
        wire.refused(403, HIDDEN, "GET", base, key=key)
    wire.refused(422, "INVALID_REQUEST_UNKNOWN", "GET", f"{base}?include=secrets")
    wire.refused(404, "NOT_FOUND", "GET", "/v0/meta/bases/app1")


def test_collaborators_by_the_client(wire: Wire) -> None:
    """Section 14.1: pyairtable's model of them."""
    told = Api(FULL, endpoint_url=wire.url).base(HARBOUR).collaborators()
    assert (told.id, told.name, told.permission_level) == (HARBOUR, "Harbour", "create") and told.workspace_id.startswith("wsp")
    people = told.individual_collaborators.via_base + told.individual_collaborators.via_workspace
    assert {person.user_id for person in people} == {ADA, BO} and told.created_time.tzinfo and not told.interfaces
