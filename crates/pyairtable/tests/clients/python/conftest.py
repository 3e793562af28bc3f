from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import twins as t
from services import Service, create_key, free_port

ALL_SCOPES = ["records:read", "records:write", "schema:read", "schema:write"]
LAST = ["test_bulk.py", "test_limits.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The rows made in bulk stand in only one of the twins, and what the limits counted is judged at the very end."""
    items.sort(key=lambda item: LAST.index(item.path.name) if item.path.name in LAST else -1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("twins")


def seed_file(folder: Path, name: str, limits: dict) -> Path:
    path = folder / f"{name}.seed.json"
    path.write_text(json.dumps({**t.SEED_DATA, "limits": limits}), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def direct(folder: Path) -> Iterator[t.Twin]:
    """An emulator without limits, used as it is."""
    no_limits = {"requestsPerSecondPerBase": None, "requestsPerSecondPerUser": None, "penaltySeconds": 30, "retryAfterHeader": False}
    seed = seed_file(folder, "direct", no_limits)
    service = Service.start(
        "airtable-emulator",
        folder / "direct",
        ["--seed", str(seed)],
        AIRTABLE_EMULATOR_LISTEN=f"127.0.0.1:{free_port()}",
        DATA_DIR=str(folder / "direct" / "data"),
    )
    keys = {"full": t.FULL_TOKEN, "reader": t.READER_TOKEN, "schema": t.SCHEMA_TOKEN, "warehouse": t.WAREHOUSE_TOKEN}
    yield t.Twin("direct", service.url, keys, through_gateway=False)
    service.stop()


@pytest.fixture(scope="session")
def emulator_behind_gateway(folder: Path) -> Iterator[Service]:
    """An emulator with Airtable's own limits: 5 requests a second and base, 30 s penalty."""
    seed = seed_file(folder, "behind", t.SEED_DATA["limits"])
    service = Service.start(
        "airtable-emulator",
        folder / "behind",
        ["--seed", str(seed)],
        AIRTABLE_EMULATOR_LISTEN=f"127.0.0.1:{free_port()}",
        DATA_DIR=str(folder / "behind" / "data"),
    )
    yield service
    service.stop()


@pytest.fixture(scope="session")
def gateway(folder: Path, emulator_behind_gateway: Service) -> Iterator[t.Twin]:
    """The gateway as it is shipped: pacing on, cache on."""
    data = folder / "gateway" / "data"
    keys = {
        "full": create_key(data, "full", ALL_SCOPES),
        "reader": create_key(data, "reader", ["records:read"]),
        "schema": create_key(data, "schema", ["schema:read"]),
        "warehouse": create_key(data, "warehouse", ALL_SCOPES, bases=[t.WAREHOUSE]),
    }
    service = Service.start(
        "airtable-gateway",
        folder / "gateway",
        [],
        AIRTABLE_GATEWAY_LISTEN=f"127.0.0.1:{free_port()}",
        AIRTABLE_API_URL=emulator_behind_gateway.url,
        AIRTABLE_TOKEN=t.FULL_TOKEN,
        DATA_DIR=str(data),
    )
    yield t.Twin("gateway", service.url, keys, through_gateway=True)
    assert service.stop() == 0, f"the gateway did not end in order:\n{service.output()}"


@pytest.fixture(scope="session")
def twins(direct: t.Twin, gateway: t.Twin) -> list[t.Twin]:
    return [direct, gateway]
