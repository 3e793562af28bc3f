from __future__ import annotations

from decimal import Decimal

import truth
from conftest import SEED, System
from sdk import IS_NEW, connect, no, run, yes

WAREHOUSE, CUSTOMERS = "appWarehouse00001", "appCustomers00001"
PROJECTS = "Projects / 100% & Co's – Überblick (α)"
ODD_NAME = "Näme & 'Title' / {x}"

TOOLS = [
    "list_bases", "list_tables", "describe_table", "list_records", "search_records", "get_record",
    "aggregate_records", "create_records", "update_records", "upsert_records", "delete_records",
]  # fmt: skip


def test_every_tool_is_listed_with_schemas_and_all_hints(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["full"]) as client:
            tools = await client.tools()
            assert list(tools) == TOOLS
            for name, tool in tools.items():
                raw = tool.model_dump(by_alias=True)
                assert raw["inputSchema"]["type"] == raw["outputSchema"]["type"] == "object"
                hints = raw["annotations"]
                reads = not name.startswith(("create", "update", "upsert", "delete"))
                assert hints["readOnlyHint"] is reads
                assert hints["destructiveHint"] is (not reads and name != "create_records")
                assert hints["openWorldHint"] is True and isinstance(hints["idempotentHint"], bool)

    run(work())


def test_bases_tables_and_fields_are_found_by_any_name(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["full"]) as client:
            bases = (await client.call("list_bases")).ok()["bases"]
            assert [base["name"] for base in bases] == [base["name"] for base in SEED["bases"]]
            tables = (await client.call("list_tables", base="customers & co")).ok()["tables"]
            assert [table["name"] for table in tables] == ["People", "Everything", PROJECTS]
            described = (await client.call("describe_table", base=CUSTOMERS, table=PROJECTS)).ok()
            seeded = truth.table(CUSTOMERS, PROJECTS)["fields"]
            assert [field["name"] for field in described["fields"]] == [field["name"] for field in seeded]

    run(work())


def test_a_listing_goes_through_all_pages_and_equals_the_seed(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["full"]) as client:
            rows, arguments = [], {"base": WAREHOUSE, "table": "Items", "fields": ["SKU", "Price", "Kind"]}
            for _ in range(10):
                page = (await client.call("list_records", **arguments)).ok()
                rows += page["records"]
                if page["complete"]:
                    break
                arguments["cursor"] = page["next_cursor"]
            assert page["total"] == len(rows) == 235
            seeded = {record["id"]: record["fields"] for record in truth.records(WAREHOUSE, "Items")}
            for row in rows:
                wanted = {name: seeded[row["id"]][name] for name in ("SKU", "Price", "Kind") if name in seeded[row["id"]]}
                assert row["fields"] == wanted

    run(work())


def test_odd_names_work_everywhere(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["full"]) as client:
            found = (await client.call("list_records", base=CUSTOMERS, table=PROJECTS, fields=[ODD_NAME], sort=[f"-{ODD_NAME}"])).ok()
            names = [record["fields"].get(ODD_NAME) for record in found["records"]]
            seeded = [record["fields"].get(ODD_NAME) for record in truth.records(CUSTOMERS, PROJECTS)]
            assert sorted(map(str, names)) == sorted(map(str, seeded))
            result = (await client.call("aggregate_records", base=CUSTOMERS, table=PROJECTS, metrics=["count", "sum(Budget (€))", f"distinct({ODD_NAME})"])).ok()
            budget = sum(Decimal(str(record["fields"].get("Budget (€)", 0))) for record in truth.records(CUSTOMERS, PROJECTS))
            assert Decimal(str(result["totals"]["sum(Budget (€))"])) == budget
            name = next(name for name in names if name)
            hits = (await client.call("search_records", base=CUSTOMERS, table=PROJECTS, query=f'"{name}"')).ok()["matches"]
            assert name in [hit["name"] for hit in hits]

    run(work())


def test_groups_equal_what_the_seed_says(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["full"]) as client:
            for field in ("Kind", "Tags"):
                result = (await client.call("aggregate_records", base=WAREHOUSE, table="Items", group_by=[field])).ok()
                found = {group["group"][field]: group["metrics"]["count"] for group in result["groups"]}
                assert found == dict(truth.count_by(WAREHOUSE, "Items", field)), field
                assert result["complete"] is True and result["rows"] == 235
            result = (await client.call("aggregate_records", base=WAREHOUSE, table="Items", group_by="Kind", metrics="sum(Price)")).ok()
            found = {group["group"]["Kind"]: Decimal(str(group["metrics"]["sum(Price)"])) for group in result["groups"]}
            assert found == truth.sum_by(WAREHOUSE, "Items", "Kind", "Price")
            result = (await client.call("aggregate_records", base=WAREHOUSE, table="Orders", group_by=["Placed:month", "Paid"])).ok()
            assert sum(group["metrics"]["count"] for group in result["groups"]) == 20
            result = (await client.call("aggregate_records", base=WAREHOUSE, table="Items", group_by=["Orders"])).ok()
            linked = {group["group"]["Orders"]["id"] for group in result["groups"] if group["group"]["Orders"]}
            assert linked <= {record["id"] for record in truth.records(WAREHOUSE, "Orders")}
            assert all(group["group"]["Orders"]["name"] for group in result["groups"] if group["group"]["Orders"])

    run(work())


