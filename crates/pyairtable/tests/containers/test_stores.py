"""Redis and Postgres come and go; the stack is taken down and up."""

from __future__ import annotations

from collections.abc import Callable

from engine import wait_until
from stack import APPS, BASE, Stack

HEALS_WITHIN_SECONDS = 45


def redis_check(stack: Stack, service: str) -> str:
    return stack.health(service).json()["checks"]["redis"]["status"]


def test_without_redis_the_system_degrades_says_so_and_recovers_by_itself(stack: Stack, figure: Callable[[str], None]) -> None:
    record = stack.add("Written while Redis was there")
    assert redis_check(stack, "airtable-gateway") == "healthy"
    stack.must("stop", "redis")
    said = wait_until(lambda: stack.health("airtable-gateway").json()["status"] == "degraded", 20, "/health says degraded")
    figure(f"redis stopped: /health says degraded after {said:.1f} s")
    assert redis_check(stack, "airtable-gateway") != "healthy"
    assert stack.health("airtable-gateway").status_code == 200, "degraded is not dead"
    # Reads, fresh reads after own writes, tools and chats go on.
    assert stack.task(record) == "Written while Redis was there"
    changed = stack.airtable("PATCH", f"{BASE}/Tasks/{record}", json={"fields": {"Task": "Changed without Redis"}})
    assert changed.status_code == 200, changed.text
    assert stack.task(record) == "Changed without Redis"
    assert stack.tool("list_bases", {}).status_code == 200
    assert stack.ask("How many tasks are there?")
    for service in APPS:
        assert stack.container(service).state()["Running"]
    stack.must("start", "redis")
    back = wait_until(lambda: all(stack.health(s).json()["status"] == "healthy" for s in APPS), 45, "healthy again")
    figure(f"redis started again: healthy after {back:.1f} s")
    assert stack.task(record) == "Changed without Redis"


def test_a_restarted_postgres_is_found_again(stack: Stack, figure: Callable[[str], None]) -> None:
    key = stack.create_key("before the restart")
    stack.ask("How many tasks are there?", key=key, session_id="before-the-restart")
    said = stack.messages("before-the-restart", key=key)
    stack.must("restart", "postgres")
    back = wait_until(lambda: stack.messages("before-the-restart", key=key) == said, HEALS_WITHIN_SECONDS, "the session is there")
    figure(f"postgres restarted: sessions are read again after {back:.1f} s")
    assert stack.airtable("GET", f"{BASE}/Tasks", key=key, params={"maxRecords": 1}).status_code == 200
    assert stack.ask("which tables are there?", key=key)
    stack.wait_healthy(within=HEALS_WITHIN_SECONDS)


def test_down_and_up_keeps_sessions_keys_and_records(stack: Stack) -> None:
    key = stack.create_key("before the end")
    record = stack.add("Written before the end")
    stack.ask("How many tasks are there?", key=key, session_id="before-the-end")
    said, volumes, containers = stack.messages("before-the-end", key=key), stack.volumes(), list(stack.containers().values())
    for container in containers:
        assert container.healthy()
    stack.down()
    assert not stack.containers(), "down leaves no container"
    stack.up()
    assert stack.messages("before-the-end", key=key) == said
    assert stack.task(record) == "Written before the end"
    assert stack.volumes() == volumes, "the same volumes, none without a name"


def test_services_end_in_order_when_they_are_stopped(stack: Stack) -> None:
    """In time, by themselves: no program has to be killed."""
    containers = stack.containers()
    stack.must("stop")
    ended = {service: container.state()["ExitCode"] for service, container in containers.items()}
    assert all(code == 0 for code in ended.values()), ended
    stack.must("start")
    stack.wait_healthy(within=60)
