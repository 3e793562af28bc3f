"""Views that filter and sort: which records they show, in which order, and what webhooks tell of them (sections 5.2, 10 and 11)."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from pyairtable import Api

from conftest import start_emulator
from harbour import ADA, ALL_SCOPES, NO_LIMITS, USERS, choices, field, ident, link
from services import Service
from test_seeds import check
from wire import Wire, cells

RACE, BOATS, CREWS = ident("app", "Race"), ident("tbl", "Boats"), ident("tbl", "Crews")
TOKEN = "patRace.all"
BOAT_COUNT = 130


def boat(number: int) -> dict:
    named = {"Boat": f"B{number:03}", "Length": (number * 37) % BOAT_COUNT, "Class": ("Finn", "Laser", "Star")[number % 3]}
    return {"id": ident("rec", f"Boat{number:03}"), "createdTime": "2024-01-01T00:00:00.000Z", "fields": {**named, **({"Ready": True} if number % 2 else {})}}


VIEWS = {
    "all": {},
    "long": {"filterByFormula": "{Length} >= 100", "sort": [{"field": "Length", "direction": "desc"}]},
    "ready": {"filterByFormula": "AND({Ready}, {Class} = 'Laser')"},
    "sorted": {"sort": [{"field": ident("fld", "Class"), "direction": "desc"}, {"field": "Length"}]},
    "crewed": {"filterByFormula": "{How many} > 0", "sort": [{"field": "Boat", "direction": "asc"}]},
}
VIEW = {name: ident("viw", name.capitalize()) for name in VIEWS}
BOAT_FIELDS = [
    field("Boat", "singleLineText"),
    field("Class", "singleSelect", choices("Star", "Finn", "Laser")),
    field("Length", "number", {"precision": 1}),
    field("Ready", "checkbox", {"icon": "check", "color": "greenBright"}),
    field("Crew", "multipleRecordLinks", link(CREWS, ident("fld", "Sails"))),
    field("How many", "count", {"isValid": True, "recordLinkFieldId": ident("fld", "Crew")}),
]
SEED = {
    "bases": [{"id": RACE, "name": "Race", "permissionLevel": "create", "tables": [
        {
            "id": BOATS, "name": "Boats", "primaryFieldId": ident("fld", "Boat"), "fields": BOAT_FIELDS,
            "views": [{"id": VIEW[name], "name": f"The {name}", "type": "grid", **more} for name, more in VIEWS.items()],
            "records": [boat(number) for number in range(BOAT_COUNT)],
        },
        {
            "id": CREWS, "name": "Crews", "primaryFieldId": ident("fld", "Name"),
            "fields": [field("Name", "singleLineText"), field("Sails", "multipleRecordLinks", link(BOATS, ident("fld", "Crew")))],
            "views": [{"id": ident("viw", "Crews"), "name": "Grid", "type": "grid"}], "records": [],
        },
    ]}],
    "users": USERS,
    "tokens": [{"token": TOKEN, "scopes": ALL_SCOPES, "bases": "*", "user": ADA}],
    "limits": NO_LIMITS,
}
PATH, HOOKS = f"/v0/{RACE}/{BOATS}", f"/v0/bases/{RACE}/webhooks"


class Race(Wire):
    def ask(self, method: str, path: str, body: object = None, key: str | None = TOKEN, **more: object) -> requests.Response:
        return super().ask(method, path, body, key, **more)

    def shown(self, view: str, query: str = "") -> list[dict]:
        return self.good("GET", f"{PATH}?view={VIEW[view]}{query}")["records"]

    def every(self, view: str, query: str = "") -> list[dict]:
        found, offset = [], ""
        while True:
            page = self.good("GET", f"{PATH}?view={VIEW[view]}{query}&offset={quote(offset, safe='')}")
            found += page["records"]
            offset = page.get("offset", "")
            if not offset:
                return found

    def hook(self, view: str) -> str:
        asked = {"options": {"filters": {"dataTypes": ["tableData"], "recordChangeScope": VIEW[view]}}}
        return self.good("POST", HOOKS, {"specification": asked})["id"]

    def told(self, hook: str, view: str) -> list[dict]:
        payloads = self.good("GET", f"{HOOKS}/{hook}/payloads")["payloads"]
        return [payload["changedTablesById"][BOATS]["changedViewsById"][VIEW[view]] for payload in payloads]


@pytest.fixture(scope="module")
def service_of_race(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start_emulator(tmp_path_factory.mktemp("race"), seed=SEED)
    yield service
    service.stop()


@pytest.fixture
def race(service_of_race: Service) -> Race:
    requests.post(f"{service_of_race.url}/__emulator/reset", json={"data": True}, timeout=10).raise_for_status()
    return Race(service_of_race.url)


def test_a_view_shows_its_records_in_its_order(race: Race) -> None:
    """Section 5.2: by id and by name, by GET and POST, hidden or not every cell."""
    assert cells(race.shown("long"), "Length") == list(range(129, 99, -1))
    assert race.good("GET", f"{PATH}?view=The+long") == race.good("POST", f"{PATH}/listRecords", {"view": "The long"})
    ready = cells(race.shown("ready"), "Boat")
    assert sorted(ready) == [f"B{number:03}" for number in range(BOAT_COUNT) if number % 2 and number % 3 == 1]
    order = [(("Laser", "Finn", "Star").index(record["fields"]["Class"]), record["fields"]["Length"]) for record in race.every("sorted")]
    assert order == sorted(order) and len(order) == BOAT_COUNT, "by option, the last first; then by length"


def test_a_filter_of_the_request_is_met_as_well(race: Race) -> None:
    """Section 5.2: the intersection."""
    assert cells(race.shown("long", "&filterByFormula=%7BLength%7D<103"), "Length") == [102, 101, 100]
    assert race.shown("long", "&filterByFormula=%7BLength%7D<100") == []
    assert len(race.shown("long", "&filterByFormula=")) == 30


def test_a_sort_of_the_request_comes_before_the_order_of_the_view(race: Race) -> None:
    """Section 5.2."""
    assert cells(race.shown("long", "&sort[0][field]=Length"), "Length") == list(range(100, 130))


@pytest.mark.parametrize("view", ["all", "sorted", "long"])
def test_pages_of_a_view_go_on_in_its_order(race: Race, view: str) -> None:
    """Section 5.2: each record once; bounded by maxRecords."""
    whole = race.every(view)
    assert race.every(view, "&pageSize=7") == whole and len({record["id"] for record in whole}) == len(whole)
    assert race.every(view, "&pageSize=7&maxRecords=17") == whole[:17]
    assert race.every(view, "&pageSize=9&fields[]=Boat") == [{**record, "fields": {"Boat": record["fields"]["Boat"]}} for record in whole]


def test_records_enter_and_leave_a_view_with_their_cells(race: Race) -> None:
    """Section 5.2: computed ones, too."""
    one = race.shown("long")[0]["id"]
    race.good("PATCH", f"{PATH}/{one}", {"fields": {"Length": 1}})
    new = race.good("POST", PATH, {"fields": {"Boat": "New", "Length": 115.5}})
    lengths = cells(race.shown("long"), "Length")
    assert lengths == sorted(lengths, reverse=True) and 115.5 in lengths and 129 not in lengths and len(lengths) == 30
    race.good("DELETE", f"{PATH}/{new['id']}")
    assert len(race.shown("long")) == 29 and race.shown("crewed") == []
    race.good("POST", f"/v0/{RACE}/{CREWS}", {"fields": {"Name": "Ada", "Sails": [one]}})
    assert [record["id"] for record in race.shown("crewed")] == [one], "by a write to another table"


def test_a_view_follows_its_fields_and_not_their_names(race: Race) -> None:
    """Section 10: a field that is renamed; section 15: names are aliases."""
    before = [record["id"] for record in race.shown("long")]
    race.good("PATCH", f"/v0/meta/bases/{RACE}/tables/{BOATS}/fields/{ident('fld', 'Length')}", {"name": "Metres"})
    assert [record["id"] for record in race.shown("long")] == before


def test_filters_and_sorts_are_not_told_of(race: Race) -> None:
    """Section 10: a view's metadata has neither."""
    for view in race.good("GET", f"/v0/meta/bases/{RACE}/tables")["tables"][0]["views"]:
        assert set(view) == {"id", "name", "type"}


