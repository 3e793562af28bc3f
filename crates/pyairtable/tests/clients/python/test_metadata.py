"""Who am I, which bases, which schema."""

from twins import CUSTOMERS, EVERYTHING, PROJECTS, PROJECTS_NAME, SEED_DATA, WAREHOUSE, Run, on_both


@on_both
def test_whoami_names_the_user(run: Run) -> None:
    me = run.read("whoami", run.api.whoami)
    assert me["id"] == SEED_DATA["tokens"][0]["user"]


@on_both
def test_bases_are_listed_with_name_and_permission(run: Run) -> None:
    def bases() -> list:
        return [(base.id, base.name, base.permission_level) for base in run.api.bases(force=True)]

    listed = run.read("bases", bases)
    assert [tuple(base) for base in listed] == [(b["id"], b["name"], b["permissionLevel"]) for b in SEED_DATA["bases"]]


@on_both
def test_a_base_can_be_validated_and_its_tables_found_by_name(run: Run) -> None:
    def found() -> list:
        table = run.client().base(CUSTOMERS, validate=True).table(PROJECTS_NAME, validate=True)
        return [table.id, table.name, len(table.all())]

    assert run.read("validated", found)[0] == PROJECTS


@on_both
def test_the_schema_has_every_table_field_view_and_option(run: Run) -> None:
    for base in SEED_DATA["bases"]:
        schema = run.read(f"schema of {base['id']}", lambda: run.api.base(base["id"]).schema(force=True).model_dump(mode="json"))
        for table, seeded in zip(schema["tables"], base["tables"], strict=True):
            assert (table["id"], table["name"]) == (seeded["id"], seeded["name"])
            assert table["primary_field_id"] == seeded["primaryFieldId"]
            assert [f["id"] for f in table["fields"]] == [f["id"] for f in seeded["fields"]]
            assert [f["type"] for f in table["fields"]] == [f["type"] for f in seeded["fields"]]
            assert [(v["id"], v["name"], v["type"]) for v in table["views"]] == [
                (v["id"], v["name"], v["type"]) for v in seeded["views"]
            ]


@on_both
def test_the_client_knows_the_model_of_every_field(run: Run) -> None:
    """The client falls back to an unknown model when an option it needs is missing."""
    for base in (CUSTOMERS, WAREHOUSE):
        for table in run.api.base(base).schema(force=True).tables:
            kinds = {field.name: type(field).__name__ for field in table.fields}
            run.write(f"models of {table.name}", lambda: kinds)
            unknown = [name for name, kind in kinds.items() if "Unknown" in kind]
            assert not unknown, f"{table.name}: no model for {unknown}"


@on_both
def test_raw_metadata_is_exactly_what_was_seeded(run: Run) -> None:
    url = run.api.build_url("meta/bases", CUSTOMERS, "tables")
    plain = run.read("tables", lambda: run.api.get(url))
    for table, seeded in zip(plain["tables"], SEED_DATA["bases"][0]["tables"], strict=True):
        assert table["fields"] == seeded["fields"]
        assert table["views"] == seeded["views"]
        assert table.get("description") == seeded.get("description")
    detailed = run.read("tables with visible fields", lambda: run.api.get(url, params={"include": "visibleFieldIds"}))
    for table in detailed["tables"]:
        for view in table["views"]:
            expected = [f["id"] for f in table["fields"]] if view["type"] == "grid" else None
            assert view.get("visibleFieldIds") == expected, view


@on_both
def test_a_choice_made_by_typecast_is_in_the_schema_at_once(run: Run) -> None:
    def names() -> list:
        schema = run.client().base(CUSTOMERS).table(EVERYTHING).schema(force=True)
        return [choice.name for choice in schema.field("Status").options.choices]

    before = run.read("choices before", names)
    made = run.write("typecast", lambda: run.api.table(CUSTOMERS, EVERYTHING).create({"Name": "new choice", "Status": "Invented"}, typecast=True))
    assert made["fields"]["Status"] == "Invented"
    assert run.read("choices after", names) == [*before, "Invented"]
    run.write("tidy up", lambda: run.api.table(CUSTOMERS, EVERYTHING).delete(made["id"]))
