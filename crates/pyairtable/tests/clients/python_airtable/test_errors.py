"""What is refused, with which words, and what is looked at first (section 3 of Airtable's reference)."""

import pytest
import requests

from harbour import BERTHS, BUOY, BUOYS, EAST, FULL, HARBOUR, LAMPS, LIGHTHOUSE, NORTH, NOTHING, QUAY, QUAY_ONLY, READ, SCHEMA, SHIPS, WRITE, ident
from wire import BERTHS_PATH, CRATES_PATH, HIDDEN, INVALID_PARAMETERS, SHIPS_PATH, UNAUTHENTICATED, Wire

GONE = ident("rec", "Gone")
JSON = {"Content-Type": "application/json"}
UNREADABLE = {"type": "INVALID_REQUEST_BODY", "message": "Could not parse request body"}


def raw(wire: Wire, method: str, path: str, data: bytes, kind: str | None = "application/json") -> requests.Response:
    headers = {"Authorization": f"Bearer {FULL}", **({"Content-Type": kind} if kind else {})}
    return requests.request(method, wire.url + path, data=data, headers=headers, timeout=20)


def test_what_is_not_visible_and_what_is_not_there_look_alike(wire: Wire) -> None:
    """Section 3.3: 403 with one body for an unknown base, table or record, and for a base the token may not see."""
    for path in (f"/v0/{ident('app', 'Nope')}/{BERTHS}", f"/v0/{HARBOUR}/{ident('tbl', 'Nope')}", f"/v0/{HARBOUR}/No such table", f"{BERTHS_PATH}/{GONE}"):
        wire.refused(403, HIDDEN, "GET", path)
    wire.refused(403, HIDDEN, "GET", BERTHS_PATH, key=QUAY_ONLY)
    wire.refused(403, HIDDEN, "POST", BERTHS_PATH, {"fields": {}}, key=QUAY_ONLY)
    wire.refused(403, HIDDEN, "GET", f"/v0/meta/bases/{HARBOUR}/tables", key=QUAY_ONLY)
    wire.refused(403, HIDDEN, "GET", f"/v0/meta/bases/{ident('app', 'Nope')}/tables")
    assert wire.good("GET", f"/v0/{QUAY}/{LAMPS}", key=QUAY_ONLY) == {"records": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "keys"),
    [
        ("GET", BERTHS_PATH, None, [WRITE, SCHEMA, NOTHING]),
        ("POST", f"{BERTHS_PATH}/listRecords", {}, [WRITE, SCHEMA, NOTHING]),
        ("GET", f"{BERTHS_PATH}/{EAST}", None, [WRITE, SCHEMA, NOTHING]),
        ("POST", BERTHS_PATH, {"fields": {}}, [READ, SCHEMA, NOTHING]),
        ("PATCH", f"{BERTHS_PATH}/{EAST}", {"fields": {}}, [READ, SCHEMA, NOTHING]),
        ("PUT", f"{BERTHS_PATH}/{EAST}", {"fields": {}}, [READ, SCHEMA, NOTHING]),
        ("PATCH", BERTHS_PATH, {"records": [{"id": EAST, "fields": {}}]}, [READ, SCHEMA, NOTHING]),
        ("PUT", BERTHS_PATH, {"records": [{"id": EAST, "fields": {}}]}, [READ, SCHEMA, NOTHING]),
        ("DELETE", f"{BERTHS_PATH}/{EAST}", None, [READ, SCHEMA, NOTHING]),
        ("DELETE", f"{BERTHS_PATH}?records[]={EAST}", None, [READ, SCHEMA, NOTHING]),
        ("GET", f"/v0/meta/bases/{HARBOUR}/tables", None, [READ, WRITE, NOTHING]),
        ("GET", "/v0/meta/bases", None, [READ, WRITE, NOTHING]),
    ],
)
def test_a_token_without_the_scope_is_403(wire: Wire, method: str, path: str, body: dict | None, keys: list[str]) -> None:
    """Sections 1 and 13: each path has its scope; nothing is changed by what is refused."""
    for key in keys:
        wire.refused(403, HIDDEN, method, path, body, key=key)
    assert len(wire.good("GET", BERTHS_PATH)["records"]) == 3


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [("POST", "", {"fields": {"Buoy": "green"}}), ("PATCH", f"/{BUOY}", {"fields": {"Buoy": "green"}}), ("PUT", f"/{BUOY}", {"fields": {}}), ("DELETE", f"/{BUOY}", None), ("DELETE", f"?records[]={BUOY}", None)],
)
def test_a_reader_of_a_base_may_see_and_not_write(wire: Wire, method: str, tail: str, body: dict | None) -> None:
    """Sections 3.3 and 13: the model is visible, the action is not permitted."""
    path = f"/v0/{LIGHTHOUSE}/{BUOYS}"
    wire.refused(403, "INVALID_PERMISSIONS", method, path + tail, body)
    assert wire.good("GET", f"{path}/{BUOY}")["fields"] == {"Buoy": "red"}