def test_the_client_reads_views(race: Race) -> None:
    """Section 14.1."""
    boats = Api(TOKEN, endpoint_url=race.url).table(RACE, "Boats")
    assert [record["fields"]["Length"] for record in boats.all(view="The long", page_size=8)] == list(range(129, 99, -1))
    assert boats.first(view="The long", sort=["Length"])["fields"]["Length"] == 100


def test_entering_and_leaving_a_view_are_told_as_creation_and_destruction(race: Race) -> None:
    """Section 11.4."""
    hook, (short, long) = race.hook("long"), (ident("rec", "Boat000"), race.shown("long")[0]["id"])
    race.good("PATCH", f"{PATH}/{short}", {"fields": {"Length": 120.5}})
    race.good("PATCH", f"{PATH}/{long}", {"fields": {"Length": 3}})
    race.good("PATCH", f"{PATH}/{short}", {"fields": {"Length": 121}})
    race.good("PATCH", f"{PATH}/{long}", {"fields": {"Length": 4}})
    race.good("PATCH", f"{PATH}/{short}", {"fields": {"Boat": "Renamed"}})
    race.good("DELETE", f"{PATH}/{short}")
    entered, left, changed, renamed, gone = race.told(hook, "long")
    assert set(entered) == {"createdRecordsById"} and entered["createdRecordsById"][short]["cellValuesByFieldId"][ident("fld", "Length")] == 120.5
    assert entered["createdRecordsById"][short]["createdTime"] == "2024-01-01T00:00:00.000Z"
    assert left == {"destroyedRecordIds": [long]} and gone == {"destroyedRecordIds": [short]}
    assert changed == {"changedRecordsById": {short: {"current": {"cellValuesByFieldId": {ident("fld", "Length"): 121}}}}}
    assert renamed == {"changedRecordsById": {short: {"current": {"cellValuesByFieldId": {ident("fld", "Boat"): "Renamed"}}}}}


