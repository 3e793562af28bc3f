"""Conversations, and the demo model in them."""

from __future__ import annotations

import pytest
from google import genai
from google.genai import types

from conftest import MODEL, Gemini


def test_a_chat_keeps_its_history(gemini: Gemini, client: genai.Client) -> None:
    chat = client.chats.create(model=MODEL)
    assert chat.send_message("one").text == "one"
    assert "".join(chunk.text for chunk in chat.send_message_stream("two words")) == "two words"
    assert chat.send_message("three").text == "three"
    roles = [content["role"] for content in gemini.requests()[-1]["json"]["contents"]]
    assert roles == ["user", "model", "user", "model", "user"]
    assert len(chat.get_history()) == 6


def test_a_chat_calls_functions_and_goes_on(gemini: Gemini) -> None:
    def count_records(table: str) -> int:
        return 24

    gemini.script(
        {"when": {"user": "tasks", "tool_result": False}, "reply": {"calls": [{"name": "count_records", "args": {"table": "Tasks"}}]}},
        {"when": {"tool_result": True}, "reply": {"text": "24 tasks."}},
        {"when": {"user": "thanks", "turn": 2}, "reply": {"text": "You are welcome."}},
    )
    chat = gemini.client().chats.create(model=MODEL, config=types.GenerateContentConfig(tools=[count_records]))
    assert chat.send_message("How many tasks?").text == "24 tasks."
    assert chat.send_message("thanks").text == "You are welcome."


ROWS = [{"Name": "a", "State": "Open", "Size": 2}, {"Name": "b", "State": "Closed", "Size": 3}, {"Name": "c", "State": "Open", "Size": 5}]


def list_bases() -> dict:
    """The bases within reach."""
    return {"bases": [{"id": "appDemo", "name": "Warehouse"}]}


def list_tables(base: str) -> dict:
    """The tables of a base."""
    assert base == "appDemo"
    return {"tables": [{"id": "tblCrates", "name": "Crates"}]}


def describe_table(base: str, table: str) -> dict:
    """The fields of a table."""
    assert table == "Crates"
    state = {"name": "State", "type": "singleSelect", "choices": ["Open", "Closed"]}
    return {"primary_field": "Name", "fields": [{"name": "Name", "type": "singleLineText"}, state, {"name": "Size", "type": "number"}]}


def aggregate_records(base: str, table: str, metrics: list[str] = [], group_by: list[str] = [], filter: str = "") -> dict:  # noqa: A002
    """Counts and sums."""
    rows = [row for row in ROWS if not filter or row["State"] == "Open"]
    assert filter in ("", '{State} = "Open"')
    totals = {"count": len(rows), "sum(Size)": sum(row["Size"] for row in rows)}
    return {"rows": len(rows), "totals": {name: totals[name] for name in metrics or ["count"]}, "groups": [], "complete": True}


@pytest.fixture
def demo(gemini: Gemini, service, tmp_path) -> genai.Client:
    from services import Service, free_port

    demo = Service.start("gemini-emulator", tmp_path, ["--accept-any-key"], GEMINI_EMULATOR_LISTEN=f"127.0.0.1:{free_port()}", DATA_DIR=str(tmp_path))
    yield Gemini(demo.url).client(key="whatever")
    demo.stop()


def test_the_demo_model_plans_over_python_functions(demo: genai.Client) -> None:
    tools = [list_bases, list_tables, describe_table, aggregate_records]
    chat = demo.chats.create(model=MODEL, config=types.GenerateContentConfig(tools=tools))
    answer = chat.send_message("How many open crates are there?")
    assert answer.text.startswith("2 records in Crates where State is Open.")
    assert "demo model" in answer.text
    assert chat.send_message("and their total size?").text == "Total Size in Crates where State is Open: 7 (2 records)."


def test_the_demo_model_calls_any_function_that_the_question_names(demo: genai.Client) -> None:
    asked = []

    def get_current_weather(city: str) -> dict:
        """The weather."""
        asked.append(city)
        return {"summary": "sunny"}

    config = types.GenerateContentConfig(tools=[get_current_weather])
    answer = demo.models.generate_content(model=MODEL, contents="What is the weather in New York today?", config=config)
    assert asked == ["New York"]
    assert answer.text.startswith("get_current_weather says: sunny")
