"""Fields and tables that a person deletes, which no API can do (sections 3.3, 5.2, 7, 10 and 11.4 of Airtable's reference, and the
emulator's README: "Deleted fields and tables")."""

from __future__ import annotations

import base64
import copy
import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from pyairtable import Api

from conftest import start_emulator
from harbour import ADA, BO, DATE, FULL, HARBOUR, MOMENT, NO_LIMITS, OF_BO, QUAY, READ, TOKENS, USERS, field, ident, link
from hooks import HOOKS, Hook, Receiver, specification
from services import Service
from test_edits import edit, edited
from test_kept import life  # noqa: F401  a fixture
from test_snapshot import restore, snapshot
from wire import HIDDEN, Wire, cells

# The base has the harbour's id, so that `Hook` makes webhooks in it.
GROWERS, TREES, SCALES, BOXES, LAMPS = (ident("tbl", name) for name in ("Growers", "Trees", "Scales", "Boxes", "Lamps"))
BOXES_NAME = "Boxes / 50% & more (α)"
JO, ANN, APPLE, PEAR, PLUM, HEAVY, LIGHT = (ident("rec", name) for name in ("Jo", "Ann", "Apple", "Pear", "Plum", "Heavy", "Light"))
TREE, HEIGHT, NOTE, PLANTED, KEPT_BY, PHOTOS, PAPERS, WEIGHED = (ident("fld", name) for name in ("Tree", "Height", "Note", "Planted", "Keptby", "Photos", "Papers", "Weighed"))
NAMES, TOWNS, HOW_MANY, TWICE, CHAIN, LABEL, WHOSE = (ident("fld", name) for name in ("Names", "Towns", "Howmany", "Twice", "Chain", "Label", "Whose"))
NAME, TOWN, KEEPS, HEIGHTS = (ident("fld", name) for name in ("Name", "Town", "Keeps", "Heights"))
MARK, WEIGHT, FROM = (ident("fld", name) for name in ("Mark", "Weight", "From"))
TALL, NOTED, EVERY_TREE, EVERY_BOX = (ident("viw", name) for name in ("Tall", "Noted", "Trees", "Boxes"))
BOX_COUNT = 130
NUMBER, TEXT, TIME = {"type": "number", "options": {"precision": 1}}, {"type": "singleLineText"}, {"type": "dateTime", "options": MOMENT}


def formula(name: str, text: str, *refers: str, result: dict = NUMBER) -> dict:
    return field(name, "formula", {"formula": text % refers, "isValid": True, "referencedFieldIds": list(refers), "result": result})


def touched(name: str, *refers: str) -> dict:
    return field(name, "lastModifiedTime", {"isValid": True, "referencedFieldIds": list(refers), "result": TIME})


def record(record_id: str, **named: object) -> dict:
    return {"id": record_id, "createdTime": "2024-01-02T03:04:05.000Z", "fields": {name.replace("_", " "): value for name, value in named.items()}}


def grid(view: str, name: str, **more: object) -> dict:
    return {"id": view, "name": name, "type": "grid", **more}


def box(number: int) -> dict:
    return record(ident("rec", f"Box{number:03}"), Mark=f"Box {number:03}", Weight=(number * 7) % BOX_COUNT, Kind=f"k{number % 4}", From=[APPLE, PLUM] if number == 0 else [])


PHOTO = {"id": ident("att", "Photo"), "url": "https://orchard.test/a.png", "filename": "a.png", "size": 7, "type": "image/png"}
LOOKUP = {"isValid": True, "recordLinkFieldId": KEPT_BY, "fieldIdInLinkedTable": NAME, "result": TEXT}
ROLLUP = {"isValid": True, "recordLinkFieldId": KEPT_BY, "fieldIdInLinkedTable": TOWN, "referencedFieldIds": [], "formula": "ARRAYJOIN(values, '+')", "result": TEXT}
ORCHARD = [
    {"id": GROWERS, "name": "Growers", "primaryFieldId": NAME, "views": [grid(ident("viw", "Growers"), "Every")],
     "fields": [field("Name", "singleLineText"), field("Town", "singleLineText"), field("Keeps", "multipleRecordLinks", link(TREES, KEPT_BY)),
                field("Heights", "multipleLookupValues", {"isValid": True, "recordLinkFieldId": KEEPS, "fieldIdInLinkedTable": HEIGHT, "result": NUMBER})],
     "records": [record(JO, Name="Smith, Jo", Town="Bergen"), record(ANN, Name="Ann", Town="Turku")]},
    {"id": TREES, "name": "Trees", "primaryFieldId": TREE,
     "views": [
         grid(EVERY_TREE, "Every"),
         grid(TALL, "Tall", filterByFormula="{Height} > 3", sort=[{"field": "Height", "direction": "desc"}, {"field": "Tree", "direction": "desc"}], visibleFieldIds=[TREE, HEIGHT, NOTE]),
         grid(NOTED, "Noted", filterByFormula="{%s} != ''" % NOTE, sort=[{"field": NOTE, "direction": "desc"}]),
     ],
     "fields": [
         field("Tree", "singleLineText"), field("Height", "number", {"precision": 1}), field("Note", "singleLineText"), field("Planted", "date", DATE),
         field("Kept by", "multipleRecordLinks", link(GROWERS, KEEPS)), field("Photos", "multipleAttachments", {"isReversed": False}), field("Papers", "multipleAttachments", {"isReversed": False}),
         field("Weighed", "multipleRecordLinks", link(SCALES, ident("fld", "Weighs"))),
         field("Graft", "multipleRecordLinks", link(TREES, ident("fld", "Stock"))), field("Stock", "multipleRecordLinks", {**link(TREES, ident("fld", "Graft")), "isReversed": True}),
         field("Names", "multipleLookupValues", LOOKUP), field("Towns", "rollup", ROLLUP), field("How many", "count", {"isValid": True, "recordLinkFieldId": KEPT_BY}),
         formula("Twice", "{%s}*2", HEIGHT), formula("Chain", "{%s}+1", TWICE), formula("Label", "{%s}&'!'", TREE, result=TEXT), formula("Whose", "{%s}&'?'", KEPT_BY, result=TEXT),
         field("No", "autoNumber"), field("Made", "createdTime", {"result": TIME}), touched("Touched"), touched("Measured", HEIGHT), touched("Replanted", PLANTED), field("Toucher", "lastModifiedBy"),
     ],
     "records": [
         record(APPLE, Tree="Apple", Height=5, Note="red", Planted="2020-02-29", Kept_by=[JO, ANN], Photos=[PHOTO], Weighed=[HEAVY, LIGHT], Graft=[PEAR, PLUM]),
         record(PEAR, Tree="Pear", Height=2, Note="green", Planted="2021-03-01", Kept_by=[ANN]),
         record(PLUM, Tree="Plum", Height=8, Planted="2022-04-01"),
     ],
     "syncs": [{"id": "SyncNote01", "keyFieldId": NOTE, "deletesMissing": False}, {"id": "SyncTree02", "deletesMissing": False}]},
    {"id": SCALES, "name": "Scales", "primaryFieldId": ident("fld", "Grams"), "views": [grid(ident("viw", "Scales"), "Every")],
     "fields": [field("Grams", "number", {"precision": 1}), field("Weighs", "multipleRecordLinks", link(TREES, WEIGHED))],
     "records": [record(HEAVY, Grams=7.5), record(LIGHT, Grams=3)]},
    {"id": BOXES, "name": BOXES_NAME, "primaryFieldId": MARK, "views": [grid(EVERY_BOX, "Every")],
     "fields": [
         field("Mark", "singleLineText"), field("Weight", "number", {"precision": 0}), field("Kind", "singleLineText"), {**field("Number", "autoNumber")},
         field("From", "multipleRecordLinks", {key: value for key, value in link(TREES, "").items() if key != "inverseLinkFieldId"}),
     ],
     "records": [box(number) for number in range(BOX_COUNT)]},
]
SEED = {
    "bases": [
        {"id": HARBOUR, "name": "Orchard", "permissionLevel": "create", "tables": ORCHARD},
        {"id": QUAY, "name": "Quay", "permissionLevel": "create", "tables": [
            {"id": LAMPS, "name": "Lamps", "primaryFieldId": ident("fld", "Lamp"), "fields": [field("Lamp", "singleLineText"), field("Watt", "number", {"precision": 0})], "views": [], "records": [record(ident("rec", "Lamp"), Lamp="red", Watt=5)]},
        ]},
    ],
    "users": USERS, "tokens": TOKENS, "limits": {**NO_LIMITS, "syncsPerFiveMinutes": None},
}
TABLES = f"/v0/meta/bases/{HARBOUR}/tables"
AT = {table: f"/v0/{HARBOUR}/{table}" for table in (GROWERS, TREES, SCALES, BOXES)}
FILE_URL = re.compile(r'"http://[^"]+/attachments/[^"]+"')
ERROR = {"error": "#ERROR!"}
QUOTED = '"Smith, Jo", Ann'


def at(table: str, field_id: str) -> str:
    return f"{TABLES}/{table}/fields/{field_id}"


def delete(wire: Wire, *paths: str, **more: object) -> None:
    """By hand; each path ends with the id of what it deletes, unless that is a table's name."""
    for path, answer in zip(paths, edited(wire, *(("DELETE", path) for path in paths), **more), strict=True):
        assert answer["deleted"] is True and (len(path.rpartition("/")[2]) != 17 or answer == {"id": path.rpartition("/")[2], "deleted": True}), answer


def schema(wire: Wire) -> dict[str, dict]:
    return {table["id"]: table for table in wire.good("GET", f"{TABLES}?include=visibleFieldIds")["tables"]}


def fields_of(wire: Wire, table: str) -> dict[str, dict]:
    return {told["id"]: told for told in schema(wire)[table]["fields"]}


def views_of(wire: Wire, table: str) -> dict[str, dict]:
    return {told["id"]: told for told in schema(wire)[table]["views"]}


