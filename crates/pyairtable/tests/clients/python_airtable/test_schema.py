"""Bases, tables and fields that are made and changed (sections 3.3, 7 and 10 of Airtable's reference)."""

import re

import pytest
from pyairtable import Api

from harbour import BERTHS, CRATES, DATE, EAST, FULL, HARBOUR, LIGHTHOUSE, MOMENT, QUAY, QUAY_ONLY, ROLES, SCHEMA, SHIPS, WRITE, ident
from wire import BERTHS_PATH, CRATES_PATH, HIDDEN, INVALID_PARAMETERS, Wire

BASES = "/v0/meta/bases"
TABLES = f"{BASES}/{HARBOUR}/tables"
FIELDS = f"{TABLES}/{BERTHS}/fields"
DEPTH, BERTH = ident("fld", "Depth"), ident("fld", "Berth")
TEXT = {"name": "Name", "type": "singleLineText"}
LIGHT_2 = [f"{hue}Light2" for hue in ("blue", "cyan", "teal", "green", "yellow", "orange", "red", "pink", "purple", "gray")]


def tables_of(wire: Wire, base: str = HARBOUR) -> dict[str, dict]:
    return {table["id"]: table for table in wire.good("GET", f"{BASES}/{base}/tables")["tables"]}


def test_a_new_table_has_ids_a_primary_field_and_a_grid(wire: Wire) -> None:
    """Section 10: the first field is the primary one; one view; read at once."""
    fields = [TEXT, {"name": "Height", "type": "number", "options": {"precision": 1}, "description": "in metres"}]
    made = wire.good("POST", TABLES, {"name": "Cranes", "description": "Tall", "fields": fields})
    assert set(made) == {"id", "name", "description", "primaryFieldId", "fields", "views"}
    assert (made["name"], made["description"]) == ("Cranes", "Tall")
    assert [{key: value for key, value in field.items() if key != "id"} for field in made["fields"]] == fields
    assert made["primaryFieldId"] == made["fields"][0]["id"]
    (view,) = made["views"]
    assert (view["name"], view["type"]) == ("Grid view", "grid")
    for prefix, identifier in (("tbl", made["id"]), ("viw", view["id"]), *(("fld", field["id"]) for field in made["fields"])):
        assert re.fullmatch(prefix + "[A-Za-z0-9]{14}", identifier)
    (listed,) = (table for table in wire.good("GET", f"{TABLES}?include=visibleFieldIds")["tables"] if table["id"] == made["id"])
    assert listed["views"][0]["visibleFieldIds"] == [field["id"] for field in made["fields"]], "all of them are shown"
    record = wire.good("POST", f"/v0/{HARBOUR}/Cranes", {"fields": {"Name": "A", "Height": 40.5}})
    assert wire.good("GET", f"/v0/{HARBOUR}/{made['id']}")["records"] == [record]


