"""Files that the emulated Airtable has: uploaded, fetched from this machine, read (sections 5.1, 7.1, 8 and 14.1 of Airtable's reference)."""

from __future__ import annotations

import base64
import http.server
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from pyairtable import Api
from pyairtable.orm import Model, fields

from conftest import start_emulator
from harbour import FULL, HARBOUR, OF_BO, READ, ROLES, SEED, SHIPS, SHIPS_NAME, ident
from services import Service, free_port
from wire import SHIPS_PATH, Wire

PAPERS = ident("fld", "Papers")
TWO_HOURS = 2 * 60 * 60
PATIENCE_SECONDS = 20.0


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = zlib.compress((b"\0" + b"\x7f" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PICTURE = png(1200, 600)
FILES = {"/plan.png": ("image/png", PICTURE), "/crew%20list.txt": ("text/plain; charset=utf-8", "Ünal, Bo\n".encode()), "/empty": ("application/octet-stream", b"")}


class Files(http.server.BaseHTTPRequestHandler):
    """A server of this machine that files are fetched from. `/to/N/PATH` redirects N times."""

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            _, _, times, path = self.path.split("/", 3)
            self.send_response(302)
            self.send_header("Location", f"/to/{int(times) - 1}/{path}" if int(times) > 1 else f"/{path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path in FILES:
            kind, content = FILES[self.path]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def source() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(scope="module")
def fetching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = start_emulator(tmp_path_factory.mktemp("fetching"), "--attachment-sources", "loopback")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def door(fetching: Service, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where Airtable is called: the emulator, or a gateway before it."""
    if not request.config.getoption("--through-gateway"):
        yield fetching.url
        return
    folder = tmp_path_factory.mktemp("door")
    settings = dict(AIRTABLE_API_URL=fetching.url, AIRTABLE_TOKEN=FULL, GATEWAY_PASSTHROUGH="true", DATA_DIR=str(folder / "data"), PACING="off")
    running = Service.start("airtable-gateway", folder, [], AIRTABLE_GATEWAY_LISTEN=f"127.0.0.1:{free_port()}", **settings)
    yield running.url
    running.stop()


@dataclass
class Place:
    """`wire` and `api` go through the door; `past` goes past it, as somebody else does."""

    wire: Wire
    past: Wire
    api: Api

    def papers(self, record: str) -> list[dict]:
        return self.wire.ask("GET", f"{SHIPS_PATH}/{record}").json()["fields"].get("Papers", [])

    def fetched(self, record: str, count: int) -> list[dict]:
        """The attachments once there are so many and each has its file. Read past the cache of a gateway, which cannot know."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            papers = self.past.good("GET", f"{SHIPS_PATH}/{record}")["fields"].get("Papers", [])
            if len(papers) == count and all("size" in paper for paper in papers):
                return papers
            assert time.monotonic() < deadline, papers
            time.sleep(0.02)

    def turn_clock(self, **how: object) -> None:
        requests.put(f"{self.past.url}/__emulator/clock", json=how, timeout=10).raise_for_status()


@pytest.fixture
def place(fetching: Service, door: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """pyairtable finds the emulator as a proxy: its uploads go to Airtable's host for them, whatever its endpoint is."""
    requests.post(f"{fetching.url}/__emulator/reset", json={"data": True}, timeout=10).raise_for_status()
    monkeypatch.setenv("http_proxy", door)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Place(Wire(door), Wire(fetching.url), Api(FULL, endpoint_url=door))
    yield made


def upload_path(record: str, field: str = PAPERS, base: str = HARBOUR) -> str:
    return f"/v0/{base}/{record}/{field}/uploadAttachment"


def body(content: bytes = b"hello", name: str = "a.txt", kind: str = "text/plain") -> dict:
    return {"contentType": kind, "filename": name, "file": base64.b64encode(content).decode()}


def test_upload_by_path_and_of_bytes(place: Place, tmp_path: Path) -> None:
    """Sections 8 and 14.1: the answer has the cell only, by its field's id, the new file last."""
    ships = place.api.table(HARBOUR, SHIPS_NAME)
    ship = ships.create({"Ship": "Pia"})
    file = tmp_path / "crew list.png"
    file.write_bytes(PICTURE)
    first = ships.upload_attachment(ship["id"], "Papers", file)
    assert (first["id"], first["createdTime"], list(first["fields"])) == (ship["id"], ship["createdTime"], [PAPERS])
    big = bytes(range(256)) * 4096
    second = ships.upload_attachment(ship["id"], PAPERS, "Ünser Lager.bin", big, content_type="application/x-lager; v=1")
    papers = second["fields"][PAPERS]
    assert [paper["filename"] for paper in papers] == ["crew list.png", "Ünser Lager.bin"] and papers[0]["id"] == first["fields"][PAPERS][0]["id"]
    assert (papers[0]["type"], papers[0]["size"], papers[0]["width"], papers[0]["height"]) == ("image/png", len(PICTURE), 1200, 600)
    assert papers[1]["size"] == len(big) and not {"width", "height", "thumbnails"} & set(papers[1])
    for read in (papers, ships.get(ship["id"])["fields"]["Papers"]):
        assert [requests.get(paper["url"], timeout=10).content for paper in read] == [PICTURE, big]


def test_all_of_pyairtable_through_a_proxy(place: Place) -> None:
    """Section 14.1: with Airtable's own names, which only the proxy can be reached by."""
    ships = Api(FULL, endpoint_url="http://api.airtable.com").table(HARBOUR, SHIPS)
    ship = ships.create({"Ship": "Pia"})
    assert ships.get(ship["id"])["fields"]["Ship"] == "Pia"
    ships.upload_attachment(ship["id"], "Papers", "a.txt", "hello")
    (paper,) = ships.get(ship["id"])["fields"]["Papers"]
    assert paper["size"] == 5 and "airtable.com" not in paper["url"]
    assert requests.get(paper["url"], timeout=10).text == "hello"


class Ship(Model):
    ship = fields.SingleLineTextField("Ship")
    papers = fields.AttachmentsField("Papers")

    class Meta:
        api_key, base_id, table_name = FULL, HARBOUR, SHIPS


def test_attachments_of_the_mapper(place: Place, source: str) -> None:
    """Sections 7.1 and 14.1: the URL as it was given until the file is there, then Airtable's; read objects keep their files."""
    Ship.meta.api = place.api
    ship = Ship(ship="Pia", papers=[{"url": f"{source}/plan.png"}])
    ship.save()
    assert ship.papers[0]["url"] == f"{source}/plan.png"
    place.fetched(ship.id, 1)
    ship.papers.upload("notes.txt", "hello")
    assert [paper["filename"] for paper in ship.papers] == ["plan.png", "notes.txt"]
    ship.fetch()
    plan, notes = ship.papers
    assert plan["url"] != f"{source}/plan.png" and plan["thumbnails"]["small"]["height"] == 36
    assert (requests.get(plan["url"], timeout=10).content, requests.get(notes["url"], timeout=10).text) == (PICTURE, "hello")
    ship.papers = [notes, plan]
    ship.save()
    again = Ship.from_id(ship.id).papers
    assert [paper["id"] for paper in again] == [notes["id"], plan["id"]] and requests.get(again[1]["url"], timeout=10).content == PICTURE


def test_files_of_this_machine_are_fetched(place: Place, source: str) -> None:
    """Section 7.1: at once what was written; later the file, its size and kind, and for images sizes and thumbnails."""
    urls = [f"{source}/plan.png", f"{source}/crew%20list.txt?page=2", f"{source}/to/3/empty"]
    urls[1] = f"{source}/crew%20list.txt"
    ship = place.wire.ship(Papers=[{"url": url} for url in urls])
    assert "details" not in ship
    at_once = ship["fields"]["Papers"]
    assert [(set(paper), paper["url"]) for paper in at_once] == [({"id", "url", "filename"}, url) for url in urls]
    plan, crew, empty = place.fetched(ship["id"], 3)
    assert [paper["id"] for paper in (plan, crew, empty)] == [paper["id"] for paper in at_once]
    assert (plan["filename"], plan["type"], plan["size"], plan["width"], plan["height"]) == ("plan.png", "image/png", len(PICTURE), 1200, 600)
    assert (crew["filename"], crew["type"], empty["size"]) == ("crew list.txt", "text/plain", 0)
    assert not {"width", "height", "thumbnails"} & (set(crew) | set(empty))
    shapes = {name: (small["width"], small["height"]) for name, small in plan["thumbnails"].items()}
    assert shapes["small"] == (72, 36) and shapes["full"] == (1200, 600) and shapes["large"][0] == 2 * shapes["large"][1]
    assert all(requests.get(thumbnail["url"], timeout=10).status_code == 200 for thumbnail in plan["thumbnails"].values())
    answer = requests.get(crew["url"], timeout=10)
    assert (answer.content, answer.headers["content-type"]) == FILES["/crew%20list.txt"][::-1]


def test_what_cannot_be_fetched_disappears(place: Place, source: str) -> None:
    """Section 7.1: silently, and the rest of the cell stays."""
    nowhere = f"http://127.0.0.1:{free_port()}/x"
    ship = place.wire.ship(Papers=[{"url": url} for url in (f"{source}/missing", f"{source}/plan.png", nowhere, f"{source}/to/4/plan.png")])
    assert len(ship["fields"]["Papers"]) == 4
    assert [paper["filename"] for paper in place.fetched(ship["id"], 1)] == ["plan.png"]


def test_what_is_known_to_fail_is_said_at_once(place: Place, source: str) -> None:
    """Section 5.1: `details` beside a record, and beside a batch of them; the record is written."""
    details = {"message": "partialSuccess", "reasons": ["attachmentsFailedUploading"]}
    bad = {"url": source.replace("http:", "https:") + "/plan.png"}
    ship = place.wire.ship(Ship="Pia", Papers=[bad])
    assert ship["details"] == details and ship["fields"]["Ship"] == "Pia"
    assert place.fetched(ship["id"], 0) == []
    batch = place.wire.good("PATCH", SHIPS_PATH, {"records": [{"id": ship["id"], "fields": {"Papers": [bad, {"url": f"{source}/plan.png"}]}}]})
    assert batch["details"] == details
    place.fetched(ship["id"], 1)


def test_a_file_is_copied_by_its_url(place: Place) -> None:
    """Section 7.1: an attachment of another record is given by its URL, and is a file of its own then."""
    ship = place.wire.ship()
    (paper,) = place.wire.good("POST", upload_path(ship["id"]), body(PICTURE, "plan.png", "image/png"))["fields"][PAPERS]
    other = place.wire.ship(Papers=[{"url": paper["url"]}])
    (copy,) = place.fetched(other["id"], 1)
    assert copy["id"] != paper["id"] and (copy["filename"], copy["width"]) == ("plan.png", 1200)
    place.wire.good("DELETE", f"{SHIPS_PATH}/{ship['id']}")
    assert requests.get(copy["url"], timeout=10).content == PICTURE
    assert requests.get(paper["url"], timeout=10).status_code == 404


def test_urls_end_after_two_hours(place: Place) -> None:
    """Section 4: counted from the answer that had them; the next answer has new ones."""
    ship = place.wire.ship()
    (paper,) = place.wire.good("POST", upload_path(ship["id"]), body())["fields"][PAPERS]
    try:
        place.turn_clock(advanceSeconds=TWO_HOURS - 60)
        assert requests.get(paper["url"], timeout=10).text == "hello"
        (again,) = place.past.good("GET", f"{SHIPS_PATH}/{ship['id']}")["fields"]["Papers"]
        assert again["url"] != paper["url"]
        place.turn_clock(advanceSeconds=120)
        assert requests.get(paper["url"], timeout=10).status_code == 410
        assert requests.get(again["url"], timeout=10).text == "hello"
    finally:
        requests.delete(f"{place.past.url}/__emulator/clock", timeout=10)


def test_files_are_read_without_a_token_whole_or_in_parts(place: Place) -> None:
    ship = place.wire.ship()
    page = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    (paper,) = place.wire.good("POST", upload_path(ship["id"]), body(page, "ü\".svg", "image/svg+xml; charset=utf-8"))["fields"][PAPERS]
    answer = requests.get(paper["url"], timeout=10)
    assert (answer.content, answer.headers["content-type"]) == (page, "image/svg+xml; charset=utf-8")
    assert answer.headers["x-content-type-options"] == "nosniff" and "sandbox" in answer.headers["content-security-policy"]
    assert "filename*=UTF-8''%C3%BC%22.svg" in answer.headers["content-disposition"]
    head = requests.head(paper["url"], timeout=10)
    assert (head.content, head.headers["content-length"], head.headers["content-type"]) == (b"", str(len(page)), answer.headers["content-type"])
    for asked, part in (("0-3", page[:4]), ("5-", page[5:]), ("-7", page[-7:])):
        some = requests.get(paper["url"], headers={"Range": f"bytes={asked}"}, timeout=10)
        assert (some.status_code, some.content) == (206, part) and some.headers["content-range"].endswith(f"/{len(page)}")
    beyond = requests.get(paper["url"], headers={"Range": "bytes=1000-"}, timeout=10)
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(page)}")
    assert requests.get(paper["url"] + "x", timeout=10).status_code == 403


def test_uploads_that_are_refused(place: Place) -> None:
    """Sections 3.3, 8 and 13: parameters first, then what may be seen, the role, and the field."""
    wire, ship = place.wire, place.wire.ship(Ship="Pia")["id"]
    for wrong in ({}, {**body(), "file": "no base64!"}, {**body(), "filename": 5}, {**body(), "contentType": "x" * 256}, {**body(), "more": 1}):
        wire.refused(422, "INVALID_REQUEST_UNKNOWN", "POST", upload_path(ship), wrong)
    assert wire.ask("POST", upload_path(ship), body(b"x" * (5 * 1024 * 1024 + 1))).status_code == 413
    wire.refused(404, "NOT_FOUND", "POST", upload_path("recX"), body())
    wire.refused(404, "MODEL_ID_NOT_FOUND", "POST", upload_path(ident("rec", "Nowhere")), body())
    wire.refused(422, "UNKNOWN_FIELD_NAME", "POST", upload_path(ship, "Nothing"), body())
    wire.refused(422, "INVALID_VALUE_FOR_COLUMN", "POST", upload_path(ship, "Log"), body())
    wire.refused(422, "INVALID_VALUE_FOR_COLUMN", "POST", upload_path(ship, "Twice"), body())
    wire.refused(401, "AUTHENTICATION_REQUIRED", "POST", upload_path(ship), body(), key="patNobody.x")
    hidden = "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"
    wire.refused(403, hidden, "POST", upload_path(ship), body(), key=READ)
    wire.refused(403, hidden, "POST", upload_path(ship, base=ident("app", "Nowhere")), body())
    wire.refused(403, "INVALID_PERMISSIONS", "POST", upload_path(ident("rec", "Markcomment"), "Mark", ROLES["comment"]), body())
    assert place.papers(ship) == []
    assert wire.ask("POST", upload_path(ship), {**body(), "contentType": "x" * 255}, key=OF_BO).status_code == 200


def test_an_upload_is_an_edit_and_webhooks_tell_of_it(place: Place) -> None:
    """Sections 7 and 11.4: times of change follow, and the payload's attachment can be read."""
    wire, ship = place.wire, place.wire.ship(Ship="Pia")
    specification = {"options": {"filters": {"dataTypes": ["tableData"]}}}
    hook = wire.good("POST", f"/v0/bases/{HARBOUR}/webhooks", {"specification": specification})
    wire.good("POST", upload_path(ship["id"]), body(), key=OF_BO)
    record = place.past.good("GET", f"{SHIPS_PATH}/{ship['id']}")
    assert record["fields"]["Toucher"]["name"] == "Bo Bilge" and record["fields"]["Touched"] >= ship["fields"]["Touched"]
    payloads = wire.good("GET", f"/v0/bases/{HARBOUR}/webhooks/{hook['id']}/payloads")["payloads"]
    assert len(payloads) == 1
    (paper,) = payloads[0]["changedTablesById"][SHIPS]["changedRecordsById"][ship["id"]]["current"]["cellValuesByFieldId"][PAPERS]
    assert {"id", "url", "filename", "size", "type"} <= set(paper)
    assert requests.get(paper["url"], timeout=10).text == "hello"


def test_texts_of_attachments_hold_name_and_url(place: Place) -> None:
    """Section 5.2: every cell becomes a display string."""
    ship = place.wire.ship()
    place.wire.good("POST", upload_path(ship["id"]), body())
    text = place.wire.ask("GET", f"{SHIPS_PATH}/{ship['id']}?cellFormat=string&timeZone=utc&userLocale=en").json()["fields"]["Papers"]
    name, url = text.removesuffix(")").split(" (")
    assert name == "a.txt" and requests.get(url, timeout=10).text == "hello"


def test_a_killed_emulator_has_every_file_that_it_acknowledged(tmp_path: Path) -> None:
    running = start_emulator(tmp_path, "--data", "bases.sqlite")
    wire = Wire(running.url)
    ship = wire.ship()
    contents = [bytes([number]) * 1000 for number in range(5)]
    for number, content in enumerate(contents):
        papers = wire.good("POST", upload_path(ship["id"]), body(content, f"{number}"))["fields"][PAPERS]
    wire.good("PATCH", f"{SHIPS_PATH}/{ship['id']}", {"fields": {"Papers": [{"id": paper["id"]} for paper in papers[1:]]}})
    listen = running.url.removeprefix("http://")
    running.process.kill()
    running.process.wait()
    settings = {"AIRTABLE_EMULATOR_LISTEN": listen, "DATA_DIR": str(tmp_path / "data")}
    running = Service.start("airtable-emulator", tmp_path, ["--seed", str(tmp_path / "seed.json"), "--data", "bases.sqlite"], **settings)
    try:
        again = wire.good("GET", f"{SHIPS_PATH}/{ship['id']}")["fields"]["Papers"]
        assert [requests.get(paper["url"], timeout=10).content for paper in again] == contents[1:]
        assert requests.get(papers[1]["url"], timeout=10).content == contents[1], "also by the URL from before"
    finally:
        running.stop()


def test_seeded_files(tmp_path: Path) -> None:
    """Attachments of a seed: with their bytes, or with a URL that stays."""
    kept = {"id": ident("att", "Kept"), "filename": "plan.png"}
    there = {"id": ident("att", "There"), "url": "https://harbour.test/there.pdf", "filename": "there.pdf", "size": 7, "type": "application/pdf"}
    seed = {**SEED, "bases": [*SEED["bases"]], "files": [{"attachment": kept["id"], "type": "image/png", "content": base64.b64encode(PICTURE).decode()}]}
    ships = {**seed["bases"][0]["tables"][0], "records": [{"id": ident("rec", "Seeded"), "createdTime": "2023-01-01T00:00:00.000Z", "fields": {"Papers": [kept, there]}}]}
    seed["bases"][0] = {**seed["bases"][0], "tables": [ships, *seed["bases"][0]["tables"][1:]]}
    running = start_emulator(tmp_path, seed=seed)
    try:
        plan, other = Wire(running.url).good("GET", f"{SHIPS_PATH}/{ident('rec', 'Seeded')}")["fields"]["Papers"]
        assert (plan["id"], plan["type"], plan["size"], plan["width"]) == (kept["id"], "image/png", len(PICTURE), 1200)
        assert requests.get(plan["url"], timeout=10).content == PICTURE and other == there
    finally:
        running.stop()
