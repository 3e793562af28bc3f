"""Comments, as the client knows them: made, listed, changed and deleted, and seen at once."""

from twins import ITEMS, SEED_DATA, WAREHOUSE, Run, on_both, record_id, refusal

ANA, BEN = SEED_DATA["users"]


@on_both
def test_a_comment_is_made_listed_changed_and_deleted(run: Run) -> None:
    table, item = run.table(WAREHOUSE, ITEMS), record_id("Item", 1)
    texts = lambda: [comment.text for comment in table.comments(item)]  # noqa: E731
    assert run.read("none yet", texts) == []
    run.write("first", lambda: table.add_comment(item, "first").text)
    comment = table.add_comment(item, f"for @[{BEN['email']}]")
    assert comment.text == f"for @[{BEN['id']}]" and set(comment.mentioned) == {BEN["id"]}
    assert comment.mentioned[BEN["id"]].type == "user"
    assert run.read("newest first", texts) == [comment.text, "first"]
    comment.text = "changed"
    run.write("change", comment.save)
    assert comment.last_updated_time is not None and not comment.mentioned
    assert run.read("after the change", texts) == ["changed", "first"]
    run.write("delete", comment.delete)
    assert run.read("after the deletion", texts) == ["first"]
    counted = [record["commentCount"] for record in table.all(count_comments=True) if record["id"] == item]
    assert counted == [1]


@on_both
def test_comments_come_in_pages(run: Run) -> None:
    table, item = run.table(WAREHOUSE, ITEMS), record_id("Item", 2)
    for number in range(5):
        table.add_comment(item, str(number))
    path = f"/v0/{WAREHOUSE}/{ITEMS}/{item}/comments?pageSize=2"
    seen, offset = [], ""
    while offset is not None:
        page = run.raw("page", "GET", f"{path}&offset={offset}").json()
        seen += [comment["text"] for comment in page["comments"]]
        offset = page["offset"]
    assert seen == ["4", "3", "2", "1", "0"]


@on_both
def test_a_comment_that_is_not_there_is_a_clear_error(run: Run) -> None:
    path = f"/v0/{WAREHOUSE}/{ITEMS}/{record_id('Item', 3)}/comments/com00000000000000"
    missing = run.raw("missing", "DELETE", path)
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "MODEL_ID_NOT_FOUND")
    refused = run.write("on a record that is not there", lambda: run.table(WAREHOUSE, ITEMS).add_comment("rec00000000000000", "x"))
    assert refusal(refused)[0] == 404