def valid(wire: Wire, table: str) -> dict[str, bool]:
    """Of the computed fields that tell it."""
    return {told["name"]: told["options"]["isValid"] for told in fields_of(wire, table).values() if "isValid" in told.get("options", {})}


def rows(wire: Wire, table: str, query: str = "") -> list[dict]:
    found, offset = [], ""
    while True:
        page = wire.good("GET", f"/v0/{HARBOUR}/{table}?{query}&offset={quote(offset, safe='')}")
        found += page["records"]
        offset = page.get("offset", "")
        if not offset:
            return found


def by_id(wire: Wire, table: str, query: str = "") -> dict[str, dict]:
    return {row["id"]: row["fields"] for row in rows(wire, table, query)}


def without(records: list[dict], *names: str) -> list[dict]:
    return [{**row, "fields": {name: cell for name, cell in row["fields"].items() if name not in names}} for row in records]


def everything(wire: Wire) -> dict:
    """All that the API tells of the base, but for URLs of files, of which each answer makes new ones."""
    told: dict = {"tables": wire.good("GET", f"{TABLES}?include=visibleFieldIds")["tables"], "hooks": wire.good("GET", HOOKS)["webhooks"]}
    for table in told["tables"]:
        told[table["id"]] = [rows(wire, table["id"], query) for query in ("recordMetadata[]=commentCount", *(f"view={view['id']}" for view in table["views"]))]
        told[table["id"]] += [wire.good("GET", f"/v0/{HARBOUR}/{table['id']}/{row['id']}/comments") for row in told[table["id"]][0] if row.get("commentCount")]
    for hook in told["hooks"]:
        told[hook["id"]] = wire.good("GET", f"{HOOKS}/{hook['id']}/payloads")
        # Reading payloads gives a webhook another week (section 11.1).
        hook.pop("expirationTime")
    return json.loads(FILE_URL.sub('"file"', json.dumps(told)))


@pytest.fixture(scope="module")
def service_of_orchard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start_emulator(tmp_path_factory.mktemp("orchard"), "--webhook-pings", seed=SEED)
    yield service
    service.stop()


@pytest.fixture
def orchard(service_of_orchard: Service) -> Wire:
    """As seeded, whatever the test before did: a reset alone goes back to the snapshot that was restored last."""
    restore(service_of_orchard.url, json.dumps(SEED).encode()).raise_for_status()
    requests.post(f"{service_of_orchard.url}/__emulator/reset", json={"data": True}, timeout=10).raise_for_status()
    requests.put(f"{service_of_orchard.url}/__emulator/limits", json=SEED["limits"], timeout=10).raise_for_status()
    return Wire(service_of_orchard.url)


# Who may, and what is refused.


def test_no_token_deletes_fields_and_tables(orchard: Wire, service_of_orchard: Service) -> None:
    """Section 1: there is no such endpoint, not even for the owner."""
    owner = (service_of_orchard.log.parent / "data" / "airtable-emulator-token").read_text().strip()
    before = everything(orchard)
    for path in (f"{TABLES}/{BOXES}", f"{TABLES}/Trees", at(TREES, NOTE), f"{TABLES}/Trees/fields/{NOTE}"):
        for key in (FULL, OF_BO, READ, owner):
            orchard.refused(404, "NOT_FOUND", "DELETE", path, key=key)
            assert orchard.ask("DELETE", path, key=key).text == '{"error":"NOT_FOUND"}'
    assert everything(orchard) == before


def test_the_primary_field_and_the_last_table_stay(orchard: Wire) -> None:
    """README."""
    hook = Hook.create(orchard, "tableData", "tableFields", "tableMetadata")
    before = snapshot(orchard)
    lamps = f"/v0/meta/bases/{QUAY}/tables/{LAMPS}"
    for path in (at(TREES, TREE), at(SCALES, ident("fld", "Grams")), lamps, f"/v0/meta/bases/{QUAY}/tables/Lamps"):
        (answer,) = edit(orchard, ("DELETE", path))
        assert answer["status"] == 422 and answer["body"]["error"]["type"], answer
    assert snapshot(orchard) == before and hook.payloads() == []
    delete(orchard, f"/v0/meta/bases/{QUAY}/tables/{LAMPS}/fields/{ident('fld', 'Watt')}")
    assert orchard.good("GET", f"/v0/{QUAY}/Lamps")["records"][0]["fields"] == {"Lamp": "red"}


def test_what_is_not_there_is_not_deleted(orchard: Wire) -> None:
    """Section 3.3: unknown ids, those of other tables and bases, malformed ones, and what is gone already."""
    before = snapshot(orchard)
    for path in (
        f"{TABLES}/{ident('tbl', 'Nowhere')}", f"{TABLES}/Nowhere", f"{TABLES}/{LAMPS}", f"/v0/meta/bases/{QUAY}/tables/{TREES}", f"/v0/meta/bases/{ident('app', 'Nowhere')}/tables/{TREES}",
        at(TREES, ident("fld", "Nowhere")), at(TREES, WEIGHT), at(ident("tbl", "Nowhere"), NOTE), at(BOXES, NOTE), at(TREES, "fld1"), f"/v0/meta/bases/{QUAY}/tables/{TREES}/fields/{NOTE}",
        f"/v0/meta/bases/app1/tables/{TREES}",
    ):
        (answer,) = edit(orchard, ("DELETE", path))
        assert answer["status"] in (403, 404) and answer["body"]["error"], (path, answer)
    assert snapshot(orchard) == before
    for path in (at(TREES, NOTE), f"{TABLES}/{BOXES}"):
        delete(orchard, path)
        (answer,) = edit(orchard, ("DELETE", path))
        assert answer["status"] in (403, 404), answer


def test_the_others_of_a_list_of_edits_are_made(orchard: Wire) -> None:
    """One after the other, each on what the one before has left; past rates and faults, in no log."""
    orchard.limit(requestsPerSecondPerBase=1)
    answers = edit(orchard, ("DELETE", at(TREES, TREE)), ("DELETE", at(TREES, HEIGHT)), ("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Height": 1}}), ("DELETE", f"{TABLES}/Trees/fields/{NOTE}"),
                   ("DELETE", f"{TABLES}/{GROWERS}"), ("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Kept by": "Nobody"}}))
    assert [answer["status"] for answer in answers] == [422, 200, 422, 200, 200, 200] and answers[2]["body"]["error"]["type"] == "UNKNOWN_FIELD_NAME"
    assert orchard.own("GET", "requests")["requests"] == [] and answers[5]["body"]["fields"]["Kept by"] == "Nobody"


# A field.


def test_a_deleted_field_is_gone_and_the_others_are_what_they_were(orchard: Wire) -> None:
    """Section 10 and README: order, ids, cells and times of the others, in lists by any order, single records, and after a write."""
    edited(orchard, ("PATCH", f"{AT[TREES]}/{PEAR}", {"fields": {"Height": 2.5, "Planted": "2021-03-02"}}), user=BO)
    queries = ("sort[0][field]=Planted&sort[0][direction]=desc", "filterByFormula=%7BPlanted%7D>'2021-01-01'", "filterByFormula=%7BHow+many%7D>0", f"view={EVERY_TREE}", "sort[0][field]=No")
    before, fields, lists = rows(orchard, TREES), list(fields_of(orchard, TREES)), [rows(orchard, TREES, query) for query in queries]
    delete(orchard, at(TREES, NOTE))
    assert list(fields_of(orchard, TREES)) == [told for told in fields if told != NOTE]
    assert rows(orchard, TREES) == without(before, "Note")
    assert [rows(orchard, TREES, query) for query in queries] == [without(told, "Note") for told in lists]
    assert orchard.good("GET", f"{AT[TREES]}/{PEAR}") == without([row for row in before if row["id"] == PEAR], "Note")[0]
    keyed = by_id(orchard, TREES, "returnFieldsByFieldId=true")[APPLE]
    assert NOTE not in keyed and (keyed[TREE], keyed[HEIGHT], keyed[PLANTED], keyed[KEPT_BY]) == ("Apple", 5, "2020-02-29", [JO, ANN])


def test_fields_are_touched_on_their_own_after_it(orchard: Wire) -> None:
    """Section 7: lastModifiedTime of one field, that stands after the deleted one."""
    orchard.good("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Planted": "2020-03-01"}})
    before = by_id(orchard, TREES)[APPLE]
    delete(orchard, at(TREES, NOTE), at(TREES, PHOTOS))
    orchard.wait(60)
    orchard.good("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Height": 6}}, key=OF_BO)
    after = by_id(orchard, TREES)[APPLE]
    assert after["Replanted"] == before["Replanted"] and after["Made"] == before["Made"] and after["No"] == before["No"]
    assert after["Touched"] > before["Touched"] and after["Measured"] == after["Touched"] and after["Toucher"]["id"] == BO
    orchard.good("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Planted": None}})
    assert "Planted" not in by_id(orchard, TREES)[APPLE] and by_id(orchard, TREES)[APPLE]["Replanted"] >= after["Touched"]


def test_a_time_of_edits_is_not_moved_by_a_deletion(orchard: Wire) -> None:
    """Section 7: lastModifiedTime of the deleted field alone is not valid any more, or stays; it is not that of other fields."""
    orchard.stop_clock("2026-01-01T00:00:00Z")
    orchard.good("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Height": 6}})
    orchard.wait(3600)
    orchard.good("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Note": "later"}})
    before = by_id(orchard, TREES)[APPLE]
    assert (before["Measured"], before["Touched"]) == ("2026-01-01T00:00:00.000Z", "2026-01-01T01:00:00.000Z")
    delete(orchard, at(TREES, HEIGHT))
    after = by_id(orchard, TREES)[APPLE]
    assert (after["Touched"], after["Made"], after["Replanted"]) == (before["Touched"], before["Made"], before["Replanted"])
    assert valid(orchard, TREES)["Measured"] is False or after["Measured"] == before["Measured"], (after["Measured"], fields_of(orchard, TREES)[ident("fld", "Measured")])


