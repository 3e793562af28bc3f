"""Whoever reads a webhook's payloads knows the base: replayed, they give what is listed (sections 7, 11.4 and 15 of Airtable's reference)."""

from __future__ import annotations

import random
from urllib.parse import quote

import pytest

from harbour import ADA, BERTHS, BO, CRATES, HARBOUR, OF_BO, SHIPS
from hooks import Hook
from test_edits import edit
from test_model import random_cells
from wire import Wire

TABLES = (SHIPS, BERTHS, CRATES)
NAMES = {SHIPS: ["Ship", "Crew", "Names", "Depth+sum", "Twice"], BERTHS: ["Berth", "Depth", "Moored"], CRATES: ["Mark", "Weight", "Grade"]}


def listed(wire: Wire, table: str) -> dict[str, dict]:
    found, offset = {}, ""
    while True:
        page = wire.good("GET", f"/v0/{HARBOUR}/{table}?returnFieldsByFieldId=true&offset={quote(offset, safe='')}")
        found.update({record["id"]: record["fields"] for record in page["records"]})
        offset = page.get("offset", "")
        if not offset:
            return found


def as_listed(kind: str, cell: object) -> object:
    """A cell of a payload in the shape of the record API (section 7, columns V1 and V2)."""
    if kind == "singleSelect":
        return cell["name"]
    if kind == "multipleSelects":
        return [choice["name"] for choice in cell]
    if kind == "multipleRecordLinks":
        return [link["id"] for link in cell]
    if kind == "multipleLookupValues":
        return [value for record in cell["linkedRecordIds"] for value in cell["valuesByLinkedRecordId"].get(record, [])]
    if kind in ("singleCollaborator", "createdBy", "lastModifiedBy"):
        return {key: cell[key] for key in ("id", "email", "name")}
    if kind == "multipleCollaborators":
        return [as_listed("singleCollaborator", person) for person in cell]
    return cell


class Replica:
    """What somebody knows who listed the base once and has read every payload since."""

    def __init__(self, wire: Wire) -> None:
        self.hook = Hook.create(wire, "tableData")
        self.kinds = {field["id"]: field["type"] for table in wire.good("GET", f"/v0/meta/bases/{HARBOUR}/tables")["tables"] for field in table["fields"]}
        self.rows = {table: listed(wire, table) for table in TABLES}
        self.cursor = 1

    def catch_up(self) -> None:
        payloads = self.hook.payloads(self.cursor)
        self.cursor += len(payloads)
        for payload in payloads:
            for table, change in payload["changedTablesById"].items():
                rows = self.rows[table]
                for record, made in change.get("createdRecordsById", {}).items():
                    assert record not in rows, "made twice"
                    rows[record] = {}
                    self.write(rows[record], made["cellValuesByFieldId"])
                for record, changed in change.get("changedRecordsById", {}).items():
                    self.write(rows[record], changed["current"]["cellValuesByFieldId"])
                for record in change.get("destroyedRecordIds", []):
                    del rows[record]

    def write(self, cells: dict, told: dict) -> None:
        for field, cell in told.items():
            value = None if cell is None else as_listed(self.kinds[field], cell)
            if value in (None, "", []) or value is False:
                cells.pop(field, None)
            else:
                cells[field] = value


class Life:
    """Random writes of every kind, by two users and by hand."""

    KINDS = ["create", "create", "PATCH", "PATCH", "PUT", "delete", "upsert"]

    def __init__(self, wire: Wire, seed: int, *more: str) -> None:
        self.wire, self.dice, self.kinds = wire, random.Random(seed), [*self.KINDS, *more]

    def some(self, table: str, most: int) -> list[str]:
        known = sorted(listed(self.wire, table))
        return self.dice.sample(known, min(len(known), self.dice.randrange(most + 1)))

    def cells(self, table: str) -> dict:
        dice = self.dice
        if table == CRATES:
            return random_cells(dice)
        if table == BERTHS:
            every: dict = {"Berth": dice.choice(["", "A", "B", "C"]), "Depth": dice.choice([None, 0, 1.5, 12]), "Moored": self.some(SHIPS, 3)}
        else:
            every = {
                "Ship": dice.choice([None, "Pia", "Quinn"]), "Crew": dice.choice([None, 0, 5, 13]), "Flag": dice.choice([None, "Malta", "Peru"]), "Cargo": dice.sample(["Tin", "Silk", "Salt"], dice.randrange(2)),
                "Berths": self.some(BERTHS, 3), "Captain": dice.choice([None, {"id": ADA}, {"id": BO}]), "Mates": dice.sample([ADA, BO], dice.randrange(2)), "Seaworthy": dice.choice([True, False]), "Launched": dice.choice([None, "2001-02-03"]),
            }
        return {name: every[name] for name in dice.sample(sorted(every), dice.randrange(1, len(every) + 1))}

    def step(self) -> None:
        dice, table = self.dice, self.dice.choice(TABLES)
        path, kind, some = f"/v0/{HARBOUR}/{table}", dice.choice(self.kinds), self.some(table, 4)
        key = dice.choice([{}, {"key": OF_BO}])
        if kind == "create":
            self.wire.good("POST", path, {"records": [{"fields": self.cells(table)} for _ in range(dice.randrange(1, 4))], "typecast": True}, **key)
        elif kind == "delete" and some:
            self.wire.good("DELETE", f"{path}?{'&'.join(f'records[]={record}' for record in some[:2])}", **key)
        elif kind == "upsert":
            merge = {SHIPS: "Ship", BERTHS: "Berth", CRATES: "Mark"}[table]
            self.wire.ask("PATCH", path, {"performUpsert": {"fieldsToMergeOn": [merge]}, "records": [{"fields": {**self.cells(table), merge: dice.choice("XYZ")}}], "typecast": True}, **key)
        elif kind == "edit" and some:
            edit(self.wire, ("PATCH", f"{path}/{some[0]}", {"fields": self.cells(table), "typecast": True}), user=BO)
        elif kind in ("PATCH", "PUT") and some:
            self.wire.good(kind, path, {"records": [{"id": record, "fields": self.cells(table)} for record in some], "typecast": True}, **key)


