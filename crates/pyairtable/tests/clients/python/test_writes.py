"""Creating, changing and deleting records; what was written is read back at once."""

from twins import CUSTOMERS, EVERYTHING, ITEMS, LEDGER, LINES, ORDERS, PEOPLE, SEED_DATA, WAREHOUSE, Run, on_both, record_id, refusal

ANA, BEN = SEED_DATA["users"]
FULL_ROW = {
    "Name": "written",
    "Notes": "first\nsecond\n",
    "Rich": "*emphasis* and `code`",
    "Mail": "w@example.com",
    "Site": "https://example.com/w",
    "Phone": "0123",
    "Whole": 12,
    "Exact": 0.12345678,
    "Share": 0.5,
    "Price": 9.99,
    "Took": 61,
    "Stars": 3,
    "Done": True,
    "Status": "In progress",
    "Tags": ["blue", "red"],
    "Day": "2025-12-31",
    "Moment": "2025-12-31T22:15:01.250Z",
    "Owner": {"id": ANA["id"]},
    "Team": [{"id": ANA["id"]}, {"id": BEN["id"]}],
    "Code": {"text": "123", "type": "code39"},
    "People": [record_id("Person", 3)],
}


@on_both
def test_every_plain_cell_can_be_written_and_is_read_back_equal(run: Run) -> None:
    table = run.table(CUSTOMERS, EVERYTHING)
    made = run.write("create", lambda: table.create(FULL_ROW))
    expected = {**FULL_ROW, "Owner": ANA, "Team": [ANA, BEN]}
    assert {name: made["fields"].get(name) for name in FULL_ROW} == expected
    assert made["fields"]["Twice"] == 24 and made["fields"]["Heads"] == 1
    assert run.read("get", lambda: table.get(made["id"])) == made
    assert run.read("list", lambda: table.all(formula="{Name}='written'")) == [made]
    run.write("delete", lambda: table.delete(made["id"]))


@on_both
def test_an_empty_record_and_empty_values_are_left_out(run: Run) -> None:
    table = run.table(CUSTOMERS, PEOPLE)
    empty = run.write("no cells", lambda: table.create({}))
    assert empty["fields"] == {}
    nothing = run.write("null cells", lambda: table.create({"Name": None, "Email": None, "Salary": None, "Everything": None}))
    assert nothing["fields"] == {}
    blank = run.write("blank cells", lambda: table.create({"Name": "", "Everything": []}))
    assert blank["fields"] == {}
    zero = run.write("zero", lambda: table.create({"Salary": 0}))
    assert zero["fields"] == {"Salary": 0}
    ids = [record["id"] for record in (empty, nothing, blank, zero)]
    run.write("delete", lambda: table.batch_delete(ids))


@on_both
def test_update_changes_only_the_named_cells(run: Run) -> None:
    table = run.table(CUSTOMERS, EVERYTHING)
    made = run.write("create", lambda: table.create({"Name": "update me", "Whole": 1, "Done": True, "Tags": ["red", "green"]}))
    run.read("before", lambda: table.get(made["id"]))
    changed = run.write("update", lambda: table.update(made["id"], {"Whole": 2, "Tags": ["blue"]}))
    assert changed["fields"]["Name"] == "update me" and changed["fields"]["Done"] is True
    assert changed["fields"]["Tags"] == ["blue"], "lists are replaced, not merged"
    assert run.read("after", lambda: table.get(made["id"])) == changed
    cleared = run.write("clear", lambda: table.update(made["id"], {"Name": None, "Whole": None, "Done": False, "Tags": []}))
    assert not {"Name", "Whole", "Done", "Tags"} & set(cleared["fields"])
    run.write("delete", lambda: table.delete(made["id"]))


