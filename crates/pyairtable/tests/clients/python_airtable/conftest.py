from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))

from harbour import FULL, SEED  # noqa: E402
from services import Service, create_key, free_port  # noqa: E402
from wire import Wire  # noqa: E402


def start_emulator(folder: Path, *arguments: str, seed: dict = SEED) -> Service:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "seed.json"
    file.write_text(json.dumps(seed), encoding="utf-8")
    listen = f"127.0.0.1:{free_port()}"
    return Service.start("airtable-emulator", folder, ["--seed", str(file), *arguments], AIRTABLE_EMULATOR_LISTEN=listen, DATA_DIR=str(folder / "data"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--through-gateway", action="store_true", help="ask the gateway, which passes the callers' tokens on")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that start emulators of their own ask these, whatever stands before the one that the tests share."""
    if config.getoption("--through-gateway"):
        shared = [item for item in items if {"wire", "door"} & set(getattr(item, "fixturenames", ()))]
        config.hook.pytest_deselected(items=[item for item in items if item not in shared])
        items[:] = shared


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = start_emulator(tmp_path_factory.mktemp("harbour"), "--webhook-pings")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def seeded_limits(service: Service) -> dict:
    """All of them, as they are before any test has changed one."""
    return requests.get(f"{service.url}/__emulator/limits", timeout=10).json()


@dataclass
class Gateway:
    url: str
    key: str

    def forget(self) -> None:
        """The bases are reset behind its back, which only another client of Airtable could do."""
        headers = {"Authorization": f"Bearer {self.key}"}
        requests.post(f"{self.url}/api/v1/airtable/cache/invalidate", headers=headers, timeout=10).raise_for_status()


@pytest.fixture(scope="session")
def gateway(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway with its cache and the callers' own tokens, so that scopes and users are those of the seed; it need not
    pace for an emulator without limits."""
    folder = tmp_path_factory.mktemp("gateway")
    key = create_key(folder / "data", "forgets", ["records:read", "records:write", "schema:read", "schema:write"])
    running = Service.start(
        "airtable-gateway",
        folder,
        [],
        AIRTABLE_GATEWAY_LISTEN=f"127.0.0.1:{free_port()}",
        AIRTABLE_API_URL=service.url,
        AIRTABLE_TOKEN=FULL,
        GATEWAY_PASSTHROUGH="true",
        PACING="off",
        DATA_DIR=str(folder / "data"),
    )
    yield Gateway(running.url, key)
    running.stop()


@pytest.fixture
def wire(service: Service, seeded_limits: dict, request: pytest.FixtureRequest) -> Wire:
    """The emulator with its bases as seeded and without limits, whatever the test before did."""
    requests.post(f"{service.url}/__emulator/reset", json={"data": True}, timeout=10).raise_for_status()
    requests.put(f"{service.url}/__emulator/limits", json=seeded_limits, timeout=10).raise_for_status()
    if not request.config.getoption("--through-gateway"):
        return Wire(service.url)
    gateway: Gateway = request.getfixturevalue("gateway")
    gateway.forget()
    return Wire(gateway.url, admin=service.url)
