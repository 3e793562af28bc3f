"""How requests are addressed and answers are framed (sections 1, 2 and 3.1 of Airtable's reference)."""

from urllib.parse import quote

import pytest

from harbour import ADA, BERTHS, CRATES, EAST, FULL, HARBOUR, NORTH, NOTHING, SHIPS, SHIPS_NAME, SOUTH
from wire import BERTHS_PATH, CRATES_PATH, CREATED_TIME, SHIPS_PATH, UNAUTHENTICATED, Wire, cells


def test_a_record_has_an_id_a_time_and_its_cells(wire: Wire) -> None:
    """Sections 2 and 5.1: ids of 17 characters, the time in UTC with three digits of fraction that are zero."""
    answer = wire.ask("POST", SHIPS_PATH, {"fields": {"Ship": "Dora"}})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    record = answer.json()
    assert set(record) == {"id", "createdTime", "fields"}
    assert record["id"].startswith("rec") and len(record["id"]) == 17 and record["id"].isalnum()
    assert CREATED_TIME.match(record["createdTime"]) and record["createdTime"].endswith(".000Z")


def test_empty_cells_are_left_out_and_zero_is_not_empty(wire: Wire) -> None:
    """Section 2: "", [], false and null are empty; the number 0 is a value; `fields` is there even if nothing is in it."""
    made = wire.good("POST", BERTHS_PATH, {"fields": {"Berth": "", "Depth": None, "Moored": []}})
    assert made["fields"] == {}
    assert wire.good("GET", f"{BERTHS_PATH}/{made['id']}") == made
    assert wire.good("PATCH", f"{BERTHS_PATH}/{made['id']}", {"fields": {"Depth": 0}})["fields"] == {"Depth": 0}
    ship = wire.ship(Ship="Eve", Seaworthy=False, Cargo=[], Flag=None, Log="", Crew=0)
    assert {"Seaworthy", "Cargo", "Flag", "Log"}.isdisjoint(ship["fields"]) and ship["fields"]["Crew"] == 0


def test_whole_numbers_have_no_decimal_point(wire: Wire) -> None:
    """Section 2: JSON numbers, `1` and not `1.0`."""
    answer = wire.ask("POST", BERTHS_PATH, {"fields": {"Depth": 4.0}})
    assert b'"Depth":4}' in answer.content.replace(b" ", b""), answer.text


@pytest.mark.parametrize("tail", ["/", "?", "/?", ""])
def test_trailing_slashes_and_question_marks_do_no_harm(wire: Wire, tail: str) -> None:
    """Section 1, routing: airtable.js sends them with almost every call."""
    assert len(wire.good("GET", BERTHS_PATH + tail)["records"]) == 3
    assert wire.good("POST", BERTHS_PATH + tail, {"fields": {"Berth": "West"}})["fields"] == {"Berth": "West"}


def test_a_table_is_named_by_id_or_by_its_escaped_name(wire: Wire) -> None:
    """Section 1: the name is decoded after the path was split, so that a name may hold `/`, `%`, `&`."""
    made = wire.ship(Ship="Fay")
    named = f"/v0/{HARBOUR}/{quote(SHIPS_NAME, safe='')}"
    assert wire.good("GET", named)["records"] == [made]
    assert wire.good("GET", f"{named}/{made['id']}") == made
    assert wire.good("POST", f"{named}/listRecords", {})["records"] == [made]


@pytest.mark.parametrize(
    "query",
    ["fields[]=Berth&fields[]=Depth", "fields[0]=Berth&fields[1]=Depth", "fields%5B%5D=Berth&fields%5B%5D=Depth", "fields%5B1%5D=Depth&fields%5B0%5D=Berth"],
)
def test_lists_of_words_in_the_query(wire: Wire, query: str) -> None:
    """Section 1, dialect: `name[]=`, `name[0]=`, brackets raw or escaped."""
    wire.good("PATCH", f"{BERTHS_PATH}/{NORTH}", {"fields": {"Moored": [wire.ship(Ship="Gil")["id"]]}})
    assert wire.good("GET", f"{BERTHS_PATH}?{query}&filterByFormula=Depth%3D7.5")["records"][0]["fields"] == {"Berth": "Berth North", "Depth": 7.5}


def test_sorts_follow_their_numbers_and_not_their_place(wire: Wire) -> None:
    """Section 1: pyairtable writes `direction` before `field`, and `sort[10]` before `sort[2]`."""
    query = "sort[10][direction]=desc&sort[10][field]=Weight&sort[2][direction]=asc&sort[2][field]=Grade&pageSize=3&filterByFormula=%7BGrade%7D"
    found = wire.crates(query)
    assert cells(found, "Grade") == ["Coarse"] * 3, "by the order of the options"
    assert cells(found, "Weight") == sorted(cells(found, "Weight"), reverse=True)


