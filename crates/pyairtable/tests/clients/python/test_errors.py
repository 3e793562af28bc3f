"""Bad input: status, type and body are Airtable's, directly and through the gateway."""

import json

import pytest
import requests

from twins import BULK, CUSTOMERS, EVERYTHING, FULL_TOKEN, ITEMS, ORDERS, PEOPLE, WAREHOUSE, RawAnswer, Run, on_both, record_id

NO_SUCH_BASE, NO_SUCH_TABLE, NO_SUCH_RECORD = "appNotThere000000", "tblNotThere000000", "recNotThere000000"
HIDDEN = {
    "type": "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
    "message": "Invalid permissions, or the requested model was not found. Check that both your user and your token "
    "have the required permissions, and that the model names and/or ids are correct.",
}
UNAUTHENTICATED = {"type": "AUTHENTICATION_REQUIRED", "message": "Authentication required"}
INVALID_PARAMETERS = {
    "type": "INVALID_REQUEST_UNKNOWN",
    "message": "Invalid request: parameter validation failed. Check your request data.",
}
NO_PERMISSION_FOR_CHOICE = 'Insufficient permissions to create new select option "%s"'
BAD_FORMULA = "The formula for filtering records is invalid: "
JSON = {"Content-Type": "application/json"}

ITEMS_URL, ORDERS_URL, EVERYTHING_URL = f"/v0/{WAREHOUSE}/{ITEMS}", f"/v0/{WAREHOUSE}/{ORDERS}", f"/v0/{CUSTOMERS}/{EVERYTHING}"


def expect(response: RawAnswer, status: int, error: object, label: str = "") -> None:
    """`error` is the whole `error` member, or only its type."""
    body = response.json()
    assert response.status_code == status, f"{label}: {response.status_code} {body}"
    if error is None:
        return
    actual = body["error"]
    if isinstance(error, str) and isinstance(actual, dict):
        actual = actual["type"]
    assert actual == error, label


@on_both
def test_routes_that_do_not_exist(run: Run) -> None:
    for path in (f"/v0/{WAREHOUSE}", f"/v0/{WAREHOUSE}/{ITEMS}/{record_id('Item', 0)}/nothing/here", "/v0/meta/nothing", "/v0/nothing", f"/v0/bases/{WAREHOUSE}/nothing"):
        response = run.raw(path, "GET", path)
        expect(response, 404, "NOT_FOUND", path)
        assert response.content == b'{"error":"NOT_FOUND"}', path
    expect(run.raw("wrong method", "PUT", "/v0/meta/whoami"), 404, "NOT_FOUND")


@on_both
def test_ids_of_the_wrong_shape_are_not_found(run: Run) -> None:
    for path in (f"/v0/app1/{ITEMS}", f"/v0/nonsense/{ITEMS}", f"{ITEMS_URL}/rec1", f"{ITEMS_URL}/nonsense"):
        expect(run.raw(path, "GET", path), 404, "NOT_FOUND", path)


@on_both
def test_wrong_and_missing_keys(run: Run) -> None:
    for label, key in {"none": None, "another token": "patNobody00000001.nobody", "a wrong key": "pya_live_00000000_" + "A" * 49, "empty": ""}.items():
        for path in (ITEMS_URL, "/v0/meta/whoami", f"/v0/meta/bases/{WAREHOUSE}/tables"):
            expect(run.raw(f"{label} {path}", "GET", path, key=key), 401, UNAUTHENTICATED, label)
    expect(run.raw("write", "POST", ITEMS_URL, key=None, body={"fields": {}}), 401, UNAUTHENTICATED)
    basic = {"Authorization": "Basic dXNlcjpwYXNz"}
    expect(run.raw("Basic", "GET", ITEMS_URL, key=None, headers=basic), 401, UNAUTHENTICATED)
    in_query = run.raw("a key in the query is no credential", "GET", f"{ITEMS_URL}?api_key={FULL_TOKEN}", key=None)
    expect(in_query, 401, UNAUTHENTICATED)


