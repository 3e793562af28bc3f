"""With `--data`: what an emulator has answered before it was killed is so when it is back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

import test_oauth_rules as o
from conftest import start_emulator
from harbour import BERTHS, EAST, HARBOUR, SEED, SHIPS, ident
from hooks import HOOKS, Hook
from services import Service
from test_replay import listed
from wire import BERTHS_PATH, SHIPS_PATH, UNAUTHENTICATED, Wire

TABLES = f"/v0/meta/bases/{HARBOUR}/tables"


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts the emulator on one file, again and again; whatever ran before is killed."""
    running: list[Service] = []

    def start(seed: dict = SEED) -> Service:
        if running:
            running[-1].process.kill()
            running[-1].process.wait()
        running.append(start_emulator(tmp_path, "--data", str(tmp_path / "bases.sqlite"), seed=seed))
        return running[-1]

    yield start
    if running:
        running[-1].stop()


def test_structure_and_comments_are_kept(life: Callable[..., Service]) -> None:
    wire = Wire(life().url)
    made = wire.good("POST", TABLES, {"name": "Cranes", "fields": [{"name": "Crane", "type": "singleLineText"}]})
    wire.good("POST", f"{TABLES}/{BERTHS}/fields", {"name": "Twice", "type": "formula", "options": {"formula": "{Depth}*2"}})
    wire.good("PATCH", f"{TABLES}/{BERTHS}/fields/{ident('fld', 'Depth')}", {"name": "Draught"})
    base = wire.good("POST", "/v0/meta/bases", {"name": "New", "workspaceId": ident("wsp", "Sea"), "tables": [{"name": "T", "fields": [{"name": "N", "type": "singleLineText"}]}]})
    wire.good("POST", f"/v0/{base['id']}/T", {"fields": {"N": "kept"}})
    comment = wire.good("POST", f"{BERTHS_PATH}/{EAST}/comments", {"text": "kept"})
    before = wire.good("GET", TABLES)
    wire = Wire(life().url)
    assert wire.good("GET", TABLES) == before and made in before["tables"]
    assert wire.good("GET", f"{BERTHS_PATH}/{EAST}")["fields"] == {"Berth": "Berth East", "Draught": 3, "Twice": 6}
    assert wire.good("GET", f"/v0/{base['id']}/T")["records"][0]["fields"] == {"N": "kept"}
    assert wire.good("GET", f"{BERTHS_PATH}/{EAST}/comments")["comments"] == [comment]


def test_grants_are_kept_and_codes_stay_used(life: Callable[..., Service]) -> None:
    """Section 13.2."""
    port = o.Port(life(o.SEED).url)
    used, unused, lost = o.Pair(), o.Pair(), o.Pair()
    codes = [port.code(pair=pair) for pair in (used, unused, lost)]
    made = port.exchange(codes[0], used).json()
    port.exchange(codes[2], lost, code_verifier="x" * 64)
    turned = port.refresh(port.grant()["refresh_token"]).json()
    port = o.Port(life(o.SEED).url)
    for token in (made, turned):
        assert port.reads(token["access_token"])
    for code, pair in ((codes[0], used), (codes[2], lost)):
        o.failed(port.exchange(code, pair), 400, "invalid_grant")
    assert port.exchange(codes[1], unused).status_code in (200, 400)
    again = port.refresh(turned["refresh_token"]).json()
    port = o.Port(life(o.SEED).url)
    assert port.reads(again["access_token"]) and port.refresh(turned["refresh_token"]).status_code in (400, 409)
    port.refused(401, UNAUTHENTICATED, "GET", o.THINGS, key=turned["access_token"])


def test_a_restored_snapshot_is_kept(life: Callable[..., Service]) -> None:
    wire = Wire(life().url)
    ship = wire.ship(Ship="Pia", Berths=[EAST])
    taken = requests.get(f"{wire.url}/__emulator/snapshot", timeout=20).content
    wire.good("DELETE", f"{SHIPS_PATH}/{ship['id']}")
    wire.ship(Ship="Quinn")
    assert requests.put(f"{wire.url}/__emulator/snapshot", data=taken, headers={"Content-Type": "application/json"}, timeout=20).ok
    wire = Wire(life().url)
    assert wire.good("GET", SHIPS_PATH)["records"] == [ship]


def test_a_reset_is_kept(life: Callable[..., Service]) -> None:
    wire = Wire(life().url)
    wire.ship(Ship="Pia")
    wire.own("POST", "reset", {"data": True})
    wire = Wire(life().url)
    assert wire.good("GET", SHIPS_PATH) == {"records": []}


def test_webhooks_are_kept_with_every_payload_of_an_acknowledged_write(life: Callable[..., Service]) -> None:
    """Section 11: secrets, numbers, filters; writers run while it is killed."""
    wire = Wire(life().url)
    hook, off = Hook.create(wire, url="https://harbour.test/x", includes={"includePreviousCellValues": True}), Hook.create(wire, url="https://harbour.test/y")
    gone = Hook.create(wire)
    wire.good_or_empty("DELETE", gone.path)
    wire.good_or_empty("POST", f"{off.path}/enableNotifications", {"enable": False})
    acknowledged: list[str] = []
    enough = threading.Event()

    def write(worker: int) -> None:
        for number in range(10_000):
            try:
                answer = wire.ask("POST", SHIPS_PATH, {"fields": {"Ship": f"{worker}-{number}"}})
                assert answer.status_code == 200
                acknowledged.append(answer.json()["id"])
            except requests.RequestException:
                return
            if len(acknowledged) > 60:
                enough.set()

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    assert enough.wait(60)
    url = life().url
    for worker in workers:
        worker.join(30)
    again = Wire(url)
    told = {found["id"]: found for found in again.good("GET", HOOKS)["webhooks"]}
    assert set(told) == {hook.id, off.id} and told[off.id]["areNotificationsEnabled"] is False and told[hook.id]["areNotificationsEnabled"] is True
    hook.wire = again
    payloads = hook.payloads()
    created = [record for payload in payloads for record in payload["changedTablesById"][SHIPS]["createdRecordsById"]]
    assert len(created) == len(set(created)) == len(payloads) and set(acknowledged) <= set(created)
    assert set(listed(again, SHIPS)) == set(created), "no payload without its write either"
    numbers = [payload["baseTransactionNumber"] for payload in payloads]
    assert numbers == sorted(set(numbers))
    again.ship(Ship="after")
    assert len(hook.payloads()) == len(payloads) + 1 and hook.payloads()[-1]["baseTransactionNumber"] > numbers[-1]
