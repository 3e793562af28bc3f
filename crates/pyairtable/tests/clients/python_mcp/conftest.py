from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))

import sdk  # noqa: E402
from services import Service, binary, create_key, free_port  # noqa: E402

SEED = json.loads((Path(__file__).parent.parent / "seed.json").read_text(encoding="utf-8"))
ALL_SCOPES = ["records:read", "records:write", "schema:read", "schema:write"]


@dataclass
class System:
    """Emulator, gateway and tools' server as they are shipped, with keys of different reach."""

    target: sdk.Target
    keys: dict[str, str]
    services: list[Service]


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("mcp")
    no_limits = {"requestsPerSecondPerBase": None, "requestsPerSecondPerUser": None, "penaltySeconds": 30, "retryAfterHeader": False}
    seed = folder / "seed.json"
    seed.write_text(json.dumps({**SEED, "limits": no_limits}), encoding="utf-8")
    data = folder / "data"
    emulator = Service.start(
        "airtable-emulator",
        folder / "emulator",
        ["--seed", str(seed)],
        AIRTABLE_EMULATOR_LISTEN=f"127.0.0.1:{free_port()}",
        DATA_DIR=str(folder / "emulator"),
    )
    keys = {
        "full": create_key(data, "full", ALL_SCOPES),
        "reader": create_key(data, "reader", ["records:read", "schema:read"]),
        "warehouse": create_key(data, "warehouse", ALL_SCOPES, bases=["appWarehouse00001"]),
    }
    gateway = Service.start(
        "airtable-gateway",
        folder / "gateway",
        [],
        AIRTABLE_GATEWAY_LISTEN=f"127.0.0.1:{free_port()}",
        AIRTABLE_API_URL=emulator.url,
        AIRTABLE_TOKEN=SEED["tokens"][0]["token"],
        PACING="off",
        DATA_DIR=str(data),
    )
    server = Service.start(
        "mcp-server",
        folder / "server",
        [],
        MCP_SERVER_LISTEN=f"127.0.0.1:{free_port()}",
        AIRTABLE_GATEWAY_URL=gateway.url,
        DATA_DIR=str(data),
    )
    environment = {"AIRTABLE_GATEWAY_URL": gateway.url, "LOG_LEVEL": "warn", "DATA_DIR": str(folder / "nothing")}
    target = sdk.Target(f"{server.url}/mcp", binary("mcp-server"), environment)
    yield System(target, keys, [server, gateway, emulator])
    for service in (server, gateway, emulator):
        assert service.stop() == 0, f"{service.url} did not end in order:\n{service.output()}"


@pytest.fixture(params=sdk.WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return request.param