def test_a_deleted_field_cannot_be_named(orchard: Wire) -> None:
    """Section 3.3: in cells, fields, sorts, filters, upserts and addresses, by name or id."""
    delete(orchard, at(TREES, HEIGHT))
    for named in ("Height", HEIGHT):
        for method, path, body in (
            ("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {named: 1}}), ("POST", AT[TREES], {"fields": {named: 1}}), ("GET", f"{AT[TREES]}?fields[]={named}", None), ("GET", f"{AT[TREES]}?sort[0][field]={named}", None),
            ("PATCH", AT[TREES], {"performUpsert": {"fieldsToMergeOn": [named]}, "records": [{"fields": {"Tree": "x"}}]}),
        ):
            orchard.refused(422, "UNKNOWN_FIELD_NAME", method, path, body)
        orchard.refused(422, "INVALID_FILTER_BY_FORMULA", "GET", f"{AT[TREES]}?filterByFormula=%7B{named}%7D>1")
    assert orchard.ask("PATCH", at(TREES, HEIGHT), {"name": "Tall"}).status_code in (403, 404)
    assert orchard.ask("POST", f"{TABLES}/{TREES}/fields", {"name": "New", "type": "formula", "options": {"formula": "{Height}"}}).status_code == 422


def test_a_name_is_free_again(orchard: Wire) -> None:
    """Section 10: another field, with another id and no cells; formulas may name it."""
    delete(orchard, at(TREES, HEIGHT))
    made = orchard.good("POST", f"{TABLES}/{TREES}/fields", {"name": "Height", "type": "singleLineText"})
    assert made["id"] != HEIGHT and list(fields_of(orchard, TREES))[-1] == made["id"]
    assert all("Height" not in fields for fields in by_id(orchard, TREES).values())
    orchard.good("POST", f"{TABLES}/{TREES}/fields", {"name": "Thrice", "type": "formula", "options": {"formula": "REPT({Height}, 3)"}})
    assert orchard.good("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Height": "ab"}})["fields"]["Thrice"] == "ababab"
    orchard.refused(422, "DUPLICATE_OR_EMPTY_FIELD_NAME", "POST", f"{TABLES}/{TREES}/fields", {"name": "height", "type": "singleLineText"})
    orchard.good("POST", f"{TABLES}/{TREES}/fields", {"name": "Again", "type": "multipleRecordLinks", "options": {"linkedTableId": GROWERS}})
    assert orchard.good("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Again": [JO]}})["fields"]["Again"] == [JO]


def test_comments_and_files_of_others_stay(orchard: Wire) -> None:
    """Sections 8 and 9."""
    comments = f"{AT[TREES]}/{APPLE}/comments"
    made = orchard.good("POST", comments, {"text": "Ripe?"})
    sent = {"contentType": "text/plain", "filename": "p.txt", "file": base64.b64encode(b"paper").decode()}
    orchard.good("POST", f"/v0/{HARBOUR}/{APPLE}/{PAPERS}/uploadAttachment", sent)
    delete(orchard, at(TREES, PHOTOS), at(TREES, HEIGHT), f"{TABLES}/{GROWERS}")
    assert orchard.good("GET", comments)["comments"] == [made]
    (row,) = (row for row in rows(orchard, TREES, "recordMetadata[]=commentCount") if row["id"] == APPLE)
    assert row["commentCount"] == 1 and "Photos" not in row["fields"] and [paper["filename"] for paper in row["fields"]["Papers"]] == ["p.txt"]
    assert requests.get(row["fields"]["Papers"][0]["url"], timeout=10).content == b"paper"
    assert len(orchard.good("POST", f"/v0/{HARBOUR}/{APPLE}/{PAPERS}/uploadAttachment", sent)["fields"][PAPERS]) == 2
    assert 400 <= orchard.ask("POST", f"/v0/{HARBOUR}/{APPLE}/{PHOTOS}/uploadAttachment", sent).status_code < 500


# Links, and what is computed.


def test_the_other_side_of_a_deleted_link_becomes_text(orchard: Wire) -> None:
    """README: the names of the records, joined as Airtable's texts of links are; in schema and cells."""
    before, were = list(fields_of(orchard, TREES)), by_id(orchard, TREES)
    delete(orchard, at(GROWERS, KEEPS))
    after = fields_of(orchard, TREES)
    assert list(after) == before and after[KEPT_BY] == {"id": KEPT_BY, "name": "Kept by", "type": "singleLineText"}
    assert KEEPS not in fields_of(orchard, GROWERS)
    told = by_id(orchard, TREES)
    assert [told[row].get("Kept by") for row in (APPLE, PEAR, PLUM)] == [QUOTED, "Ann", None]
    untouched = ("Tree", "Height", "Note", "Planted", "Weighed", "Graft", "Stock", "Twice", "Chain", "Label", "No", "Made")
    assert {row: [fields.get(name) for name in untouched] for row, fields in told.items()} == {row: [fields.get(name) for name in untouched] for row, fields in were.items()}
    jo = by_id(orchard, GROWERS)[JO]
    assert (jo["Name"], jo["Town"]) == ("Smith, Jo", "Bergen") and "Keeps" not in jo
    assert orchard.good("PATCH", f"{AT[TREES]}/{PEAR}", {"fields": {"Kept by": "Bo"}})["fields"]["Kept by"] == "Bo"
    assert [row["id"] for row in rows(orchard, TREES, f"filterByFormula=%7BKept+by%7D={quote(repr(QUOTED))}")] == [APPLE]


def test_the_first_side_may_be_the_one_that_becomes_text(orchard: Wire) -> None:
    delete(orchard, at(TREES, KEPT_BY))
    assert fields_of(orchard, GROWERS)[KEEPS] == {"id": KEEPS, "name": "Keeps", "type": "singleLineText"}
    told = by_id(orchard, GROWERS)
    assert told[JO]["Keeps"] == "Apple" and sorted(told[ANN]["Keeps"].split(", ")) == ["Apple", "Pear"]
    assert KEPT_BY not in fields_of(orchard, TREES) and all("Kept by" not in fields for fields in by_id(orchard, TREES).values())


def test_a_link_within_a_table_becomes_text_on_its_other_side(orchard: Wire) -> None:
    delete(orchard, at(TREES, ident("fld", "Stock")))
    told = by_id(orchard, TREES)
    assert fields_of(orchard, TREES)[ident("fld", "Graft")]["type"] == "singleLineText" and told[APPLE]["Graft"] == "Pear, Plum"
    assert all("Stock" not in fields for fields in told.values()) and told[APPLE]["Kept by"] == [JO, ANN]


def test_a_link_of_one_side_only_takes_nothing_with_it(orchard: Wire) -> None:
    before = {table: rows(orchard, table) for table in (TREES, GROWERS, SCALES)}
    delete(orchard, at(BOXES, FROM))
    assert {table: rows(orchard, table) for table in before} == before


def test_names_are_told_as_texts_of_them_are(orchard: Wire) -> None:
    """Section 5.2: cellFormat=string has told the same before; of numbers, too."""
    text = "cellFormat=string&timeZone=utc&userLocale=en-gb"
    before = {row: (fields.get("Weighed"), fields.get("Graft")) for row, fields in by_id(orchard, TREES, text).items()}
    delete(orchard, f"{TABLES}/{SCALES}", at(TREES, ident("fld", "Stock")))
    assert {row: (fields.get("Weighed"), fields.get("Graft")) for row, fields in by_id(orchard, TREES).items()} == before
    assert before[APPLE][0].startswith("7.5, ") and before[APPLE][1] == "Pear, Plum"


@pytest.mark.parametrize("path", [at(GROWERS, KEEPS), f"{TABLES}/{GROWERS}"])
def test_what_went_through_a_link_is_not_valid(orchard: Wire, path: str) -> None:
    """Section 7 and README: lookups, rollups and counts, on this side of it; formulas go on with the text."""
    assert set(valid(orchard, TREES).values()) == {True}
    delete(orchard, path)
    told = valid(orchard, TREES)
    assert (told["Names"], told["Towns"], told["How many"]) == (False, False, False)
    assert told["Twice"] and told["Chain"] and told["Label"] and told["Whose"]
    fields = by_id(orchard, TREES)
    assert (fields[APPLE]["Whose"], fields[PLUM]["Whose"], fields[APPLE]["Twice"], fields[APPLE]["Chain"]) == (f"{QUOTED}?", "?", 10, 11)
    for query in ("sort[0][field]=Names", "sort[0][field]=How+many", "filterByFormula=%7BTowns%7D", "fields[]=Names&fields[]=Towns", "cellFormat=string&timeZone=utc&userLocale=en"):
        orchard.good("GET", f"{AT[TREES]}?{query}")
    if path != f"{TABLES}/{GROWERS}":
        assert valid(orchard, GROWERS) == {"Heights": False}


def test_a_lookup_of_a_deleted_field_is_not_valid(orchard: Wire) -> None:
    """Section 7: its link is still there, and so are the others that go through it."""
    delete(orchard, at(TREES, HEIGHT))
    assert valid(orchard, GROWERS) == {"Heights": False} and by_id(orchard, GROWERS)[JO]["Keeps"] == [APPLE]
    delete(orchard, at(GROWERS, TOWN))
    told = valid(orchard, TREES)
    assert (told["Towns"], told["Names"], told["How many"]) == (False, True, True)
    assert by_id(orchard, TREES)[APPLE]["Names"] == ["Smith, Jo", "Ann"] and by_id(orchard, TREES)[APPLE]["How many"] == 2


