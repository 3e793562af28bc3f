"""What goes wrong at a user's is told in a sentence, with an exit code, and not by a hang."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from engine import wait_until
from stack import APPS, BASE, Stack

GENERATE = "./scripts/generate-secure-credentials.sh"


@pytest.fixture
def fresh(new_stack: Callable[..., Stack], request: pytest.FixtureRequest, logs) -> Stack:
    stack = new_stack(request.node.name[:40])
    yield stack
    stack.remove(logs)


def said(done) -> str:
    return done.stdout + done.stderr


def test_without_credentials_it_says_what_to_run(fresh: Stack) -> None:
    done = fresh.compose("up", "-d", "--no-build")
    assert done.returncode != 0
    assert f"run {GENERATE} first" in said(done)
    assert not fresh.containers()


def test_a_taken_port_is_named(fresh: Stack) -> None:
    fresh.generate()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", fresh.ports["airtable-gateway"]))
        taken.listen()
        done = fresh.compose("up", "-d", "--no-build")
    assert done.returncode != 0
    assert str(fresh.ports["airtable-gateway"]) in said(done) and "address already in use" in said(done)
    # Once the port is free the same command goes on.
    fresh.up()


@pytest.mark.parametrize("name", ["postgres-password", "redis-password", "internal-api-key", "operator-api-key"])
def test_a_missing_secret_is_named(fresh: Stack, name: str) -> None:
    fresh.generate()
    (fresh.folder / "secrets" / name).unlink()
    done = fresh.compose("up", "-d", "--no-build", within=150)
    told = said(done) + fresh.logs()
    assert name in told, told[-2000:]
    assert done.returncode != 0, "a service that cannot start is not healthy, and what waits for it fails"
    assert GENERATE in told or "No such file" in told or "cannot be read" in told, told[-2000:]
    # The generator makes what is missing, and nothing else changes.
    fresh.generate()
    assert (fresh.folder / "secrets" / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("store", "secret"), [("postgres", "postgres-password"), ("redis", "redis-password")])
def test_a_wrong_password_is_told_and_never_printed(fresh: Stack, store: str, secret: str) -> None:
    fresh.generate()
    fresh.up()
    record = fresh.add("Before the wrong password")
    path = fresh.folder / "secrets" / secret
    right, wrong = path.read_text(), "0123456789abcdef" * 4
    path.write_text(wrong + "\n")
    fresh.compose("restart", "airtable-gateway")
    gateway = fresh.container("airtable-gateway")
    wait_until(lambda: "password" in gateway.logs().lower() and store in gateway.logs().lower(), 60, f"the gateway's log says that {store} refuses the password")
    wait_until(lambda: not gateway.healthy(), 60, "the gateway is not healthy")
    assert wrong not in fresh.logs() and right.strip() not in fresh.logs()
    # The password is put right: nothing was lost.
    path.write_text(right)
    wait_until(lambda: fresh.container("airtable-gateway").healthy(), 90, "healthy with the right password")
    wait_until(lambda: fresh.task(record) == "Before the wrong password", 30, "the record is there")


def test_a_changed_password_is_taken_over_by_a_restart(fresh: Stack) -> None:
    """Passwords of stores cannot overlap; changing one needs a restart, which says so and loses nothing."""
    fresh.generate()
    fresh.up()
    key = fresh.create_key("from before")
    record = fresh.add("Before the change")
    for secret in ("postgres-password", "redis-password"):
        (fresh.folder / "secrets" / secret).write_text("fedcba9876543210" * 4 + secret[0] + "\n")
    fresh.down()
    fresh.up()
    assert fresh.airtable("GET", f"{BASE}/Tasks", key=key, params={"maxRecords": 1}).status_code == 200
    assert fresh.task(record) == "Before the change"


def test_a_container_that_must_not_read_the_secrets_says_whose_they_are(fresh: Stack) -> None:
    fresh.generate()
    fresh.settings["STACK_USER"] = "12345:12345"
    done = fresh.compose("up", "-d", "--no-build", within=150)
    assert done.returncode != 0
    told = fresh.logs()
    assert "ermission denied" in told or "cannot be read" in told, told[-2000:]
    for service in APPS:
        assert not any(c.healthy() for s, c in fresh.containers().items() if s == service)
