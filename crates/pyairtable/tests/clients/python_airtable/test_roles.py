"""What the user's role in a base permits, whatever the token's scopes (sections 1, 3.3, 5.8 and 13)."""

from collections.abc import Iterator

import pytest
import requests

from conftest import start_emulator
from harbour import ADA, ALL_SCOPES, BO, BUOYS, EAST, HARBOUR, LIGHTHOUSE, NO_LIMITS, OF_BO, QUAY_ONLY, READ, ROLES, SCHEMA, USERS, WRITE, field, ident
from services import Service
from wire import BERTHS_PATH, CRATES_PATH, HIDDEN, UNAUTHENTICATED, Wire

MARKS = {level: f"/v0/{base}/{ident('tbl', f'Marks{level}')}" for level, base in ROLES.items()}
MARK = {level: ident("rec", f"Mark{level}") for level in ROLES}
ROOMS, CELLARS = ident("app", "Rooms"), ident("app", "Cellars")
ADAS, BOS, READS = "patClub.ada", "patClub.bo", "patClub.reads"


def club_base(base: str, level: str, user: str, users_level: str) -> dict:
    name = base[3:].rstrip("0")
    things = {
        "id": ident("tbl", name), "name": "Things", "primaryFieldId": ident("fld", name), "fields": [{**field(name, "singleLineText"), "name": "Thing"}],
        "views": [{"id": ident("viw", name), "name": "Grid", "type": "grid"}], "records": [],
    }
    return {"id": base, "name": name, "permissionLevel": level, "collaborators": [{"user": user, "permissionLevel": users_level}], "tables": [things]}


CLUB_SEED = {
    "bases": [club_base(ROOMS, "create", BO, "comment"), club_base(CELLARS, "none", BO, "create")],
    "users": USERS,
    "tokens": [
        {"token": ADAS, "scopes": ALL_SCOPES, "bases": "*", "user": ADA}, {"token": BOS, "scopes": ALL_SCOPES, "bases": "*", "user": BO},
        {"token": READS, "scopes": ALL_SCOPES, "bases": "*", "user": ADA, "permissionLevel": "read"},
    ],
    "limits": NO_LIMITS,
}


def test_a_base_without_a_role_is_not_there(wire: Wire) -> None:
    """Section 13: none."""
    for path in (MARKS["none"], f"{MARKS['none']}/{MARK['none']}", f"/v0/meta/bases/{ROLES['none']}/tables", f"{MARKS['none']}/{MARK['none']}/comments"):
        wire.refused(403, HIDDEN, "GET", path)
    wire.refused(403, HIDDEN, "POST", MARKS["none"], {"fields": {}})


def test_a_commenter_reads_and_comments_and_writes_no_cells(wire: Wire) -> None:
    """Sections 1 and 13: comment."""
    path = f"{MARKS['comment']}/{MARK['comment']}"
    assert wire.good("GET", path)["fields"] == {"Mark": "one"}
    made = wire.good("POST", f"{path}/comments", {"text": "seen"})
    assert wire.good("DELETE", f"{path}/comments/{made['id']}") == {"id": made["id"], "deleted": True}
    for method, target, body in (("POST", MARKS["comment"], {"fields": {}}), ("PATCH", path, {"fields": {"Mark": "two"}}), ("PUT", path, {"fields": {}}), ("DELETE", path, None)):
        wire.refused(403, "INVALID_PERMISSIONS", method, target, body)
    assert wire.good("GET", path)["fields"] == {"Mark": "one"}


def test_an_editor_writes_cells_and_makes_no_choices(wire: Wire) -> None:
    """Section 5.8: a choice that typecast would make needs the role create."""
    path = MARKS["edit"]
    made = wire.good("POST", path, {"fields": {"Mark": "two", "Flags": "Red"}})
    assert made["fields"] == {"Mark": "two", "Flags": "Red"}
    error = {"type": "INVALID_MULTIPLE_CHOICE_OPTIONS", "message": 'Insufficient permissions to create new select option "Blue"'}
    for typecast in (False, True):
        wire.refused(422, error, "PATCH", f"{path}/{made['id']}", {"fields": {"Flags": "Blue"}, "typecast": typecast})
    assert wire.good("DELETE", f"{path}/{made['id']}")["deleted"] is True


@pytest.mark.parametrize(("level", "path"), [("read", f"/v0/{LIGHTHOUSE}/{BUOYS}"), ("comment", MARKS["comment"])])
def test_the_refusal_names_the_table(wire: Wire, level: str, path: str) -> None:
    """Section 3.3: with its name and id, or "to perform this operation"."""
    error = wire.ask("POST", path, {"fields": {}}).json()["error"]
    table = f"{'Buoys' if level == 'read' else 'Marks'} ({path.rsplit('/', 1)[1]})"
    assert error["message"] in ("You are not permitted to perform this operation", f"You are not permitted to create records in table {table}")