@on_both
def test_keys_without_the_scope(run: Run) -> None:
    item = f"{ITEMS_URL}/{record_id('Item', 0)}"
    assert run.raw("the reader reads", "GET", item, key="reader").status_code == 200
    assert run.raw("the reader lists by POST", "POST", f"{ITEMS_URL}/listRecords", key="reader", body={"pageSize": 1, "view": "Grid view"}).status_code == 200
    row = {"fields": {"SKU": "x"}}
    for label, key, method, path, body in (
        ("create", "reader", "POST", ITEMS_URL, row),
        ("update", "reader", "PATCH", item, row),
        ("replace", "reader", "PUT", item, row),
        ("delete", "reader", "DELETE", item, None),
        ("batch delete", "reader", "DELETE", f"{ITEMS_URL}?records[]={record_id('Item', 0)}", None),
        ("schema", "reader", "GET", f"/v0/meta/bases/{WAREHOUSE}/tables", None),
        ("bases", "reader", "GET", "/v0/meta/bases", None),
        ("list", "schema", "GET", ITEMS_URL, None),
        ("get", "schema", "GET", item, None),
        ("list by POST", "schema", "POST", f"{ITEMS_URL}/listRecords", {}),
    ):
        expect(run.raw(f"{key} {label}", method, path, key=key, body=body), 403, HIDDEN, label)
    assert run.raw("the schema key reads the schema", "GET", f"/v0/meta/bases/{WAREHOUSE}/tables", key="schema").status_code == 200


@on_both
def test_bases_outside_the_key(run: Run) -> None:
    person = f"/v0/{CUSTOMERS}/{PEOPLE}/{record_id('Person', 0)}"
    assert run.raw("warmed by another key", "GET", person).status_code == 200
    row = {"fields": {"Name": "x"}}
    for label, method, path, body in (
        ("get", "GET", person, None),
        ("list", "GET", f"/v0/{CUSTOMERS}/{PEOPLE}", None),
        ("list by name", "GET", f"/v0/{CUSTOMERS}/People", None),
        ("list by POST", "POST", f"/v0/{CUSTOMERS}/{PEOPLE}/listRecords", {}),
        ("create", "POST", f"/v0/{CUSTOMERS}/{PEOPLE}", row),
        ("update", "PATCH", person, row),
        ("delete", "DELETE", person, None),
        ("schema", "GET", f"/v0/meta/bases/{CUSTOMERS}/tables", None),
    ):
        expect(run.raw(label, method, path, key="warehouse", body=body), 403, HIDDEN, label)
    listed = run.raw("bases", "GET", "/v0/meta/bases", key="warehouse").json()["bases"]
    assert [base["id"] for base in listed] == [WAREHOUSE]
    assert run.raw("its own base", "GET", f"{ITEMS_URL}/{record_id('Item', 0)}", key="warehouse").status_code == 200


@on_both
def test_bases_tables_and_records_that_are_not_there(run: Run) -> None:
    for path in (f"/v0/{NO_SUCH_BASE}/{ITEMS}", f"/v0/{WAREHOUSE}/{NO_SUCH_TABLE}", f"/v0/{WAREHOUSE}/No%20such%20table", f"{ITEMS_URL}/{NO_SUCH_RECORD}"):
        expect(run.raw(path, "GET", path), 403, HIDDEN, path)
    row = {"fields": {"SKU": "x"}}
    missing = {"type": "MODEL_ID_NOT_FOUND", "message": "Record not found"}
    for method, body in (("PATCH", row), ("PUT", row), ("DELETE", None)):
        expect(run.raw(method, method, f"{ITEMS_URL}/{NO_SUCH_RECORD}", body=body), 404, missing, method)
    expect(
        run.raw("batch update", "PATCH", ITEMS_URL, body={"records": [{"id": NO_SUCH_RECORD, **row}]}),
        422,
        {"type": "ROW_DOES_NOT_EXIST", "message": f"Record ID {NO_SUCH_RECORD} does not exist in this table"},
    )
    expect(
        run.raw("in a link", "POST", ORDERS_URL, body={"fields": {"Items": [NO_SUCH_RECORD]}}),
        422,
        {"type": "ROW_DOES_NOT_EXIST", "message": f"Record ID {NO_SUCH_RECORD} does not exist"},
    )
    expect(run.raw("create in no table", "POST", f"/v0/{WAREHOUSE}/{NO_SUCH_TABLE}", body=row), 403, HIDDEN)


