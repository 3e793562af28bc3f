"""Files attached by their URLs, as Airtable answers before it has fetched them (sections 3.3, 5.5 and 7.1 of its reference)."""

import re

import pytest
from pyairtable import Api
from pyairtable.orm import Model, fields

from harbour import FULL, HARBOUR, SHIPS, ident
from wire import SHIPS_PATH, Wire

SOURCE = "https://harbour.test/papers/crew%20list.pdf?page=2#top"
ATTACHMENT_ID = re.compile(r"^att[A-Za-z0-9]{14}$")


def papers(record: dict) -> list[dict]:
    return record["fields"].get("Papers", [])


def test_a_url_becomes_an_attachment(wire: Wire) -> None:
    """Section 7.1: at once with an id, the URL as given, and a name."""
    made = papers(wire.ship(Ship="Pia", Papers=[{"url": SOURCE}]))
    assert len(made) == 1 and ATTACHMENT_ID.match(made[0]["id"])
    assert made[0]["url"] == SOURCE and made[0]["filename"]
    assert set(made[0]) <= {"id", "url", "filename", "size", "type"}


@pytest.mark.parametrize(("url", "name"), [("https://harbour.test/a/plan.png", "plan.png"), ("https://harbour.test/plan.png?x=1", "plan.png"), ("http://harbour.test/plan", "plan")])
def test_its_name_is_the_last_part_of_the_path(wire: Wire, url: str, name: str) -> None:
    """Section 7.1: unless one is given."""
    one, other = papers(wire.ship(Papers=[{"url": url}, {"url": url, "filename": "Ünser Plan.png"}]))
    assert (one["filename"], other["filename"]) == (name, "Ünser Plan.png") and one["id"] != other["id"]


def test_the_list_replaces_the_cell(wire: Wire) -> None:
    """Sections 5.5 and 7.1: what is named by its id stays; order is as written; what is not named goes."""
    ship = wire.ship(Papers=[{"url": f"https://harbour.test/{number}"} for number in range(3)])
    path, (first, second, third) = f"{SHIPS_PATH}/{ship['id']}", papers(ship)
    mixed = papers(wire.good("PATCH", path, {"fields": {"Papers": [{"id": third["id"]}, {"url": "https://harbour.test/new"}, {"id": first["id"]}]}}))
    assert [paper["id"] for paper in mixed if paper["url"] != "https://harbour.test/new"] == [third["id"], first["id"]]
    assert mixed[1]["url"] == "https://harbour.test/new" and mixed[1]["id"] not in {first["id"], second["id"], third["id"]}
    assert papers(wire.good("PATCH", path, {"fields": {"Ship": "Pia"}})) == mixed
    assert papers(wire.good("PATCH", path, {"fields": {"Papers": []}})) == []


def test_what_was_read_can_be_written_back(wire: Wire) -> None:
    """Section 7.1: whole objects; the id decides, all else is passed over."""
    ship = wire.ship(Papers=[{"url": "https://harbour.test/1"}, {"url": "https://harbour.test/2"}])
    again = wire.good("PATCH", f"{SHIPS_PATH}/{ship['id']}", {"fields": {"Papers": list(reversed(papers(ship)))}})
    assert papers(again) == list(reversed(papers(ship)))


@pytest.mark.parametrize("wrong", [[{}], [{"url": "data:text/plain,hello"}], [{"url": ""}], [{"url": "harbour.test/x"}], [{"url": "ftp://harbour.test/x"}], [{"url": 5}], [{"id": ident("att", "Nowhere")}], [{"filename": "x"}]])
def test_what_is_no_attachment(wire: Wire, wrong: object) -> None:
    """Section 3.3: neither a URL that can be fetched nor a known id."""
    wire.refused(422, "INVALID_ATTACHMENT_OBJECT", "POST", SHIPS_PATH, {"fields": {"Papers": wrong}})
    assert wire.good("GET", SHIPS_PATH) == {"records": []}


@pytest.mark.parametrize("wrong", ["https://harbour.test/x", {"url": "https://harbour.test/x"}, [5], True])
def test_a_value_of_another_kind(wire: Wire, wrong: object) -> None:
    """Section 7: a list of objects, unless typecast."""
    answer = wire.ask("POST", SHIPS_PATH, {"fields": {"Papers": wrong}})
    assert answer.status_code == 422 and answer.json()["error"]["type"] in ("INVALID_VALUE_FOR_COLUMN", "INVALID_ATTACHMENT_OBJECT")


def test_the_attachment_of_another_record_is_not_for_a_new_one(wire: Wire) -> None:
    """Section 7.1: on create its id is refused; its URL is not."""
    (paper,) = papers(wire.ship(Papers=[{"url": "https://harbour.test/1"}]))
    wire.refused(422, "INVALID_ATTACHMENT_OBJECT", "POST", SHIPS_PATH, {"fields": {"Papers": [{"id": paper["id"]}]}})
    (copy,) = papers(wire.ship(Papers=[{"url": paper["url"], "filename": paper["filename"]}]))
    assert copy["id"] != paper["id"]


def test_typecast_makes_attachments_of_text(wire: Wire) -> None:
    """Section 5.8."""
    made = wire.good("POST", SHIPS_PATH, {"fields": {"Papers": "https://harbour.test/1.png"}, "typecast": True})
    assert [paper["url"] for paper in papers(made)] == ["https://harbour.test/1.png"]
    several = {"fields": {"Papers": ["https://harbour.test/1.png", {"url": "https://harbour.test/2.png"}]}, "typecast": True}
    assert [paper["filename"] for paper in papers(wire.good("POST", SHIPS_PATH, several))] == ["1.png", "2.png"]


class Ship(Model):
    ship = fields.SingleLineTextField("Ship")
    papers = fields.AttachmentsField("Papers")

    class Meta:
        api_key, base_id, table_name = FULL, HARBOUR, SHIPS


def test_attachments_of_the_mapper(wire: Wire) -> None:
    """Section 14.1: a saved cell has the URL it was given, before anything was fetched."""
    Ship.meta.api = Api(FULL, endpoint_url=wire.url)
    ship = Ship(ship="Pia", papers=[{"url": SOURCE, "filename": "list.pdf"}])
    ship.save()
    assert ship.papers[0]["url"] == SOURCE and ATTACHMENT_ID.match(Ship.from_id(ship.id).papers[0]["id"])
    ship.fetch()
    ship.papers.append({"url": "https://harbour.test/2"})
    ship.save()
    assert [paper["filename"] for paper in Ship.from_id(ship.id).papers] == ["list.pdf", "2"]
    ship.papers = []
    ship.save()
    assert Ship.from_id(ship.id).papers == []