@on_both
def test_replace_clears_what_is_not_named(run: Run) -> None:
    table = run.table(CUSTOMERS, EVERYTHING)
    made = run.write("create", lambda: table.create(FULL_ROW))
    replaced = run.write("replace", lambda: table.update(made["id"], {"Name": "bare"}, replace=True))
    assert replaced["fields"]["Name"] == "bare"
    assert not (set(FULL_ROW) - {"Name"}) & set(replaced["fields"])
    assert replaced["fields"]["Auto"] == made["fields"]["Auto"], "computed cells stay"
    assert run.read("after", lambda: table.get(made["id"])) == replaced
    run.write("delete", lambda: table.delete(made["id"]))


@on_both
def test_batches_keep_the_order_of_the_request(run: Run) -> None:
    table = run.table(WAREHOUSE, ORDERS)
    made = run.write("create 23", lambda: table.batch_create([{"Ref": f"batch {number}"} for number in range(23)]))
    assert [record["fields"]["Ref"] for record in made] == [f"batch {number}" for number in range(23)]
    backwards = [{"id": record["id"], "fields": {"Paid": True}} for record in reversed(made)]
    changed = run.write("update 23", lambda: table.batch_update(backwards))
    assert [record["id"] for record in changed] == [row["id"] for row in backwards]
    assert all(record["fields"]["Paid"] and record["fields"]["Ref"] for record in changed)
    replaced = run.write("replace 12", lambda: table.batch_update([{"id": r["id"], "fields": {"Ref": "again"}} for r in made[:12]], replace=True))
    assert all(record["fields"]["Ref"] == "again" and "Paid" not in record["fields"] for record in replaced)
    run.read("list", lambda: table.all(formula="OR({Ref}='again', FIND('batch ', {Ref}))", sort=["Ref", "Paid"], fields=["Ref", "Paid"]))
    gone = run.write("delete 23", lambda: table.batch_delete([record["id"] for record in made]))
    assert gone == [{"id": record["id"], "deleted": True} for record in made]
    assert run.read("nothing is left", lambda: table.all(formula="{Ref}='again'")) == []


@on_both
def test_a_failed_batch_writes_nothing(run: Run) -> None:
    table = run.table(WAREHOUSE, ORDERS)
    refused = run.write("one bad row", lambda: table.batch_create([{"Ref": "good"}, {"Ref": "good", "Nope": 1}]))
    assert refusal(refused)[0] == 422
    assert run.read("nothing there", lambda: table.all(formula="{Ref}='good'")) == []
    first, missing = record_id("Order", 0), "recNotThere0000000"[:17]
    refused = run.write("one missing row", lambda: table.batch_update([{"id": first, "fields": {"Ref": "changed"}}, {"id": missing, "fields": {}}]))
    assert refusal(refused)[0] == 422
    assert run.read("unchanged", lambda: table.get(first))["fields"]["Ref"] == "Order #0"


@on_both
def test_links_are_kept_on_both_sides(run: Run) -> None:
    orders, items = run.table(WAREHOUSE, ORDERS), run.table(WAREHOUSE, ITEMS)
    here, there = record_id("Item", 100), record_id("Item", 101)
    run.read("item before", lambda: items.get(here))
    made = run.write("create with links", lambda: orders.create({"Ref": "linked", "Items": [here, there]}))
    assert made["fields"]["Lines"] == 2 and made["fields"]["SKUs"] == ["SKU-0100", "SKU-0101"]
    assert made["id"] in run.read("item after", lambda: items.get(here))["fields"]["Orders"]
    run.write("change from the other side", lambda: items.update(here, {"Orders": []}))
    assert run.read("order", lambda: orders.get(made["id"]))["fields"]["Items"] == [there]
    run.write("rename the linked row", lambda: items.update(there, {"SKU": "renamed"}))
    assert run.read("lookup follows", lambda: orders.get(made["id"]))["fields"]["SKUs"] == ["renamed"]
    run.write("name it back", lambda: items.update(there, {"SKU": "SKU-0101"}))
    run.write("delete", lambda: orders.delete(made["id"]))
    assert made["id"] not in run.read("item at the end", lambda: items.get(there))["fields"].get("Orders", [])


