"""Comments on records (section 9 of Airtable's reference)."""

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from pyairtable import Api

from harbour import ADA, ADA_CELL, BERTHS, BO, BO_CELL, BUOY, BUOYS, EAST, FULL, HARBOUR, LIGHTHOUSE, NORTH, OF_BO, QUAY_ONLY, READ, WRITE, ident
from wire import BERTHS_PATH, CREATED_TIME, HIDDEN, UNAUTHENTICATED, Wire, cells

COMMENTS = f"{BERTHS_PATH}/{EAST}/comments"
COMMENT_ID = re.compile(r"^com[A-Za-z0-9]{14}$")
GONE = ident("com", "Gone")
AUTHOR = {key: ADA_CELL[key] for key in ("id", "email", "name")}


def test_a_comment_has_an_author_a_text_and_its_times(wire: Wire) -> None:
    """Section 9: `lastUpdatedTime` is null until it is edited."""
    made = wire.good("POST", COMMENTS, {"text": "Deep enough? ünd 🚢\nsecond line"})
    assert COMMENT_ID.match(made["id"]) and CREATED_TIME.match(made["createdTime"])
    assert {key: made[key] for key in ("author", "text", "lastUpdatedTime")} == {"author": AUTHOR, "text": "Deep enough? ünd 🚢\nsecond line", "lastUpdatedTime": None}
    listed = wire.good("GET", COMMENTS)
    assert listed == {"comments": [made], "offset": None}, "the key `offset` is there even at the end"


def test_no_comments_are_an_empty_list(wire: Wire) -> None:
    """Section 9."""
    assert wire.good("GET", COMMENTS) == {"comments": [], "offset": None}


def test_an_edited_comment_has_the_time_of_it(wire: Wire) -> None:
    """Section 9: all else stays."""
    made = wire.good("POST", COMMENTS, {"text": "frist"})
    edited = wire.good("PATCH", f"{COMMENTS}/{made['id']}", {"text": "first"})
    assert CREATED_TIME.match(edited["lastUpdatedTime"]) and edited["lastUpdatedTime"] >= made["createdTime"]
    assert {**edited, "lastUpdatedTime": None, "text": "frist"} == made
    assert wire.good("GET", COMMENTS)["comments"] == [edited]


def test_a_deleted_comment_is_gone(wire: Wire) -> None:
    """Section 9."""
    made = wire.good("POST", COMMENTS, {"text": "x"})
    assert wire.good("DELETE", f"{COMMENTS}/{made['id']}") == {"id": made["id"], "deleted": True}
    assert wire.good("GET", COMMENTS)["comments"] == []
    for method, body in (("PATCH", {"text": "y"}), ("DELETE", None)):
        wire.refused(404, {"type": "MODEL_ID_NOT_FOUND", "message": "Comment not found"}, method, f"{COMMENTS}/{made['id']}", body)


def test_pages_of_comments(wire: Wire) -> None:
    """Sections 4 and 9: a hundred unless told otherwise; newest first; each once."""
    made = {wire.unpaced.good("POST", COMMENTS, {"text": str(number)})["id"] for number in range(105)}
    first = wire.good("GET", COMMENTS)
    assert len(first["comments"]) == 100 and first["offset"]
    rest = wire.good("GET", f"{COMMENTS}?offset={quote(first['offset'], safe='')}")
    assert len(rest["comments"]) == 5 and rest["offset"] is None
    found = first["comments"] + rest["comments"]
    assert {comment["id"] for comment in found} == made
    times = [comment["createdTime"] for comment in found]
    assert times == sorted(times, reverse=True)
    small = wire.good("GET", f"{COMMENTS}?pageSize=7")
    assert small["comments"] == found[:7] and small["offset"]
    for size in ("101", "0", "x"):
        wire.refused(422, "INVALID_REQUEST_UNKNOWN", "GET", f"{COMMENTS}?pageSize={size}")