def test_entering_by_a_write_to_another_table_is_told(race: Race) -> None:
    """Section 11.4: a computed cell may decide."""
    hook, one = race.hook("crewed"), ident("rec", "Boat007")
    crew = race.good("POST", f"/v0/{RACE}/{CREWS}", {"fields": {"Name": "Ada", "Sails": [one]}})
    race.good("DELETE", f"/v0/{RACE}/{CREWS}/{crew['id']}")
    entered, left = race.told(hook, "crewed")
    assert set(entered["createdRecordsById"]) == {one} and left == {"destroyedRecordIds": [one]}


@pytest.mark.parametrize(("path", "spoil"), [
    ("views[1].filterByFormula", lambda view: view.update(filterByFormula="{Length} >=")),
    ("views[1].filterByFormula", lambda view: view.update(filterByFormula="{Nope} > 1")),
    ("views[1].filterByFormula", lambda view: view.update(filterByFormula="SHOUT({Boat})")),
    ("views[1].sort[0]", lambda view: view.update(sort=[{"field": "Nope"}])),
    ("views[1].sort[0]", lambda view: view.update(sort=[{"field": "Length", "direction": "up"}])),
    ("views[1].sort", lambda view: view.update(sort="Length")),
])
def test_seeds_with_views_that_are_wrong(tmp_path: Path, path: str, spoil: Callable[[dict], object]) -> None:
    seed = copy.deepcopy(SEED)
    spoil(seed["bases"][0]["tables"][0]["views"][1])
    done = check(tmp_path, json.dumps(seed))
    said = done.stdout + done.stderr
    assert done.returncode != 0 and f"bases[0].tables[0].{path}" in said and "panicked" not in said, said