def test_single_writes_of_a_record_that_is_gone(wire: Wire) -> None:
    """Section 3.3: 404 for a well-formed id that is missing."""
    error = {"type": "MODEL_ID_NOT_FOUND", "message": "Record not found"}
    for method in ("PATCH", "PUT"):
        wire.refused(404, error, method, f"{BERTHS_PATH}/{GONE}", {"fields": {"Depth": 1}})
    wire.refused(404, error, "DELETE", f"{BERTHS_PATH}/{GONE}")


@pytest.mark.parametrize("data", [b"{", b"", b"nothing", b'{"fields":}', b"\xff\xfe", b'{"fields":{"Berth":"a"}} x'])
def test_bodies_that_are_not_json(wire: Wire, data: bytes) -> None:
    """Section 3.3: reported live as 422."""
    for method, path in (("POST", BERTHS_PATH), ("PATCH", f"{BERTHS_PATH}/{EAST}"), ("POST", f"{BERTHS_PATH}/listRecords")):
        if data == b"" and path.endswith("listRecords"):
            continue
        answer = raw(wire, method, path, data)
        assert (answer.status_code, answer.json()["error"]) == (422, UNREADABLE), (method, data, answer.text)


def test_bodies_of_another_kind(wire: Wire) -> None:
    """Section 3.3: the content type must be JSON's."""
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = raw(wire, "POST", BERTHS_PATH, b'{"fields":{}}', kind)
        assert (answer.status_code, answer.json()["error"]) == (422, UNREADABLE), answer.text
    assert raw(wire, "POST", BERTHS_PATH, b'{"fields":{}}', "application/json; charset=utf-8").status_code == 200


def test_a_single_write_needs_fields(wire: Wire) -> None:
    """Section 3.3."""
    error = {"type": "INVALID_REQUEST_MISSING_FIELDS", "message": 'Could not find field "fields" in the request body'}
    for body in ({}, {"typecast": True}):
        wire.refused(422, error, "POST", BERTHS_PATH, body)
        wire.refused(422, error, "PATCH", f"{BERTHS_PATH}/{EAST}", body)
        wire.refused(422, error, "PUT", f"{BERTHS_PATH}/{EAST}", body)


@pytest.mark.parametrize("body", [{"fields": [], "typecast": False}, {"fields": "x"}, {"fields": 1}, {"fields": {}, "typecast": "yes"}, {"fields": {}, "returnFieldsByFieldId": 3}, {"fields": {}, "colour": "red"}])
def test_members_of_the_wrong_kind(wire: Wire, body: dict) -> None:
    """Section 3.3: wrong JSON type, unknown key at the top."""
    wire.refused(422, INVALID_PARAMETERS, "POST", BERTHS_PATH, body)
    wire.refused(422, INVALID_PARAMETERS, "PATCH", f"{BERTHS_PATH}/{EAST}", body)


def test_ten_records_are_created_at_once_and_not_eleven(wire: Wire) -> None:
    """Sections 3.3 and 4."""
    many = [{"fields": {"Berth": str(number)}} for number in range(11)]
    error = {"type": "INVALID_RECORDS", "message": "A maximum of 10 records can be created per request but you have provided 11."}
    wire.refused(422, error, "POST", BERTHS_PATH, {"records": many})
    made = wire.good("POST", BERTHS_PATH, {"records": many[:10]})["records"]
    assert [record["fields"]["Berth"] for record in made] == [str(number) for number in range(10)]


SHAPE_OF_UPDATE = {
    "type": "INVALID_RECORDS",
    "message": 'You must provide an array of up to 10 record objects, each with an "id" ID field and a "fields" object for cell values.',
}


@pytest.mark.parametrize("records", [[{"fields": {}}], [{"id": "nonsense", "fields": {}}], [{"id": 7, "fields": {}}], [{"id": NORTH}], [], "x", [7], [{"id": NORTH, "fields": {}}] * 11])
def test_a_batch_of_updates_of_the_wrong_shape(wire: Wire, records: object) -> None:
    """Section 3.3."""
    for method in ("PATCH", "PUT"):
        wire.refused(422, SHAPE_OF_UPDATE, method, BERTHS_PATH, {"records": records})


@pytest.mark.parametrize("query", [f"records={NORTH}", "records[]=nonsense", "", "&".join(f"records[]={ident('rec', str(n))}" for n in range(11))])
def test_a_batch_of_deletions_of_the_wrong_shape(wire: Wire, query: str) -> None:
    """Sections 1 and 3.3: also a single bare `records=`."""
    error = {"type": "INVALID_RECORDS", "message": '"records" must be an array of up to 10 record IDs.'}
    wire.refused(422, error, "DELETE", f"{BERTHS_PATH}?{query}")
    assert len(wire.good("GET", BERTHS_PATH)["records"]) == 3


