"""The unmodified pyairtable, by what its own live suite expects of Airtable (tag C of the reference)."""

import datetime

import pytest
import requests
from pyairtable import Api, formulas
from pyairtable.orm import Model, fields

from harbour import ADA_CELL, BERTHS, CRATE_COUNT, CRATES, EAST, FULL, HARBOUR, NORTH, OF_BO, QUAY, SHIPS, SHIPS_NAME
from wire import Wire


@pytest.fixture
def api(wire: Wire) -> Api:
    return Api(FULL, endpoint_url=wire.url)


def test_all_first_and_iterate(api: Api) -> None:
    crates = api.table(HARBOUR, CRATES)
    assert len(crates.all()) == CRATE_COUNT
    assert [len(page) for page in crates.iterate(page_size=50, max_records=120)] == [50, 50, 20]
    assert crates.first(sort=["-Weight"])["fields"]["Weight"] == CRATE_COUNT - 1
    assert crates.first(formula="{Mark}='none such'") is None


def test_a_formula_too_long_for_an_address_is_posted(api: Api) -> None:
    marks = [f"Crate {number:03}" for number in range(0, CRATE_COUNT, 2)]
    formula = formulas.OR(*(formulas.match({"Mark": mark, "Weight": (">=", 0)}) for mark in marks * 6))
    assert sorted(record["fields"]["Mark"] for record in api.table(HARBOUR, CRATES).all(formula=formula)) == marks


def test_formulas_of_the_client(api: Api) -> None:
    berths = api.table(HARBOUR, BERTHS)
    odd = berths.create({"Berth": """it's "odd" \\ and {braced}\nwith two lines""", "Depth": 1})
    assert [record["id"] for record in berths.all(formula=formulas.match(odd["fields"]))] == [odd["id"]]
    deep = formulas.AND(formulas.Field("Depth").gte(7), formulas.NOT(formulas.Field("Berth").eq("Berth South")))
    assert [record["id"] for record in berths.all(formula=deep)] == [NORTH]
    assert berths.all(formula=formulas.to_formula(formulas.EQ(formulas.Field("Depth"), 3)))[0]["id"] == EAST


def test_batches_longer_than_ten(api: Api) -> None:
    berths = api.table(HARBOUR, BERTHS)
    made = berths.batch_create([{"Berth": f"b{number}"} for number in range(25)])
    assert [record["fields"]["Berth"] for record in made] == [f"b{number}" for number in range(25)]
    updated = berths.batch_update([{"id": record["id"], "fields": {"Depth": 2}} for record in made])
    assert all(record["fields"]["Depth"] == 2 for record in updated)
    replaced = berths.batch_update([{"id": record["id"], "fields": {"Depth": 3}} for record in made], replace=True)
    assert all(record["fields"] == {"Depth": 3} for record in replaced)
    assert berths.batch_delete([record["id"] for record in made]) == [{"id": record["id"], "deleted": True} for record in made]


def test_upserts_longer_than_ten(api: Api) -> None:
    crates = api.table(HARBOUR, CRATES)
    rows = [{"fields": {"Mark": f"Crate {number:03}", "Remark": "seen"}} for number in range(CRATE_COUNT - 5, CRATE_COUNT + 7)]
    answer = crates.batch_upsert(rows, key_fields=["Mark"])
    assert (len(answer["updatedRecords"]), len(answer["createdRecords"]), len(answer["records"])) == (5, 7, 12)


def test_an_upsert_by_an_empty_key_creates(api: Api) -> None:
    """Section 5.6."""
    answer = api.table(HARBOUR, BERTHS).batch_upsert([{"fields": {"Berth": None, "Depth": 7}}], key_fields=["Berth"])
    assert len(answer["createdRecords"]) == 1 and answer["records"][0]["fields"] == {"Depth": 7}


def test_the_schema_knows_every_field(api: Api) -> None:
    """Section 14.1: a missing option would make it an unknown type."""
    schema = api.base(HARBOUR).schema()
    assert [table.name for table in schema.tables] == [SHIPS_NAME, "Berths", "Crates"]
    assert {type(field).__name__ for field in schema.table(SHIPS).fields}.isdisjoint({"UnknownFieldSchema"})
    assert api.whoami() == {"id": ADA_CELL["id"], "email": ADA_CELL["email"]}
    assert {base.id for base in api.bases()} >= {HARBOUR, QUAY}
    assert api.table(HARBOUR, SHIPS_NAME, validate=True).id == SHIPS


