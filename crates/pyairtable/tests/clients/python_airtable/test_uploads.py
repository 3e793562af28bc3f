"""Uploads at their edges: names, kinds and sizes of files, many at once, what becomes of them (sections 1, 4, 7.1 and 8 of Airtable's reference)."""

from __future__ import annotations

import base64
import json
import socket
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import pytest
import requests

from conftest import start_emulator
from harbour import ADA, ALL_SCOPES, FULL, HARBOUR, NO_LIMITS, SHIPS, USERS, field, ident
from services import Service
from wire import SHIPS_PATH, Wire

PAPERS = ident("fld", "Papers")
SHELF, ODD_NAME = ident("app", "Shelf"), "Files / 50% & (all) ü?"


def upload_path(record: str) -> str:
    return f"/v0/{HARBOUR}/{record}/{PAPERS}/uploadAttachment"


def body(content: bytes = b"hello", name: str = "a.txt", kind: str = "text/plain") -> dict:
    return {"contentType": kind, "filename": name, "file": base64.b64encode(content).decode()}


def png(width: int, height: int) -> bytes:
    """As much of a picture as is needed to measure it."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def upload(wire: Wire, record: str, content: bytes = b"hello", name: str = "a.txt", kind: str = "text/plain", **more: object) -> list[dict]:
    return wire.good("POST", upload_path(record), body(content, name, kind), **more)["fields"][PAPERS]


@pytest.fixture(scope="module")
def service_of_shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    things = {
        "id": ident("tbl", "Shelf"), "name": "Shelf", "primaryFieldId": ident("fld", "Thing"),
        "fields": [field("Thing", "singleLineText"), {**field("Files", "multipleAttachments", {"isReversed": False}), "name": ODD_NAME}],
        "views": [{"id": ident("viw", "Shelf"), "name": "Grid", "type": "grid"}], "records": [{"id": ident("rec", "Shelf"), "createdTime": "2024-01-01T00:00:00.000Z", "fields": {"Thing": "x"}}],
    }
    seed = {
        "bases": [{"id": SHELF, "name": "Shelf", "permissionLevel": "create", "tables": [things]}], "users": USERS, "limits": NO_LIMITS,
        "tokens": [{"token": FULL, "scopes": ALL_SCOPES, "bases": "*", "user": ADA}],
    }
    service = start_emulator(tmp_path_factory.mktemp("shelf"), seed=seed)
    yield service
    service.stop()


def test_a_field_is_named_by_its_escaped_name(service_of_shelf: Service) -> None:
    """Sections 1 and 8: decoded after the path was split; the answer is keyed by the field's id all the same."""
    answer = Wire(service_of_shelf.url).good("POST", f"/v0/{SHELF}/{ident('rec', 'Shelf')}/{quote(ODD_NAME, safe='')}/uploadAttachment", body())
    assert set(answer) == {"id", "createdTime", "fields"} and list(answer["fields"]) == [ident("fld", "Files")]


def test_the_host_of_uploads_is_taken(wire: Wire) -> None:
    """Section 1: `content.airtable.com`, in the header and in an address of absolute form, as a proxy gets it."""
    ship = wire.ship()["id"]
    where, sent = urlsplit(wire.url), json.dumps(body()).encode()
    for target in (upload_path(ship), f"http://content.airtable.com{upload_path(ship)}"):
        head = f"POST {target} HTTP/1.1\r\nHost: content.airtable.com\r\nAuthorization: Bearer {FULL}\r\nContent-Type: application/json\r\nContent-Length: {len(sent)}\r\nConnection: close\r\n\r\n"
        with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
            connection.sendall(head.encode() + sent)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    assert len(wire.unpaced.good("GET", f"{SHIPS_PATH}/{ship}")["fields"]["Papers"]) == 2


def test_a_file_of_five_megabytes_and_not_one_byte_more(wire: Wire) -> None:
    """Sections 4 and 8: decoded; the limit is a setting."""
    ship, bound = wire.ship()["id"], 5 * 1024 * 1024
    (paper,) = upload(wire, ship, b"x" * bound)
    assert paper["size"] == bound
    assert wire.ask("POST", upload_path(ship), body(b"x" * (bound + 1))).status_code in (413, 422)
    wire.limit(maxUploadBytes=10)
    assert wire.ask("POST", upload_path(ship), body(b"x" * 11)).status_code in (413, 422)
    assert len(upload(wire, ship, b"x" * 10)) == 2


@pytest.mark.parametrize("encoded", ["aGVs\nbG8=\n", "aGVs bG8=", " aGVsbG8=\r\n", "\taGVsbG8="])
def test_white_space_in_base64_is_passed_over(wire: Wire, encoded: str) -> None:
    """Section 8: pyairtable breaks its lines."""
    (paper,) = wire.good("POST", upload_path(wire.ship()["id"]), {**body(), "file": encoded})["fields"][PAPERS]
    assert paper["size"] == 5 and requests.get(paper["url"], timeout=10).content == b"hello"