def test_a_formula_that_names_a_deleted_field_is_an_error(orchard: Wire) -> None:
    """Sections 7 and 7.2: in every record, also those that are made later; what is computed from it, too; the others go on."""
    delete(orchard, at(TREES, HEIGHT))
    told = valid(orchard, TREES)
    assert told["Twice"] is False and told["Label"] and told["Whose"] and told["Names"]
    made = orchard.good("POST", AT[TREES], {"fields": {"Tree": "Fig"}})
    assert (made["fields"]["Twice"], made["fields"]["Label"]) == (ERROR, "Fig!")
    for fields in by_id(orchard, TREES).values():
        assert (fields["Twice"], fields["Chain"], fields["Label"]) == (ERROR, ERROR, f"{fields['Tree']}!")
    assert rows(orchard, TREES, "filterByFormula=%7BTwice%7D") == [] and len(rows(orchard, TREES, "sort[0][field]=Twice")) == 4
    assert orchard.good("GET", f"{AT[TREES]}/{APPLE}")["fields"]["Twice"] == ERROR


def test_a_formula_that_is_not_valid_can_be_mended_and_deleted(orchard: Wire) -> None:
    """Section 10: `options.formula`."""
    delete(orchard, at(TREES, HEIGHT))
    mended = orchard.good("PATCH", at(TREES, TWICE), {"options": {"formula": "LEN({Tree})"}})
    assert mended["options"]["isValid"] is True and by_id(orchard, TREES)[PEAR]["Twice"] == 4 and by_id(orchard, TREES)[PEAR]["Chain"] == 5
    delete(orchard, at(TREES, TWICE))
    assert valid(orchard, TREES)["Chain"] is False and by_id(orchard, TREES)[PEAR]["Chain"] == ERROR


def test_a_name_within_a_text_names_nothing(orchard: Wire) -> None:
    """Formulas and filters of views that have it between quotes go on."""
    orchard.good("POST", f"{TABLES}/{TREES}/fields", {"name": "Quoting", "type": "formula", "options": {"formula": "'{Height}'&{Tree}"}})
    seed = json.loads(snapshot(orchard))
    seed["bases"][0]["tables"][1]["views"].append(grid(ident("viw", "Quoting"), "Quoting", filterByFormula="AND({Tree} != '{Height}', {Tree} != 'Pear')"))
    assert restore(orchard.url, json.dumps(seed).encode()).ok
    delete(orchard, at(TREES, HEIGHT))
    assert valid(orchard, TREES)["Quoting"] is True and by_id(orchard, TREES)[PEAR]["Quoting"] == "{Height}Pear"
    assert sorted(cells(rows(orchard, TREES, "view=Quoting"), "Tree")) == ["Apple", "Plum"]


# Views, pages, syncs.


def test_a_view_loses_what_is_gone(orchard: Wire) -> None:
    """README: the filter that names it, whether by name or id, its part of the order, and that it is visible; other views do not."""
    assert cells(rows(orchard, TREES, f"view={TALL}"), "Tree") == ["Plum", "Apple"] and cells(rows(orchard, TREES, f"view={NOTED}"), "Tree") == ["Apple", "Pear"]
    delete(orchard, at(TREES, HEIGHT))
    told = views_of(orchard, TREES)
    assert set(told) == {EVERY_TREE, TALL, NOTED} and told[TALL]["visibleFieldIds"] == [TREE, NOTE]
    assert all(HEIGHT not in view["visibleFieldIds"] for view in told.values())
    assert cells(rows(orchard, TREES, f"view={TALL}"), "Tree") == ["Plum", "Pear", "Apple"], "by the rest of its order"
    assert cells(rows(orchard, TREES, f"view={NOTED}"), "Tree") == ["Apple", "Pear"]
    delete(orchard, at(TREES, NOTE))
    assert views_of(orchard, TREES)[TALL]["visibleFieldIds"] == [TREE]
    assert len(rows(orchard, TREES, f"view={NOTED}")) == len(rows(orchard, TREES, "view=Every")) == 3
    delete(orchard, f"{TABLES}/{TREES}")
    assert orchard.ask("GET", f"{AT[BOXES]}?view={TALL}").status_code == 422 and len(rows(orchard, BOXES, f"view={EVERY_BOX}")) == BOX_COUNT


def test_views_filter_by_links_that_became_text(orchard: Wire) -> None:
    """A view is not concerned by what is not gone."""
    seed = copy.deepcopy(SEED)
    seed["bases"][0]["tables"][1]["views"].append(grid(ident("viw", "Kept"), "Kept", filterByFormula="{Kept by} != ''", sort=[{"field": "Kept by"}]))
    assert restore(orchard.url, json.dumps(seed).encode()).ok
    assert sorted(cells(rows(orchard, TREES, "view=Kept"), "Tree")) == ["Apple", "Pear"]
    delete(orchard, f"{TABLES}/{GROWERS}")
    assert cells(rows(orchard, TREES, "view=Kept"), "Kept by") == [QUOTED, "Ann"]


@pytest.mark.parametrize("query", ["", f"view={EVERY_BOX}", "sort[0][field]=Weight", "filterByFormula=%7BWeight%7D>=0", "fields[]=Mark&fields[]=Weight"])
def test_a_listing_goes_on_after_a_field_is_deleted(orchard: Wire, query: str) -> None:
    """Section 5.2: each record once, in the same order."""
    whole = rows(orchard, BOXES, query)
    first = orchard.good("GET", f"{AT[BOXES]}?pageSize=50&{query}")
    delete(orchard, at(BOXES, ident("fld", "Kind")))
    second = orchard.good("GET", f"{AT[BOXES]}?pageSize=50&{query}&offset={quote(first['offset'], safe='')}")
    delete(orchard, at(BOXES, FROM), at(TREES, NOTE), f"{TABLES}/{GROWERS}")
    third = orchard.good("GET", f"{AT[BOXES]}?pageSize=50&{query}&offset={quote(second['offset'], safe='')}")
    assert first["records"] == whole[:50] and "offset" not in third
    assert second["records"] == without(whole[50:100], "Kind") and third["records"] == without(whole[100:], "Kind", "From")


def test_a_listing_of_a_view_goes_on_without_its_order(orchard: Wire) -> None:
    """Section 5.2: no record twice, whatever the order is now."""
    seed = copy.deepcopy(SEED)
    seed["bases"][0]["tables"][3]["views"].append(grid(ident("viw", "Heavy"), "Heavy", sort=[{"field": "Weight", "direction": "desc"}]))
    assert restore(orchard.url, json.dumps(seed).encode()).ok
    page = orchard.good("GET", f"{AT[BOXES]}?view=Heavy&pageSize=50")
    assert cells(page["records"], "Weight") == list(range(129, 79, -1))
    delete(orchard, at(BOXES, WEIGHT))
    found = [row["id"] for row in page["records"]]
    while offset := page.get("offset"):
        page = orchard.good("GET", f"{AT[BOXES]}?view=Heavy&pageSize=50&offset={quote(offset, safe='')}")
        found += [row["id"] for row in page["records"]]
    assert len(found) == len(set(found)) and len(rows(orchard, BOXES, "view=Heavy")) == BOX_COUNT


def test_a_listing_that_names_what_is_gone_does_not_go_on(orchard: Wire) -> None:
    """Sections 3.3 and 5.2: clients send all parameters again with an offset."""
    pages = {query: orchard.good("GET", f"{AT[BOXES]}?pageSize=50&{query}")["offset"] for query in ("fields[]=Kind", "sort[0][field]=Kind", "filterByFormula=%7BKind%7D")}
    offset = orchard.good("GET", f"{AT[BOXES]}?pageSize=50")["offset"]
    delete(orchard, at(BOXES, ident("fld", "Kind")))
    for query, offset_of_it in pages.items():
        kind = "INVALID_FILTER_BY_FORMULA" if "filter" in query else "UNKNOWN_FIELD_NAME"
        orchard.refused(422, kind, "GET", f"{AT[BOXES]}?pageSize=50&{query}&offset={quote(offset_of_it, safe='')}")
    delete(orchard, f"{TABLES}/{BOXES}")
    orchard.refused(403, HIDDEN, "GET", f"{AT[BOXES]}?pageSize=50&offset={quote(offset, safe='')}")


def sync(wire: Wire, name: str, text: str) -> requests.Response:
    headers = {"Content-Type": "text/csv", "Authorization": f"Bearer {FULL}"}
    return requests.post(f"{wire.url}{AT[TREES]}/sync/{name}", data=text.encode(), headers=headers, timeout=20)


def test_a_sync_goes_with_its_key(orchard: Wire) -> None:
    """README; one that is told apart by another field goes on, and makes a field of a column that has none any more."""
    assert sync(orchard, "SyncNote01", "Note,Height\nred,6\n").json() == {"success": True} and by_id(orchard, TREES)[APPLE]["Height"] == 6
    delete(orchard, at(TREES, NOTE))
    before = rows(orchard, TREES)
    assert sync(orchard, "SyncNote01", "Note,Height\nred,7\n").status_code in (403, 404, 422) and rows(orchard, TREES) == before
    assert sync(orchard, "SyncTree02", "Tree,Height,Note\nApple,9,new\nQuince,1,\n").json() == {"success": True}
    told = by_id(orchard, TREES)
    assert (told[APPLE]["Height"], told[APPLE]["Note"], len(told)) == (9, "new", 4) and NOTE not in fields_of(orchard, TREES)
    delete(orchard, f"{TABLES}/{TREES}")
    assert sync(orchard, "SyncTree02", "Tree\nx\n").status_code in (403, 404, 422)


# A table.


def test_a_deleted_table_is_gone(orchard: Wire) -> None:
    """Sections 3.3 and 10: for every call; the order, ids and records of the others stay."""
    before = {table: rows(orchard, table) for table in (GROWERS, SCALES)}
    delete(orchard, f"{TABLES}/{BOXES}")
    assert list(schema(orchard)) == [GROWERS, TREES, SCALES]
    for path in (AT[BOXES], f"/v0/{HARBOUR}/{quote(BOXES_NAME, safe='')}", f"{AT[BOXES]}/{ident('rec', 'Box000')}", f"{AT[TREES]}/{ident('rec', 'Box000')}"):
        orchard.refused(403, HIDDEN, "GET", path)
    for method, path, body in (
        ("POST", AT[BOXES], {"fields": {"Mark": "x"}}), ("PATCH", f"{AT[BOXES]}/{ident('rec', 'Box000')}", {"fields": {"Mark": "x"}}), ("DELETE", f"{AT[BOXES]}/{ident('rec', 'Box000')}", None),
        ("PATCH", f"{TABLES}/{BOXES}", {"name": "x"}), ("POST", f"{TABLES}/{BOXES}/fields", {"name": "x", "type": "singleLineText"}), ("POST", f"{AT[BOXES]}/listRecords", {}),
        ("GET", f"{AT[BOXES]}/{ident('rec', 'Box000')}/comments", None),
    ):
        assert orchard.ask(method, path, body).status_code in (403, 404), (method, path)
    assert {table: rows(orchard, table) for table in before} == before
    assert 400 <= orchard.ask("POST", HOOKS, {"specification": specification(recordChangeScope=BOXES)}).status_code < 500


