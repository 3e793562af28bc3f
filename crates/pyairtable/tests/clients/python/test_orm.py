"""The client's object mapper: models with links, saved, fetched and deleted."""

import datetime

from pyairtable.orm import Model, fields

from twins import CUSTOMERS, EVERYTHING, PEOPLE, Run, on_both, record_id


def models(run: Run) -> tuple[type[Model], type[Model]]:
    """Classes of their own for each twin, so that nothing remembered crosses over."""

    meta = {"api_key": run.twin.keys["full"], "base_id": CUSTOMERS}

    class Person(Model):
        name = fields.SingleLineTextField("Name")
        email = fields.EmailField("Email")
        team = fields.SelectField("Team")
        joined = fields.DateField("Joined")
        salary = fields.CurrencyField("Salary")

        Meta = {**meta, "table_name": PEOPLE}

    class Thing(Model):
        name = fields.SingleLineTextField("Name")
        whole = fields.IntegerField("Whole")
        took = fields.DurationField("Took")
        done = fields.CheckboxField("Done")
        tags = fields.MultipleSelectField("Tags")
        day = fields.DateField("Day")
        moment = fields.DatetimeField("Moment")
        stars = fields.RatingField("Stars")
        people = fields.LinkField("People", Person)
        twice = fields.IntegerField("Twice", readonly=True)
        heads = fields.CountField("Heads")
        mails = fields.LookupField[str]("Mails")
        made = fields.CreatedTimeField("Made")

        Meta = {**meta, "table_name": EVERYTHING}

    for model in (Person, Thing):
        model.meta.api = run.api  # the mapper has no setting for another endpoint
    return Person, Thing


def shown(thing: Model) -> dict:
    return thing.to_record()


@on_both
def test_models_are_saved_fetched_and_deleted(run: Run) -> None:
    Person, Thing = models(run)
    person = Person(name="Model Person", email="m@example.com", joined=datetime.date(2020, 2, 29))
    assert run.write("save a person", lambda: bool(person.save().created))
    thing = Thing(
        name="Model Thing",
        whole=21,
        took=datetime.timedelta(minutes=2),
        done=True,
        tags=["green"],
        day=datetime.date(2021, 6, 1),
        moment=datetime.datetime(2021, 6, 1, 12, 0, 0, 5000, tzinfo=datetime.timezone.utc),
        stars=2,
        people=[person],
    )
    assert run.write("save a thing", lambda: bool(thing.save().created))
    run.write("as saved", lambda: shown(thing))

    def fetched() -> dict:
        again = Thing.from_id(thing.id, memoize=False)
        return {"thing": shown(again), "people": [linked.name for linked in again.people], "twice": again.twice, "heads": again.heads, "mails": list(again.mails)}

    seen = run.read("fetch", fetched)
    assert (seen["twice"], seen["heads"], seen["people"], seen["mails"]) == (42, 1, ["Model Person"], ["m@example.com"])

    thing.whole, thing.done, thing.people = 4, False, [Person.from_id(record_id("Person", 1), fetch=False)]
    assert run.write("save again", lambda: bool(thing.save().updated))
    assert run.read("fetch again", fetched)["people"] == ["Grace O'Hopper"]
    assert run.write("delete", lambda: [thing.delete(), person.delete()]) == [True, True]


@on_both
def test_models_are_listed_and_links_resolved(run: Run) -> None:
    _, Thing = models(run)

    def listed() -> list:
        return [[thing.name, [person.name for person in thing.people], thing.done] for thing in Thing.all(view="Grid view", memoize=False)]

    assert run.read("all", listed)[0] == ["plain", ["Grace O'Hopper", "bob"], True]
    assert run.read("first", lambda: Thing.first(formula=Thing.whole.eq(42), memoize=False).name) == "plain"
    assert run.read("by ids", lambda: [thing.name for thing in Thing.from_ids([record_id("Every", 1), record_id("Every", 2)], memoize=False)]) == ["zeros", "negative"]


@on_both
def test_models_are_saved_and_deleted_in_batches(run: Run) -> None:
    Person, _ = models(run)
    people = [Person(name=f"Batch {number:02d}", team="Core", salary=number) for number in range(12)]
    run.write("batch save", lambda: Person.batch_save(people))
    assert all(person.id for person in people)
    for person in people[:3]:
        person.salary = 77
    run.write("batch save again", lambda: Person.batch_save(people))
    names = run.read("saved", lambda: [person.name for person in Person.all(formula="{Salary}=77", sort=["Name"], memoize=False)])
    assert names == ["Batch 00", "Batch 01", "Batch 02"]
    run.write("batch delete", lambda: Person.batch_delete(people))
    assert run.read("gone", lambda: Person.all(formula="FIND('Batch ', {Name})", memoize=False)) == []