@on_both
def test_unknown_fields(run: Run) -> None:
    unknown = {"type": "UNKNOWN_FIELD_NAME", "message": 'Unknown field name: "Nope"'}
    expect(run.raw("create", "POST", ITEMS_URL, body={"fields": {"Nope": 1}}), 422, unknown)
    expect(run.raw("batch", "POST", ITEMS_URL, body={"records": [{"fields": {"SKU": "a"}}, {"fields": {"Nope": 1}}]}), 422, unknown)
    expect(run.raw("update", "PATCH", f"{ITEMS_URL}/{record_id('Item', 0)}", body={"fields": {"Nope": 1}}), 422, unknown)
    expect(run.raw("fields", "GET", f"{ITEMS_URL}?fields[]=Nope"), 422, unknown)
    expect(run.raw("fields by POST", "POST", f"{ITEMS_URL}/listRecords", body={"fields": ["Nope"]}), 422, unknown)
    expect(run.raw("sort", "GET", f"{ITEMS_URL}?sort[0][field]=Nope"), 422, unknown)
    upsert = {"performUpsert": {"fieldsToMergeOn": ["Nope"]}, "records": [{"fields": {"Nope": 1}}]}
    expect(run.raw("upsert", "PATCH", ITEMS_URL, body=upsert), 422, unknown)


@on_both
def test_values_that_do_not_fit_their_field(run: Run) -> None:
    def refused(field: str, value: object, error: object, **more: object) -> None:
        label = f"{field} = {value!r} {more}"
        expect(run.raw(label, "POST", EVERYTHING_URL, body={"fields": {field: value}, **more}), 422, error, label)

    for field, value in (
        ("Name", 5), ("Name", ["x"]), ("Notes", True), ("Whole", "5"), ("Whole", True), ("Exact", [1]), ("Done", "yes"),
        ("Tags", "red"), ("Day", 20240101), ("Day", "not a day"), ("Moment", "soon"), ("Stars", "3"), ("Code", "123"), ("People", "bob"),
    ):  # fmt: skip
        refused(field, value, {"type": "INVALID_VALUE_FOR_COLUMN", "message": f'Field "{field}" cannot accept the provided value'})
    for field in ("Twice", "Loud", "Heads", "Mails", "Auto", "Made", "Changed", "By", "Last by"):
        message = f'Field "{field}" cannot accept a value because the field is computed'
        refused(field, "x", {"type": "INVALID_VALUE_FOR_COLUMN", "message": message})
    refused("Status", "Nope", {"type": "INVALID_MULTIPLE_CHOICE_OPTIONS", "message": NO_PERMISSION_FOR_CHOICE % "Nope"})
    refused("Tags", ["red", "Nope"], {"type": "INVALID_MULTIPLE_CHOICE_OPTIONS", "message": NO_PERMISSION_FOR_CHOICE % "Nope"})
    refused("Status", "", {"type": "INVALID_MULTIPLE_CHOICE_OPTIONS", "message": NO_PERMISSION_FOR_CHOICE % ""})
    message = "Cannot parse value \"abc\" for field Whole"
    refused("Whole", "abc", {"type": "INVALID_VALUE_FOR_COLUMN", "message": message}, typecast=True)