@pytest.mark.parametrize("seed", range(2))
def test_a_replica_is_what_is_listed(wire: Wire, seed: int) -> None:
    """Cells, links on both sides and all that is computed; caught up in steps of any length."""
    wire = wire.unpaced
    replica, life = Replica(wire), Life(wire, seed, "edit")
    for _ in range(6):
        for _ in range(life.dice.randrange(1, 25)):
            life.step()
        replica.catch_up()
        for table in TABLES:
            now = listed(wire, table)
            assert set(replica.rows[table]) == set(now)
            for record, cells in now.items():
                assert replica.rows[table][record] == cells, (table, record)
    assert replica.cursor > 20, "nearly nothing has happened"


@pytest.mark.parametrize("seed", range(2))
def test_no_read_is_older_than_a_write_that_was_answered(wire: Wire, seed: int) -> None:
    """Section 15: lists, filters, views, single records and schemas, warm and cold, are those of the moment."""
    if not wire.admin:
        pytest.skip("nothing is kept from a read to the next: this is for --through-gateway")
    life, dice = Life(wire, seed), random.Random(seed)
    for _ in range(40):
        life.step()
        table = dice.choice(TABLES)
        path, some = f"/v0/{HARBOUR}/{table}", life.some(table, 2)
        reads = [
            path, f"{path}?returnFieldsByFieldId=true", f"{path}?sort[0][field]={dice.choice(NAMES[table])}&pageSize=7", f"{path}?filterByFormula=%7B{dice.choice(NAMES[table])}%7D",
            f"{path}?view=All+of+them&maxRecords=20", f"{path}?fields[]={NAMES[table][0]}", f"/v0/meta/bases/{HARBOUR}/tables", *(f"{path}/{record}" for record in some),
        ]
        for read in dice.sample(reads, 3):
            told, now = wire.good("GET", read), wire.unpaced.good("GET", read)
            for page in (told, now):
                page.pop("offset", None)
            assert told == now, read


@pytest.mark.parametrize("seed", range(2))
def test_a_replica_of_the_structure_is_what_the_schema_tells(wire: Wire, seed: int) -> None:
    """Section 11.4: names, types and descriptions of tables and fields, from tableFields and tableMetadata."""
    dice, path = random.Random(seed), f"/v0/meta/bases/{HARBOUR}/tables"
    hook = Hook.create(wire, "tableFields", "tableMetadata")
    replica = structure(wire)
    for number in range(40):
        table = dice.choice(sorted(replica))
        if (kind := dice.randrange(5)) == 0:
            wire.good("POST", path, {"name": f"T{number}", "fields": [{"name": "N", "type": "singleLineText"}, {"name": "M", "type": "url"}]})
        elif kind == 1:
            wire.good("PATCH", f"{path}/{table}", {"name": f"R{number}"} if dice.random() < 0.5 else {"description": f"D{number}"})
        elif kind == 2:
            wire.good("POST", f"{path}/{table}/fields", {"name": f"F{number}", "type": dice.choice(["email", "richText"])})
        elif kind == 3:
            wire.good("POST", f"{path}/{table}/fields", {"name": f"L{number}", "type": "multipleRecordLinks", "options": {"linkedTableId": dice.choice(sorted(replica))}})
        else:
            field = dice.choice(wire.good("GET", path)["tables"][0]["fields"])["id"]
            wire.good("PATCH", f"{path}/{wire.good('GET', path)['tables'][0]['id']}/fields/{field}", {"name": f"G{number}"})
    for payload in hook.payloads():
        for table, made in payload.get("createdTablesById", {}).items():
            replica[table] = {"name": made["metadata"]["name"], "description": made["metadata"].get("description"), "fields": dict(made["fieldsById"])}
        for table, change in payload.get("changedTablesById", {}).items():
            replica[table].update({key: value for key, value in change.get("changedMetadata", {}).get("current", {}).items()})
            replica[table]["fields"].update(change.get("createdFieldsById", {}))
            for field, changed in change.get("changedFieldsById", {}).items():
                replica[table]["fields"][field] = {**replica[table]["fields"][field], **changed["current"]}
    assert replica == structure(wire)


def structure(wire: Wire) -> dict[str, dict]:
    return {
        table["id"]: {"name": table["name"], "description": table.get("description"), "fields": {field["id"]: {"name": field["name"], "type": field["type"]} for field in table["fields"]}}
        for table in wire.good("GET", f"/v0/meta/bases/{HARBOUR}/tables")["tables"]
    }
