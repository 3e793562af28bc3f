"""Listing and getting records with every option of the client."""

import copy

from pyairtable import formulas as f
from pyairtable.formulas import AND, EQ, GT, OR, Field, match

from twins import CUSTOMERS, EVERYTHING, ITEMS, ORDERS, PEOPLE, SEED_DATA, WAREHOUSE, Run, on_both, record_id

SEEDED_ITEMS = SEED_DATA["bases"][1]["tables"][0]["records"]
ITEM_FIELDS = {field["name"]: field["id"] for field in SEED_DATA["bases"][1]["tables"][0]["fields"]}
EVERYTHING_TABLE = SEED_DATA["bases"][0]["tables"][1]


def skus(records: list) -> list:
    return [record["fields"]["SKU"] for record in records]


@on_both
def test_all_gives_every_record_of_a_view_in_its_order(run: Run) -> None:
    items = run.read("all", lambda: run.table(WAREHOUSE, ITEMS).all(view="Grid view"))
    assert [item["id"] for item in items] == [item["id"] for item in SEEDED_ITEMS]
    assert [item["createdTime"] for item in items] == [item["createdTime"] for item in SEEDED_ITEMS]
    for item, seeded in zip(items, SEEDED_ITEMS, strict=True):
        plain = {name: value for name, value in item["fields"].items() if name != "Value"}
        assert plain == seeded["fields"]


@on_both
def test_all_without_options_gives_every_record_once(run: Run) -> None:
    items = run.read("all", lambda: sorted(item["id"] for item in run.table(WAREHOUSE, ITEMS).all()))
    assert items == [item["id"] for item in SEEDED_ITEMS]


@on_both
def test_cells_are_read_as_they_were_seeded(run: Run) -> None:
    records = run.read("everything", lambda: run.table(CUSTOMERS, EVERYTHING).all(view="Grid view"))
    computed = {"Twice", "Loud", "Heads", "Mails", "Auto", "Made", "Changed", "By", "Last by"}
    for record, seeded in zip(records, EVERYTHING_TABLE["records"]):
        given, expected = copy.deepcopy((record["fields"], seeded["fields"]))
        for attachment in given.get("Files", []) + expected.get("Files", []):
            attachment.pop("url")  # the service may hand out addresses of its own
        assert {name: value for name, value in given.items() if name not in computed} == expected


@on_both
def test_computed_cells_follow_their_formula(run: Run) -> None:
    plain, zeros, *_ = run.read("everything", lambda: run.table(CUSTOMERS, EVERYTHING).all(view="Grid view", fields=["Name", "Twice", "Loud", "Heads", "Mails", "Auto", "Made"]))
    assert plain["fields"] == {
        "Name": "plain",
        "Twice": 84,
        "Loud": "PLAIN!",
        "Heads": 2,
        "Mails": ["person1@example.com", "person7@example.com"],
        "Auto": 1,
        "Made": plain["createdTime"],
    }
    assert zeros["fields"]["Twice"] == 0
    assert zeros["fields"]["Heads"] == 0
    assert "Mails" not in zeros["fields"]


@on_both
def test_pages_have_the_size_asked_for(run: Run) -> None:
    items = run.table(WAREHOUSE, ITEMS)
    assert run.read("default pages", lambda: [len(page) for page in items.iterate()]) == [100, 100, 35]
    assert run.read("pages of 60", lambda: [len(page) for page in items.iterate(page_size=60)]) == [60, 60, 60, 55]
    assert run.read("25 in pages of 10", lambda: [len(page) for page in items.iterate(page_size=10, max_records=25)]) == [10, 10, 5]
    assert run.read("100 of them", lambda: [len(page) for page in items.iterate(max_records=100)]) == [100]
    assert run.read("more than there are", lambda: [len(page) for page in items.iterate(max_records=1000)]) == [100, 100, 35]


@on_both
def test_pages_follow_each_other_without_gap_or_repetition(run: Run) -> None:
    pages = run.read("pages", lambda: [skus(page) for page in run.table(WAREHOUSE, ITEMS).iterate(page_size=50, sort=["-SKU"])])
    assert [sku for page in pages for sku in page] == sorted((item["fields"]["SKU"] for item in SEEDED_ITEMS), reverse=True)


