"""The bases these tests look at: every type of field once, and names that a URL must escape."""

from __future__ import annotations


def ident(prefix: str, name: str) -> str:
    """An id of Airtable's shape: three letters and fourteen more."""
    assert len(name) <= 14
    return prefix + name + "0" * (14 - len(name))


HARBOUR, QUAY, LIGHTHOUSE = ident("app", "Harbour"), ident("app", "Quay"), ident("app", "Lighthouse")
# What the tokens' users may do in bases of one table each.
ROLES = {level: ident("app", level.capitalize()) for level in ("none", "comment", "edit")}
SHIPS, BERTHS, CRATES, LAMPS, BUOYS = (ident("tbl", name) for name in ("Ships", "Berths", "Crates", "Lamps", "Buoys"))
ADA, BO = ident("usr", "Ada"), ident("usr", "Bo")
USERS = [{"id": ADA, "email": "ada@harbour.test", "name": "Ada Anchor"}, {"id": BO, "email": "bo@harbour.test", "name": "Bo Bilge"}]
ADA_CELL, BO_CELL = USERS
CRATE_COUNT = 230
SHIPS_NAME = "Ships / 50% & more (α)"
DATE = {"dateFormat": {"name": "iso", "format": "YYYY-MM-DD"}}
MOMENT = {**DATE, "timeZone": "utc", "timeFormat": {"name": "24hour", "format": "HH:mm"}}


def field(name: str, kind: str, options: dict | None = None, **more: str) -> dict:
    made = {"id": ident("fld", "".join(filter(str.isalnum, name))), "name": name, "type": kind, **more}
    return made if options is None else {**made, "options": options}


def choices(*names: str) -> dict:
    return {"choices": [{"id": ident("sel", f"{name[:2].strip().encode().hex()}x"), "name": name, "color": "blueLight2"} for name in names]}


def link(table: str, inverse: str) -> dict:
    return {"linkedTableId": table, "isReversed": False, "prefersSingleRecordLink": False, "inverseLinkFieldId": inverse}


SHIP_FIELDS = [
    field("Ship", "singleLineText", description="What is painted on her"),
    field("Log", "multilineText"),
    field("Story", "richText"),
    field("Mail", "email"),
    field("Site", "url"),
    field("Phone", "phoneNumber"),
    field("Tonnage", "number", {"precision": 2}),
    field("Crew", "number", {"precision": 0}),
    field("Load", "percent", {"precision": 1}),
    field("Price", "currency", {"precision": 2, "symbol": "€"}),
    field("Voyage", "duration", {"durationFormat": "h:mm:ss"}),
    field("Rank", "rating", {"icon": "star", "color": "yellowBright", "max": 7}),
    field("Seaworthy", "checkbox", {"icon": "check", "color": "greenBright"}),
    field("Flag", "singleSelect", choices("Panama", "Malta", "Åland")),
    field("Cargo", "multipleSelects", choices("Tin", "Silk", "Dry fish")),
    field("Launched", "date", DATE),
    field("Docked", "dateTime", MOMENT),
    field("Sailing", "dateTime", {**MOMENT, "timeZone": "Asia/Tokyo"}),
    field("Papers", "multipleAttachments", {"isReversed": False}),
    field("Berths", "multipleRecordLinks", link(BERTHS, ident("fld", "Moored"))),
    field("Captain", "singleCollaborator"),
    field("Mates", "multipleCollaborators"),
    field("Tag", "barcode"),
]
SHIP_COMPUTED = [
    field("Twice", "formula", {"formula": "{%s}*2" % ident("fld", "Crew"), "isValid": True, "referencedFieldIds": [ident("fld", "Crew")], "result": {"type": "number", "options": {"precision": 0}}}),
    field("Broken", "formula", {"formula": "IF({%s}=13,ERROR(),'')" % ident("fld", "Crew"), "isValid": True, "referencedFieldIds": [ident("fld", "Crew")], "result": {"type": "singleLineText"}}),
    field("Names", "multipleLookupValues", {"isValid": True, "recordLinkFieldId": ident("fld", "Berths"), "fieldIdInLinkedTable": ident("fld", "Berth"), "result": {"type": "singleLineText"}}),
    field("Depth sum", "rollup", {"isValid": True, "recordLinkFieldId": ident("fld", "Berths"), "fieldIdInLinkedTable": ident("fld", "Depth"), "referencedFieldIds": [], "formula": "SUM(values)", "result": {"type": "number", "options": {"precision": 1}}}),
    field("How many", "count", {"isValid": True, "recordLinkFieldId": ident("fld", "Berths")}),
    field("No", "autoNumber"),
    field("Made", "createdTime", {"result": {"type": "dateTime", "options": MOMENT}}),
    field("Touched", "lastModifiedTime", {"isValid": True, "referencedFieldIds": [], "result": {"type": "dateTime", "options": MOMENT}}),
    field("Maker", "createdBy"),
    field("Toucher", "lastModifiedBy"),
]
BERTH_FIELDS = [
    field("Berth", "singleLineText"),
    field("Depth", "number", {"precision": 1}),
    field("Moored", "multipleRecordLinks", link(SHIPS, ident("fld", "Berths"))),
]
CRATE_FIELDS = [
    field("Mark", "singleLineText"),
    field("Weight", "number", {"precision": 0}),
    field("Grade", "singleSelect", choices("Coarse", "Fine", "Best")),
    field("Sealed", "checkbox", {"icon": "check", "color": "greenBright"}),
    field("Remark", "singleLineText"),
]


