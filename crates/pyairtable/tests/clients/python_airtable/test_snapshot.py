"""The whole state as a seed, and back: no answer of the API is another afterwards."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from conftest import start_emulator
from harbour import ADA, BERTHS, BO, CRATES, EAST, FULL, HARBOUR, NORTH, OF_BO, QUAY
from hooks import HOOKS, Hook
from services import Service
from test_model import random_cells
from test_seeds import check
from wire import BERTHS_PATH, CRATES_PATH, SHIPS_PATH, Wire

TABLES = f"/v0/meta/bases/{HARBOUR}/tables"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Another emulator, which knows nothing yet."""
    running = start_emulator(tmp_path_factory.mktemp("empty"), seed={"bases": [], "users": [{"id": "usrNobody00000000", "email": "nobody@harbour.test", "name": "Nobody"}], "tokens": []})
    yield running
    running.stop()


def snapshot(wire: Wire) -> bytes:
    answer = requests.get(f"{wire.admin or wire.url}/__emulator/snapshot", timeout=30)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/json")
    return answer.content


def restore(url: str, seed: bytes) -> requests.Response:
    return requests.put(f"{url}/__emulator/snapshot", data=seed, headers={"Content-Type": "application/json"}, timeout=30)


def everything(wire: Wire) -> dict:
    """What the API tells, as far as it tells it of its own accord."""
    told: dict = {path: wire.good("GET", path) for path in ("/v0/meta/bases", "/v0/meta/whoami")}
    for base in (HARBOUR, QUAY):
        tables = wire.good("GET", f"/v0/meta/bases/{base}/tables?include=visibleFieldIds")
        told[base] = tables
        for table in tables["tables"]:
            path = f"/v0/{base}/{table['id']}"
            for query in ("recordMetadata[]=commentCount", "cellFormat=string&timeZone=utc&userLocale=en", f"view={table['views'][0]['id']}" if table["views"] else "maxRecords=1"):
                told[f"{path}?{query}"] = wire.good("GET", f"{path}?pageSize=100&{query}")["records"]
    told["comments"] = wire.good("GET", f"{BERTHS_PATH}/{EAST}/comments")
    told["hooks"] = wire.good("GET", HOOKS)["webhooks"]
    for hook in told["hooks"]:
        told[hook["id"]] = wire.good("GET", f"{HOOKS}/{hook['id']}/payloads")
    return told


def live(wire: Wire, dice: random.Random) -> None:
    """All sorts of things happen."""
    Hook.create(wire, "tableData", "tableFields", includes={"includePreviousCellValues": True})
    ships = [wire.ship(Ship=f"s{number}", Crew=number, Flag=dice.choice(["Panama", "Malta", None]), Berths=dice.sample([NORTH, EAST], 2), Mates=[ADA, BO])["id"] for number in range(6)]
    wire.good("DELETE", f"{SHIPS_PATH}/{ships[5]}")
    wire.good("PATCH", f"{SHIPS_PATH}/{ships[2]}", {"fields": {"Crew": 40, "Papers": [{"url": "https://harbour.test/a.png"}]}}, key=OF_BO)
    wire.good("POST", SHIPS_PATH, {"fields": {"Flag": "Peru", "Cargo": ["Salt"]}, "typecast": True})
    for _ in range(15):
        wire.good("POST", CRATES_PATH, {"fields": random_cells(dice)})
    made = wire.good("POST", f"{BERTHS_PATH}/{EAST}/comments", {"text": f"Ask @[{BO}]"})
    wire.good("POST", f"{BERTHS_PATH}/{EAST}/comments", {"text": "Yes", "parentCommentId": made["id"]}, key=OF_BO)
    wire.good("PATCH", f"{BERTHS_PATH}/{EAST}/comments/{made['id']}", {"text": "Never mind"})
    wire.good("POST", f"{TABLES}/{BERTHS}/fields", {"name": "Double", "type": "formula", "options": {"formula": "{Depth}*2"}})
    wire.good("POST", f"{TABLES}/{CRATES}/fields", {"name": "Stands at", "type": "multipleRecordLinks", "options": {"linkedTableId": BERTHS}})
    wire.good("PATCH", f"{TABLES}/{CRATES}", {"name": "Boxes / all", "description": "what stands about"})


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_another_after_it_was_taken_and_restored(wire: Wire, empty: Service, seed: int) -> None:
    wire = wire.unpaced
    live(wire, random.Random(seed))
    taken, before = snapshot(wire), everything(wire)
    assert restore(empty.url, taken).ok
    other = Wire(empty.url)
    assert snapshot(other) == taken, "byte for byte"
    assert everything(other) == before
    ships = [emulator.good("POST", SHIPS_PATH, {"fields": {"Ship": "next"}}) for emulator in (wire, other)]
    assert ships[0]["fields"]["No"] == ships[1]["fields"]["No"]


def test_a_snapshot_is_a_seed(wire: Wire, tmp_path: Path) -> None:
    live(wire.unpaced, random.Random(9))
    taken = snapshot(wire)
    done = check(tmp_path, taken.decode())
    assert done.returncode == 0, done.stdout + done.stderr
    service = start_emulator(tmp_path / "again", seed=json.loads(taken))
    try:
        assert json.loads(snapshot(Wire(service.url)))["bases"] == json.loads(taken)["bases"]
        assert everything(Wire(service.url)) == everything(wire.unpaced)
    finally:
        service.stop()


def test_state_goes_back_to_what_it_was(wire: Wire) -> None:
    """A restore undoes all that came after; tokens that are not in it are none any more."""
    wire = wire.unpaced
    taken, before = snapshot(wire), everything(wire)
    live(wire, random.Random(4))
    assert everything(wire) != before
    assert restore(wire.url, taken).ok
    assert everything(wire) == before and wire.good("GET", HOOKS) == {"webhooks": []}
    assert wire.ask("GET", BERTHS_PATH, key="patUnknown.x").status_code == 401 and wire.ask("GET", BERTHS_PATH, key=FULL).status_code == 200


@pytest.mark.parametrize("wrong", [b"", b"{", b"[]", b'{"basis": []}', b'{"bases": 5}'])
def test_what_is_no_snapshot_changes_nothing(wire: Wire, wrong: bytes) -> None:
    wire = wire.unpaced
    before = everything(wire)
    answer = restore(wire.url, wrong)
    assert answer.status_code == 422 and "panicked" not in answer.text
    seed = json.loads(snapshot(wire))
    seed["bases"][0]["tables"][1]["records"][0]["fields"]["Depth"] = "deep"
    seed["bases"][0]["tables"][1]["fields"][1]["type"] = "colour"
    answer = restore(wire.url, json.dumps(seed).encode())
    assert answer.status_code == 422 and "bases[0].tables[1]" in answer.text, answer.text
    assert everything(wire) == before


def test_a_snapshot_is_taken_while_others_write(wire: Wire) -> None:
    """Each batch is in it whole or not at all, on both sides of its links."""
    wire, done = wire.unpaced, threading.Event()

    def write() -> None:
        for number in range(40):
            wire.good("POST", SHIPS_PATH, {"records": [{"fields": {"Ship": f"{number}", "Berths": [EAST]}}] * 5})
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    counts = []
    while not done.is_set() and writer.is_alive():
        tables = json.loads(snapshot(wire))["bases"][0]["tables"]
        counts.append(len(tables[0]["records"]))
    writer.join()
    assert done.is_set() and all(count % 5 == 0 for count in counts) and counts == sorted(counts)