@pytest.fixture(scope="module")
def service_of_club(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start_emulator(tmp_path_factory.mktemp("club"), seed=CLUB_SEED)
    yield service
    service.stop()


@pytest.fixture
def club(service_of_club: Service) -> Wire:
    requests.post(f"{service_of_club.url}/__emulator/reset", json={"data": True}, timeout=10).raise_for_status()
    return Wire(service_of_club.url)


def test_users_have_roles_of_their_own_in_a_base(club: Wire) -> None:
    """Section 13: the user's role bounds every token of the user; who is not named has the base's own."""
    rooms, cellars = f"/v0/{ROOMS}/Things", f"/v0/{CELLARS}/Things"
    levels = {key: {base["id"]: base["permissionLevel"] for base in club.good("GET", "/v0/meta/bases", key=key)["bases"]} for key in (ADAS, BOS)}
    assert levels[ADAS][ROOMS] == "create" and levels[BOS][ROOMS] == "comment" and levels[BOS][CELLARS] == "create"
    club.good("POST", rooms, {"fields": {"Thing": "x"}}, key=ADAS)
    club.refused(403, "INVALID_PERMISSIONS", "POST", rooms, {"fields": {"Thing": "x"}}, key=BOS)
    assert len(club.good("GET", rooms, key=BOS)["records"]) == 1
    club.good("POST", cellars, {"fields": {"Thing": "x"}}, key=BOS)
    club.refused(403, HIDDEN, "GET", cellars, key=ADAS)
    people = club.good("GET", f"/v0/meta/bases/{ROOMS}?include=collaborators", key=ADAS)["individualCollaborators"]
    assert {person["userId"]: person["permissionLevel"] for group in people.values() for person in group} == {ADA: "create", BO: "comment"}


def test_a_token_may_be_less_than_its_user(club: Wire) -> None:
    """Section 13, as a setting: a token that only reads, whatever the role."""
    rooms = f"/v0/{ROOMS}/Things"
    assert club.good("GET", rooms, key=READS) == {"records": []}
    club.refused(403, "INVALID_PERMISSIONS", "POST", rooms, {"fields": {}}, key=READS)
    hooks = f"/v0/bases/{ROOMS}/webhooks"
    asked = {"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}}
    club.refused(403, "INVALID_PERMISSIONS", "POST", hooks, asked, key=READS)
    hook = f"{hooks}/{club.good('POST', hooks, asked, key=ADAS)['id']}"
    assert club.good("GET", f"{hook}/payloads", key=READS)["payloads"] == [], "section 1: listing and reading need the role read only"
    assert len(club.good("GET", hooks, key=READS)["webhooks"]) == 1
    for method, path, body in (("POST", "/refresh", {}), ("POST", "/enableNotifications", {"enable": False}), ("DELETE", "", None)):
        club.refused(403, "INVALID_PERMISSIONS", method, hook + path, body, key=READS)
    assert {base["id"]: base["permissionLevel"] for base in club.good("GET", "/v0/meta/bases", key=READS)["bases"]}[ROOMS] == "read"


def test_what_one_token_has_read_is_not_for_another(wire: Wire) -> None:
    """Sections 13 and 15: not from a cache either; each sees what it may, as it may."""
    reads = [CRATES_PATH, f"{CRATES_PATH}?maxRecords=3", f"{BERTHS_PATH}/{EAST}", f"/v0/meta/bases/{HARBOUR}/tables", f"{BERTHS_PATH}/{EAST}/comments", f"/v0/bases/{HARBOUR}/webhooks"]
    for path in reads:
        wire.good("GET", path)
        for key in (QUAY_ONLY, WRITE):
            wire.refused(403, HIDDEN, "GET", path, key=key)
        wire.refused(401, UNAUTHENTICATED, "GET", path, key="patNobody.x")
    wire.refused(403, HIDDEN, "GET", CRATES_PATH, key=SCHEMA)
    wire.refused(403, HIDDEN, "GET", f"/v0/meta/bases/{HARBOUR}/tables", key=READ)
    assert wire.good("GET", "/v0/meta/bases", key=QUAY_ONLY)["bases"] != wire.good("GET", "/v0/meta/bases")["bases"]
    assert wire.good("GET", "/v0/meta/whoami", key=OF_BO)["id"] == BO and wire.good("GET", "/v0/meta/whoami")["id"] == ADA