@on_both
def test_an_empty_offset_means_the_first_page(run: Run) -> None:
    table = run.table(WAREHOUSE, ITEMS)
    by_get = run.read("GET", lambda: run.api.get(table.urls.records, params={"offset": "", "pageSize": 3, "view": "Grid view"}))
    by_post = run.read("POST", lambda: run.api.post(table.urls.records_post, json={"offset": "", "pageSize": 3, "view": "Grid view"}))
    assert by_get["records"] == by_post["records"]
    assert len(by_get["records"]) == 3


@on_both
def test_sort_by_several_keys(run: Run) -> None:
    items = run.read("sorted", lambda: run.table(WAREHOUSE, ITEMS).all(sort=["Kind", "-Price", "SKU"]))
    order = ["Gear", "Washer", "Nut", "Bolt"]  # the order of the choices, not of the alphabet
    expected = sorted(SEEDED_ITEMS, key=lambda i: (order.index(i["fields"]["Kind"]), -i["fields"].get("Price", -1), i["fields"]["SKU"]))
    assert skus(items) == skus(expected)


@on_both
def test_sorting_puts_empty_cells_first_and_descending_last(run: Run) -> None:
    items = run.table(WAREHOUSE, ITEMS)
    up = run.read("ascending", lambda: [i["fields"].get("Price") for i in items.all(sort=["Price", "SKU"])])
    down = run.read("descending", lambda: [i["fields"].get("Price") for i in items.all(sort=["-Price", "SKU"])])
    empty = sum("Price" not in item["fields"] for item in SEEDED_ITEMS)
    assert up[:empty] == [None] * empty and up[empty:] == sorted(up[empty:])
    assert down[-empty:] == [None] * empty and down[:-empty] == sorted(down[:-empty], reverse=True)


@on_both
def test_sort_by_text_number_date_and_checkbox(run: Run) -> None:
    people = run.table(CUSTOMERS, PEOPLE)
    for keys in (["Joined"], ["-Joined"], ["-Salary", "Joined"], ["Team", "-Joined"], ["Name", "Joined"]):
        run.read(f"people by {keys}", lambda: [p["id"] for p in people.all(sort=keys)])
    run.read("items by checkbox", lambda: skus(run.table(WAREHOUSE, ITEMS).all(sort=["-Active", "Qty", "SKU"])))
    run.read("orders by time", lambda: [o["id"] for o in run.table(WAREHOUSE, ORDERS).all(sort=["-Placed"])])


@on_both
def test_twelve_sort_keys_keep_their_numeric_order(run: Run) -> None:
    """The client orders the parameters as text, so `sort[10]` comes before `sort[2]`."""
    keys = ["Active", "-Kind", "Qty", "Active", "Active", "Active", "Active", "Active", "Active", "Active", "SKU", "Label"]
    short = run.read("three keys", lambda: skus(run.table(WAREHOUSE, ITEMS).all(sort=["Active", "-Kind", "Qty", "SKU"])))
    assert run.read("twelve keys", lambda: skus(run.table(WAREHOUSE, ITEMS).all(sort=keys))) == short


@on_both
def test_fields_narrows_the_cells(run: Run) -> None:
    items = run.table(WAREHOUSE, ITEMS)
    some = run.read("two fields", lambda: items.all(fields=["SKU", "Price"], max_records=12, view="Grid view"))
    assert all(set(item["fields"]) <= {"SKU", "Price"} for item in some)
    assert "Price" not in some[0]["fields"], "an empty cell is left out also when asked for"
    by_id = run.read("by id", lambda: items.all(fields=[ITEM_FIELDS["SKU"], ITEM_FIELDS["Price"]], max_records=12, view="Grid view"))
    assert by_id == some
    one = run.read("one field", lambda: items.all(fields=["Tags"], max_records=3, view="Grid view"))
    assert one[1]["fields"] == {}


