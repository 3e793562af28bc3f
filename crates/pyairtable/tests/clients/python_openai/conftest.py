from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest
import requests

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))

from services import Service, create_key, free_port  # noqa: E402

SEED = json.loads((Path(__file__).parent.parent / "seed.json").read_text(encoding="utf-8"))
EVERYTHING = ["records:read", "records:write", "schema:read", "schema:write", "llm:chat"]


@dataclass
class Model:
    """The emulated model, which says what a test has it say."""

    url: str

    def script(self, *turns: dict) -> None:
        """Forgets everything and follows these turns, each once unless it says otherwise."""
        requests.post(f"{self.url}/__emulator/reset", timeout=5).raise_for_status()
        done = requests.put(f"{self.url}/__emulator/script", json={"turns": list(turns)}, timeout=5)
        assert done.ok, done.text

    def requests(self) -> list[dict]:
        """What the model was asked; each with its `body` and its `outcome`."""
        answer = requests.get(f"{self.url}/__emulator/requests", timeout=5)
        asked = [entry for entry in answer.json()["requests"] if "enerateContent" in entry["target"]]
        return [{**entry, "body": json.loads(entry["body"])} for entry in asked]


@dataclass
class System:
    """All services as they are shipped, before an emulated Airtable and an emulated model."""

    url: str
    model: Model
    keys: dict[str, str]
    services: list[Service]

    def client(self, key: str = "full", **options) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.keys.get(key, key), **options)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("openai")
    no_limits = {"requestsPerSecondPerBase": None, "requestsPerSecondPerUser": None, "penaltySeconds": 30, "retryAfterHeader": False}
    seed = folder / "seed.json"
    seed.write_text(json.dumps({**SEED, "limits": no_limits}), encoding="utf-8")
    data = folder / "data"
    here = lambda: f"127.0.0.1:{free_port()}"  # noqa: E731

    airtable = Service.start(
        "airtable-emulator",
        folder / "airtable",
        ["--seed", str(seed)],
        AIRTABLE_EMULATOR_LISTEN=here(),
        DATA_DIR=str(folder / "airtable"),
    )
    keys = {
        "full": create_key(data, "full", EVERYTHING),
        "other": create_key(data, "other", EVERYTHING),
        "reader": create_key(data, "reader", ["records:read", "schema:read"]),
        "warehouse": create_key(data, "warehouse", EVERYTHING, bases=["appWarehouse00001"]),
    }
    gateway = Service.start(
        "airtable-gateway",
        folder / "gateway",
        [],
        AIRTABLE_GATEWAY_LISTEN=here(),
        AIRTABLE_API_URL=airtable.url,
        AIRTABLE_TOKEN=SEED["tokens"][0]["token"],
        PACING="off",
        DATA_DIR=str(data),
    )
    tools = Service.start(
        "mcp-server",
        folder / "tools",
        [],
        MCP_SERVER_LISTEN=here(),
        AIRTABLE_GATEWAY_URL=gateway.url,
        DATA_DIR=str(data),
    )
    model = Service.start(
        "gemini-emulator",
        folder / "model",
        ["--mode", "echo"],
        GEMINI_EMULATOR_LISTEN=here(),
        DATA_DIR=str(data),
    )
    chat = Service.start(
        "llm-orchestrator",
        folder / "chat",
        [],
        LLM_ORCHESTRATOR_LISTEN=here(),
        MCP_SERVER_URL=tools.url,
        GEMINI_API_URL=model.url,
        DATA_DIR=str(data),
    )
    services = [chat, tools, gateway, model, airtable]
    yield System(chat.url, Model(model.url), keys, services)
    for service in services:
        assert service.stop() == 0, f"{service.url} did not end in order:\n{service.output()}"


@pytest.fixture
def model(system: System) -> Model:
    return system.model


@pytest.fixture
def client(system: System) -> openai.OpenAI:
    return system.client()