@pytest.mark.parametrize("name", [quote(BOXES_NAME, safe=""), BOXES])
def test_a_table_is_deleted_by_name_or_id(orchard: Wire, name: str) -> None:
    """Section 1: names are decoded after the path was split."""
    assert edited(orchard, ("DELETE", f"{TABLES}/{name}")) == [{"id": BOXES, "deleted": True}]
    assert BOXES not in schema(orchard)


def test_links_to_a_deleted_table_become_text(orchard: Wire) -> None:
    """README: of every table, with another side or without."""
    delete(orchard, f"{TABLES}/{TREES}")
    assert list(schema(orchard)) == [GROWERS, SCALES, BOXES]
    for table, told in ((GROWERS, KEEPS), (SCALES, ident("fld", "Weighs")), (BOXES, FROM)):
        assert {key: fields_of(orchard, table)[told].get(key) for key in ("type", "options")} == {"type": "singleLineText", "options": None}
    assert by_id(orchard, BOXES)[ident("rec", "Box000")]["From"] == "Apple, Plum" and "From" not in by_id(orchard, BOXES)[ident("rec", "Box001")]
    assert by_id(orchard, GROWERS)[JO]["Keeps"] == "Apple" and by_id(orchard, SCALES)[LIGHT] == {"Grams": 3, "Weighs": "Apple"}
    assert valid(orchard, GROWERS) == {"Heights": False}


def test_the_other_side_of_a_deleted_table_has_quoted_names(orchard: Wire) -> None:
    delete(orchard, f"{TABLES}/{GROWERS}")
    told = by_id(orchard, TREES)
    assert fields_of(orchard, TREES)[KEPT_BY] == {"id": KEPT_BY, "name": "Kept by", "type": "singleLineText"}
    assert [told[row].get("Kept by") for row in (APPLE, PEAR, PLUM)] == [QUOTED, "Ann", None] and told[APPLE]["Graft"] == [PEAR, PLUM]


def test_a_name_of_a_table_is_free_again(orchard: Wire) -> None:
    """Section 10: another table, with no records."""
    orchard.refused(422, "DUPLICATE_TABLE_NAME", "POST", TABLES, {"name": "Growers", "fields": [{"name": "Name", "type": "singleLineText"}]})
    delete(orchard, f"{TABLES}/Growers")
    made = orchard.good("POST", TABLES, {"name": "Growers", "fields": [{"name": "Name", "type": "singleLineText"}]})
    assert made["id"] != GROWERS and list(schema(orchard))[-1] == made["id"]
    assert orchard.good("GET", f"/v0/{HARBOUR}/Growers") == {"records": []} and orchard.ask("GET", AT[GROWERS]).status_code == 403
    grower = orchard.good("POST", f"/v0/{HARBOUR}/Growers", {"fields": {"Name": "Eve"}})["id"]
    orchard.good("POST", f"{TABLES}/{TREES}/fields", {"name": "New keeper", "type": "multipleRecordLinks", "options": {"linkedTableId": made["id"]}})
    assert orchard.good("PATCH", f"{AT[TREES]}/{PEAR}", {"fields": {"New keeper": [grower]}})["fields"]["New keeper"] == [grower]
    assert by_id(orchard, made["id"])[grower] == {"Name": "Eve", "Trees": [PEAR]}


# Webhooks.


def test_webhooks_are_told_of_a_deleted_field(orchard: Wire) -> None:
    """Section 11.4: `destroyedFieldIds`, by a person, whom the edit names."""
    hook = Hook.create(orchard, "tableFields")
    delete(orchard, at(TREES, NOTE), user=BO)
    payload = hook.only()
    assert set(payload) == {"timestamp", "baseTransactionNumber", "payloadFormat", "actionMetadata", "changedTablesById"}
    assert payload["changedTablesById"] == {TREES: {"destroyedFieldIds": [NOTE]}}
    assert payload["actionMetadata"]["source"] == "client" and payload["actionMetadata"]["sourceMetadata"]["user"]["id"] == BO
    (told,) = Api(FULL, endpoint_url=orchard.url).base(HARBOUR).webhook(hook.id).payloads()
    assert told.changed_tables_by_id[TREES].destroyed_field_ids == [NOTE] and told.error is None


@pytest.mark.parametrize(("kinds", "filters", "expected"), [
    (["tableFields"], {"changeTypes": ["remove"]}, True),
    (["tableFields"], {"changeTypes": ["add", "remove"]}, True),
    (["tableFields"], {"changeTypes": ["add"]}, False),
    (["tableFields"], {"changeTypes": ["update"]}, False),
    (["tableFields"], {"changeTypes": ["add", "update"]}, False),
    (["tableFields"], {"fromSources": ["client"]}, True),
    (["tableFields"], {"fromSources": ["publicApi", "client"]}, True),
    (["tableFields"], {"fromSources": ["publicApi", "automation", "system", "sync"]}, False),
    (["tableFields"], {"recordChangeScope": TREES}, True),
    (["tableFields"], {"recordChangeScope": BOXES}, False),
    (["tableFields"], {"watchSchemasOfFieldIds": [HEIGHT]}, False),
    (["tableData", "tableFields", "tableMetadata"], {}, True),
    (["tableData"], {}, False),
    (["tableMetadata"], {}, False),
    (["tableData", "tableMetadata"], {"changeTypes": ["remove"]}, False),
])
def test_who_is_told_of_a_deleted_field(orchard: Wire, kinds: list[str], filters: dict, expected: bool) -> None:
    """Section 11.2."""
    hook = Hook.create(orchard, *kinds, **filters)
    delete(orchard, at(TREES, NOTE))
    assert [payload["changedTablesById"] for payload in hook.payloads()] == ([{TREES: {"destroyedFieldIds": [NOTE]}}] if expected else [])
    assert hook.told()["isHookEnabled"] is True and hook.told()["cursorForNextPayload"] == (2 if expected else 1)


def test_what_became_text_or_invalid_is_told_and_not_its_cells(orchard: Wire) -> None:
    """README and section 11.4: `changedFieldsById`, in the same transaction."""
    hook, removals, updates = Hook.create(orchard, "tableFields"), Hook.create(orchard, "tableFields", changeTypes=["remove"]), Hook.create(orchard, "tableFields", changeTypes=["update"])
    data = Hook.create(orchard, "tableData")
    old = Hook.create(orchard, "tableFields", includes={"includePreviousFieldDefinitions": True}, watchSchemasOfFieldIds=[KEPT_BY])
    delete(orchard, at(GROWERS, KEEPS))
    told = hook.only()["changedTablesById"]
    assert set(told) == {GROWERS, TREES} and told[GROWERS]["destroyedFieldIds"] == [KEEPS] and "destroyedFieldIds" not in told[TREES]
    assert set(told[TREES]["changedFieldsById"]) == {KEPT_BY, NAMES, TOWNS, HOW_MANY} and set(told[GROWERS].get("changedFieldsById", {})) == {HEIGHTS}
    assert told[TREES]["changedFieldsById"][KEPT_BY]["current"]["type"] == "singleLineText"
    assert removals.changes(GROWERS) == {"destroyedFieldIds": [KEEPS]}
    assert all("destroyedFieldIds" not in change for change in updates.only()["changedTablesById"].values())
    changed = old.changes(TREES)["changedFieldsById"]
    assert set(changed) == {KEPT_BY} and (changed[KEPT_BY]["previous"]["type"], changed[KEPT_BY]["current"]["type"]) == ("multipleRecordLinks", "singleLineText")
    assert data.payloads() == []
    delete(orchard, at(TREES, HEIGHT))
    told = hook.only(2)["changedTablesById"]
    assert told[TREES]["destroyedFieldIds"] == [HEIGHT] and TWICE in told[TREES]["changedFieldsById"] and LABEL not in told[TREES]["changedFieldsById"]
    assert data.payloads() == []


@pytest.mark.parametrize(("kinds", "filters", "expected"), [
    (["tableMetadata"], {}, True),
    (["tableFields", "tableMetadata"], {}, True),
    (["tableMetadata"], {"changeTypes": ["remove"]}, True),
    (["tableMetadata"], {"changeTypes": ["add", "update"]}, False),
    (["tableMetadata"], {"fromSources": ["client"]}, True),
    (["tableMetadata"], {"fromSources": ["publicApi"]}, False),
    (["tableMetadata"], {"recordChangeScope": TREES}, False),
    (["tableFields"], {}, False),
    (["tableData"], {}, False),
])
def test_who_is_told_of_a_deleted_table(orchard: Wire, kinds: list[str], filters: dict, expected: bool) -> None:
    """Sections 11.2 and 11.4: `destroyedTableIds`, of a table that nothing else depends on."""
    hook = Hook.create(orchard, *kinds, **filters)
    delete(orchard, f"{TABLES}/{BOXES}", user=BO)
    if expected:
        payload = hook.only()
        assert payload["destroyedTableIds"] == [BOXES] and not payload.get("changedTablesById") and not payload.get("createdTablesById") and "error" not in payload
        assert payload["actionMetadata"]["source"] == "client" and payload["actionMetadata"]["sourceMetadata"]["user"]["id"] == BO
        (told,) = Api(FULL, endpoint_url=orchard.url).base(HARBOUR).webhook(hook.id).payloads()
        assert told.destroyed_table_ids == [BOXES]
    else:
        assert all("destroyedTableIds" not in payload for payload in hook.payloads())
    assert hook.told()["isHookEnabled"] is True


