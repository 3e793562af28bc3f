"""The file works with both generations of compose."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

import pytest

from stack import APPS, BASE, EMULATORS, STORES, Stack

PROFILES = [*EMULATORS, "tools"]
COMMANDS = [command for command in (os.environ.get("COMPOSE", "docker compose"), os.environ.get("OTHER_COMPOSE")) if command]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_file_is_valid_with_every_set_of_profiles(new_stack: Callable[..., Stack], command: str) -> None:
    stack = new_stack("profiles", compose=command)
    stack.generate()
    for size in range(len(PROFILES) + 1):
        for chosen in itertools.combinations(PROFILES, size):
            stack.settings["COMPOSE_PROFILES"] = ",".join(chosen) or "none"
            assert stack.compose("config", "-q").returncode == 0, chosen
            services = set(stack.must("config", "--services").split())
            assert services >= {*APPS, *STORES}


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_the_other_compose_brings_the_stack_up_and_down(new_stack: Callable[..., Stack], command: str, figure: Callable[[str], None]) -> None:
    stack = new_stack("the other compose", compose=command)
    stack.generate()
    figure(f"from `up` to all healthy with {command.rsplit('/', 1)[-1]}: {stack.up():.1f} s")
    record = stack.add("By the other compose")
    assert stack.airtable("GET", f"{BASE}/Tasks", params={"maxRecords": 1}).headers["x-pyairtable-emulated"] == "true"
    key = stack.create_key("by the other compose")
    stack.must("logs", "airtable-gateway")
    stack.down()
    stack.up()
    assert stack.task(record) == "By the other compose"
    assert stack.airtable("GET", f"{BASE}/Tasks", key=key, params={"maxRecords": 1}).status_code == 200
    assert all(name.startswith(stack.project) for name in stack.volumes())
