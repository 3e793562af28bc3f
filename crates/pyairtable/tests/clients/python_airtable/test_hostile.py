"""What no client of good faith sends, and what happens at the same moment: nothing breaks, nothing is half done."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from conftest import start_emulator
from harbour import EAST, FULL, NORTH, SHIP_FIELDS
from wire import BERTHS_PATH, CRATES_PATH, SHIPS_PATH, Wire, cells

STRANGE = [10**400, -1, 1e308, {"a": {"b": {}}}, [[[]]], [None], "\u0000", "\ud83d\ude80\u200d\u0301", "x" * 50_000, {"error": "#ERROR!"}, {"specialValue": "NaN"}, [""], {"id": None}, [{"id": "usr"}], {"url": "data:text/plain,x"}, [{"url": "data:text/plain,x"}], "9999-99-99", "0000-00-00", "-000001-01-01", "+275760-09-14T00:00:00Z"]


def send(wire: Wire, method: str, path: str, data: bytes) -> requests.Response:
    return requests.request(method, wire.url + path, data=data, headers={"Authorization": f"Bearer {FULL}", "Content-Type": "application/json"}, timeout=30)


@pytest.mark.parametrize("field", [field["name"] for field in SHIP_FIELDS])
def test_no_value_breaks_a_field(wire: Wire, field: str) -> None:
    """Taken or refused, with and without typecast; what was taken can be listed, sorted and shown as text."""
    for value in STRANGE:
        for typecast in (False, True):
            answer = send(wire, "POST", SHIPS_PATH, json.dumps({"fields": {field: value}, "typecast": typecast}).encode())
            assert answer.status_code in (200, 403, 404, 422), (field, repr(value)[:60], answer.status_code, answer.text[:200])
            assert "error" in answer.json() or answer.json()["id"]
    for query in (f"sort[0][field]={field}", "cellFormat=string&timeZone=utc&userLocale=en", f"filterByFormula={{{field}}}%26''"):
        wire.good("GET", f"{SHIPS_PATH}?{query}")


def test_a_number_that_is_too_large_is_refused(wire: Wire) -> None:
    """It could not be answered as JSON."""
    for number in (b"1e999", b"-1e999"):
        assert send(wire, "POST", BERTHS_PATH, b'{"fields":{"Depth":' + number + b"}}").status_code in (400, 422)


def test_deep_nesting_is_refused(wire: Wire) -> None:
    for open_, close in ((b"[", b"]"), (b'{"a":', b"1}")):
        data = b'{"fields":{"Berth":' + open_ * 50_000 + (b"1" if open_ == b"[" else b"") + close * 50_000 + b"}}"
        answer = send(wire, "POST", BERTHS_PATH, data)
        assert 400 <= answer.status_code < 500, answer.text[:200]
    formula = "(" * 5000 + "1" + ")" * 5000
    wire.refused(422, "INVALID_FILTER_BY_FORMULA", "POST", f"{BERTHS_PATH}/listRecords", {"filterByFormula": formula})


def test_a_huge_body_is_refused(wire: Wire) -> None:
    """Section 3.2: 413."""
    data = b'{"fields":{"Log":"' + b"x" * (40 << 20) + b'"}}'
    try:
        assert send(wire, "POST", SHIPS_PATH, data).status_code == 413
    except requests.ConnectionError:
        pass  # closed while the client was still sending
    assert wire.good("GET", SHIPS_PATH) == {"records": []}


def test_the_same_key_twice_and_half_a_surrogate(wire: Wire) -> None:
    twice = send(wire, "POST", BERTHS_PATH, b'{"fields":{"Depth":1,"Depth":2}}')
    assert twice.status_code in (200, 422)
    for data in (b'{"fields":{"Berth":"\\ud800"}}', b'{"fields":{"Berth":"\xed\xa0\x80"}}'):
        assert send(wire, "POST", BERTHS_PATH, data).status_code in (400, 422), data


def test_one_field_by_name_and_by_id(wire: Wire) -> None:
    answer = wire.ask("POST", BERTHS_PATH, {"fields": {"Depth": 1, "fldDepth000000000": 2}})
    assert answer.status_code in (200, 422)


def test_names_are_told_apart_by_their_characters(wire: Wire) -> None:
    """Composed and decomposed, with what is not seen: no normal form is made of what was written."""
    for name in ("é", "e\u0301", "a\u200bb", " padded ", "\u202egnirts", "line\u2028two", "tab\tnull\u0001"):
        made = wire.good("POST", BERTHS_PATH, {"fields": {"Berth": name}})
        assert wire.good("GET", f"{BERTHS_PATH}/{made['id']}")["fields"]["Berth"] == name, repr(name)


@pytest.mark.parametrize("path", ["/v0/%00/x", "/v0/%ff%fe/x", f"{CRATES_PATH}?filterByFormula=%ff", f"{CRATES_PATH}?fields[a][b]=1", f"{CRATES_PATH}?sort[99999999999999999999][field]=Mark", f"{CRATES_PATH}?sort[0]=Mark", f"{CRATES_PATH}?sort[0][direction]=asc", f"{CRATES_PATH}?pageSize=99999999999999999999", "/v0//", "/v0/../../etc/passwd", f"{CRATES_PATH}%2F..%2Fx"])
def test_strange_addresses_are_refused(wire: Wire, path: str) -> None:
    status = wire.ask("GET", path).status_code
    assert 400 <= status < 500, (path, status)


def test_a_cut_connection_writes_all_or_nothing(wire: Wire) -> None:
    """Half a body is no request; a request whose answer nobody reads is one."""
    where = urlsplit(wire.url)
    body = json.dumps({"fields": {"Berth": "cut"}}).encode()
    head = f"POST {BERTHS_PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {FULL}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for _ in range(10):
        with socket.create_connection((where.hostname, where.port), timeout=5) as connection:
            connection.sendall(head + body[:-3])
    assert len(wire.good("GET", BERTHS_PATH)["records"]) == 3
    with socket.create_connection((where.hostname, where.port), timeout=5) as connection:
        connection.sendall(head + body)
        connection.recv(1)
    assert cells(wire.good("GET", f"{BERTHS_PATH}?filterByFormula=Berth%3D'cut'")["records"], "Berth") == ["cut"]


def test_two_clients_at_one_record_lose_nothing(wire: Wire) -> None:
    """Updates of different fields of one record at the same time: both stand."""
    ship = wire.ship()
    path, start = f"{SHIPS_PATH}/{ship['id']}", threading.Barrier(2)

    def write(field: str) -> None:
        start.wait()
        for number in range(1, 41):
            wire.good("PATCH", path, {"fields": {field: number}})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ("Crew", "Tonnage")))
    fields = wire.good("GET", path)["fields"]
    assert (fields["Crew"], fields["Tonnage"], fields["Twice"]) == (40, 40, 80)


def test_upserts_at_the_same_time_create_one(wire: Wire) -> None:
    body = {"records": [{"fields": {"Berth": "only one"}}], "performUpsert": {"fieldsToMergeOn": ["Berth"]}}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: wire.good("PATCH", BERTHS_PATH, body), range(40)))
    assert sum(len(answer["createdRecords"]) for answer in answers) == 1
    assert len({answer["records"][0]["id"] for answer in answers}) == 1


def test_links_stay_equal_on_both_sides_under_concurrent_writes(wire: Wire) -> None:
    ships = [wire.ship(Ship=str(number))["id"] for number in range(6)]

    def write(number: int) -> None:
        if number % 2:
            wire.good("PATCH", f"{SHIPS_PATH}/{ships[number % 6]}", {"fields": {"Berths": [[NORTH], [EAST], [NORTH, EAST], []][number % 4]}})
        else:
            wire.good("PATCH", f"{BERTHS_PATH}/{(NORTH, EAST)[number % 4 // 2]}", {"fields": {"Moored": ships[: number % 5]}})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(120)))
    forth = {(ship["id"], berth) for ship in wire.good("GET", SHIPS_PATH)["records"] for berth in ship["fields"].get("Berths", [])}
    back = {(ship, berth["id"]) for berth in wire.good("GET", BERTHS_PATH)["records"] for ship in berth["fields"].get("Moored", [])}
    assert forth == back


def test_a_batch_is_seen_whole_or_not_at_all(wire: Wire) -> None:
    ids = [record["id"] for record in wire.good("POST", BERTHS_PATH, {"records": [{"fields": {"Berth": "pair", "Depth": 0}}] * 10})["records"]]
    done = threading.Event()

    def write() -> None:
        for number in range(1, 30):
            wire.good("PATCH", BERTHS_PATH, {"records": [{"id": record, "fields": {"Depth": number}} for record in ids]})
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    mixed = 0
    while not done.is_set() and writer.is_alive():
        depths = cells(wire.ask("GET", f"{BERTHS_PATH}?filterByFormula=Berth%3D'pair'").json()["records"], "Depth")
        mixed += len(set(depths)) != 1
    writer.join()
    assert done.is_set() and mixed == 0


def test_a_killed_emulator_comes_back_with_every_acknowledged_write(tmp_path: Path) -> None:
    """With `--data FILE`: writers run while it is killed; whatever was answered is there afterwards, whole."""
    file = str(tmp_path / "bases.sqlite")
    service = start_emulator(tmp_path, "--data", file)
    wire, acknowledged, enough = Wire(service.url), [], threading.Event()

    def write(worker: int) -> None:
        for number in range(10_000):
            names = [f"{worker}-{number}-{part}" for part in range(5)]
            try:
                answer = wire.ask("POST", SHIPS_PATH, {"records": [{"fields": {"Ship": name, "Berths": [EAST]}} for name in names]})
                assert answer.status_code == 200
                acknowledged.extend(answer.json()["records"])
            except requests.RequestException:
                return
            if len(acknowledged) > 150:
                enough.set()

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    assert enough.wait(60)
    service.process.kill()
    for worker in workers:
        worker.join(30)
    again = start_emulator(tmp_path, "--data", file)
    try:
        wire = Wire(again.url)
        found, offset = {}, ""
        while True:
            page = wire.good("GET", f"{SHIPS_PATH}?offset={offset.replace('/', '%2F')}")
            found.update({record["id"]: record for record in page["records"]})
            offset = page.get("offset", "")
            if not offset:
                break
        for record in acknowledged:
            assert found[record["id"]] == record
        assert len(found) % 5 == 0, "half a batch"
        assert set(wire.good("GET", f"{BERTHS_PATH}/{EAST}")["fields"]["Moored"]) == set(found)
        assert wire.ship()["fields"]["No"] > max(record["fields"]["No"] for record in found.values())
    finally:
        again.stop()