@on_both
def test_batches_of_the_wrong_size_or_shape(run: Run) -> None:
    eleven = [{"fields": {"Name": str(number)}} for number in range(11)]
    bulk = f"/v0/{WAREHOUSE}/{BULK}"
    too_many = "A maximum of 10 records can be created per request but you have provided 11."
    expect(run.raw("create 11", "POST", bulk, body={"records": eleven}), 422, {"type": "INVALID_RECORDS", "message": too_many})
    shape = 'You must provide an array of up to 10 record objects, each with an "id" ID field and a "fields" object for cell values.'
    rows = [{"id": record_id("Item", number), "fields": {}} for number in range(11)]
    for method in ("PATCH", "PUT"):
        expect(run.raw(f"{method} 11", method, ITEMS_URL, body={"records": rows}), 422, {"type": "INVALID_RECORDS", "message": shape})
    expect(run.raw("no id", "PATCH", ITEMS_URL, body={"records": [{"fields": {}}]}), 422, {"type": "INVALID_RECORDS", "message": shape})
    expect(run.raw("odd id", "PATCH", ITEMS_URL, body={"records": [{"id": "rec1", "fields": {}}]}), 422, {"type": "INVALID_RECORDS", "message": shape})
    ids = '"records" must be an array of up to 10 record IDs.'
    query = "&".join(f"records[]={row['id']}" for row in rows)
    expect(run.raw("delete 11", "DELETE", f"{ITEMS_URL}?{query}"), 422, {"type": "INVALID_RECORDS", "message": ids})
    expect(run.raw("delete none", "DELETE", ITEMS_URL), 422, {"type": "INVALID_RECORDS", "message": ids})
    expect(run.raw("delete bare", "DELETE", f"{ITEMS_URL}?records={rows[0]['id']}"), 422, {"type": "INVALID_RECORDS", "message": ids})
    no_fields = {"type": "INVALID_REQUEST_MISSING_FIELDS", "message": 'Could not find field "fields" in the request body'}
    expect(run.raw("no fields", "POST", bulk, body={}), 422, no_fields)
    expect(run.raw("update without fields", "PATCH", f"{ITEMS_URL}/{rows[0]['id']}", body={}), 422, no_fields)
    assert run.raw("nothing was made", "GET", bulk).json()["records"] == []


@on_both
def test_bodies_that_are_not_json(run: Run) -> None:
    for label, content in {"cut": b'{"fields": {"Name"', "text": b"hello", "empty": b"", "not UTF-8": b'{"fields":{"Name":"\xff"}}', "two values": b"{} {}"}.items():
        response = run.raw(label, "POST", ITEMS_URL, content=content, headers=JSON)
        assert response.status_code in (400, 422), label  # documented and observed differ
        expect(response, response.status_code, "INVALID_REQUEST_BODY" if label != "empty" else None, label)
    for label, value in {"array": [], "string": "x", "null": None, "fields is a list": {"fields": []}, "records is an object": {"records": {}}}.items():
        response = run.raw(label, "POST", ITEMS_URL, content=json.dumps(value).encode(), headers=JSON)
        expect(response, 422, None, label)
    plain = run.raw("not declared as JSON", "POST", ITEMS_URL, content=b"fields=1", headers={"Content-Type": "application/x-www-form-urlencoded"})
    expect(plain, 422, "INVALID_REQUEST_BODY")


@on_both
def test_parameters_out_of_range(run: Run) -> None:
    for query in ("pageSize=101", "pageSize=0", "pageSize=x", "maxRecords=0", "cellFormat=pretty", "sort[0][field]=SKU&sort[0][direction]=up"):
        expect(run.raw(query, "GET", f"{ITEMS_URL}?{query}"), 422, INVALID_PARAMETERS, query)
    for label, body in {"pageSize": {"pageSize": 101}, "type": {"pageSize": "ten"}, "fields": {"fields": "SKU"}}.items():
        expect(run.raw(f"POST {label}", "POST", f"{ITEMS_URL}/listRecords", body=body), 422, "INVALID_REQUEST_UNKNOWN", label)
    expect(run.raw("text needs a zone", "GET", f"{ITEMS_URL}?cellFormat=string"), 422, None)