def test_errors_carry_what_airtable_said(api: Api) -> None:
    with pytest.raises(requests.HTTPError) as told:
        api.table(HARBOUR, BERTHS).create({"Tiefe": 1})
    assert told.value.response.status_code == 422 and "Unknown field name" in str(told.value)


class Berth(Model):
    berth = fields.SingleLineTextField("Berth")
    depth = fields.FloatField("Depth")

    class Meta:
        api_key, base_id, table_name = FULL, HARBOUR, BERTHS


class Ship(Model):
    ship = fields.RequiredSingleLineTextField("Ship")
    log = fields.MultilineTextField("Log")
    crew = fields.IntegerField("Crew")
    load = fields.PercentField("Load")
    price = fields.CurrencyField("Price")
    voyage = fields.DurationField("Voyage")
    rank = fields.RatingField("Rank")
    seaworthy = fields.CheckboxField("Seaworthy")
    flag = fields.SelectField("Flag")
    cargo = fields.MultipleSelectField("Cargo")
    launched = fields.DateField("Launched")
    docked = fields.DatetimeField("Docked")
    captain = fields.CollaboratorField("Captain")
    mates = fields.MultipleCollaboratorsField("Mates")
    tag = fields.BarcodeField("Tag")
    berths = fields.LinkField("Berths", Berth)
    names = fields.LookupField[str]("Names")
    deep = fields.FloatField("Depth sum", readonly=True)
    twice = fields.IntegerField("Twice", readonly=True)
    how_many = fields.CountField("How many")
    number = fields.AutoNumberField("No")
    made = fields.CreatedTimeField("Made")
    touched = fields.LastModifiedTimeField("Touched")
    maker = fields.CreatedByField("Maker")
    toucher = fields.LastModifiedByField("Toucher")

    class Meta:
        api_key, base_id, table_name = FULL, HARBOUR, SHIPS


def test_models_of_every_type_of_field(api: Api) -> None:
    for model in (Berth, Ship):
        model.meta.api = api  # the mapper has no setting for another endpoint
    docked = datetime.datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=datetime.timezone.utc)
    berth = Berth(berth="Model berth", depth=2.5)
    berth.save()
    ship = Ship(
        ship="Pia", log="a\nb", crew=3, load=0.5, price=1.25, voyage=datetime.timedelta(hours=1, seconds=2), rank=2, seaworthy=True,
        flag="Malta", cargo=["Tin"], launched=datetime.date(1999, 12, 31), docked=docked, captain=ADA_CELL, mates=[ADA_CELL], tag={"text": "42"}, berths=[berth],
    )
    assert ship.save().created
    fetched = Ship.from_id(ship.id)
    for name in ("ship", "log", "crew", "load", "price", "voyage", "rank", "seaworthy", "flag", "cargo", "launched", "docked", "captain", "mates", "tag"):
        assert getattr(fetched, name) == getattr(ship, name), name
    assert (fetched.twice, fetched.deep, fetched.how_many, list(fetched.names)) == (6, 2.5, 1, ["Model berth"])
    assert fetched.berths[0].id == berth.id and fetched.maker == fetched.toucher == ADA_CELL
    assert fetched.number >= 1 and fetched.made.tzinfo and fetched.touched >= fetched.made
    fetched.crew = None
    fetched.cargo = []
    assert fetched.save().updated
    assert Ship.from_id(ship.id).crew is None and Ship.from_id(ship.id).cargo == []
    empty = Berth()
    assert empty.save().created and Berth.from_id(empty.id).berth == ""
    assert [found.id for found in Berth.all(formula="{Depth}=2.5")] == [berth.id]
    assert fetched.delete() and not Ship.all()


def test_two_users_are_told_apart(wire: Wire) -> None:
    record = Api(OF_BO, endpoint_url=wire.url).table(HARBOUR, SHIPS).create({"Ship": "Quinn"})
    assert record["fields"]["Maker"]["name"] == "Bo Bilge"
    assert Api(FULL, endpoint_url=wire.url).table(HARBOUR, SHIPS).update(record["id"], {"Crew": 1})["fields"]["Toucher"] == ADA_CELL
