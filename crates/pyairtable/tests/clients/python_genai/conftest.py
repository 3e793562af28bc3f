from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from google import genai
from google.genai import types

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))

from services import Service, free_port  # noqa: E402

KEY = "test-key"
MODEL = "gemini-3.8-flash"


@dataclass
class Gemini:
    """The emulated Gemini, which says what a test has it say."""

    url: str
    kept: list[genai.Client] = field(default_factory=list)

    def client(self, key: str = KEY, **options) -> genai.Client:
        client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=self.url, **options))
        self.kept.append(client)  # a client that nobody holds closes its connections
        return client

    def script(self, *turns: dict, **options) -> None:
        """Follows these turns, each once unless it says otherwise."""
        self._put("script", {"turns": list(turns), **options})

    def always(self, **reply) -> None:
        self.script({"times": "always", "reply": reply})

    def faults(self, *turns: dict) -> None:
        self._put("faults", {"turns": list(turns)})

    def settings(self, **settings) -> None:
        self._put("settings", settings)

    def reset(self) -> None:
        requests.post(f"{self.url}/__emulator/reset", timeout=5).raise_for_status()

    def requests(self) -> list[dict]:
        """What was asked since the test began; JSON bodies are read."""
        entries = requests.get(f"{self.url}/__emulator/requests", timeout=5).json()["requests"]
        return [{**entry, "json": json.loads(entry["body"]) if entry["body"] else None} for entry in entries]

    def _put(self, what: str, body: dict) -> None:
        done = requests.put(f"{self.url}/__emulator/{what}", json=body, timeout=5)
        assert done.ok, done.text


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("gemini")
    service = Service.start(
        "gemini-emulator",
        folder,
        ["--accept-key", KEY, "--accept-key", "second-key", "--mode", "echo"],
        GEMINI_EMULATOR_LISTEN=f"127.0.0.1:{free_port()}",
        DATA_DIR=str(folder / "data"),
    )
    yield service
    assert service.stop() == 0, f"the emulator did not end in order:\n{service.output()}"


@pytest.fixture
def gemini(service: Service) -> Gemini:
    """At its start: it echoes, has no faults and no quotas."""
    gemini = Gemini(service.url)
    gemini.reset()
    return gemini


@pytest.fixture(params=["v1", "v1beta"])
def client(request: pytest.FixtureRequest, gemini: Gemini) -> genai.Client:
    """The client as it is (which speaks v1), and as older ones speak."""
    return gemini.client() if request.param == "v1" else gemini.client(api_version="v1beta")
