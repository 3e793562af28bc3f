"""Fields that are only read, corner cases of formulas, and a long list of bases (sections 5, 7 and 10)."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests

import yard as y
from conftest import start_emulator
from harbour import ADA, ident
from services import Service
from wire import CREATED_TIME, Wire, cells

PARTS, TOOLS = f"/v0/{y.YARD}/{y.PARTS}", f"/v0/{y.YARD}/{y.TOOLS}"


class Yard(Wire):
    def ask(self, method: str, path: str, body: object = None, key: str | None = y.TOKEN, **more: object):  # noqa: ANN201
        return super().ask(method, path, body, key, **more)

    def part(self, record: str = "", **fields: object) -> dict:
        if record:
            return self.good("GET", f"{PARTS}/{record}")["fields"]
        return self.good("POST", PARTS, {"fields": fields})["fields"]


@pytest.fixture(scope="module")
def service_of_yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start_emulator(tmp_path_factory.mktemp("yard"), seed=y.SEED)
    yield service
    service.stop()


@pytest.fixture
def yard(service_of_yard: Service) -> Yard:
    requests.post(f"{service_of_yard.url}/__emulator/reset", json={"data": True}, timeout=10).raise_for_status()
    return Yard(service_of_yard.url)


@pytest.mark.parametrize(("over", "under", "ratio"), [(0, 0, "NaN"), (3, 0, "Infinity"), (-3, 0, "-Infinity")])
def test_numbers_that_are_none_have_a_form_of_their_own(yard: Yard, over: int, under: int, ratio: str) -> None:
    """Section 7.2."""
    assert yard.part(Over=over, Under=under)["Ratio"] == {"specialValue": ratio}
    assert yard.part(Over=over, Under=2).get("Ratio") == over / 2


def test_a_lookup_of_errors_is_a_list_of_them(yard: Yard) -> None:
    """Section 7.2."""
    assert yard.part(y.SCREW)["Fault"] == {"error": "#ERROR!"}
    assert yard.good("GET", f"{TOOLS}/{y.HAMMER}")["fields"]["Part faults"] == [{"error": "#ERROR!"}] * 2


def test_a_lookup_of_lists_is_one_flat_list(yard: Yard) -> None:
    """Section 7: the linked cells' values, in the order of the links; 0 is a value."""
    hammer = yard.good("GET", f"{TOOLS}/{y.HAMMER}")["fields"]
    assert (hammer["Part kinds"], hammer["Part overs"]) == (["B", "A", "A"], [0, 3])
    saw = yard.good("GET", f"{TOOLS}/{y.SAW}")["fields"]
    assert saw == {"Tool": "Saw"}


def test_texts_of_a_model_buttons_and_sources_are_read_as_they_are(yard: Yard) -> None:
    """Section 7: aiText, button, externalSyncSource."""
    cells_of_screw = yard.part(y.SCREW)
    assert (cells_of_screw["Draft"], cells_of_screw["Open"], cells_of_screw["Source"]) == (y.DRAFT, y.OPEN, "Upstream")


def test_the_field_of_the_order_by_hand_has_null_for_options(yard: Yard) -> None:
    """Section 7, notes: as recorded; its cells are text."""
    fields = next(table for table in yard.good("GET", f"/v0/meta/bases/{y.YARD}/tables")["tables"] if table["id"] == y.PARTS)["fields"]
    assert [field for field in fields if field["name"] == "Place"] == [{"id": ident("fld", "Place"), "name": "Place", "type": "manualSort", "options": None}]
    assert yard.part(y.SCREW)["Place"] == "a0"


def test_formulas_give_values_of_several_kinds(yard: Yard) -> None:
    """Section 7: text, numbers, times."""
    bolt = yard.part(y.BOLT)
    assert bolt["Words"] == "Bolt no. 3" and bolt["Truth"] in (1, True) and bolt["Day"] in ("2024-03-02", "2024-03-02T00:00:00.000Z")
    assert yard.part(y.SCREW).get("Truth") in (0, None, False), "section 2: false is empty, 0 is not"
    assert yard.part(y.SCREW)["Kinds of it"] in ("B, A", ["B", "A"])


@pytest.mark.parametrize("name", ["Draft", "Open", "Source", "Place", "Born", "Over touched", "Ratio"])
def test_they_are_not_written(yard: Yard, name: str) -> None:
    """Section 7, column RO."""
    error = {"type": "INVALID_VALUE_FOR_COLUMN", "message": f'Field "{name}" cannot accept a value because the field is computed'}
    yard.refused(422, error, "PATCH", f"{PARTS}/{y.SCREW}", {"fields": {name: "x"}})


