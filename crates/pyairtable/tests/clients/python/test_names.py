"""Tables and fields whose names hold characters that URLs treat specially."""

from twins import CUSTOMERS, ORDERS, PROJECTS, PROJECTS_NAME, WAREHOUSE, Run, on_both, record_id

TITLE = "Näme & 'Title' / {x}"


@on_both
def test_a_table_is_found_by_its_odd_name_and_by_its_id(run: Run) -> None:
    by_name, by_id = run.table(CUSTOMERS, PROJECTS_NAME), run.table(CUSTOMERS, PROJECTS)
    projects = run.read("by name", lambda: by_name.all(view="100% & more"))
    assert run.read("by id", lambda: by_id.all(view="100% & more")) == projects
    assert [project["fields"][TITLE] for project in projects] == ["Apollo", "Gemini + Mercury", "100%", "Voyager's", "ΑΒΓ"]
    one = run.read("get by name", lambda: by_name.get(record_id("Odd", 2)))
    assert one == projects[2]
    assert run.read("get by id", lambda: by_id.get(record_id("Odd", 2))) == one


@on_both
def test_odd_field_names_work_in_every_option(run: Run) -> None:
    table = run.table(CUSTOMERS, PROJECTS_NAME)
    run.read("fields", lambda: table.all(fields=[TITLE, "a+b=c%"], sort=[f"-{TITLE}", "a+b=c%"]))
    found = run.read("formula", lambda: table.all(formula="{a+b=c%}>=2", sort=["-Budget (€)"]))
    assert [project["fields"]["a+b=c%"] for project in found] == [4, 3, 2]
    found = run.read("plus sign in a value", lambda: table.all(formula="FIND('i + M', {fldOdName00000000})"))
    assert len(found) == 1


@on_both
def test_writing_by_name_and_by_id_meet(run: Run) -> None:
    by_name, by_id = run.table(CUSTOMERS, PROJECTS_NAME), run.table(CUSTOMERS, PROJECTS)
    run.read("warm by name", lambda: by_name.all(view="Grid view"))
    run.read("warm by id", lambda: by_id.all(view="Grid view"))
    made = run.write("create by name", lambda: by_name.create({TITLE: "Übung / 2", "a+b=c%": 5, "Lead": [record_id("Person", 2)]}))
    assert len(run.read("by id", lambda: by_id.all(view="Grid view"))) == 6
    run.write("change by id", lambda: by_id.update(made["id"], {TITLE: "50% & more"}))
    assert run.read("by name", lambda: by_name.get(made["id"]))["fields"][TITLE] == "50% & more"
    run.write("delete by name", lambda: by_name.batch_delete([made["id"]]))
    assert len(run.read("by id at the end", lambda: by_id.all(view="Grid view"))) == 5


@on_both
def test_names_match_without_case_and_with_any_encoding(run: Run) -> None:
    for spelling in ("orders", "ORDERS", "%4Frders", ORDERS):
        response = run.raw(spelling, "GET", f"/v0/{WAREHOUSE}/{spelling}/{record_id('Order', 1)}")
        assert response.status_code == 200 and response.json()["fields"]["Ref"] == "Order #1"


@on_both
def test_slashes_and_question_marks_at_the_end_are_harmless(run: Run) -> None:
    listing = f"/v0/{WAREHOUSE}/{ORDERS}"
    expected = run.raw("plain", "GET", listing + "?view=Grid%20view").json()
    for end in ("/?view=Grid%20view", "/?view=Grid+view", "?view=Grid+view&", "?view=viwOr000000000000"):
        assert run.raw(end, "GET", listing + end).json() == expected
    for end in ("?", "/", "/?"):
        assert len(run.raw(end, "GET", listing + end).json()["records"]) == 20


@on_both
def test_lists_in_the_query_may_be_written_in_every_form(run: Run) -> None:
    listing = f"/v0/{WAREHOUSE}/{ORDERS}?view=Grid+view&pageSize=3"
    expected = run.raw("brackets", "GET", f"{listing}&fields[]=Ref&fields[]=Paid").json()["records"]
    assert [record["fields"] for record in expected] == [{"Ref": "Order #0", "Paid": True}, {"Ref": "Order #1"}, {"Ref": "Order #2", "Paid": True}]
    for label, query in {
        "encoded": "&fields%5B%5D=Ref&fields%5B%5D=Paid",
        "lower case": "&fields%5b%5d=Ref&fields%5b%5d=Paid",
        "indexed": "&fields[0]=Ref&fields[1]=Paid",
        "indexed, last first": "&fields[1]=Paid&fields[0]=Ref",
    }.items():
        assert run.raw(label, "GET", listing + query).json()["records"] == expected, label
    down = run.raw("sort", "GET", f"{listing}&sort[0][direction]=desc&sort[0][field]=Placed").json()["records"]
    assert [record["fields"]["Ref"] for record in down] == ["Order #19", "Order #18", "Order #17"]
