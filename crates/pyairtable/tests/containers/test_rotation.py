"""Credentials are changed while everything is in use, and no request fails."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest

from stack import BASE, Stack

LOAD_BEFORE_SECONDS = 3
# Longer than any time for which a process remembers what a file said.
LOAD_AFTER_SECONDS = 15


@dataclass
class Load:
    """Calls of all three services, one after the other in each thread, with the key that the file holds at that moment."""

    stack: Stack
    key: str | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    done: int = 0
    failed: list[str] = field(default_factory=list)

    def run(self) -> Load:
        calls = {
            "read": lambda: self.stack.airtable("GET", f"{BASE}/Tasks", key=self.key, params={"maxRecords": 1}),
            "tool": lambda: self.stack.tool("list_tables", {"base": BASE}, key=self.key),
            "chat": lambda: self.stack.chat("which tables are there?", key=self.key),
        }
        self.threads = [threading.Thread(target=self._repeat, args=item) for item in calls.items() for _ in range(2)]
        for thread in self.threads:
            thread.start()
        return self

    def _repeat(self, name: str, call) -> None:
        while not self.stopped.is_set():
            try:
                answer = call()
                fine = answer.status_code == 200 and '"isError":true' not in answer.text
                why = f"{answer.status_code} {answer.text[:300]}"
            except Exception as error:  # noqa: BLE001 - counted, whatever it is
                fine, why = False, repr(error)
            self.done += 1
            if not fine:
                self.failed.append(f"{name}: {why}")

    def end(self) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("name", ["internal-api-key", "operator-api-key"])
def test_a_rotation_under_load_fails_no_request(stack: Stack, name: str, figure) -> None:
    old = stack.secret(name)
    started = {service: container.state()["StartedAt"] for service, container in stack.containers().items()}
    # Who has the key in a variable uses the old one until told the new one; who reads the file has the new one at once.
    loads = [Load(stack).run()]
    if name == "operator-api-key":
        loads.append(Load(stack, key=old).run())
    time.sleep(LOAD_BEFORE_SECONDS)
    stack.generate("--rotate", name)
    new = stack.secret(name)
    time.sleep(LOAD_AFTER_SECONDS)
    for load in loads:
        load.end()
    assert new != old
    for load in loads:
        assert load.done > 20
        assert not load.failed, f"{len(load.failed)} of {load.done} failed: {load.failed[:3]}"
    figure(f"rotation of {name} under load: 0 of {sum(load.done for load in loads)} requests failed")
    now = {service: container.state()["StartedAt"] for service, container in stack.containers().items()}
    assert now == started, "without a restart"


def test_after_a_second_rotation_the_first_key_is_refused(stack: Stack) -> None:
    first = stack.secret("operator-api-key")
    assert stack.airtable("GET", f"{BASE}/Tasks", key=first, params={"maxRecords": 1}).status_code == 200
    stack.generate("--rotate", "operator-api-key")
    stack.generate("--rotate", "operator-api-key")
    assert stack.airtable("GET", f"{BASE}/Tasks", params={"maxRecords": 1}).status_code == 200
    deadline = time.monotonic() + 90
    while (status := stack.airtable("GET", f"{BASE}/Tasks", key=first, params={"maxRecords": 1}).status_code) != 401:
        assert time.monotonic() < deadline, f"a key of two rotations ago is still good ({status})"
        time.sleep(1)


def test_a_restart_in_the_middle_of_a_rotation_is_no_matter(stack: Stack) -> None:
    for name in ("internal-api-key", "operator-api-key"):
        stack.generate("--rotate", name)
        stack.must("restart", "mcp-server")
        stack.wait_healthy("mcp-server", within=45)
        assert stack.ask("which tables are there?")


def test_sessions_outlive_the_operators_key(stack: Stack) -> None:
    stack.ask("How many tasks are there?", session_id="of-the-operator")
    said = stack.messages("of-the-operator")
    stack.generate("--rotate", "operator-api-key")
    assert stack.messages("of-the-operator") == said