def test_a_time_of_creation_may_be_a_day(yard: Yard) -> None:
    """Section 7: a date or a moment, as `result` says."""
    assert (yard.part(y.SCREW)["Born"], yard.part(y.BOLT)["Born"]) == ("2022-02-03", "2022-02-04")


def test_a_time_of_change_may_watch_one_field(yard: Yard) -> None:
    """Section 7: `referencedFieldIds`; a change of another field does not move it."""
    made = yard.good("POST", PARTS, {"fields": {"Part": "Nut", "Over": 1}})
    path = f"{PARTS}/{made['id']}"
    first = made["fields"]["Over touched"]
    assert CREATED_TIME.match(first)
    assert yard.good("PATCH", path, {"fields": {"Part": "Wing nut"}})["fields"]["Over touched"] == first
    assert yard.good("PATCH", path, {"fields": {"Over": 2}})["fields"]["Over touched"] >= first


def test_attachments_are_kept_by_their_id(yard: Yard) -> None:
    """Section 7.1: the list replaces the cell; a whole object as it was read counts by its id; an unknown id is refused."""
    made = y.DRAWINGS
    assert yard.part(y.SCREW)["Drawings"] == made
    path = f"{PARTS}/{y.SCREW}"
    turned = yard.good("PATCH", path, {"fields": {"Drawings": [{"id": made[1]["id"]}, {"id": made[0]["id"]}]}})
    assert turned["fields"]["Drawings"] == made[::-1]
    whole = yard.good("PATCH", path, {"fields": {"Drawings": made}})
    assert whole["fields"]["Drawings"] == made
    one = yard.good("PATCH", path, {"fields": {"Drawings": [{"id": made[0]["id"], "filename": "plan.png"}]}})
    assert one["fields"]["Drawings"] == made[:1]
    for wrong in ([{"id": ident("att", "Nope")}], [{}], [{"filename": "a.txt"}], [{"url": "data:text/plain,x"}], [{"url": ""}]):
        yard.refused(422, "INVALID_ATTACHMENT_OBJECT", "PATCH", path, {"fields": {"Drawings": wrong}})
    assert yard.part(y.SCREW)["Drawings"] == made[:1]


def test_an_attachment_of_another_record_is_not_taken_by_its_id(yard: Yard) -> None:
    """Section 7.1: on create it must be given by its url."""
    body = {"fields": {"Part": "Washer", "Drawings": [{"id": y.DRAWINGS[0]["id"]}]}}
    yard.refused(422, "INVALID_ATTACHMENT_OBJECT", "POST", PARTS, body)


def test_a_duration_has_fractions(yard: Yard) -> None:
    """Section 7: seconds."""
    assert yard.part(Time=61.234)["Time"] == 61.234


def test_without_view_and_sort_records_come_by_their_ids(yard: Yard) -> None:
    """Section 5.2, observed on five tables."""
    ids = [record["id"] for record in yard.good("GET", TOOLS)["records"]]
    assert ids == sorted(ids) == [y.HAMMER, y.SAW]


def test_hidden_or_not_a_view_gives_every_cell(yard: Yard) -> None:
    """Section 5.2."""
    found = yard.good("GET", f"{TOOLS}?view=Every")["records"]
    assert {record["id"]: record for record in found}[y.HAMMER] == yard.good("GET", f"{TOOLS}/{y.HAMMER}")


def test_errors_and_special_numbers_can_be_filtered_and_sorted(yard: Yard) -> None:
    """Section 6: an error or NaN keeps no record."""
    assert yard.good("GET", f"{PARTS}?filterByFormula=%7BFault%7D")["records"] == []
    found = yard.good("GET", f"{PARTS}?filterByFormula={quote('ISERROR({Fault})')}&sort[0][field]=Ratio")["records"]
    assert {y.SCREW, y.BOLT} <= {record["id"] for record in found}
    assert y.SCREW not in {record["id"] for record in yard.good("GET", f"{PARTS}?filterByFormula=%7BRatio%7D")["records"]}


def test_a_thousand_bases_fit_on_a_page(yard: Yard) -> None:
    """Sections 4 and 10: the offset is an iterator and the next base."""
    first = yard.good("GET", "/v0/meta/bases")
    assert len(first["bases"]) == 1000
    iterator, base = first["offset"].split("/")
    assert (iterator[:3], len(iterator), base[:3], len(base)) == ("itr", 17, "app", 17)
    second = yard.good("GET", f"/v0/meta/bases?offset={quote(first['offset'], safe='')}")
    assert set(second) == {"bases"} and second["bases"][0]["id"] == base
    names = [base["name"] for base in first["bases"] + second["bases"]]
    assert len(names) == len(set(names)) == 1006