@pytest.mark.parametrize("encoded", ["aGVsbG8", "aGVsbG8==", "aGVs*G8=", "=", "aGVsbG8=aGVs", "äöü", "a"])
def test_what_is_no_base64_is_refused(wire: Wire, encoded: str) -> None:
    """Section 8; padding that is missing may be forgiven."""
    ship = wire.ship()["id"]
    answer = wire.ask("POST", upload_path(ship), {**body(), "file": encoded})
    assert answer.status_code == 422 or (encoded == "aGVsbG8" and answer.status_code == 200), answer.text


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b\\c.txt", "a\r\nX-Evil: 1.txt", 'q"uote\';.txt', "ünï 🚢.txt", "x" * 255, ".", "con", "a\u0000b", "<script>.html", "%2e%2e%2f"])
def test_names_of_files_are_only_names(wire: Wire, name: str) -> None:
    """Refused, or kept as they came, and nothing leaks into the head of an answer."""
    ship = wire.ship()["id"]
    answer = wire.ask("POST", upload_path(ship), body(b"hello", name))
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        (paper,) = answer.json()["fields"][PAPERS]
        read = requests.get(paper["url"], timeout=10)
        assert read.content == b"hello" and "x-evil" not in read.headers and "\n" not in read.headers.get("content-disposition", "")


@pytest.mark.parametrize("kind", ["text/html\r\nX-Evil: 1", "text/html", "nonsense", "", "image/png; q=\"", "ü/ü", "text/plain\u0000"])
def test_kinds_of_files_are_only_kinds(wire: Wire, kind: str) -> None:
    """Section 8."""
    answer = wire.ask("POST", upload_path(wire.ship()["id"]), body(b"<b>hello</b>", "a.html", kind))
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        (paper,) = answer.json()["fields"][PAPERS]
        read = requests.get(paper["url"], timeout=10)
        assert read.content == b"<b>hello</b>" and "x-evil" not in read.headers and read.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("missing", ["contentType", "filename", "file"])
def test_all_three_are_required(wire: Wire, missing: str) -> None:
    """Section 8."""
    wire.refused(422, "INVALID_REQUEST_UNKNOWN", "POST", upload_path(wire.ship()["id"]), {key: value for key, value in body().items() if key != missing})


def test_many_uploads_at_once_are_all_there(wire: Wire) -> None:
    """Section 8: each answer has its own file last; none is lost."""
    ship = wire.ship()["id"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: upload(wire, ship, str(number).encode(), f"{number}.txt"), range(24)))
    assert sorted(papers[-1]["filename"] for papers in answers) == sorted(f"{number}.txt" for number in range(24))
    assert sorted(map(len, answers)) == list(range(1, 25))
    last = wire.unpaced.good("GET", f"{SHIPS_PATH}/{ship}")["fields"]["Papers"]
    assert {requests.get(paper["url"], timeout=10).text for paper in last} == {str(number) for number in range(24)}


def test_images_are_measured_and_others_are_not(wire: Wire) -> None:
    """Section 7.1: small is 36 high, large fits 512, full up to 3000."""
    ship = wire.ship()["id"]
    upload(wire, ship, png(4000, 1000), "wide.png", "image/png")
    upload(wire, ship, b"\x89PNG\r\n\x1a\nbroken", "broken.png", "image/png")
    wide, broken = upload(wire, ship, b"GIF89a" + bytes([9, 0, 7, 0]) + bytes(20), "a.gif", "image/gif")[:2]
    assert (wide["width"], wide["height"]) == (4000, 1000)
    shapes = {name: (thumbnail["width"], thumbnail["height"]) for name, thumbnail in wide["thumbnails"].items()}
    assert shapes == {"small": (144, 36), "large": (512, 128), "full": (3000, 750)}
    assert "width" not in broken and "thumbnails" not in broken


def test_a_url_says_nothing_to_who_guesses(wire: Wire) -> None:
    """Section 4: only what was issued opens the file."""
    first, second = (upload(wire, wire.ship()["id"], text)[0]["url"] for text in (b"first", b"second"))
    one, other = urlsplit(first), urlsplit(second)
    assert requests.get(first, timeout=10).text == "first"
    for path, query in ((one.path, ""), (one.path, other.query), (other.path, one.query), (one.path[:-1], one.query)):
        if (path, query) in ((one.path, one.query), (other.path, other.query)):
            continue
        answer = requests.get(f"{one.scheme}://{one.netloc}{path}?{query}", timeout=10)
        assert answer.status_code in (400, 401, 403, 404, 410) and "first" not in answer.text and "second" not in answer.text
    assert requests.post(first, timeout=10).status_code in (403, 404, 405)


def test_files_come_back_with_a_snapshot(wire: Wire) -> None:
    """And with the URLs that are issued then."""
    emulator = wire.unpaced
    ship = emulator.good("POST", SHIPS_PATH, {"fields": {"Ship": "Pia"}})["id"]
    upload(emulator, ship, bytes(range(256)) * 100, "all.bin", "application/octet-stream")
    taken = requests.get(f"{emulator.url}/__emulator/snapshot", timeout=20)
    assert base64.b64encode(bytes(range(256)) * 100).decode() in taken.text
    emulator.own("POST", "reset", {"data": True})
    assert requests.put(f"{emulator.url}/__emulator/snapshot", data=taken.content, headers={"Content-Type": "application/json"}, timeout=20).ok
    (paper,) = emulator.good("GET", f"/v0/{HARBOUR}/{SHIPS}/{ship}")["fields"]["Papers"]
    assert requests.get(paper["url"], timeout=10).content == bytes(range(256)) * 100
    again = requests.get(f"{emulator.url}/__emulator/snapshot", timeout=20)
    assert again.content == taken.content