@on_both
def test_views_by_name_and_by_id(run: Run) -> None:
    people = run.table(CUSTOMERS, PEOPLE)
    by_name = run.read("odd name", lambda: people.all(view="By name / ↑"))
    assert len(by_name) == 12
    assert run.read("by id", lambda: people.all(view="viwPe100000000000")) == by_name


@on_both
def test_first_gives_one_record_or_none(run: Run) -> None:
    items = run.table(WAREHOUSE, ITEMS)
    assert run.read("first", lambda: items.first(sort=["-SKU"]))["fields"]["SKU"] == "SKU-0234"
    assert run.read("none", lambda: items.first(formula="{SKU}='nothing'")) is None


@on_both
def test_get_gives_one_record(run: Run) -> None:
    items = run.table(WAREHOUSE, ITEMS)
    record = run.read("get", lambda: items.get(record_id("Item", 7)))
    assert record["fields"]["SKU"] == "SKU-0007"
    by_id = run.read("by field id", lambda: items.get(record_id("Item", 7), use_field_ids=True))
    assert by_id["fields"][ITEM_FIELDS["SKU"]] == "SKU-0007"
    assert len(by_id["fields"]) == len(record["fields"])
    run.read("as text", lambda: items.get(record_id("Item", 7), cell_format="string", time_zone="Europe/Berlin", user_locale="en-gb"))


@on_both
def test_get_finds_a_record_of_another_table_of_the_base(run: Run) -> None:
    order = run.read("an order", lambda: run.table(WAREHOUSE, ITEMS).get(record_id("Order", 3)))
    assert order["fields"]["Ref"] == "Order #3"


@on_both
def test_field_ids_instead_of_names(run: Run) -> None:
    per_call = run.read("option", lambda: run.table(WAREHOUSE, ITEMS).all(use_field_ids=True, view="Grid view", max_records=20))
    assert set(per_call[0]["fields"]) <= set(ITEM_FIELDS.values())
    whole_client = run.read("client", lambda: run.table(WAREHOUSE, ITEMS, use_field_ids=True).all(view="Grid view", max_records=20))
    assert whole_client == per_call
    names = run.read("switched off", lambda: run.table(WAREHOUSE, ITEMS).all(use_field_ids=False, view="Grid view", max_records=20))
    assert names[0]["fields"]["SKU"] == "SKU-0000"


@on_both
def test_cells_as_text(run: Run) -> None:
    fields = [field["name"] for field in EVERYTHING_TABLE["fields"] if field["name"] not in ("Changed", "Files")]
    records = run.read("everything as text", lambda: run.table(CUSTOMERS, EVERYTHING).all(view="Grid view", fields=fields, cell_format="string", time_zone="America/New_York", user_locale="en-us"))
    for record in records:
        assert all(isinstance(value, str) for value in record["fields"].values()), record["fields"]
    assert records[0]["fields"]["Status"] == "Open"
    assert records[0]["fields"]["People"] == "Grace O'Hopper, bob"


@on_both
def test_the_zone_alone_changes_nothing(run: Run) -> None:
    orders = run.table(WAREHOUSE, ORDERS)
    plain = run.read("plain", lambda: orders.all(view="Grid view"))
    assert run.read("with zone", lambda: orders.all(view="Grid view", time_zone="Asia/Tokyo", user_locale="ja")) == plain


@on_both
def test_comment_counts_may_be_asked_for(run: Run) -> None:
    run.read("with counts", lambda: [item.get("commentCount", 0) for item in run.table(WAREHOUSE, ITEMS).all(count_comments=True, max_records=5)])