def test_tables_that_linked_to_a_deleted_one_are_told_of(orchard: Wire) -> None:
    """README: of the fields that became text or invalid."""
    hook, fields = Hook.create(orchard, "tableData", "tableFields", "tableMetadata"), Hook.create(orchard, "tableFields")
    delete(orchard, f"{TABLES}/{TREES}")
    payload = hook.only()
    assert payload["destroyedTableIds"] == [TREES] and set(payload["changedTablesById"]) == {GROWERS, SCALES, BOXES}
    told = payload["changedTablesById"]
    assert {table: set(change["changedFieldsById"]) for table, change in told.items()} == {GROWERS: {KEEPS, HEIGHTS}, SCALES: {ident("fld", "Weighs")}, BOXES: {FROM}}
    assert all(set(change) == {"changedFieldsById"} for change in told.values())
    assert fields.only()["changedTablesById"] == told and fields.only()["baseTransactionNumber"] == payload["baseTransactionNumber"]


def is_last(error: dict) -> None:
    """Section 11.4: the envelope of an error."""
    assert error["error"] is True and error["code"] == "INVALID_FILTERS" and {"timestamp", "baseTransactionNumber", "payloadFormat"} <= set(error)
    assert not {"changedTablesById", "createdTablesById", "destroyedTableIds"} & {key for key, value in error.items() if value}


FIELD_GONE, TABLE_GONE = at(TREES, HEIGHT), f"{TABLES}/{TREES}"


@pytest.mark.parametrize(("path", "kinds", "filters"), [
    (TABLE_GONE, ["tableData"], {"recordChangeScope": TREES}),
    (TABLE_GONE, ["tableFields"], {"recordChangeScope": TREES}),
    (TABLE_GONE, ["tableData", "tableFields", "tableMetadata"], {"recordChangeScope": TREES}),
    (TABLE_GONE, ["tableData"], {"recordChangeScope": TALL}),
    (TABLE_GONE, ["tableData"], {"recordChangeScope": EVERY_TREE}),
    (TABLE_GONE, ["tableData"], {"watchDataInFieldIds": [HEIGHT]}),
    (TABLE_GONE, ["tableFields"], {"watchSchemasOfFieldIds": [WEIGHT, HEIGHT]}),
    (FIELD_GONE, ["tableData"], {"watchDataInFieldIds": [HEIGHT]}),
    (FIELD_GONE, ["tableData"], {"watchDataInFieldIds": [NOTE, HEIGHT], "recordChangeScope": TREES}),
    (FIELD_GONE, ["tableFields"], {"watchSchemasOfFieldIds": [HEIGHT]}),
    (FIELD_GONE, ["tableData", "tableFields"], {"watchSchemasOfFieldIds": [NOTE, HEIGHT], "watchDataInFieldIds": [NOTE]}),
    (FIELD_GONE, ["tableData"], {"watchDataInFieldIds": [HEIGHT], "changeTypes": ["add"]}),
    (FIELD_GONE, ["tableData"], {"watchDataInFieldIds": [HEIGHT], "fromSources": ["client"]}),
])
def test_a_webhook_that_watches_what_is_gone_ends(orchard: Wire, path: str, kinds: list[str], filters: dict) -> None:
    """Section 11.4: one payload that is an error, after those of before; then none, whatever happens; the others go on."""
    hook, other = Hook.create(orchard, *kinds, **filters), Hook.create(orchard, "tableData", "tableFields", "tableMetadata")
    edited(orchard, ("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Height": 6, "Note": "n"}}))
    before, told = hook.payloads(), other.payloads()
    assert len(told) == 1
    delete(orchard, path)
    assert hook.payloads()[:-1] == before and hook.told()["isHookEnabled"] is False, hook.payloads()
    is_last(hook.payloads()[-1])
    assert other.payloads()[:1] == told and len(other.payloads()) == 2 and other.told()["isHookEnabled"] is True
    assert hook.payloads()[-1]["baseTransactionNumber"] == other.payloads()[-1]["baseTransactionNumber"] > told[0]["baseTransactionNumber"]
    left = GROWERS if path == TABLE_GONE else TREES
    orchard.good("POST", AT[left], {"fields": {{GROWERS: "Name", TREES: "Tree"}[left]: "new"}})
    edited(orchard, ("PATCH", f"{AT[BOXES]}/{ident('rec', 'Box001')}", {"fields": {"Weight": 1000}}))
    delete(orchard, f"{TABLES}/{SCALES}")
    if left == TREES:
        delete(orchard, at(TREES, NOTE), f"{TABLES}/{TREES}")
    assert len(hook.payloads()) == len(before) + 1 and hook.told()["cursorForNextPayload"] == len(before) + 2
    numbers = [payload["baseTransactionNumber"] for payload in other.payloads()]
    assert len(numbers) == (7 if left == TREES else 5) and numbers == sorted(set(numbers)) and not any("error" in payload for payload in other.payloads())
    assert other.told()["cursorForNextPayload"] == len(numbers) + 1
    orchard.ask("POST", f"{hook.path}/refresh", {})
    orchard.ask("POST", f"{hook.path}/enableNotifications", {"enable": True})
    assert hook.told()["isHookEnabled"] is False, "until it is made again"
    (payload,) = list(Api(FULL, endpoint_url=orchard.url).base(HARBOUR).webhook(hook.id).payloads(cursor=len(before) + 1))
    assert payload.error is True and payload.error_code == "INVALID_FILTERS"
    orchard.good_or_empty("DELETE", hook.path)
    assert [found["id"] for found in orchard.good("GET", HOOKS)["webhooks"]] == [other.id]


@pytest.mark.parametrize("path", [FIELD_GONE, TABLE_GONE])
def test_what_is_gone_may_have_been_included(orchard: Wire, path: str) -> None:
    """Section 11.4: that is no error; other cells are still included."""
    hook = Hook.create(orchard, "tableData", includes={"includeCellValuesInFieldIds": [HEIGHT, TREE, MARK], "includePreviousCellValues": True})
    every = Hook.create(orchard, "tableData", includes={"includeCellValuesInFieldIds": "all"})
    delete(orchard, path)
    start = len(hook.payloads()) + 1
    assert hook.told()["isHookEnabled"] is True and not any("error" in payload for payload in hook.payloads())
    table, row, name = (TREES, APPLE, "Tree") if path == FIELD_GONE else (BOXES, ident("rec", "Box001"), "Mark")
    changes = {"Note": "n"} if path == FIELD_GONE else {"Weight": 5000}
    shown = orchard.good("PATCH", f"{AT[table]}/{row}", {"fields": changes})["fields"][name]
    told = hook.changes(table, start)["changedRecordsById"][row]
    assert told["unchanged"]["cellValuesByFieldId"] == {TREE if path == FIELD_GONE else MARK: shown}
    assert HEIGHT not in every.payloads()[-1]["changedTablesById"][table]["changedRecordsById"][row]["unchanged"]["cellValuesByFieldId"]


def test_a_field_that_became_text_is_still_watched(orchard: Wire) -> None:
    """Section 11.4: it has not disappeared."""
    hook, view = Hook.create(orchard, watchDataInFieldIds=[KEPT_BY]), Hook.create(orchard, recordChangeScope=TALL)
    delete(orchard, f"{TABLES}/{GROWERS}")
    start = len(hook.payloads()) + 1
    orchard.good("PATCH", f"{AT[TREES]}/{PLUM}", {"fields": {"Kept by": "Zoe"}})
    assert hook.changes(TREES, start)["changedRecordsById"][PLUM]["current"]["cellValuesByFieldId"][KEPT_BY] == "Zoe"
    assert hook.told()["isHookEnabled"] is True and view.told()["isHookEnabled"] is True
    delete(orchard, at(TREES, HEIGHT))
    assert view.told()["isHookEnabled"] is True, "the view is there, though its filter is not"


def test_payloads_from_before_stay(orchard: Wire) -> None:
    """Section 11.4: also where they name what is gone."""
    hook = Hook.create(orchard, "tableData", "tableFields", "tableMetadata")
    orchard.good("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Height": 1, "Kept by": [ANN]}})
    made = orchard.good("POST", f"{TABLES}/{TREES}/fields", {"name": "New", "type": "singleLineText"})
    before = hook.payloads()
    delete(orchard, at(TREES, made["id"]), at(TREES, HEIGHT), f"{TABLES}/{GROWERS}", f"{TABLES}/{TREES}")
    assert hook.payloads()[:2] == before and len(hook.payloads()) == 6


def test_webhooks_of_other_bases_are_not_told(orchard: Wire) -> None:
    path = f"/v0/bases/{QUAY}/webhooks"
    other = orchard.good("POST", path, {"specification": specification("tableData", "tableFields", "tableMetadata")})["id"]
    delete(orchard, at(TREES, HEIGHT), f"{TABLES}/{TREES}")
    assert orchard.good("GET", f"{path}/{other}/payloads")["payloads"] == []


def test_a_deletion_pings(orchard: Wire) -> None:
    """Section 11.3."""
    with Receiver() as receiver:
        Hook.create(orchard, "tableFields", url=f"{receiver.url}/fields")
        receiver.drain()
        delete(orchard, at(TREES, NOTE))
        assert json.loads(receiver.next().body)["base"] == {"id": HARBOUR}


# Everything at once.


