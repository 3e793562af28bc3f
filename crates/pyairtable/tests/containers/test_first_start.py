"""What a new user sees: clone, generate, up, curl, ask."""

from __future__ import annotations

from stack import APPS, BASE, EMULATORS, STORES, Stack


def test_the_services_come_up_healthy_in_order(stack: Stack) -> None:
    containers = stack.containers()
    assert set(containers) == {*APPS, *EMULATORS, *STORES}, "the services, the emulators that are needed, and nothing else"
    begun = {service: container.state()["StartedAt"] for service, container in containers.items()}
    assert max(begun["redis"], begun["postgres"]) < begun["airtable-gateway"] < begun["mcp-server"] < begun["llm-orchestrator"]
    assert all(container.details()["RestartCount"] == 0 for container in containers.values()), "nothing had to be started twice"


def test_health_answers_without_a_key_and_says_what_is_emulated(stack: Stack) -> None:
    for service in APPS:
        answer = stack.health(service)
        assert answer.status_code == 200
        assert answer.json()["status"] == "healthy", answer.text
        assert answer.json()["service"] == service
    assert "emulat" in stack.health("airtable-gateway").text
    assert "emulat" in stack.health("llm-orchestrator").text


def test_nothing_answers_data_without_a_key(stack: Stack) -> None:
    assert stack.airtable("GET", f"{BASE}/Tasks", key="pya_live_wrong").status_code == 401
    assert stack.chat("which tables are there?", key="pya_live_wrong").status_code == 401
    assert stack.tool("list_bases", {}, key="pya_live_wrong").status_code == 401


def test_the_operators_key_reads_and_the_answer_is_labelled(stack: Stack) -> None:
    answer = stack.airtable("GET", f"{BASE}/Tasks", params={"maxRecords": 2})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["records"]) == 2
    assert answer.headers["x-pyairtable-emulated"] == "true"


def test_a_chat_reaches_airtables_data_through_all_three_services(stack: Stack) -> None:
    def count() -> int:
        answer = stack.chat("How many tasks are there?")
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-pyairtable-emulated"] == "true"
        assert answer.json()["emulated"] is True
        numbers = [int(word) for word in "".join(c if c.isdigit() else " " for c in answer.json()["choices"][0]["message"]["content"]).split()]
        assert numbers, answer.text
        return numbers[0]

    before = count()
    assert before == len(stack.tasks())
    stack.add("A task that no demo has")
    assert count() == before + 1, "the answer is made of what stands in the base now"
    tool = stack.tool("list_bases", {})
    assert tool.status_code == 200 and BASE in tool.text


def test_the_command_makes_keys_and_checks_the_system(stack: Stack) -> None:
    key = stack.create_key("reader", "records:read,schema:read")
    assert stack.airtable("GET", f"{BASE}/Tasks", key=key, params={"maxRecords": 1}).status_code == 200
    refused = stack.airtable("POST", f"{BASE}/Tasks", key=key, json={"fields": {"Task": "no"}})
    assert refused.status_code == 403, refused.text
    checked = stack.compose("run", "--rm", "pyairtable", "doctor")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_logs_are_lines_of_json(stack: Stack) -> None:
    for service in APPS:
        lines = [line for line in stack.container(service).logs().split("\n") if line]
        assert lines, service
        assert not [line for line in lines if not line.startswith("{")], service
    assert stack.must("logs", "airtable-gateway")