@pytest.mark.parametrize(("change", "error"), [
    ({"name": "Berths"}, "DUPLICATE_TABLE_NAME"),
    ({"primaryFieldId": ident("fld", "Name")}, "INVALID_REQUEST_UNKNOWN"),
    ({"colour": "red"}, "INVALID_REQUEST_UNKNOWN"),
    ({"fields": []}, None),
    ({"fields": None}, None),
    ({"fields": {}}, None),
    ({"name": 5}, None),
    ({"name": ""}, None),
    ({"name": None}, None),
    ({"description": "x" * 20_001}, None),
    ({"fields": [TEXT, {**TEXT, "name": "name"}]}, "DUPLICATE_OR_EMPTY_FIELD_NAME"),
    ({"fields": [{**TEXT, "name": ""}]}, "DUPLICATE_OR_EMPTY_FIELD_NAME"),
    ({"fields": [TEXT, {"name": "No", "type": "autoNumber"}]}, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE"),
    ({"fields": [TEXT, {"name": "Done", "type": "checkbox"}]}, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"),
    ({"fields": [TEXT, {"name": "What", "type": "colour"}]}, None),
])
def test_tables_that_are_refused(wire: Wire, change: dict, error: str | None) -> None:
    """Section 3.3; nothing of them is made."""
    answer = wire.ask("POST", TABLES, {"name": "Cranes", "fields": [TEXT], **change})
    said = answer.json()["error"]
    assert answer.status_code == 422 and error in (None, said["type"]), answer.text
    if error == "INVALID_REQUEST_UNKNOWN":
        assert said == INVALID_PARAMETERS
    assert len(tables_of(wire)) == 3


@pytest.mark.parametrize("kind", ["multipleAttachments", "multipleRecordLinks", "checkbox", "singleCollaborator", "multipleCollaborators"])
def test_fields_that_cannot_be_the_first(wire: Wire, kind: str) -> None:
    """Section 7, notes: primary field types."""
    options = {"multipleRecordLinks": {"linkedTableId": SHIPS}, "checkbox": {"icon": "check", "color": "redBright"}}.get(kind)
    first = {"name": "First", "type": kind, **({"options": options} if options else {})}
    assert wire.ask("POST", TABLES, {"name": "Cranes", "fields": [first, TEXT]}).status_code == 422
    assert len(tables_of(wire)) == 3


@pytest.mark.parametrize("kind", ["singleLineText", "multilineText", "email", "url", "phoneNumber", "number", "percent", "currency", "date", "dateTime", "duration", "barcode"])
def test_fields_that_can_be_the_first(wire: Wire, kind: str) -> None:
    """Section 7, notes."""
    made = wire.good("POST", TABLES, {"name": "Cranes", "fields": [{"name": "First", **CREATED[kind]}]})
    assert made["fields"][0]["type"] == kind and made["primaryFieldId"] == made["fields"][0]["id"]


CREATED: dict[str, dict] = {
    **{kind: {"type": kind} for kind in ("singleLineText", "multilineText", "richText", "email", "url", "phoneNumber", "barcode", "singleCollaborator", "multipleCollaborators", "multipleAttachments")},
    "number": {"type": "number", "options": {"precision": 8}},
    "percent": {"type": "percent", "options": {"precision": 0}},
    "currency": {"type": "currency", "options": {"precision": 7, "symbol": "£"}},
    "duration": {"type": "duration", "options": {"durationFormat": "h:mm:ss.SSS"}},
    "rating": {"type": "rating", "options": {"icon": "heart", "color": "pinkBright", "max": 10}},
    "checkbox": {"type": "checkbox", "options": {"icon": "xCheckbox", "color": "grayBright"}},
    "singleSelect": {"type": "singleSelect", "options": {"choices": [{"name": "A", "color": "tealDark1"}]}},
    "multipleSelects": {"type": "multipleSelects", "options": {"choices": [{"name": "A", "color": "redLight1"}, {"name": "B", "color": "cyanBright"}]}},
    "date": {"type": "date", "options": {"dateFormat": {"name": "european", "format": "D/M/YYYY"}}},
    "dateTime": {"type": "dateTime", "options": {"timeZone": "Europe/Berlin", "dateFormat": {"name": "friendly", "format": "LL"}, "timeFormat": {"name": "12hour", "format": "h:mma"}}},
}


@pytest.mark.parametrize("kind", CREATED)
def test_every_type_that_can_be_made(wire: Wire, kind: str) -> None:
    """Section 7, columns options and Create: the answer has an id and the options in full."""
    made = wire.good("POST", FIELDS, {"name": "New", "description": "Why not", **CREATED[kind]})
    assert re.fullmatch("fld[A-Za-z0-9]{14}", made["id"]) and made["description"] == "Why not"
    assert made == next(field for field in tables_of(wire)[BERTHS]["fields"] if field["name"] == "New")
    assert {key: made[key] for key in ("name", "type")} == {"name": "New", "type": kind}
    expected = CREATED[kind].get("options", {})
    if kind.endswith(("Select", "Selects")):
        assert [{key: choice[key] for key in ("name", "color")} for choice in made["options"]["choices"]] == expected["choices"]
        assert all(re.fullmatch("sel[A-Za-z0-9]{14}", choice["id"]) for choice in made["options"]["choices"])
    elif kind == "multipleAttachments":
        assert made["options"] == {"isReversed": False}
    elif kind.endswith(("Collaborator", "Collaborators")):
        assert made.get("options", {}) == {}
    elif expected:
        assert made["options"] == expected
    else:
        assert "options" not in made, "absent, not null"


def test_the_format_of_a_date_follows_from_its_name(wire: Wire) -> None:
    """Section 7: `format` is optional but must match."""
    for name, text in (("local", "l"), ("friendly", "LL"), ("us", "M/D/YYYY"), ("european", "D/M/YYYY"), ("iso", "YYYY-MM-DD")):
        made = wire.good("POST", FIELDS, {"name": f"On {name}", "type": "date", "options": {"dateFormat": {"name": name}}})
        assert made["options"] == {"dateFormat": {"name": name, "format": text}}
    assert wire.ask("POST", FIELDS, {"name": "On", "type": "date", "options": {"dateFormat": {"name": "us", "format": "YYYY-MM-DD"}}}).status_code == 422


def test_choices_without_a_colour_get_one(wire: Wire) -> None:
    """Section 7, notes: in the order of the hues."""
    made = wire.good("POST", FIELDS, {"name": "New", "type": "singleSelect", "options": {"choices": [{"name": f"c{number}"} for number in range(10)]}})
    assert [choice["color"] for choice in made["options"]["choices"]] == LIGHT_2


@pytest.mark.parametrize("field", [
    {"type": "number"},
    {"type": "number", "options": {}},
    {"type": "number", "options": {"precision": 9}},
    {"type": "number", "options": {"precision": -1}},
    {"type": "number", "options": {"precision": 1.5}},
    {"type": "number", "options": {"precision": "1"}},
    {"type": "percent"},
    {"type": "currency", "options": {"precision": 2}},
    {"type": "currency", "options": {"precision": 8, "symbol": "€"}},
    {"type": "duration"},
    {"type": "duration", "options": {"durationFormat": "mm:ss"}},
    {"type": "rating", "options": {"icon": "star", "color": "yellowBright", "max": 11}},
    {"type": "rating", "options": {"icon": "star", "color": "yellowBright", "max": 0}},
    {"type": "rating", "options": {"icon": "moon", "color": "yellowBright", "max": 5}},
    {"type": "rating", "options": {"icon": "star", "color": "yellowLight2", "max": 5}},
    {"type": "checkbox"},
    {"type": "checkbox", "options": {"icon": "check"}},
    {"type": "checkbox", "options": {"icon": "check", "color": "redLight2"}},
    {"type": "singleSelect"},
    {"type": "singleSelect", "options": {"choices": [{}]}},
    {"type": "singleSelect", "options": {"choices": [{"id": ident("sel", "A"), "name": "A"}]}},
    {"type": "multipleSelects", "options": {"choices": [{"name": "A"}, {"name": "A"}]}},
    {"type": "singleSelect", "options": {"choices": [{"name": "A", "color": "mauve"}]}},
    {"type": "date"},
    {"type": "date", "options": {"dateFormat": {"name": "roman"}}},
    {"type": "dateTime", "options": {"dateFormat": {"name": "iso"}, "timeZone": "utc"}},
    {"type": "dateTime", "options": {"dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}}},
    {"type": "dateTime", "options": {"timeFormat": {"name": "24hour"}, "timeZone": "utc"}},
    {"type": "dateTime", "options": {**MOMENT, "timeZone": "UTC"}},
    {"type": "dateTime", "options": {**MOMENT, "timeZone": "Europe/Atlantis"}},
    {"type": "multipleRecordLinks"},
    {"type": "multipleRecordLinks", "options": {"linkedTableId": SHIPS, "prefersSingleRecordLink": True}},
    {"type": "multipleRecordLinks", "options": {"linkedTableId": SHIPS, "inverseLinkFieldId": ident("fld", "Berths")}},
    {"type": "singleLineText", "options": {"max": 5}},
    {"type": "multipleAttachments", "options": {"isReversed": False}},
])
def test_options_that_are_missing_or_wrong(wire: Wire, field: dict) -> None:
    """Sections 3.3 and 7."""
    answer = wire.ask("POST", FIELDS, {"name": "New", **field})
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["type"] in ("INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE", "INVALID_REQUEST_UNKNOWN"), answer.text
    assert len(tables_of(wire)[BERTHS]["fields"]) == 3


def test_missing_options_are_told_with_the_field(wire: Wire) -> None:
    """Section 3.3."""
    answer = wire.ask("POST", FIELDS, {"name": "Done", "type": "checkbox"})
    error = answer.json()["error"]
    assert error["type"] == "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"
    assert error["message"].startswith("Invalid options for ") and "Done" in error["message"] and "Failed schema validation" in error["message"], error


@pytest.mark.parametrize("kind", ["rollup", "multipleLookupValues", "count", "autoNumber", "createdTime", "lastModifiedTime", "createdBy", "lastModifiedBy", "button", "aiText", "externalSyncSource"])
def test_types_that_cannot_be_made(wire: Wire, kind: str) -> None:
    """Sections 3.3 and 7, column Create."""
    answer = wire.ask("POST", FIELDS, {"name": "New", "type": kind})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (422, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE"), answer.text
    assert error["message"] == f"Invalid options for Berths.New: Creating {kind} fields is not supported at this time"


def test_a_formula_is_made_of_its_text_alone(wire: Wire) -> None:
    """Section 7: `options.formula`; `result` is refused; it is computed at once and tells ids in braces."""
    made = wire.good("POST", FIELDS, {"name": "Double", "type": "formula", "options": {"formula": "{Depth}*2"}})
    assert made["options"]["formula"] == "{%s}*2" % DEPTH and made["options"]["referencedFieldIds"] == [DEPTH]
    assert made["options"]["isValid"] is True and made["options"]["result"]["type"] == "number"
    assert wire.good("GET", f"{BERTHS_PATH}/{EAST}")["fields"]["Double"] == 6
    wire.refused(422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE", "POST", FIELDS, {"name": "Triple", "type": "formula", "options": {"formula": "{Depth}*3", "result": {"type": "number"}}})
    changed = wire.good("PATCH", f"{FIELDS}/{made['id']}", {"options": {"formula": "{Depth}+1"}})
    assert changed["options"]["formula"] == "{%s}+1" % DEPTH
    assert wire.good("GET", f"{BERTHS_PATH}/{EAST}")["fields"]["Double"] == 4
    for text in ("{Depth", "{Nope}", "NOPE()"):
        assert 400 <= wire.ask("POST", FIELDS, {"name": "Bad", "type": "formula", "options": {"formula": text}}).status_code < 500, text


def test_a_link_is_made_on_both_sides(wire: Wire) -> None:
    """Section 7: with its inverse in the linked table, and records linked over it."""
    made = wire.good("POST", FIELDS, {"name": "Stored", "type": "multipleRecordLinks", "options": {"linkedTableId": CRATES}})
    inverse_id = made["options"]["inverseLinkFieldId"]
    assert made["options"] == {"linkedTableId": CRATES, "isReversed": False, "prefersSingleRecordLink": False, "inverseLinkFieldId": inverse_id}
    inverse = next(field for field in tables_of(wire)[CRATES]["fields"] if field["id"] == inverse_id)
    assert inverse["type"] == "multipleRecordLinks" and (inverse["options"]["linkedTableId"], inverse["options"]["inverseLinkFieldId"]) == (BERTHS, made["id"])
    crate = wire.crates("pageSize=1")[0]["id"]
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Stored": [crate]}})
    assert wire.good("GET", f"{CRATES_PATH}/{crate}")["fields"][inverse["name"]] == [EAST]
    assert wire.ask("PATCH", f"{FIELDS}/{made['id']}", {"options": {"linkedTableId": SHIPS}}).status_code == 422
    assert 400 <= wire.ask("POST", FIELDS, {"name": "Other", "type": "multipleRecordLinks", "options": {"linkedTableId": ident("tbl", "Lamps")}}).status_code < 500


def test_a_new_field_is_empty_and_shown(wire: Wire) -> None:
    """Section 10."""
    before = wire.good("GET", f"{BERTHS_PATH}/{EAST}")["fields"]
    made = wire.good("POST", FIELDS, {"name": "Owner", "type": "singleLineText"})
    assert wire.good("GET", f"{BERTHS_PATH}/{EAST}")["fields"] == before
    assert wire.good("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Owner": "Ada"}})["fields"] == {**before, "Owner": "Ada"}
    (listed,) = (table for table in wire.good("GET", f"{TABLES}?include=visibleFieldIds")["tables"] if table["id"] == BERTHS)
    assert listed["fields"][-1] == made and listed["views"][0]["visibleFieldIds"][-1] == made["id"]


def test_options_other_than_formulas_do_not_change(wire: Wire) -> None:
    """Section 10: editing choices is not possible in practice; section 7: nor are a link's options."""
    before = tables_of(wire)
    for table, field, options in ((CRATES, "Grade", {"choices": [{"name": "New"}]}), (BERTHS, "Moored", {"linkedTableId": CRATES}), (BERTHS, "Moored", {"prefersSingleRecordLink": True})):
        assert wire.ask("PATCH", f"{TABLES}/{table}/fields/{ident('fld', field)}", {"options": options}).status_code == 422, options
    assert tables_of(wire) == before


@pytest.mark.parametrize("name", ["Depth", "dEPTH", ""])
def test_names_of_fields_are_told_apart_without_case(wire: Wire, name: str) -> None:
    """Sections 3.3 and 10: on creation and when renamed."""
    wire.refused(422, "DUPLICATE_OR_EMPTY_FIELD_NAME", "POST", FIELDS, {"name": name, "type": "singleLineText"})
    wire.refused(422, "DUPLICATE_OR_EMPTY_FIELD_NAME", "PATCH", f"{FIELDS}/{BERTH}", {"name": name})


def test_a_renamed_field_keeps_its_cells(wire: Wire) -> None:
    """Section 10; section 15: names are aliases of ids."""
    assert wire.good("PATCH", f"{FIELDS}/{DEPTH}", {"name": "Draught", "description": "in metres"}) == {
        "id": DEPTH, "name": "Draught", "type": "number", "description": "in metres", "options": {"precision": 1},
    }
    assert wire.good("GET", f"{BERTHS_PATH}/{EAST}")["fields"] == {"Berth": "Berth East", "Draught": 3}
    assert len(wire.good("GET", f"{BERTHS_PATH}?filterByFormula=Draught%3D3")["records"]) == 1
    wire.refused(422, "UNKNOWN_FIELD_NAME", "PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {"Depth": 1}})
    assert wire.good("PATCH", f"{FIELDS}/{DEPTH}", {"name": "draught"})["name"] == "draught", "its own name in another case"
    ship = wire.ship(Berths=[EAST])
    assert ship["fields"]["Depth sum"] == 3, "what is computed from it goes on"


@pytest.mark.parametrize("body", [{}, {"type": "singleLineText"}, {"name": 5}, {"name": "x", "colour": "red"}, {"description": 5}, {"description": "x" * 20_001}, {"options": {"precision": "many"}}, []])
def test_changes_of_fields_that_are_refused(wire: Wire, body: object) -> None:
    """Section 10: at least one of name, description, options; the type stays."""
    before = tables_of(wire)[BERTHS]
    assert wire.ask("PATCH", f"{FIELDS}/{DEPTH}", body).status_code == 422
    assert tables_of(wire)[BERTHS] == before


def test_a_description_goes_as_it_came(wire: Wire) -> None:
    """Sections 4, 7 and 10: up to 20,000 characters; absent when unset."""
    text = "ü" * 20_000
    assert wire.good("PATCH", f"{FIELDS}/{DEPTH}", {"description": text})["description"] == text
    assert wire.good("PATCH", f"{TABLES}/{BERTHS}", {"description": text})["description"] == text
    wire.good("POST", FIELDS, {"name": "Told", "type": "singleLineText", "description": text})
    assert wire.ask("POST", FIELDS, {"name": "Told too long", "type": "singleLineText", "description": text + "."}).status_code == 422
    assert not wire.good("PATCH", f"{FIELDS}/{DEPTH}", {"description": ""}).get("description")
    assert not tables_of(wire)[BERTHS]["fields"][1].get("description")


def test_a_renamed_table_answers_to_its_new_name(wire: Wire) -> None:
    """Sections 1 and 10: addressed by id or name; the answer is the table."""
    changed = wire.good("PATCH", f"{TABLES}/Berths", {"name": "Places / all", "description": "Where ships lie"})
    assert changed == tables_of(wire)[BERTHS] and (changed["name"], changed["description"]) == ("Places / all", "Where ships lie")
    assert len(wire.good("GET", f"/v0/{HARBOUR}/Places%20%2F%20all")["records"]) == 3
    wire.refused(403, HIDDEN, "GET", f"/v0/{HARBOUR}/Berths")
    wire.refused(422, "DUPLICATE_TABLE_NAME", "PATCH", f"{TABLES}/{BERTHS}", {"name": "Crates"})
    for body in ({}, {"name": ""}, {"name": 5}, {"primaryFieldId": DEPTH}, {"description": 5}):
        assert wire.ask("PATCH", f"{TABLES}/{BERTHS}", body).status_code == 422, body


def test_dependencies_between_dates(wire: Wire) -> None:
    """Section 10: dateDependencySettings of a table, by pyairtable's own call."""
    table = Api(FULL, endpoint_url=wire.url).base(HARBOUR).create_table("Plan", [
        TEXT, {"name": "From", "type": "date", "options": DATE}, {"name": "To", "type": "date", "options": DATE}, {"name": "Days", "type": "duration", "options": {"durationFormat": "h:mm"}},
    ])
    schema = table.schema()
    ids = {field.name: field.id for field in schema.fields}
    schema.set_date_dependency("From", "To", "Days", "flexible", skip_weekends_and_holidays=True, holidays=["2026-01-01"])
    schema.save()
    settings = tables_of(wire)[table.id]["dateDependencySettings"]
    assert settings.pop("predecessorFieldId", None) is None and settings.pop("isForwardOnly", False) in (False, None)
    assert settings == {
        "isEnabled": True, "durationFieldId": ids["Days"], "startDateFieldId": ids["From"], "endDateFieldId": ids["To"],
        "reschedulingMode": "flexible", "shouldSkipWeekendsAndHolidays": True, "holidays": ["2026-01-01"],
    }


@pytest.mark.parametrize("wrong", [
    {"reschedulingMode": "sometimes"}, {"isEnabled": "x"}, {"startDateFieldId": DEPTH}, {"holidays": ["tomorrow"]}, {"holidays": "x"}, {"shouldSkipWeekendsAndHolidays": 1}, {"durationFieldId": 5}, {"colour": 1},
])
def test_dependencies_between_dates_that_are_refused(wire: Wire, wrong: dict) -> None:
    """Section 10: modes, and fields of the kind."""
    fields = [TEXT, {"name": "From", "type": "date", "options": DATE}, {"name": "To", "type": "date", "options": DATE}, {"name": "Days", "type": "duration", "options": {"durationFormat": "h:mm"}}]
    made = wire.good("POST", TABLES, {"name": "Plan", "fields": fields})
    _, start, end, duration = (field["id"] for field in made["fields"])
    good = {
        "isEnabled": True, "durationFieldId": duration, "startDateFieldId": start, "endDateFieldId": end, "predecessorFieldId": None,
        "reschedulingMode": "fixed", "shouldSkipWeekendsAndHolidays": True, "holidays": [],
    }
    before = wire.good("PATCH", f"{TABLES}/{made['id']}", {"dateDependencySettings": good})
    assert wire.ask("PATCH", f"{TABLES}/{made['id']}", {"dateDependencySettings": {**good, **wrong}}).status_code == 422
    assert tables_of(wire)[made["id"]] == before


def test_a_new_base_is_there_at_once(wire: Wire) -> None:
    """Section 10: `id` and `tables`; listed, readable, writable."""
    tables = [{"name": "One", "fields": [TEXT]}, {"name": "Two", "description": "second", "fields": [TEXT, {"name": "N", "type": "number", "options": {"precision": 0}}]}]
    made = wire.good("POST", BASES, {"name": "Fleet", "workspaceId": ident("wsp", "Sea"), "tables": tables})
    assert set(made) == {"id", "tables"} and re.fullmatch("app[A-Za-z0-9]{14}", made["id"])
    assert [(table["name"], len(table["fields"]), len(table["views"])) for table in made["tables"]] == [("One", 1, 1), ("Two", 2, 1)]
    assert {"id": made["id"], "name": "Fleet", "permissionLevel": "create"} in wire.good("GET", BASES)["bases"]
    assert wire.good("GET", f"{BASES}/{made['id']}/tables")["tables"] == made["tables"]
    record = wire.good("POST", f"/v0/{made['id']}/Two", {"fields": {"N": 3}})
    assert wire.good("GET", f"/v0/{made['id']}/{made['tables'][1]['id']}")["records"] == [record]
    assert wire.good("GET", f"{BASES}/{made['id']}", key=SCHEMA)["workspaceId"] == ident("wsp", "Sea")


@pytest.mark.parametrize("change", [
    {"tables": [{"name": "One", "fields": [TEXT], "primaryFieldId": ident("fld", "Name")}]},
    {"colour": "red"}, {"name": None}, {"name": 5}, {"workspaceId": None}, {"workspaceId": "Sea"}, {"tables": None}, {"tables": []}, {"tables": [{"name": "One", "fields": []}]},
    {"tables": [{"name": "One", "fields": [TEXT]}, {"name": "One", "fields": [TEXT]}]},
    {"tables": [{"name": "One", "fields": [{"name": "N", "type": "number"}]}]},
])
def test_bases_that_are_refused(wire: Wire, change: dict) -> None:
    """Sections 3.3 and 10; nothing of them is made."""
    before = wire.good("GET", BASES)
    body = {"name": "Fleet", "workspaceId": ident("wsp", "Sea"), "tables": [{"name": "One", "fields": [TEXT]}], **change}
    answer = wire.ask("POST", BASES, {key: value for key, value in body.items() if value is not None})
    assert answer.status_code in (403, 404, 422), answer.text
    if "primaryFieldId" in str(change) or "colour" in change:
        assert answer.json()["error"] == INVALID_PARAMETERS
    assert wire.good("GET", BASES) == before


def test_the_structure_needs_its_scope_and_the_role_create(wire: Wire) -> None:
    """Sections 1, 3.3 and 13."""
    field, table = {"name": "New", "type": "singleLineText"}, {"name": "New", "fields": [TEXT]}
    for key in (SCHEMA, WRITE):
        for method, path, body in (("POST", FIELDS, field), ("PATCH", f"{FIELDS}/{DEPTH}", {"name": "x"}), ("POST", TABLES, table), ("PATCH", f"{TABLES}/{BERTHS}", {"name": "x"})):
            wire.refused(403, HIDDEN, method, path, body, key=key)
    for base, table_id in ((LIGHTHOUSE, ident("tbl", "Buoys")), (ROLES["edit"], ident("tbl", "Marksedit"))):
        for method, path, body in (("POST", f"/{table_id}/fields", field), ("POST", "", table), ("PATCH", f"/{table_id}", {"name": "x"})):
            wire.refused(403, "INVALID_PERMISSIONS", method, f"{BASES}/{base}/tables{path}", body)
    wire.refused(403, HIDDEN, "POST", FIELDS, field, key=QUAY_ONLY)
    wire.good("POST", f"{BASES}/{QUAY}/tables", table, key=QUAY_ONLY)


def test_structures_that_are_not_there(wire: Wire) -> None:
    """Section 3.3."""
    nowhere = ident("tbl", "Nowhere")
    for method, path, body in (("POST", f"{TABLES}/{nowhere}/fields", TEXT), ("PATCH", f"{TABLES}/{nowhere}", {"name": "x"}), ("PATCH", f"{FIELDS}/{ident('fld', 'Nowhere')}", {"name": "x"}), ("PATCH", f"{FIELDS}/{ident('fld', 'Ship')}", {"name": "x"})):
        assert wire.ask(method, path, body).status_code in (403, 404, 422), path
    wire.refused(404, "NOT_FOUND", "PATCH", f"{FIELDS}/fld1", {"name": "x"})
    wire.refused(404, "NOT_FOUND", "GET", f"{BASES}/app1/tables")
    for method in ("DELETE", "GET"):
        assert wire.ask(method, f"{FIELDS}/{DEPTH}").status_code == 404, "no such route"
        assert wire.ask(method, f"{TABLES}/{BERTHS}").status_code == 404, "no such route"


def test_the_structure_by_the_client(wire: Wire) -> None:
    """Section 14.1: pyairtable makes bases, tables and fields, reads again what it made, and renames."""
    api = Api(FULL, endpoint_url=wire.url)
    base = api.create_base(ident("wsp", "Sea"), "Fleet", [{"name": "Ships", "fields": [TEXT]}])
    assert base.name == "Fleet" and base.permission_level == "create" and [table.name for table in base.tables()] == ["Ships"]
    table = base.create_table("Crews", [TEXT], description="Who sails")
    assert table.schema().description == "Who sails" and table.schema().primary_field_id == table.schema().fields[0].id
    for number, (kind, made) in enumerate(CREATED.items()):
        field = table.create_field(f"F{number}", kind, description="of every type", options=made.get("options"))
        assert type(field).__name__ != "UnknownFieldSchema" and field.type == kind
    assert len(table.schema(force=True).fields) == 1 + len(CREATED)
    field = table.schema().field("F0")
    field.name, field.description = "First", "changed"
    field.save()
    schema = table.schema(force=True)
    assert schema.field("First").description == "changed"
    schema.name = "Sailors"
    schema.save()
    assert base.table("Sailors", validate=True, force=True).id == table.id
    assert table.create({"First": "x"})["fields"] == {"First": "x"}