def test_dependencies_between_dates_make_objects_of_links(yard: Yard) -> None:
    """Section 5.2: `includeDateDependencyMetadata` in listings and single reads."""
    listed = yard.good("GET", f"{TOOLS}?includeDateDependencyMetadata=true&filterByFormula=Tool%3D'Hammer'")["records"]
    posted = yard.good("POST", f"{TOOLS}/listRecords", {"includeDateDependencyMetadata": True, "filterByFormula": "Tool='Hammer'"})["records"]
    single = yard.good("GET", f"{TOOLS}/{y.HAMMER}?includeDateDependencyMetadata=true")
    assert [link["id"] for link in single["fields"]["Uses"]] == [y.SCREW, y.BOLT]
    assert listed == posted == [single]
    assert yard.good("GET", f"{TOOLS}/{y.HAMMER}?includeDateDependencyMetadata=false")["fields"]["Uses"] == [y.SCREW, y.BOLT]


def test_the_options_of_fields_that_are_only_read(yard: Yard) -> None:
    """Section 7: as they were seeded."""
    parts = next(table for table in yard.good("GET", f"/v0/meta/bases/{y.YARD}/tables")["tables"] if table["id"] == y.PARTS)
    options = {field["name"]: field.get("options") for field in parts["fields"]}
    assert options["Draft"]["prompt"] == ["Praise ", {"field": {"fieldId": ident("fld", "Part")}}]
    assert options["Source"] == y.SOURCES and options["Time"] == {"durationFormat": "h:mm:ss.SSS"}
    assert options["Open"] is None and ADA == yard.good("GET", "/v0/meta/whoami")["id"]


def test_addresses_are_measured_to_the_letter(yard: Yard) -> None:
    """Section 4: shorter than 16,000 characters."""
    def padded(length: int) -> str:
        start = f"{TOOLS}?filterByFormula=LEN('"
        return start + "x" * (length - len(yard.url) - len(start) - 2) + "')"

    assert cells(yard.good("GET", padded(15_900))["records"], "Tool") == ["Hammer", "Saw"]
    assert 400 <= yard.ask("GET", padded(16_100)).status_code < 500


def test_webhooks_tell_cells_that_are_only_read(yard: Yard) -> None:
    """Section 7, column V2, and section 7.2: choices of a source, lookups by record, errors and numbers that are none."""
    hooks = f"/v0/bases/{y.YARD}/webhooks"
    asked = {"options": {"filters": {"dataTypes": ["tableData"]}, "includes": {"includeCellValuesInFieldIds": "all"}}}
    hook = yard.good("POST", hooks, {"specification": asked})["id"]
    yard.good("PATCH", f"{PARTS}/{y.SCREW}", {"fields": {"Part": "Fine screw"}})
    yard.good("PATCH", f"{TOOLS}/{y.HAMMER}", {"fields": {"Tool": "Big hammer"}})
    told: dict = {}
    for payload in yard.good("GET", f"{hooks}/{hook}/payloads")["payloads"]:
        for changes in payload["changedTablesById"].values():
            for record, change in changes.get("changedRecordsById", {}).items():
                told.setdefault(record, {}).update({**change.get("unchanged", {}).get("cellValuesByFieldId", {}), **change["current"]["cellValuesByFieldId"]})

    def cell(record: str, name: str) -> object:
        return told[record][ident("fld", name)]

    assert cell(y.SCREW, "Source") == y.SOURCES["choices"][0]
    assert (cell(y.SCREW, "Draft"), cell(y.SCREW, "Open")) == (y.DRAFT, y.OPEN)
    assert (cell(y.SCREW, "Ratio"), cell(y.SCREW, "Fault")) == ({"specialValue": "NaN"}, {"error": "#ERROR!"})
    assert [choice["name"] for choice in cell(y.SCREW, "Kinds")] == ["B", "A"] and cell(y.SCREW, "Born") == "2022-02-03"
    assert [drawing["id"] for drawing in cell(y.SCREW, "Drawings")] == [drawing["id"] for drawing in y.DRAWINGS]
    assert cell(y.SCREW, "Usedby") == [{"id": y.HAMMER, "name": "Big hammer"}] or cell(y.SCREW, "Usedby") == [{"id": y.HAMMER, "name": "Hammer"}]
    for name, values in (("Partfaults", {y.SCREW: [{"error": "#ERROR!"}], y.BOLT: [{"error": "#ERROR!"}]}), ("Partovers", {y.SCREW: [0], y.BOLT: [3]})):
        lookup = cell(y.HAMMER, name)
        assert lookup["linkedRecordIds"] == [y.SCREW, y.BOLT] and lookup["valuesByLinkedRecordId"] == values, name
    assert [choice["name"] for choice in cell(y.HAMMER, "Partkinds")["valuesByLinkedRecordId"][y.SCREW]] == ["B", "A"]