def test_batches_and_links_name_the_record_that_is_gone(wire: Wire) -> None:
    """Section 3.3: with "in this table" for a target, without for a link."""
    target = {"type": "ROW_DOES_NOT_EXIST", "message": f"Record ID {GONE} does not exist in this table"}
    for method in ("PATCH", "PUT"):
        wire.refused(422, target, method, BERTHS_PATH, {"records": [{"id": NORTH, "fields": {"Depth": 99}}, {"id": GONE, "fields": {"Depth": 99}}]})
    assert wire.good("GET", f"{BERTHS_PATH}/{NORTH}")["fields"]["Depth"] == 7.5
    linked = {"type": "ROW_DOES_NOT_EXIST", "message": f"Record ID {GONE} does not exist"}
    wire.refused(422, linked, "POST", SHIPS_PATH, {"fields": {"Berths": [NORTH, GONE]}})
    assert wire.good("GET", SHIPS_PATH) == {"records": []}


def test_a_batch_deletion_with_a_missing_record_deletes_none(wire: Wire) -> None:
    """Section 3.3, order of checks: all are looked at, then all are deleted."""
    answer = wire.ask("DELETE", f"{BERTHS_PATH}?records[]={NORTH}&records[]={GONE}")
    assert 400 <= answer.status_code < 500
    assert len(wire.good("GET", BERTHS_PATH)["records"]) == 3


def test_unknown_names_of_fields_in_writes(wire: Wire) -> None:
    """Section 3.3."""
    for body in ({"fields": {"Berth": "a", "Tiefe": 1}}, {"fields": {"Tiefe": None}}, {"fields": {"Tiefe": 1}, "typecast": True}):
        wire.refused(422, {"type": "UNKNOWN_FIELD_NAME", "message": 'Unknown field name: "Tiefe"'}, "POST", BERTHS_PATH, body)
        wire.refused(422, "UNKNOWN_FIELD_NAME", "PATCH", f"{BERTHS_PATH}/{EAST}", body)
    foreign = ident("fld", "Ship")
    wire.refused(422, {"type": "UNKNOWN_FIELD_NAME", "message": f'Unknown field name: "{foreign}"'}, "POST", BERTHS_PATH, {"fields": {foreign: "x"}})


def test_a_batch_writes_all_or_nothing(wire: Wire) -> None:
    """Section 3.3: a failed batch writes nothing, whichever of its records is wrong."""
    good = {"Berth": "new"}
    for bad in ({"Depth": "deep"}, {"Nope": 1}, {"Moored": [GONE]}):
        for records in ([good, bad], [bad, good], [good] * 9 + [bad]):
            assert wire.ask("POST", BERTHS_PATH, {"records": [{"fields": fields} for fields in records]}).status_code == 422
    for method in ("PATCH", "PUT"):
        assert wire.ask(method, BERTHS_PATH, {"records": [{"id": EAST, "fields": good}, {"id": NORTH, "fields": {"Depth": "deep"}}]}).status_code == 422
    found = wire.good("GET", BERTHS_PATH)["records"]
    assert sorted(record["fields"]["Berth"] for record in found) == ["Berth East", "Berth North", "Berth South"]


def test_the_token_comes_before_the_body_and_the_body_before_the_base(wire: Wire) -> None:
    """Section 3.3: route, token, limit, parameters, visibility, fields and values."""
    nowhere = f"/v0/{ident('app', 'Nope')}/{BERTHS}"
    wire.refused(401, UNAUTHENTICATED, "POST", nowhere, {"nonsense": 1}, key="patWrong.wrong")
    wire.refused(422, INVALID_PARAMETERS, "GET", f"{nowhere}?pageSize=101")
    wire.refused(422, "INVALID_REQUEST_MISSING_FIELDS", "POST", nowhere, {})
    wire.refused(403, HIDDEN, "POST", nowhere, {"fields": {"No such field": 1}})
    wire.refused(422, INVALID_PARAMETERS, "GET", f"{CRATES_PATH}?pageSize=101&filterByFormula=%7BNope%7D")
    wire.refused(403, HIDDEN, "GET", f"/v0/{HARBOUR}/{ident('tbl', 'Nope')}?fields[]=Nope")
    wire.refused(404, "MODEL_ID_NOT_FOUND", "PATCH", f"{BERTHS_PATH}/{GONE}", {"fields": {"Nope": 1}})


def test_every_answer_to_a_record_that_is_elsewhere(wire: Wire) -> None:
    """Section 5.3: a read falls back to the whole base; another base's record stays hidden."""
    assert wire.good("GET", f"/v0/{HARBOUR}/{SHIPS}/{EAST}") == wire.good("GET", f"{BERTHS_PATH}/{EAST}")
    wire.refused(403, HIDDEN, "GET", f"/v0/{QUAY}/{LAMPS}/{EAST}")
    wire.refused(403, HIDDEN, "GET", f"/v0/{HARBOUR}/{ident('tbl', 'Nope')}/{EAST}")