def test_the_client_reads_what_is_left(orchard: Wire) -> None:
    """Section 14.1: pyairtable's models of schema and records."""
    base = Api(FULL, endpoint_url=orchard.url).base(HARBOUR)
    trees = base.table("Trees")
    assert base.schema().table(TREES).field(HEIGHT).name == "Height"
    delete(orchard, at(TREES, HEIGHT), f"{TABLES}/{GROWERS}")
    told = base.schema(force=True)
    assert [table.id for table in told.tables] == [TREES, SCALES, BOXES] and HEIGHT not in {found.id for found in told.table(TREES).fields}
    types = {found.name: type(found).__name__ for found in told.table(TREES).fields}
    assert (types["Kept by"], types["Names"], types["Towns"], types["How many"], types["Twice"]) == (
        "SingleLineTextFieldSchema", "MultipleLookupValuesFieldSchema", "RollupFieldSchema", "CountFieldSchema", "FormulaFieldSchema")
    assert told.table(TREES).field("Twice").options.is_valid is False and told.table(TREES).field("Label").options.is_valid is True
    assert {row["id"]: row["fields"].get("Kept by") for row in trees.all()} == {APPLE: QUOTED, PEAR: "Ann", PLUM: None}
    assert len(base.table(BOXES_NAME).all(view="Every")) == BOX_COUNT and len(base.tables(force=True)) == 3


def test_a_reset_brings_all_back(orchard: Wire) -> None:
    before, taken = everything(orchard), snapshot(orchard)
    Hook.create(orchard, recordChangeScope=TREES)
    delete(orchard, at(BOXES, FROM), at(GROWERS, KEEPS), at(TREES, HEIGHT), f"{TABLES}/{TREES}", f"{TABLES}/{GROWERS}")
    assert everything(orchard) != before
    orchard.own("POST", "reset", {"data": True})
    assert everything(orchard) == before and snapshot(orchard) == taken
    assert sync(orchard, "SyncNote01", "Note,Height\nred,6\n").status_code == 200


def test_a_snapshot_after_deletions_is_restored_byte_for_byte(orchard: Wire, tmp_path: Path) -> None:
    """README: here, and in an emulator that starts with it."""
    Hook.create(orchard, recordChangeScope=GROWERS), Hook.create(orchard, "tableFields", watchSchemasOfFieldIds=[HEIGHT]), Hook.create(orchard, "tableData", "tableFields", "tableMetadata")
    Hook.create(orchard, "tableData", includes={"includeCellValuesInFieldIds": [HEIGHT, TREE, NAME]})
    Hook.create(orchard, fromSources=["formSubmission"], sourceOptions={"formSubmission": {"viewId": ident("viw", "Growers")}})
    orchard.good("POST", f"{AT[TREES]}/{APPLE}/comments", {"text": "Ripe?"})
    delete(orchard, at(TREES, HEIGHT), at(TREES, ident("fld", "Stock")), f"{TABLES}/{GROWERS}", at(BOXES, FROM))
    taken, before = snapshot(orchard), everything(orchard)
    orchard.own("POST", "reset", {"data": True})
    assert restore(orchard.url, taken).ok, restore(orchard.url, taken).text
    assert snapshot(orchard) == taken and everything(orchard) == before
    service = start_emulator(tmp_path, seed=json.loads(taken))
    try:
        assert json.loads(snapshot(Wire(service.url)))["bases"] == json.loads(taken)["bases"]
        assert everything(Wire(service.url)) == before
    finally:
        service.stop()


def test_what_is_read_and_written_meanwhile_is_whole(orchard: Wire) -> None:
    """No cell ever stands under another field, and no call fails but for what is gone."""
    names = [f"f{number}" for number in range(8)]
    made = orchard.good("POST", TABLES, {"name": "Rows", "fields": [{"name": name, "type": "singleLineText"} for name in names]})
    path, ids = f"/v0/{HARBOUR}/{made['id']}", {told["name"]: told["id"] for told in made["fields"]}
    for _ in range(5):
        orchard.good("POST", path, {"records": [{"fields": {name: name for name in names}}] * 10})
    done = threading.Event()

    def read(query: str) -> int:
        count = 0
        while not done.is_set() or not count:
            records = orchard.good("GET", f"{path}?{query}")["records"]
            assert all(cell == name for row in records for name, cell in row["fields"].items()) and len(records) >= 50
            count += 1
        return count

    def write(worker: int) -> int:
        count = 0
        while not done.is_set():
            answer = orchard.ask("POST", path, {"records": [{"fields": {name: name for name in ("f0", "f3", f"f{worker}")}}]})
            assert answer.status_code == 200 or (answer.status_code, answer.json()["error"]["type"]) == (422, "UNKNOWN_FIELD_NAME"), answer.text
            count += 1
        return count

    with ThreadPoolExecutor(6) as pool:
        work = [pool.submit(read, query) for query in ("", "sort[0][field]=f7", "filterByFormula=%7Bf3%7D='f3'")] + [pool.submit(write, worker) for worker in (1, 4, 6)]
        try:
            for name in ("f1", "f4", "f2", "f6", "f5"):
                delete(orchard, at(made["id"], ids[name]))
        finally:
            done.set()
        assert all(found.result() > 0 for found in work)
    assert {name for row in rows(orchard, made["id"]) for name in row["fields"]} == {"f0", "f3", "f7"}


def test_one_of_the_last_tables_stays_though_both_are_deleted_at_once(orchard: Wire) -> None:
    """README."""
    for round_number in range(10):
        made = orchard.good("POST", f"/v0/meta/bases/{QUAY}/tables", {"name": f"T{round_number}", "fields": [{"name": "N", "type": "singleLineText"}]})["id"]
        tables = [table["id"] for table in orchard.good("GET", f"/v0/meta/bases/{QUAY}/tables")["tables"]]
        assert len(tables) == 2 and made in tables
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda table: edit(orchard, ("DELETE", f"/v0/meta/bases/{QUAY}/tables/{table}"))[0]["status"], tables))
        assert sorted(answers) == [200, 422] and len(orchard.good("GET", f"/v0/meta/bases/{QUAY}/tables")["tables"]) == 1


def references(told: dict) -> Iterator[str]:
    """All that a valid field refers to."""
    options = told.get("options") or {}
    if options.get("isValid", True):
        yield from (options[key] for key in ("linkedTableId", "inverseLinkFieldId", "recordLinkFieldId", "fieldIdInLinkedTable") if options.get(key))
        yield from options.get("referencedFieldIds", [])


def is_sound(wire: Wire) -> None:
    """Nothing that is there refers to what is not; cells are those of fields; all of it is read."""
    tables = schema(wire)
    known = {*tables, *(told["id"] for table in tables.values() for told in table["fields"])}
    for table in tables.values():
        for told in table["fields"]:
            assert set(references(told)) <= known, told
            if told["type"] == "singleLineText":
                assert "options" not in told
        own = {told["id"] for told in table["fields"]}
        assert table["primaryFieldId"] in own and all(set(view["visibleFieldIds"]) <= own for view in table["views"])
        for query in ("returnFieldsByFieldId=true", *(f"returnFieldsByFieldId=true&view={view['id']}" for view in table["views"])):
            for row in rows(wire, table["id"], query):
                assert set(row["fields"]) <= own
                for told in table["fields"]:
                    cell = row["fields"].get(told["id"])
                    if told["type"] == "singleLineText":
                        assert cell is None or isinstance(cell, str), (told, cell)
                    elif told["type"] == "multipleRecordLinks":
                        assert cell is None or isinstance(cell, list), (told, cell)
    Api(FULL, endpoint_url=wire.url).base(HARBOUR).schema(force=True)


@pytest.mark.parametrize("seed", range(4))
def test_any_series_of_deletions_leaves_a_base_that_is_sound(orchard: Wire, life: Callable[..., Service], seed: int) -> None:  # noqa: F811
    """Here and after a kill, and as a snapshot; whoever watches all is told of each."""
    dice, wire = random.Random(seed), Wire(life(SEED).url)
    hook, gone = Hook.create(wire, "tableFields", "tableMetadata"), []
    for _ in range(25):
        tables = schema(wire)
        table = tables[dice.choice(sorted(tables))]
        fields = [told["id"] for told in table["fields"] if told["id"] != table["primaryFieldId"]]
        if dice.random() < 0.08 and len(tables) > 1:
            delete(wire, f"{TABLES}/{table['id']}")
            gone.append(table["id"])
        elif fields and dice.random() < 0.8:
            chosen = dice.choice(fields)
            delete(wire, at(table["id"], chosen))
            gone.append(chosen)
        else:
            wire.good("POST", f"{TABLES}/{table['id']}/fields", {"name": f"n{dice.randrange(10**9)}", **dice.choice([{"type": "email"}, {"type": "multipleRecordLinks", "options": {"linkedTableId": dice.choice(sorted(tables))}}])})
            wire.good("POST", f"/v0/{HARBOUR}/{table['id']}", {"fields": {}})
        is_sound(wire)
    told: list[str] = []
    for payload in hook.payloads():
        told += payload.get("destroyedTableIds", [])
        for change in payload.get("changedTablesById", {}).values():
            told += change.get("destroyedFieldIds", [])
    assert told == gone
    before, taken = everything(wire), snapshot(wire)
    again = Wire(life(SEED).url)
    assert json.loads(snapshot(again))["bases"] == json.loads(taken)["bases"] and everything(again) == before
    is_sound(again)
    assert restore(orchard.url, taken).ok, restore(orchard.url, taken).text
    assert snapshot(orchard) == taken and everything(orchard) == before


# With --data.