@on_both
def test_typecast_converts_text_and_makes_what_is_missing(run: Run) -> None:
    table, people = run.table(CUSTOMERS, EVERYTHING), run.table(CUSTOMERS, PEOPLE)
    row = {
        "Name": 17,
        "Whole": "41",
        "Price": "12.50",
        "Done": "true",
        "Status": "Open",
        "Tags": ["red", "violet"],
        "Day": "2026-01-02",
        "Owner": ANA["email"],
        "People": ["bob", "Somebody new"],
    }
    refused = run.write("without typecast", lambda: table.create(row))
    assert refusal(refused)[0] == 422
    made = run.write("with typecast", lambda: table.create(row, typecast=True))
    assert made["fields"]["Name"] == "17" and made["fields"]["Whole"] == 41 and made["fields"]["Price"] == 12.5
    assert made["fields"]["Done"] is True and made["fields"]["Tags"] == ["red", "violet"]
    assert made["fields"]["Owner"]["id"] == ANA["id"]
    bob, new = made["fields"]["People"]
    assert bob == record_id("Person", 7)
    assert run.read("the new person", lambda: people.get(new))["fields"] == {"Name": "Somebody new", "Everything": [made["id"]]}
    more = run.write("in a batch", lambda: table.batch_create([{"Stars": "4"}, {"Tags": "green, blue"}], typecast=True))
    assert more[0]["fields"]["Stars"] == 4 and more[1]["fields"]["Tags"] == ["green", "blue"]
    by_update = run.write("in an update", lambda: table.update(made["id"], {"Whole": "7"}, typecast=True))
    assert by_update["fields"]["Whole"] == 7
    status, error = refusal(run.write("not a number", lambda: table.update(made["id"], {"Whole": "seven"}, typecast=True)))
    assert (status, error["type"]) == (422, "INVALID_VALUE_FOR_COLUMN")
    run.write("delete", lambda: table.batch_delete([made["id"], *(record["id"] for record in more)]))
    run.write("delete the person", lambda: people.delete(new))


@on_both
def test_answers_by_field_id(run: Run) -> None:
    table = run.table(WAREHOUSE, ORDERS)
    ref, paid = "fldOrRef000000000", "fldOrPaid00000000"
    made = run.write("create", lambda: table.create({ref: "by id", "Paid": True}, use_field_ids=True))
    assert made["fields"][ref] == "by id" and made["fields"][paid] is True
    changed = run.write("update", lambda: table.update(made["id"], {"Ref": "again"}, use_field_ids=True))
    assert changed["fields"][ref] == "again"
    batch = run.write("batch", lambda: run.table(WAREHOUSE, ORDERS, use_field_ids=True).batch_update([{"id": made["id"], "fields": {paid: False}}]))
    assert paid not in batch[0]["fields"] and batch[0]["fields"][ref] == "again"
    run.write("delete", lambda: table.delete(made["id"]))


