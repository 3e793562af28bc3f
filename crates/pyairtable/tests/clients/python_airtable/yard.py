"""A base of the types of field that no API can create, and of what formulas give in corner cases."""

from harbour import ADA, DATE, MOMENT, ident
from harbour import field as make_field

YARD, PARTS, TOOLS = ident("app", "Yard"), ident("tbl", "Parts"), ident("tbl", "Tools")
SCREW, BOLT, HAMMER, SAW = (ident("rec", name) for name in ("Screw", "Bolt", "Hammer", "Saw"))
NUMBER = {"type": "number", "options": {"precision": 2}}
TEXT = {"type": "singleLineText"}
SOURCES = {"choices": [{"id": ident("sel", "Upstream"), "name": "Upstream", "color": "cyanLight2"}]}
DRAFT = {"state": "generated", "isStale": False, "value": "A fine screw."}
OPEN = {"label": "Open", "url": "https://yard.test/screw"}


def formula(name: str, text: str, *fields: str, result: dict = NUMBER) -> dict:
    refers = [ident("fld", field) for field in fields]
    for field, ref in zip(fields, refers):
        text = text.replace("{%s}" % field, "{%s}" % ref)
    return make_field(name, "formula", {"formula": text, "isValid": True, "referencedFieldIds": refers, "result": result})


def lookup(name: str, of: str, result: dict) -> dict:
    return make_field(name, "multipleLookupValues", {"isValid": True, "recordLinkFieldId": ident("fld", "Uses"), "fieldIdInLinkedTable": ident("fld", of), "result": result})


DRAWINGS = [
    {"id": ident("att", "Plan"), "url": "https://yard.test/plan.png", "filename": "plan.png", "size": 7297, "type": "image/png", "width": 40, "height": 30,
     "thumbnails": {size: {"url": f"https://yard.test/{size}.png", "width": 40, "height": 30} for size in ("small", "large", "full")}},
    {"id": ident("att", "Notes"), "url": "https://yard.test/notes.pdf", "filename": "notes.pdf", "size": 12, "type": "application/pdf"},
]
PART_FIELDS = [
    make_field("Part", "singleLineText"),
    make_field("Over", "number", {"precision": 2}),
    make_field("Under", "number", {"precision": 2}),
    make_field("Time", "duration", {"durationFormat": "h:mm:ss.SSS"}),
    make_field("Kinds", "multipleSelects", {"choices": [{"id": ident("sel", "A"), "name": "A"}, {"id": ident("sel", "B"), "name": "B"}]}),
    make_field("Used by", "multipleRecordLinks", {"linkedTableId": TOOLS, "isReversed": False, "prefersSingleRecordLink": False, "inverseLinkFieldId": ident("fld", "Uses")}),
    make_field("Drawings", "multipleAttachments", {"isReversed": False}),
    formula("Ratio", "{Over}/{Under}", "Over", "Under"),
    formula("Fault", "ERROR()", result=TEXT),
    formula("Truth", "{Over}>1", "Over"),
    formula("Day", "DATEADD('2024-02-28', {Over}, 'days')", "Over", result={"type": "date", "options": DATE}),
    formula("Kinds of it", "{Kinds}", "Kinds", result=TEXT),
    formula("Words", "{Part}&' no. '&{Over}", "Part", "Over", result=TEXT),
    make_field("Draft", "aiText", {"prompt": ["Praise ", {"field": {"fieldId": ident("fld", "Part")}}], "referencedFieldIds": [ident("fld", "Part")]}),
    make_field("Open", "button"),
    make_field("Source", "externalSyncSource", SOURCES),
    {**make_field("Place", "manualSort"), "options": None},
    make_field("Born", "createdTime", {"result": {"type": "date", "options": DATE}}),
    make_field("Over touched", "lastModifiedTime", {"isValid": True, "referencedFieldIds": [ident("fld", "Over")], "result": {"type": "dateTime", "options": MOMENT}}),
]
TOOL_FIELDS = [
    make_field("Tool", "singleLineText"),
    make_field("Uses", "multipleRecordLinks", {"linkedTableId": PARTS, "isReversed": False, "prefersSingleRecordLink": False, "inverseLinkFieldId": ident("fld", "Usedby")}),
    lookup("Part faults", "Fault", TEXT),
    lookup("Part kinds", "Kinds", {"type": "multipleSelects"}),
    lookup("Part overs", "Over", NUMBER),
]
CREATED = "2022-02-03T23:30:00.000Z"
# Seeded neither in the order of their ids nor of their times.
RECORDS = {
    PARTS: [
        {"id": SCREW, "createdTime": "2022-02-03T23:30:00.000Z", "fields": {"Part": "Screw", "Over": 0, "Under": 0, "Kinds": ["B", "A"], "Drawings": DRAWINGS, "Draft": DRAFT, "Open": OPEN, "Source": "Upstream", "Place": "a0"}},
        {"id": BOLT, "createdTime": "2022-02-04T00:30:00.000Z", "fields": {"Part": "Bolt", "Over": 3, "Under": 0, "Kinds": ["A"], "Open": OPEN}},
    ],
    TOOLS: [
        {"id": SAW, "createdTime": "2022-01-01T00:00:00.000Z", "fields": {"Tool": "Saw"}},
        {"id": HAMMER, "createdTime": "2022-01-02T00:00:00.000Z", "fields": {"Tool": "Hammer", "Uses": [SCREW, BOLT]}},
    ],
}


def a_table(table_id: str, name: str, fields: list[dict]) -> dict:
    return {"id": table_id, "name": name, "primaryFieldId": fields[0]["id"], "fields": fields, "views": [{"id": ident("viw", name), "name": "Every", "type": "grid"}], "records": RECORDS[table_id]}


YARD_BASE = {"id": YARD, "name": "Yard", "permissionLevel": "create", "tables": [a_table(PARTS, "Parts", PART_FIELDS), a_table(TOOLS, "Tools", TOOL_FIELDS)]}
MANY_BASES = [
    {"id": ident("app", f"Many{number:05}"), "name": f"Many {number:05}", "permissionLevel": "read", "tables": [
        {"id": ident("tbl", f"Many{number:05}"), "name": "T", "primaryFieldId": ident("fld", f"Many{number:05}"), "fields": [{"id": ident("fld", f"Many{number:05}"), "name": "N", "type": "singleLineText"}], "views": [], "records": []},
    ]}
    for number in range(1005)
]
TOKEN = "patYard00000000000.yard"
SEED = {
    "bases": [YARD_BASE, *MANY_BASES],
    "users": [{"id": ADA, "email": "ada@harbour.test", "name": "Ada Anchor"}],
    "tokens": [{"token": TOKEN, "scopes": ["data.records:read", "data.records:write", "schema.bases:read", "webhook:manage"], "bases": "*", "user": ADA}],
    "limits": {"requestsPerSecondPerBase": None, "requestsPerSecondPerUser": None, "penaltySeconds": 30, "retryAfterHeader": False},
}