@on_both
def test_views_and_offsets_that_are_not_there(run: Run) -> None:
    expect(run.raw("view by name", "GET", f"{ITEMS_URL}?view=Nope"), 422, {"type": "VIEW_NAME_NOT_FOUND", "message": "View Nope not found"})
    expect(run.raw("view by id", "GET", f"{ITEMS_URL}?view=viwNotThere000000"), 422, {"type": "VIEW_ID_NOT_FOUND", "message": "View viwNotThere000000 not found"})
    expect(run.raw("another table's view", "GET", f"{ITEMS_URL}?view=viwOr000000000000"), 422, {"type": "FAILED_STATE_CHECK"})
    expect(run.raw("rubbish", "GET", f"{ITEMS_URL}?offset=rubbish"), 422, {"type": "INVALID_OFFSET_VALUE", "message": "The value of offset rubbish is invalid"})
    gone = run.raw("iterator", "GET", f"{ITEMS_URL}?offset=itrNotThere000000%2F{record_id('Item', 5)}")
    expect(gone, 422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")


@on_both
def test_formulas_that_are_wrong(run: Run) -> None:
    def refused(formula: str, tail: str) -> None:
        error = {"type": "INVALID_FILTER_BY_FORMULA", "message": BAD_FORMULA + tail}
        expect(run.raw(formula, "POST", f"{ITEMS_URL}/listRecords", body={"filterByFormula": formula}), 422, error, formula)

    refused("{SKU}=", "Invalid formula. Please check your formula text.")
    refused("((", "Invalid formula. Please check your formula text.")
    refused("'open", "Invalid formula. Please check your formula text.")
    refused("AND({Nope}=1, {Other One}=2)", "Unknown field names: nope, other one")
    refused("NOPE({SKU})", "Unknown function names: nope")
    by_get = run.raw("by GET", "GET", f"{ITEMS_URL}?filterByFormula=%7BNope%7D")
    expect(by_get, 422, {"type": "INVALID_FILTER_BY_FORMULA", "message": BAD_FORMULA + "Unknown field names: nope"})


@on_both
def test_upserts_that_are_wrong(run: Run) -> None:
    def refused(label: str, merge: object, records: list, error: object = None) -> None:
        body = {"performUpsert": {"fieldsToMergeOn": merge}, "records": records}
        expect(run.raw(label, "PATCH", ITEMS_URL, body=body), 422, error, label)

    refused("no merge field", [], [{"fields": {"SKU": "x"}}])
    refused("four merge fields", ["SKU", "Label", "Qty", "Kind"], [{"fields": {"SKU": "x", "Label": "x", "Qty": 1, "Kind": "Nut"}}])
    refused("computed", ["Value"], [{"fields": {"Value": 1}}])
    refused("value missing", ["SKU", "Label"], [{"fields": {"SKU": "x"}}])
    refused("eleven rows", ["SKU"], [{"fields": {"SKU": f"many {number}"}} for number in range(11)])
    refused("unknown id", ["SKU"], [{"fields": {"SKU": "new"}}, {"id": NO_SUCH_RECORD, "fields": {"SKU": "x"}}], "ROW_DOES_NOT_EXIST")
    assert run.raw("nothing was made", "GET", f"{ITEMS_URL}?filterByFormula=OR(SKU%3D'x',SKU%3D'new',SKU%3D'many+0')").json()["records"] == []


@on_both
def test_a_body_of_20_mb_is_refused(run: Run) -> None:
    body = b'{"fields":{"Name":"' + b"x" * (20 << 20) + b'"}}'
    headers = {**JSON, "Authorization": f"Bearer {run.twin.keys['full']}"}
    response = requests.post(f"{run.twin.url}/v0/{WAREHOUSE}/{BULK}", data=body, headers=headers, timeout=60)
    assert response.status_code == 413
    assert "error" in response.json()
    run.write("20 MB", response.json)
    assert run.raw("nothing was made", "GET", f"/v0/{WAREHOUSE}/{BULK}").json()["records"] == []


@on_both
def test_parts_of_the_api_that_are_not_built_say_so(run: Run) -> None:
    for method, path, words in (
        ("DELETE", f"/v0/meta/bases/{WAREHOUSE}", "delete base"),
    ):
        response = run.raw(path, method, path)
        assert response.status_code == 501
        assert words in response.text


@pytest.mark.parametrize("key", ["reader", "schema", "warehouse"])
def test_limited_keys_learn_nothing_from_the_difference_between_hidden_and_missing(twins: list, key: str) -> None:
    for twin in twins:
        run = Run(twin)
        hidden = run.raw("hidden", "POST", f"/v0/{CUSTOMERS}/{PEOPLE}", key=key, body={"fields": {"Name": "x"}})
        missing = run.raw("missing", "POST", f"/v0/{NO_SUCH_BASE}/{PEOPLE}", key=key, body={"fields": {"Name": "x"}})
        assert (hidden.status_code, hidden.json()) == (missing.status_code, missing.json())