@on_both
def test_upsert_creates_updates_and_tells_which(run: Run) -> None:
    table = run.table(CUSTOMERS, PEOPLE)
    rows = [
        {"fields": {"Name": "bob", "Salary": 1}},
        {"fields": {"Name": "Newcomer", "Salary": 2}},
        {"id": record_id("Person", 0), "fields": {"Salary": 3}},
    ]
    done = run.write("upsert", lambda: table.batch_upsert(rows, key_fields=["Name"]))
    bob, newcomer, ada = done["records"]
    assert bob["id"] == record_id("Person", 7) and bob["fields"]["Salary"] == 1
    assert done["createdRecords"] == [newcomer["id"]]
    assert done["updatedRecords"] == [bob["id"], ada["id"]]
    again = run.write("again", lambda: table.batch_upsert([rows[1]], key_fields=["Name"]))
    assert again["createdRecords"] == [] and again["updatedRecords"] == [newcomer["id"]]
    two_keys = run.write("two keys", lambda: table.batch_upsert([{"fields": {"Name": "Newcomer", "Email": None}}], key_fields=["Name", "Email"]))
    assert two_keys["updatedRecords"] == [newcomer["id"]]
    by_id = run.write("by field ids", lambda: table.batch_upsert([{"fields": {"fldPeName00000000": "Newcomer", "fldPeSalary000000": 9}}], key_fields=["fldPeName00000000"], use_field_ids=True))
    assert by_id["records"][0]["fields"]["fldPeSalary000000"] == 9
    replaced = run.write("replacing", lambda: table.batch_upsert([{"fields": {"Name": "Newcomer"}}], key_fields=["Name"], replace=True))
    assert replaced["records"][0]["fields"] == {"Name": "Newcomer"}
    empty_key = run.write("an empty key creates", lambda: table.batch_upsert([{"fields": {"Name": None, "Salary": 5}}], key_fields=["Name"]))
    assert len(empty_key["createdRecords"]) == 1
    ambiguous = run.write("two matches", lambda: table.batch_upsert([{"fields": {"Name": "Alice", "Salary": 100}}], key_fields=["Name"]))
    assert refusal(ambiguous)[0] == 422
    run.read("people", lambda: table.all(view="Grid view", fields=["Name", "Salary"]))
    run.write("set back", lambda: table.batch_update([{"id": record_id("Person", 0), "fields": {"Salary": 1000}}, {"id": record_id("Person", 7), "fields": {"Salary": 99.99}}]))
    run.write("delete", lambda: table.batch_delete([newcomer["id"], *empty_key["createdRecords"]]))


@on_both
def test_upsert_many_rows_in_several_requests(run: Run) -> None:
    table = run.table(WAREHOUSE, ORDERS)
    rows = [{"fields": {"Ref": f"Order #{number}", "Paid": True}} for number in range(10, 34)]
    done = run.write("upsert 24", lambda: table.batch_upsert(rows, key_fields=["Ref"]))
    assert len(done["updatedRecords"]) == 10 and len(done["createdRecords"]) == 14
    run.write("delete", lambda: table.batch_delete(done["createdRecords"]))
    run.write("set back", lambda: table.batch_update([{"id": record_id("Order", n), "fields": {"Paid": n % 2 == 0}} for n in range(10, 20)]))


@on_both
def test_reads_after_a_write_are_fresh_in_every_form(run: Run) -> None:
    """Every form of reading is warm, then a write must show in each of them at once."""
    table, by_name = run.table(WAREHOUSE, ORDERS), run.table(WAREHOUSE, "Orders")
    order = record_id("Order", 5)
    forms = {
        "get": lambda: table.get(order)["fields"]["Ref"],
        "get by name": lambda: by_name.get(order)["fields"]["Ref"],
        "list": lambda: [r["fields"]["Ref"] for r in table.all(formula=f"RECORD_ID()='{order}'")][0],
        "list by name": lambda: [r["fields"]["Ref"] for r in by_name.all(view="Grid view")][5],
        "field ids": lambda: table.get(order, use_field_ids=True)["fields"]["fldOrRef000000000"],
        "first": lambda: table.first(formula=f"RECORD_ID()='{order}'")["fields"]["Ref"],
    }
    for new in ("first change", "second change", "Order #5"):
        run.write(f"write {new}", lambda: by_name.update(order, {"Ref": new}))
        for form, reading in forms.items():
            assert run.read(f"{form} after {new}", reading) == new


@on_both
def test_a_base_that_may_only_be_read_refuses_every_write(run: Run) -> None:
    lines = run.table(LEDGER, LINES)
    assert len(run.read("read", lambda: lines.all(view="Grid view"))) == 3
    for label, call in {
        "create": lambda: lines.create({"Text": "x"}),
        "update": lambda: lines.update(record_id("Line", 0), {"Text": "x"}),
        "replace": lambda: lines.update(record_id("Line", 0), {"Text": "x"}, replace=True),
        "delete": lambda: lines.delete(record_id("Line", 0)),
        "batch": lambda: lines.batch_create([{"Text": "x"}]),
    }.items():
        status, error = refusal(run.write(label, call))
        assert (status, error["type"]) == (403, "INVALID_PERMISSIONS"), label
    assert len(run.read("still there", lambda: lines.all(view="Grid view"))) == 3