def test_every_kind_of_cell_can_be_read_and_shown(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["full"]) as client:
            for style in ("csv", "markdown", "json"):
                result = await client.call("list_records", base=CUSTOMERS, table="Everything", format=style)
                result.ok()
                assert "(emulated Airtable)" in result.text and result.meta["pyairtable/emulated"] is True
            for record in truth.records(CUSTOMERS, "Everything"):
                (await client.call("get_record", base=CUSTOMERS, table="Everything", record_id=record["id"])).ok()
            for field in truth.table(CUSTOMERS, "Everything")["fields"]:
                if field["type"] != "multipleAttachments":
                    grouped = (await client.call("aggregate_records", base=CUSTOMERS, table="Everything", group_by=[field["name"]])).ok()
                    assert grouped["rows"] == 11, field

    run(work())


def test_errors_say_the_next_step(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["full"]) as client:
            (await client.call("list_records", base="Warehose", table="Items")).refused('did you mean "Warehouse"?')
            (await client.call("list_records", base=WAREHOUSE, table="Itmes")).refused('did you mean "Items"?')
            (await client.call("list_records", base=WAREHOUSE, table="Items", filter="{Prize}>1")).refused('did you mean "Price"?', "^")
            (await client.call("create_records", base=WAREHOUSE, table="Items", records=[{"Kind": "nope"}])).refused("there is no choice", "typecast")
            (await client.call("create_records", base=WAREHOUSE, table="Items", records=[{"Value": 1}])).refused("computed by Airtable")
            (await client.call("list_tables")).refused("argument base must name one", "Warehouse")

    run(work())


def test_a_key_limited_to_a_base_knows_no_other(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["warehouse"]) as client:
            bases = (await client.call("list_bases")).ok()["bases"]
            assert [base["id"] for base in bases] == [WAREHOUSE]
            (await client.call("list_tables")).ok()  # the only base need not be named
            refused = (await client.call("list_tables", base=CUSTOMERS)).refused()
            assert "Customers &" not in refused and "People" not in refused

    run(work())


def test_a_reader_writes_nothing(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["reader"]) as client:
            tools = await client.tools()
            if way.startswith("http"):  # on standard input and output only the gateway knows the rights
                assert not any(name.startswith(("create", "update", "upsert", "delete")) for name in tools)
            (await client.call("create_records", base=WAREHOUSE, table="Bulk", fields={"Name": "x"})).refused()

    run(work())


def test_a_write_asks_its_user_and_is_done_after_a_yes(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["full"], yes) as client:
            rows = [{"Name": f"{way} {n}", "N": n} for n in range(25)]
            created = (await client.call("create_records", base=WAREHOUSE, table="Bulk", records=rows)).ok()
            assert created["count"] == 25 and not client.questions
            changes = [{"id": record["id"], "fields": {"Flag": True}} for record in created["records"]]
            changed = (await client.call("update_records", base=WAREHOUSE, table="Bulk", records=changes)).ok()
            assert changed["status"] == "done" and len(client.questions) == 1
            assert "would change 25 records" in client.questions[0] and "and 5 more" in client.questions[0]
            upserted = (await client.call("upsert_records", base=WAREHOUSE, table="Bulk", merge_on=["Name"], records=[{"Name": f"{way} 1", "N": 100}, {"Name": f"{way} new"}])).ok()
            assert len(upserted["updated"]) == len(upserted["created"]) == 1
            ids = [record["id"] for record in created["records"]] + upserted["created"]
            deleted = (await client.call("delete_records", base=WAREHOUSE, table="Bulk", record_ids=ids)).ok()
            assert deleted["deleted"] == ids and "would delete 26 records" in client.questions[-1]

    run(work())


def test_a_no_changes_nothing(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["full"], no) as client:
            item = truth.records(WAREHOUSE, "Items")[0]["id"]
            result = (await client.call("delete_records", base=WAREHOUSE, table="Items", record_ids=[item])).ok()
            assert result["status"] == "declined" and len(client.questions) == 1
            (await client.call("get_record", base=WAREHOUSE, table="Items", record_id=item)).ok()

    run(work())


def test_a_client_that_cannot_ask_confirms_by_token_once(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["full"]) as client:
            created = (await client.call("create_records", base=WAREHOUSE, table="Bulk", fields={"Name": "gone soon"})).ok()
            arguments = {"base": WAREHOUSE, "table": "Bulk", "record_ids": created["created"]}
            preview = (await client.call("delete_records", **arguments)).ok()
            assert preview["status"] == "preview"
            (await client.call("delete_records", **{**arguments, "record_ids": ["recItem0000000001"]}, confirm=preview["confirm"])).refused("not one for exactly this call")
            done = (await client.call("delete_records", **arguments, confirm=preview["confirm"])).ok()
            assert done["deleted"] == created["created"]
            (await client.call("delete_records", **arguments, confirm=preview["confirm"])).refused("used already")

    run(work())


def test_progress_is_told_to_those_who_watch(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["full"]) as client:
            (await client.call("aggregate_records", watch=True, base=WAREHOUSE, table="Items")).ok()
            done = [step for step, _ in client.progress]
            assert done == sorted(set(done)) and len(done) == 2, client.progress

    run(work())


def test_the_new_client_speaks_the_new_revision(system: System, way: str) -> None:
    async def work() -> None:
        async with connect(way, system.target, system.keys["full"]) as client:
            if IS_NEW:
                expected = "2025-11-25" if way.endswith("legacy") else "2026-07-28"
                assert client.client.protocol_version == expected

    run(work())