def test_comments_made_at_once_come_in_the_order_of_their_times(wire: Wire) -> None:
    """Section 9: newest first, whoever wrote at the same moment."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: wire.unpaced.good("POST", COMMENTS, {"text": str(number)}), range(90)))
    times = [comment["createdTime"] for comment in wire.good("GET", COMMENTS)["comments"]]
    assert len(times) == 90 and times == sorted(times, reverse=True)


@pytest.mark.parametrize("written", [f"@[{BO}]", "@[bo@harbour.test]"])
def test_a_mention_is_told_by_the_id_of_whom_it_names(wire: Wire, written: str) -> None:
    """Section 9: written by id or mail; read by id, with details in `mentioned`."""
    made = wire.good("POST", COMMENTS, {"text": f"Ask {written} first"})
    assert made["text"] == f"Ask @[{BO}] first"
    assert made["mentioned"] == {BO: {"id": BO, "type": "user", "displayName": BO_CELL["name"], "email": BO_CELL["email"]}}
    both = wire.good("PATCH", f"{COMMENTS}/{made['id']}", {"text": f"{written} and @[{ADA}]"})
    assert set(both["mentioned"]) == {ADA, BO}
    nobody = wire.good("PATCH", f"{COMMENTS}/{made['id']}", {"text": "Ask nobody"})
    assert not nobody.get("mentioned")


def test_an_answer_names_what_it_answers(wire: Wire) -> None:
    """Section 9: `parentCommentId`."""
    parent = wire.good("POST", COMMENTS, {"text": "question"})
    reply = wire.good("POST", COMMENTS, {"text": "answer", "parentCommentId": parent["id"]})
    assert reply["parentCommentId"] == parent["id"] and "parentCommentId" not in parent
    assert wire.ask("POST", COMMENTS, {"text": "answer", "parentCommentId": GONE}).status_code in (404, 422)
    assert 400 <= wire.ask("POST", f"{BERTHS_PATH}/{NORTH}/comments", {"text": "elsewhere", "parentCommentId": parent["id"]}).status_code < 500


def test_only_the_author_changes_a_comment(wire: Wire) -> None:
    """Section 9: own comments only."""
    made = wire.good("POST", COMMENTS, {"text": "mine"})
    for method, body in (("PATCH", {"text": "ours"}), ("DELETE", None)):
        wire.refused(403, "INVALID_PERMISSIONS", method, f"{COMMENTS}/{made['id']}", body, key=OF_BO)
    assert wire.good("GET", COMMENTS, key=OF_BO)["comments"] == [made]


@pytest.mark.parametrize("body", [{}, {"text": 5}, {"text": None}, {"text": "x", "colour": 1}, {"text": "x", "parentCommentId": 5}, []])
def test_comments_of_the_wrong_shape(wire: Wire, body: object) -> None:
    """Section 3.3."""
    made = wire.good("POST", COMMENTS, {"text": "x"})
    for method, path in (("POST", COMMENTS), ("PATCH", f"{COMMENTS}/{made['id']}")):
        assert wire.ask(method, path, body).status_code == 422, body


def test_scopes_and_visibility_of_comments(wire: Wire) -> None:
    """Sections 1, 3.3 and 13: scopes of their own; a role that may comment."""
    made = wire.good("POST", COMMENTS, {"text": "x"})
    one = f"{COMMENTS}/{made['id']}"
    for key in (READ, WRITE, QUAY_ONLY):
        wire.refused(403, HIDDEN, "GET", COMMENTS, key=key)
        wire.refused(403, HIDDEN, "POST", COMMENTS, {"text": "x"}, key=key)
        wire.refused(403, HIDDEN, "PATCH", one, {"text": "x"}, key=key)
        wire.refused(403, HIDDEN, "DELETE", one, key=key)
    wire.refused(401, UNAUTHENTICATED, "GET", COMMENTS, key=None)
    wire.refused(404, "NOT_FOUND", "PATCH", f"{COMMENTS}/com1", {"text": "x"})
    buoys = f"/v0/{LIGHTHOUSE}/{BUOYS}/{BUOY}/comments"
    assert wire.good("GET", buoys)["comments"] == []
    wire.refused(403, "INVALID_PERMISSIONS", "POST", buoys, {"text": "x"})
    assert wire.ask("GET", f"{BERTHS_PATH}/{ident('rec', 'Gone')}/comments").status_code in (403, 404)


def test_the_count_follows_the_comments(wire: Wire) -> None:
    """Section 5.1: in listings only, and only if asked for."""
    for text in "ab":
        wire.good("POST", COMMENTS, {"text": text})
    query = "recordMetadata[]=commentCount&sort[0][field]=Depth"
    counts = [record.get("commentCount", 0) for record in wire.good("GET", f"{BERTHS_PATH}?{query}")["records"]]
    assert counts == [2, 0, 0]
    posted = wire.good("POST", f"{BERTHS_PATH}/listRecords", {"recordMetadata": ["commentCount"], "filterByFormula": "Depth=3"})
    assert posted["records"][0]["commentCount"] == 2
    assert "commentCount" not in wire.good("GET", f"{BERTHS_PATH}/{EAST}")
    wire.good("DELETE", f"{COMMENTS}/{wire.good('GET', COMMENTS)['comments'][0]['id']}")
    assert wire.good("GET", f"{BERTHS_PATH}?{query}")["records"][0]["commentCount"] == 1


def test_comments_go_with_their_record(wire: Wire) -> None:
    """Section 9: a deleted record has none any more."""
    wire.good("POST", COMMENTS, {"text": "x"})
    wire.good("DELETE", f"{BERTHS_PATH}/{EAST}")
    assert wire.ask("GET", COMMENTS).status_code in (403, 404)
    assert cells(wire.good("GET", f"{BERTHS_PATH}?recordMetadata[]=commentCount")["records"], "Berth")


def test_comments_of_the_client(wire: Wire) -> None:
    """Section 14.1: pyairtable saves by PATCH and reads the answer; null ends the pages."""
    table = Api(FULL, endpoint_url=wire.url).table(HARBOUR, BERTHS)
    comment = table.add_comment(EAST, f"Look, @[{BO}]")
    assert comment.author.id == ADA and comment.mentioned[BO].display_name == "Bo Bilge" and comment.last_updated_time is None
    comment.text = "Never mind"
    comment.save()
    assert comment.last_updated_time is not None and not comment.mentioned
    assert [found.text for found in table.comments(EAST)] == ["Never mind"]
    comment.delete()
    assert table.comments(EAST) == []
