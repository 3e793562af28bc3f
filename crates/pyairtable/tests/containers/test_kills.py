"""`kill -9` of each program: it is started again, and nothing that was acknowledged is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine import wait_until
from stack import APPS, BASE, EMULATORS, STORES, Stack

# The engine starts a container again at once, a health check follows within seconds.
HEALS_WITHIN_SECONDS = 45


@pytest.mark.parametrize("service", [*APPS, *EMULATORS, *STORES])
def test_a_killed_service_heals_and_loses_nothing(stack: Stack, service: str, figure: Callable[[str], None]) -> None:
    name, session = f"Written before {service} died", f"before-{service}"
    record = stack.add(name)
    key = stack.create_key(f"before {service}")
    stack.ask("How many tasks are there?", key=key, session_id=session)
    said = stack.messages(session, key=key)
    assert said
    container = stack.container(service)
    restarts = container.details()["RestartCount"]

    container.server().kill()

    wait_until(lambda: container.details()["RestartCount"] > restarts, 30, f"{service} is started again")
    served = wait_until(lambda: everything_works(stack, key), HEALS_WITHIN_SECONDS, f"everything works after {service} died")
    figure(f"kill -9 {service}: everything answers again after {served:.1f} s")
    stack.wait_healthy(within=HEALS_WITHIN_SECONDS)
    assert stack.task(record) == name
    assert stack.messages(session, key=key) == said, "a session is as it was"
    assert stack.chat("How many tasks are there?", key=key, session_id=session).status_code == 200, "and goes on"


def everything_works(stack: Stack, key: str) -> bool:
    read = stack.airtable("GET", f"{BASE}/Tasks", key=key, params={"maxRecords": 1})
    tool = stack.tool("list_tables", {"base": BASE}, key=key)
    chat = stack.chat("which tables are there?", key=key)
    return read.status_code == 200 and tool.status_code == 200 and '"isError":true' not in tool.text and chat.status_code == 200
