"""Function calling, by hand and automatic."""

from __future__ import annotations

import pytest
from google import genai
from google.genai import errors, types

from conftest import MODEL, Gemini

SCHEMA = {"type": "object", "properties": {"table": {"type": "string"}}, "required": ["table"]}
TOOL = types.Tool(function_declarations=[types.FunctionDeclaration(name="count_records", description="Counts.", parameters_json_schema=SCHEMA)])
BY_HAND = types.GenerateContentConfig(tools=[TOOL], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True))

TWO_STEPS = (
    {"when": {"tool_result": False}, "times": "always", "reply": {"thoughts": "Count first.", "calls": [{"name": "count_records", "args": {"table": "Tasks"}}]}},
    {"when": {"tool_result": {"name": "count_records"}}, "times": "always", "reply": {"text": "There are {{result.0}} tasks."}},
)


def answer_of(content: types.Content, response: dict) -> list[types.Content]:
    """The call turn unchanged, and one response to it."""
    call = content.parts[0].function_call
    part = types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response=response))
    return [content, types.Content(role="user", parts=[part])]


def test_a_loop_by_hand(gemini: Gemini, client: genai.Client) -> None:
    gemini.script(*TWO_STEPS)
    question = types.Content(role="user", parts=[types.Part(text="How many tasks?")])
    first = client.models.generate_content(model=MODEL, contents=[question], config=BY_HAND)
    (call,) = first.function_calls
    assert (call.name, call.args) == ("count_records", {"table": "Tasks"})
    assert call.id and first.candidates[0].content.parts[0].thought_signature
    history = [question, *answer_of(first.candidates[0].content, {"output": 24})]
    assert client.models.generate_content(model=MODEL, contents=history, config=BY_HAND).text == "There are 24 tasks."


def test_a_python_function_is_called_automatically(gemini: Gemini, client: genai.Client) -> None:
    calls = []

    def count_records(table: str) -> int:
        """Counts the records of a table.

        Args:
            table: its name
        """
        calls.append(table)
        return 24

    gemini.script(*TWO_STEPS)
    config = types.GenerateContentConfig(tools=[count_records])
    answer = client.models.generate_content(model=MODEL, contents="How many tasks?", config=config)
    assert (answer.text, calls) == ("There are 24 tasks.", ["Tasks"])
    second = gemini.requests()[-1]["json"]["contents"]
    assert second[1]["parts"][0]["thoughtSignature"], "the call turn goes back with its signature"
    assert second[2]["parts"][0]["functionResponse"]["response"] == {"result": 24}


def test_parallel_calls_are_answered_together(gemini: Gemini) -> None:
    gemini.script(
        {"when": {"tool_result": False}, "reply": {"calls": [{"name": "f", "args": {"n": 1}}, {"name": "g", "args": {"n": 2}}]}},
        {"reply": {"text": "{{result.0}} and {{result.g}}"}},
    )

    def f(n: int) -> int:
        return n * 10

    def g(n: int) -> int:
        return n * 100

    config = types.GenerateContentConfig(tools=[f, g])
    assert gemini.client().models.generate_content(model=MODEL, contents="x", config=config).text == "10 and 200"
    (responses,) = [content for content in gemini.requests()[-1]["json"]["contents"] if "functionResponse" in content["parts"][0]]
    assert len(responses["parts"]) == 2


def test_automatic_calls_in_a_stream(gemini: Gemini) -> None:
    def count_records(table: str) -> int:
        return 24

    gemini.script(*TWO_STEPS)
    config = types.GenerateContentConfig(tools=[count_records])
    chunks = list(gemini.client().models.generate_content_stream(model=MODEL, contents="How many tasks?", config=config))
    assert chunks[-1].text == "There are 24 tasks."


def test_a_function_that_fails_tells_the_model(gemini: Gemini) -> None:
    def count_records(table: str) -> int:
        raise ValueError("no such table")

    gemini.script(TWO_STEPS[0], {"when": {"tool_result": {"error": True, "contains": "no such table"}}, "reply": {"text": "I could not."}})
    config = types.GenerateContentConfig(tools=[count_records])
    assert gemini.client().models.generate_content(model=MODEL, contents="x", config=config).text == "I could not."


def test_mode_any_makes_a_call(client: genai.Client) -> None:
    any_of = types.FunctionCallingConfig(mode="ANY", allowed_function_names=["count_records"])
    config = BY_HAND.model_copy(update={"tool_config": types.ToolConfig(function_calling_config=any_of)})
    answer = client.models.generate_content(model=MODEL, contents="Tasks", config=config)
    assert [(call.name, call.args) for call in answer.function_calls] == [("count_records", {"table": "Tasks"})]


def test_a_signature_that_is_lost_or_altered_is_refused(gemini: Gemini) -> None:
    gemini.script(*TWO_STEPS)
    models = gemini.client().models
    question = types.Content(role="user", parts=[types.Part(text="How many?")])
    content = models.generate_content(model=MODEL, contents=[question], config=BY_HAND).candidates[0].content
    signature = content.parts[0].thought_signature
    for broken, message in [
        (None, "Function call is missing a thought_signature"),
        (b"\x01\x02\x03", "Corrupted thought signature."),
        (signature[:-1] + bytes([signature[-1] ^ 1]), "Invalid thought signature."),
    ]:
        content.parts[0].thought_signature = broken
        with pytest.raises(errors.ClientError) as raised:
            models.generate_content(model=MODEL, contents=[question, *answer_of(content, {"output": 1})], config=BY_HAND)
        assert raised.value.code == 400 and message in raised.value.message
    content.parts[0].thought_signature = b"skip_thought_signature_validator"
    models.generate_content(model=MODEL, contents=[question, *answer_of(content, {"output": 1})], config=BY_HAND)


def test_a_call_to_something_undeclared_and_a_malformed_one(gemini: Gemini) -> None:
    gemini.script({"reply": {"calls": [{"name": "nothing_like_it"}]}}, {"reply": {"malformed": True}})
    models = gemini.client().models
    answer = models.generate_content(model=MODEL, contents="x", config=BY_HAND)
    assert answer.function_calls[0].name == "nothing_like_it"
    answer = models.generate_content(model=MODEL, contents="x", config=BY_HAND)
    assert answer.candidates[0].finish_reason == types.FinishReason.MALFORMED_FUNCTION_CALL
    assert answer.candidates[0].content is None