@pytest.mark.parametrize(("value", "by_id"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_truth_in_the_query(wire: Wire, value: str, by_id: bool) -> None:
    """Section 1: `true` and `false`, and pyairtable's `1` and `0`."""
    fields = wire.good("GET", f"{BERTHS_PATH}/{EAST}?returnFieldsByFieldId={value}")["fields"]
    assert ("Berth" in fields) != by_id


@pytest.mark.parametrize("space", ["+", "%20"])
def test_spaces_in_the_query(wire: Wire, space: str) -> None:
    """Section 1: `+` or `%20`."""
    assert cells(wire.crates(f"filterByFormula=Mark%3D%27Crate{space}007%27"), "Mark") == ["Crate 007"]


def test_an_empty_offset_is_none(wire: Wire) -> None:
    """Section 1: by GET and by POST."""
    assert len(wire.crates("offset=")) == 100
    assert len(wire.good("POST", f"{CRATES_PATH}/listRecords", {"offset": ""})["records"]) == 100


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/v0/{HARBOUR}"),
        ("GET", f"/v0/{HARBOUR}/{BERTHS}/{EAST}/unknown"),
        ("GET", "/v0/meta/unknown"),
        ("GET", "/v1/meta/bases"),
        ("GET", f"/v0/app123/{BERTHS}"),
        ("GET", f"/v0/{HARBOUR}/{BERTHS}/rec123"),
        ("GET", f"/v0/{HARBOUR}/{BERTHS}/anything"),
        ("PATCH", f"/v0/{HARBOUR}/{BERTHS}/rec123"),
        ("DELETE", f"/v0/{HARBOUR}/{BERTHS}/rec123"),
        ("GET", f"/v0/{HARBOUR.lower()}/{BERTHS}/x"),
        ("GET", "/V0/meta/bases"),
        ("GET", "/v0/META/bases"),
    ],
)
def test_unknown_routes_and_misshapen_ids_answer_a_bare_word(wire: Wire, method: str, path: str) -> None:
    """Sections 3.1 and 3.3: 404 with 21 bytes, decided before the token is looked at."""
    body = {"fields": {}} if method == "PATCH" else None
    if wire.admin and not path.startswith("/v0/"):
        pytest.skip("the gateway answers in its own name outside of Airtable's paths")
    # Without any key the gateway says nothing but 401.
    for key in (FULL, "patWrong.wrong") if wire.admin else (FULL, "patWrong.wrong", None):
        answer = wire.ask(method, path, body, key=key)
        assert (answer.status_code, answer.content) == (404, b'{"error":"NOT_FOUND"}'), (path, key)


@pytest.mark.parametrize("path", [BERTHS_PATH, f"{BERTHS_PATH}/{EAST}", "/v0/meta/whoami", "/v0/meta/bases", f"/v0/meta/bases/{HARBOUR}/tables"])
def test_a_missing_or_unknown_token_is_401(wire: Wire, path: str) -> None:
    """Sections 1 and 3.3: one body for all; neither `api_key` nor Basic is taken."""
    headers = [{}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer patUnknown00000.x"}, {"Authorization": FULL}]
    for given in headers:
        wire.refused(401, UNAUTHENTICATED, "GET", path, key=None, headers=given)
    wire.refused(401, UNAUTHENTICATED, "GET", f"{path}?api_key={FULL}", key=None)
    wire.refused(401, UNAUTHENTICATED, "GET", path, key=None, auth=("ada", FULL))


def test_ids_are_case_sensitive(wire: Wire) -> None:
    """Section 2."""
    for path in (f"/v0/{HARBOUR}/{SHIPS.upper().replace('TBL', 'tbl')}", f"/v0/app{HARBOUR[3:].swapcase()}/{CRATES}"):
        assert wire.ask("GET", path).status_code == 403, path


def test_cells_may_be_keyed_by_name_and_id_at_once(wire: Wire) -> None:
    """Section 5.1: in requests mixed, in answers as `returnFieldsByFieldId` says."""
    body = {"fields": {"Berth": "Quay 9", "fldDepth000000000": 2.5}}
    assert wire.good("POST", BERTHS_PATH, body)["fields"] == {"Berth": "Quay 9", "Depth": 2.5}
    by_id = wire.good("POST", BERTHS_PATH, {**body, "returnFieldsByFieldId": True})["fields"]
    assert by_id == {"fldBerth000000000": "Quay 9", "fldDepth000000000": 2.5}
    batch = wire.good("PATCH", BERTHS_PATH, {"records": [{"id": SOUTH, "fields": {"fldDepth000000000": 9}}], "returnFieldsByFieldId": True})
    assert batch["records"][0]["fields"] == {"fldBerth000000000": "Berth South", "fldDepth000000000": 9}


def test_whoami_needs_no_scope_and_tells_the_mail_with_its_scope_only(wire: Wire) -> None:
    """Section 10."""
    assert wire.good("GET", "/v0/meta/whoami", key=NOTHING) == {"id": ADA}
    assert wire.good("GET", "/v0/meta/whoami") == {"id": ADA, "email": "ada@harbour.test"}


def test_every_answer_says_that_it_is_emulated(wire: Wire) -> None:
    """So that nobody takes made-up data for real: refusals too, and through the gateway."""
    for path, key in ((BERTHS_PATH, FULL), (f"{BERTHS_PATH}?pageSize=0", FULL), (BERTHS_PATH, "patWrong.wrong"), (f"/v0/{HARBOUR}/x/y", FULL)):
        assert wire.ask("GET", path, key=key).headers["x-pyairtable-emulated"] == "true", path
