from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))

from harbour import NO_LIMITS, SEED  # noqa: E402
from services import Service, free_port  # noqa: E402
from wire import Wire  # noqa: E402


def start_emulator(folder: Path, *arguments: str, **settings: str) -> Service:
    folder.mkdir(parents=True, exist_ok=True)
    seed = folder / "seed.json"
    seed.write_text(json.dumps(SEED), encoding="utf-8")
    listen = f"127.0.0.1:{free_port()}"
    return Service.start(
        "airtable-emulator", folder, ["--seed", str(seed), *arguments], AIRTABLE_EMULATOR_LISTEN=listen, DATA_DIR=str(folder / "data"), **settings
    )


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = start_emulator(tmp_path_factory.mktemp("harbour"))
    yield running
    running.stop()


@pytest.fixture
def wire(service: Service) -> Wire:
    """The emulator with its bases as seeded and without limits, whatever the test before did."""
    requests.post(f"{service.url}/__emulator/reset", json={"data": True}, timeout=10).raise_for_status()
    requests.put(f"{service.url}/__emulator/limits", json=NO_LIMITS, timeout=10).raise_for_status()
    return Wire(service.url)