@on_both
def test_formulas_built_by_the_client(run: Run) -> None:
    items = run.table(WAREHOUSE, ITEMS)
    cells = [item["fields"] for item in SEEDED_ITEMS]
    cases = {
        "match": (match({"Kind": "Bolt", "Active": True}), [c for c in cells if c["Kind"] == "Bolt" and c.get("Active")]),
        "any": (match({"Kind": "Gear", "Qty": 0}, match_any=True), [c for c in cells if c["Kind"] == "Gear" or c["Qty"] == 0]),
        "compare": (match({"Qty": (">=", 45)}), [c for c in cells if c["Qty"] >= 45]),
        "and": (AND(GT(Field("Qty"), 10), f.LT(Field("Price"), 3)), [c for c in cells if c["Qty"] > 10 and c.get("Price", 0) < 3]),
        "or": (OR(EQ(Field("SKU"), "SKU-0003"), EQ(Field("SKU"), "SKU-0200")), [cells[3], cells[200]]),
        "not": (f.NOT(Field("Active")), [c for c in cells if not c.get("Active")]),
        "find": (f.FIND("xl", Field("Label")), [c for c in cells if "xl" in c["Label"]]),
        "text functions": (EQ(f.UPPER(f.LEFT(Field("Label"), 5)), "SMALL"), [c for c in cells if c["Label"].startswith("small")]),
        "arithmetic": (EQ(f.MOD(Field("Qty"), 7), 0), [c for c in cells if c["Qty"] % 7 == 0]),
        "computed field": (f.GTE(Field("Value"), 400), [c for c in cells if c["Qty"] * c.get("Price", 0) >= 400]),
        "empty": ("{Price} = BLANK()", [c for c in cells if "Price" not in c]),
        "record id": (EQ(f.RECORD_ID(), record_id("Item", 42)), [cells[42]]),
        "field by id": ("{%s}='SKU-0011'" % ITEM_FIELDS["SKU"], [cells[11]]),
        "no filter": ("", cells),
        "nothing": ("FALSE()", []),
    }
    for label, (formula, expected) in cases.items():
        found = run.read(label, lambda: skus(items.all(formula=formula, view="Grid view", fields=["SKU"])))
        assert found == [c["SKU"] for c in expected], label


@on_both
def test_formulas_with_quotes_and_other_scripts(run: Run) -> None:
    people, everything = run.table(CUSTOMERS, PEOPLE), run.table(CUSTOMERS, EVERYTHING)
    for name in ("Grace O'Hopper", 'Linus "T" Orvalds', "Zoë Ångström", "山田 太郎", "Ivan Петров", "Mallory & Co", "Peggy / Victor"):
        found = run.read(name, lambda: people.all(formula=match({"Name": name})))
        assert [person["fields"]["Name"] for person in found] == [name]
    found = run.read("emoji", lambda: everything.all(formula="FIND('🦀', {Name})", fields=["Name"]))
    assert len(found) == 1
    linked = run.read("links compare by their text", lambda: everything.all(formula="{People}='山田 太郎'", fields=["Name"]))
    assert [record["id"] for record in linked] == [record_id("Every", 5)]


@on_both
def test_a_long_formula_makes_the_client_post(run: Run) -> None:
    items = run.table(WAREHOUSE, ITEMS)
    formula = OR(*[EQ(Field("SKU"), f"SKU-{number:04d}") for number in range(10, 700)])
    found = run.read("long formula", lambda: skus(items.all(formula=formula, sort=["-SKU"], fields=["SKU"], page_size=100, max_records=150, time_zone="utc", user_locale="en")))
    assert found == [f"SKU-{number:04d}" for number in range(234, 84, -1)]
    sent = {(answer.method, answer.target.split("?")[0].rsplit("/", 1)[1]) for answer in run.answers}
    assert sent == {("POST", "listRecords")}


@on_both
def test_get_and_post_listings_give_the_same(run: Run) -> None:
    items = run.table(WAREHOUSE, ITEMS)
    by_get = run.read("GET", lambda: run.api.get(items.urls.records, params={"filterByFormula": "{Qty}>30", "sort[0][field]": "SKU", "fields[]": ["SKU", "Qty"], "pageSize": 20, "returnFieldsByFieldId": "true"}))
    by_post = run.read("POST", lambda: run.api.post(items.urls.records_post, json={"filterByFormula": "{Qty}>30", "sort": [{"field": "SKU"}], "fields": ["SKU", "Qty"], "pageSize": 20, "returnFieldsByFieldId": True}))
    assert by_get["records"] == by_post["records"]
    assert len(by_get["records"]) == 20 and "offset" in by_get and "offset" in by_post