def crate(number: int) -> dict:
    """Weights 0…229 in another order than the ids; a grade for two of three; sealed: every tenth; remarks: none."""
    cells: dict = {"Mark": f"Crate {number:03}", "Weight": (number * 7) % CRATE_COUNT}
    if number % 3:
        cells["Grade"] = ("Best", "Coarse")[number % 3 - 1]
    if number % 10 == 0:
        cells["Sealed"] = True
    return {"id": ident("rec", f"Crate{number:03}"), "createdTime": "2023-05-06T07:08:09.000Z", "fields": cells}


def table(table_id: str, name: str, fields: list[dict], records: list[dict], **more: str) -> dict:
    views = [{"id": ident("viw", f"{table_id[3:8]}All"), "name": "All of them", "type": "grid"}]
    return {"id": table_id, "name": name, "primaryFieldId": fields[0]["id"], "fields": fields, "views": views, "records": records, **more}


ALL_SCOPES = ["data.records:read", "data.records:write", "data.recordComments:read", "data.recordComments:write", "schema.bases:read", "schema.bases:write", "webhook:manage", "user.email:read"]
FULL, READ, WRITE, SCHEMA, WORKSPACES, NOTHING, QUAY_ONLY, OF_BO, HOOKS_ONLY, HOOKS_AND_RECORDS = (
    f"pat{name:0<14}.{name.lower()}" for name in ("Full", "Read", "Write", "Schema", "Workspaces", "Nothing", "QuayOnly", "OfBo", "Hooks", "HooksRecords")
)
TOKENS = [
    {"token": FULL, "scopes": ALL_SCOPES, "bases": "*", "user": ADA},
    {"token": READ, "scopes": ["data.records:read"], "bases": "*", "user": ADA},
    {"token": WRITE, "scopes": ["data.records:write"], "bases": "*", "user": ADA},
    {"token": SCHEMA, "scopes": ["schema.bases:read"], "bases": "*", "user": ADA},
    {"token": WORKSPACES, "scopes": ["workspacesAndBases:read"], "bases": "*", "user": ADA},
    {"token": NOTHING, "scopes": [], "bases": "*", "user": ADA},
    {"token": QUAY_ONLY, "scopes": ALL_SCOPES, "bases": [QUAY], "user": ADA},
    {"token": OF_BO, "scopes": ALL_SCOPES, "bases": "*", "user": BO},
    {"token": HOOKS_ONLY, "scopes": ["webhook:manage"], "bases": "*", "user": ADA},
    {"token": HOOKS_AND_RECORDS, "scopes": ["webhook:manage", "data.records:read"], "bases": "*", "user": ADA},
]
NO_LIMITS = {"requestsPerSecondPerBase": None, "requestsPerSecondPerUser": None, "penaltySeconds": 30, "retryAfterHeader": False}
def role_base(level: str) -> dict:
    flags, mark = field("Flags", "singleSelect", choices("Red")), ident("rec", f"Mark{level}")
    only = table(ident("tbl", f"Marks{level}"), "Marks", [field("Mark", "singleLineText"), flags], [{"id": mark, "createdTime": "2023-01-01T00:00:00.000Z", "fields": {"Mark": "one"}}])
    renamed = {**only, "primaryFieldId": ident("fld", f"Mark{level}"), "fields": [{**own, "id": ident("fld", f"{own['name']}{level}")} for own in only["fields"]]}
    renamed["views"] = [{"id": ident("viw", f"Marks{level}"), "name": "All of them", "type": "grid"}]
    return {"id": ROLES[level], "name": f"Role {level}", "permissionLevel": level, "tables": [renamed]}


BERTH_RECORDS = [
    {"id": ident("rec", f"Berth{name}"), "createdTime": "2023-01-02T03:04:05.000Z", "fields": {"Berth": f"Berth {name}", "Depth": depth}}
    for name, depth in (("North", 7.5), ("East", 3), ("South", 12.25))
]
NORTH, EAST, SOUTH = (record["id"] for record in BERTH_RECORDS)
SEED = {
    "bases": [
        {"id": HARBOUR, "name": "Harbour", "permissionLevel": "create", "tables": [
            table(SHIPS, SHIPS_NAME, SHIP_FIELDS + SHIP_COMPUTED, [], description="Everything that floats"),
            table(BERTHS, "Berths", BERTH_FIELDS, BERTH_RECORDS),
            table(CRATES, "Crates", CRATE_FIELDS, [crate(number) for number in range(CRATE_COUNT)]),
        ]},
        {"id": QUAY, "name": "Quay", "permissionLevel": "create", "tables": [table(LAMPS, "Lamps", [field("Lamp", "singleLineText")], [])]},
        {"id": LIGHTHOUSE, "name": "Lighthouse", "permissionLevel": "read", "tables": [
            table(BUOYS, "Buoys", [field("Buoy", "singleLineText")], [{"id": ident("rec", "Buoy1"), "createdTime": "2023-01-01T00:00:00.000Z", "fields": {"Buoy": "red"}}]),
        ]},
        *map(role_base, ROLES),
    ],
    "users": USERS,
    "tokens": TOKENS,
    "limits": NO_LIMITS,
}
BUOY = ident("rec", "Buoy1")
CRATES_VIEW, BERTHS_VIEW = ident("viw", "CrateAll"), ident("viw", "BerthAll")
