"""What the user's role in a base permits, whatever the token's scopes (sections 1, 3.3, 5.8 and 13)."""

import pytest

from harbour import BUOYS, LIGHTHOUSE, ROLES, ident
from wire import HIDDEN, Wire

MARKS = {level: f"/v0/{base}/{ident('tbl', f'Marks{level}')}" for level, base in ROLES.items()}
MARK = {level: ident("rec", f"Mark{level}") for level in ROLES}


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