def test_deletions_are_kept(life: Callable[..., Service]) -> None:  # noqa: F811
    """What is left, hooks that work and those that do not any more; twice, and numbers go on."""
    wire = Wire(life(SEED).url)
    dead, scoped, whole = Hook.create(wire, "tableData", watchDataInFieldIds=[HEIGHT]), Hook.create(wire, recordChangeScope=GROWERS), Hook.create(wire, "tableData", "tableFields", "tableMetadata")
    wire.good("POST", f"{AT[TREES]}/{APPLE}/comments", {"text": "Ripe?"})
    edited(wire, ("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Planted": "2020-03-01", "Note": "late"}}), user=BO)
    wire.good("POST", f"/v0/{HARBOUR}/{APPLE}/{PAPERS}/uploadAttachment", {"contentType": "text/plain", "filename": "p.txt", "file": base64.b64encode(b"paper").decode()})
    delete(wire, at(TREES, HEIGHT), at(TREES, PHOTOS), f"{TABLES}/{GROWERS}")
    before = everything(wire)
    for _ in range(2):
        wire = dead.wire = scoped.wire = whole.wire = Wire(life(SEED).url)
        assert everything(wire) == before
        assert (dead.told()["isHookEnabled"], scoped.told()["isHookEnabled"], whole.told()["isHookEnabled"]) == (False, False, True)
        (paper,) = wire.good("GET", f"{AT[TREES]}/{APPLE}")["fields"]["Papers"]
        assert requests.get(paper["url"], timeout=10).content == b"paper"
    count = len(whole.payloads())
    made = wire.good("POST", AT[TREES], {"fields": {"Tree": "Fig", "Kept by": "Zoe, too"}})
    assert (made["fields"]["No"], made["fields"]["Kept by"], made["fields"]["Twice"]) == (4, "Zoe, too", ERROR)
    assert len(whole.payloads()) == count + 1 and len(dead.payloads()) == len(before[dead.id]["payloads"])
    assert whole.payloads()[-1]["baseTransactionNumber"] > whole.payloads()[-2]["baseTransactionNumber"]
    before = everything(wire)
    assert everything(Wire(life(SEED).url)) == before


def test_tables_after_a_deleted_one_are_kept(life: Callable[..., Service]) -> None:  # noqa: F811
    """Their records and numbers, those of tables that are made later, and no trace of the deleted one."""
    wire = Wire(life(SEED).url)
    wire.good("POST", AT[BOXES], {"fields": {"Mark": "before"}})
    delete(wire, f"{TABLES}/{GROWERS}")
    assert wire.good("POST", AT[BOXES], {"fields": {"Mark": "after"}})["fields"]["Number"] == BOX_COUNT + 2
    wire.good("DELETE", f"{AT[BOXES]}/{ident('rec', 'Box007')}")
    wire.good("PATCH", f"{AT[SCALES]}/{HEAVY}", {"fields": {"Grams": 9}})
    made = wire.good("POST", TABLES, {"name": "Growers", "fields": [{"name": "Name", "type": "singleLineText"}]})["id"]
    for number in range(3):
        wire.good("POST", f"/v0/{HARBOUR}/{made}", {"fields": {"Name": str(number)}})
    before = everything(wire)
    wire = Wire(life(SEED).url)
    assert everything(wire) == before and len(rows(wire, BOXES)) == BOX_COUNT + 1
    delete(wire, f"{TABLES}/{SCALES}")
    wire.good("POST", f"/v0/{HARBOUR}/{made}", {"fields": {"Name": "3"}})
    last = wire.good("POST", TABLES, {"name": "Last", "fields": [{"name": "N", "type": "number", "options": {"precision": 0}}]})["id"]
    wire.good("POST", f"/v0/{HARBOUR}/{last}", {"fields": {"N": 7}})
    before = everything(wire)
    wire = Wire(life(SEED).url)
    assert everything(wire) == before and list(schema(wire)) == [TREES, BOXES, made, last]
    assert cells(rows(wire, made), "Name") == ["0", "1", "2", "3"] and cells(rows(wire, last), "N") == [7]
    assert wire.good("POST", AT[BOXES], {"fields": {"Mark": "later"}})["fields"]["Number"] == BOX_COUNT + 3


def test_a_reset_of_deletions_is_kept(life: Callable[..., Service]) -> None:  # noqa: F811
    wire = Wire(life(SEED).url)
    before = everything(wire)
    Hook.create(wire, recordChangeScope=GROWERS)
    delete(wire, at(TREES, HEIGHT), at(BOXES, FROM), f"{TABLES}/{GROWERS}")
    wire.own("POST", "reset", {"data": True})
    assert everything(wire) == before
    assert everything(Wire(life(SEED).url)) == before


@pytest.mark.parametrize("paths", [[f"{TABLES}/{GROWERS}", f"{TABLES}/{SCALES}"], [at(BOXES, WEIGHT), at(BOXES, FROM)]])
def test_no_write_is_lost_around_a_deletion_and_a_kill(life: Callable[..., Service], paths: list[str]) -> None:  # noqa: F811
    """README: a killed emulator comes back with every acknowledged write; writers run while it is deleted and killed."""
    wire = Wire(life(SEED).url)
    acknowledged: dict[str, str] = {}
    enough = threading.Event()

    def write(worker: int) -> None:
        for number in range(10_000):
            try:
                mark = f"w{worker}-{number}"
                answer = wire.ask("POST", AT[BOXES], {"fields": {"Mark": mark, "Kind": mark}})
                assert answer.status_code == 200, answer.text
                acknowledged[answer.json()["id"]] = mark
            except requests.RequestException:
                return
            if len(acknowledged) > 60:
                enough.set()

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for path in paths:
        delete(wire, path)
    assert enough.wait(60)
    again = Wire(life(SEED).url)
    for worker in workers:
        worker.join(30)
    told = by_id(again, BOXES)
    assert {row: (told[row]["Mark"], told[row]["Kind"]) for row in acknowledged} == {row: (mark, mark) for row, mark in acknowledged.items()}
    numbers = [fields["Number"] for fields in told.values()]
    assert len(numbers) == len(set(numbers)) and not {path.rpartition("/")[2] for path in paths} & {*schema(again), *fields_of(again, BOXES)}


@pytest.mark.parametrize("after_seconds", [0, 0.005, 0.02, 0.05, 0.1, 0.2])
def test_a_deletion_is_made_whole_or_not_at_all(life: Callable[..., Service], after_seconds: float) -> None:  # noqa: F811
    """README: killed while it is made, it has changed every table or none; once it is answered, every one."""
    seed = copy.deepcopy(SEED)
    seed["bases"][0]["tables"][3]["records"] = [record(ident("rec", f"Box{number:05}"), Mark=f"b{number}", From=[APPLE, PLUM]) for number in range(3000)]
    service = life(seed)
    wire, answered = Wire(service.url), threading.Event()
    hook = Hook.create(wire, "tableMetadata")

    def destroy() -> None:
        try:
            delete(wire, f"{TABLES}/{TREES}")
            answered.set()
        except requests.RequestException:
            pass

    worker = threading.Thread(target=destroy)
    worker.start()
    threading.Event().wait(after_seconds)
    service.process.kill()
    worker.join(30)
    again = hook.wire = Wire(life(seed).url)
    gone = TREES not in schema(again)
    assert gone or not answered.is_set()
    assert {json.dumps(fields["From"]) for fields in by_id(again, BOXES).values()} == {'"Apple, Plum"' if gone else json.dumps([APPLE, PLUM])}
    assert by_id(again, GROWERS)[JO]["Keeps"] == ("Apple" if gone else [APPLE])
    assert [payload["destroyedTableIds"] for payload in hook.payloads()] == [[TREES]] * gone
    is_sound(again)


# Files.


def test_files_of_what_is_deleted_make_room(tmp_path: Path) -> None:
    """README: a file is kept until the last cell that holds it is gone."""
    service = start_emulator(tmp_path, "--attachment-memory", "100", seed=SEED)
    try:
        wire, sent = Wire(service.url), {"contentType": "text/plain", "filename": "p.txt", "file": base64.b64encode(b"x" * 80).decode()}

        def upload(record_id: str, field_id: str) -> int:
            return wire.ask("POST", f"/v0/{HARBOUR}/{record_id}/{field_id}/uploadAttachment", sent).status_code

        assert (upload(APPLE, PHOTOS), upload(PEAR, PAPERS)) == (200, 507)
        delete(wire, at(TREES, PHOTOS))
        assert (upload(PEAR, PAPERS), upload(PLUM, PAPERS)) == (200, 507)
        made = wire.good("POST", f"{TABLES}/{GROWERS}/fields", {"name": "Deeds", "type": "multipleAttachments"})["id"]
        assert upload(JO, made) == 507
        delete(wire, f"{TABLES}/{TREES}")
        assert upload(JO, made) == 200
    finally:
        service.stop()


class Slow:
    """A server of files that waits until it is told to answer."""

    def __init__(self) -> None:
        self.go, self.asked = threading.Event(), threading.Semaphore(0)
        slow = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                slow.asked.release()
                slow.go.wait(20)
                self.send_response(200)
                self.send_header("content-type", "text/plain")
                self.send_header("content-length", "5")
                self.end_headers()
                self.wfile.write(b"paper")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/p.txt"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


def test_files_that_are_fetched_meanwhile_find_their_cells(tmp_path: Path) -> None:
    """README: they get their files a moment later, also after a field or table before them is gone; or nobody misses them."""
    service, slow = start_emulator(tmp_path, "--attachment-sources", "loopback", seed=SEED), Slow()
    try:
        wire = Wire(service.url)
        made = wire.good("POST", f"{TABLES}/{TREES}/fields", {"name": "More", "type": "multipleAttachments"})["id"]
        wire.good("PATCH", f"{AT[TREES]}/{APPLE}", {"fields": {"Papers": [{"url": slow.url}], "Photos": [{"url": slow.url}], "More": [{"url": slow.url}]}})
        assert slow.asked.acquire(timeout=10)
        delete(wire, at(TREES, HEIGHT), at(TREES, PHOTOS), f"{TABLES}/{GROWERS}")
        slow.go.set()
        for name in ("Papers", "More"):
            for _ in range(200):
                (paper,) = wire.good("GET", f"{AT[TREES]}/{APPLE}")["fields"][name]
                if "size" in paper:
                    break
                threading.Event().wait(0.05)
            assert (paper["size"], paper["type"]) == (5, "text/plain") and requests.get(paper["url"], timeout=10).content == b"paper"
        assert made in fields_of(wire, TREES) and "Photos" not in wire.good("GET", f"{AT[TREES]}/{APPLE}")["fields"]
        assert wire.good("GET", f"{AT[TREES]}/{APPLE}")["fields"]["Kept by"] == QUOTED
    finally:
        slow.go.set()
        slow.server.shutdown()
        service.stop()
