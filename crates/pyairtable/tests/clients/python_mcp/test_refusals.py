from __future__ import annotations

import pytest
import requests

from conftest import System
from sdk import connect, run


def test_a_wrong_key_gets_no_session(system: System) -> None:
    async def work() -> None:
        async with connect("http", system.target, "pya_live_wrong") as client:
            await client.tools()

    with pytest.raises(BaseException):  # noqa: B017, PT011: which one differs between the clients
        run(work())


def test_a_page_from_elsewhere_is_refused_and_one_without_key_told_how(system: System) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {"Accept": "application/json, text/event-stream"}
    bare = requests.post(system.target.url, json=body, headers=headers, timeout=5)
    assert bare.status_code == 401 and bare.headers["WWW-Authenticate"].startswith("Bearer")
    key = {"Authorization": f"Bearer {system.keys['full']}"}
    foreign = requests.post(system.target.url, json=body, headers={**headers, **key, "Origin": "https://evil.example"}, timeout=5)
    assert foreign.status_code == 403 and foreign.json()["error"]["code"] == -32600
