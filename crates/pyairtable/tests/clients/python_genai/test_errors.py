"""Every way in which it can go wrong."""

from __future__ import annotations

import time

import pytest
import requests
from google import genai
from google.genai import errors, types

from conftest import KEY, MODEL, Gemini


def refused(client: genai.Client, model: str = MODEL, contents: object = "x", **config: object) -> errors.ClientError:
    with pytest.raises(errors.ClientError) as raised:
        client.models.generate_content(model=model, contents=contents, config=types.GenerateContentConfig(**config))
    return raised.value


def test_keys(gemini: Gemini) -> None:
    error = refused(gemini.client(key="invalid"))
    assert (error.code, error.status, error.message) == (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")
    assert error.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    without = requests.post(f"{gemini.url}/v1/models/{MODEL}:generateContent", json={}, timeout=5)
    assert without.status_code == 403
    assert without.json()["error"]["message"].startswith("Method doesn't allow unregistered callers")
    assert without.headers["x-pyairtable-emulated"] == "true"
    in_query = requests.post(f"{gemini.url}/v1/models/{MODEL}:countTokens?key={KEY}", json={"contents": [{"parts": [{"text": "x"}]}]}, timeout=5)
    assert in_query.status_code == 200


def test_an_unknown_model(client: genai.Client) -> None:
    error = refused(client, model="gemini-9")
    assert (error.code, error.status) == (404, "NOT_FOUND")
    assert error.message.startswith("models/gemini-9 is not found for API version v1")
    with pytest.raises(errors.ClientError):
        client.models.get(model="gemini-9")


@pytest.mark.parametrize(
    ("model", "config", "message"),
    [
        (MODEL, {"thinking_config": {"thinking_level": "low", "thinking_budget": 5}}, "You can only set only one of thinking budget and thinking level."),
        (MODEL, {"thinking_config": {"thinking_level": "minimal"}}, "Thinking level MINIMAL is not supported for this model."),
        ("gemini-2.5-flash", {"thinking_config": {"thinking_level": "low"}}, "Thinking level is not supported for this model."),
        ("gemini-2.5-pro", {"thinking_config": {"thinking_budget": 0}}, "Budget 0 is invalid. This model only works in thinking mode."),
        ("gemini-2.5-flash", {"thinking_config": {"thinking_budget": 99_999}}, "The thinking budget 99999 is invalid."),
        ("gemini-4-argon", {"thinking_config": {"thinking_budget": 100}}, "Thinking budget is not supported for this model."),
        (MODEL, {"candidate_count": 2}, "Multiple candidates is not enabled for this model"),
        (MODEL, {"temperature": 3.0}, "temperature must be in the range [0.0, 2.0]."),
        (
            "gemini-2.5-flash",
            {"response_mime_type": "application/json", "tools": [{"function_declarations": [{"name": "f"}]}]},
            "Function calling with a response mime type: 'application/json' is unsupported",
        ),
    ],
)
def test_settings_that_a_model_lacks(gemini: Gemini, model: str, config: dict, message: str) -> None:
    error = refused(gemini.client(), model=model, **config)
    assert (error.code, error.status) == (400, "INVALID_ARGUMENT")
    assert message in error.message


def test_a_field_that_is_unknown_is_named_with_its_path(gemini: Gemini) -> None:
    client = gemini.client(extra_body={"generationConfig": {"fooBar": 1}, "what": 2})
    error = refused(client, temperature=1)
    assert error.message.splitlines() == [
        "Invalid JSON payload received. Unknown name \"fooBar\" at 'generation_config': Cannot find field.",
        'Invalid JSON payload received. Unknown name "what": Cannot find field.',
    ]
    violations = error.details["error"]["details"][0]["fieldViolations"]
    assert [violation.get("field") for violation in violations] == ["generation_config", None]


def call(*names: str) -> types.Content:
    parts = [types.Part(function_call=types.FunctionCall(name=name, args={}), thought_signature=b"skip_thought_signature_validator") for name in names]
    return types.Content(role="model", parts=parts)


def response(*names: str) -> types.Content:
    return types.Content(role="user", parts=[types.Part.from_function_response(name=name, response={"output": 1}) for name in names])


USER = types.Content(role="user", parts=[types.Part(text="x")])


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([USER, call("f", "g"), response("f")], "the number of function response parts is equal to the number of function call parts"),
        ([USER, call("f"), USER], "the number of function response parts is equal"),
        ([USER, response("f")], "function response turn comes immediately after a function call turn"),
        ([call("f"), response("f")], "function call turn comes immediately after a user turn or after a function response turn"),
        ([USER, call("f"), response("g")], '"g" does not answer "f"'),
    ],
)
def test_histories_out_of_order(gemini: Gemini, contents: list, message: str) -> None:
    error = refused(gemini.client(), contents=contents)
    assert error.code == 400 and message in error.message


def test_too_many_tokens(gemini: Gemini) -> None:
    error = refused(gemini.client(), contents="x" * (4 * 1_048_576))
    assert error.message == "The input token count (1048580) exceeds the maximum number of tokens allowed (1048576)."


def test_retries_are_made_when_they_are_asked_for(gemini: Gemini) -> None:
    retry = types.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.05, jitter=0)
    turns = ({"reply": {"error": {"code": 503}}}, {"reply": {"error": {"code": 429, "quota": "minute", "retry_after_ms": 10}}})
    gemini.faults(*turns)
    client = gemini.client(retry_options=retry)
    assert client.models.generate_content(model=MODEL, contents="hi").text == "hi"
    assert len(gemini.requests()) == 3
    gemini.faults(*turns)
    with pytest.raises(errors.ServerError) as raised:
        gemini.client().models.generate_content(model=MODEL, contents="hi")
    assert raised.value.code == 503 and raised.value.message.startswith("This model is currently experiencing high demand.")


def test_quotas_tell_how_long_to_wait(gemini: Gemini) -> None:
    gemini.settings(requests_per_minute=1)
    client = gemini.client()
    client.models.generate_content(model=MODEL, contents="x")
    error = refused(client)
    assert (error.code, error.status) == (429, "RESOURCE_EXHAUSTED")
    failure, _, retry = error.details["error"]["details"]
    assert "PerMinute" in failure["violations"][0]["quotaId"]
    assert 0 < float(retry["retryDelay"].removesuffix("s")) <= 60
    gemini.settings(requests_per_minute=None, requests_per_day=1)
    assert "PerDay" in refused(client).details["error"]["details"][0]["violations"][0]["quotaId"]


@pytest.mark.parametrize(("code", "status"), [(500, "INTERNAL"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")])
def test_failures_of_the_server(gemini: Gemini, code: int, status: str) -> None:
    gemini.script({"reply": {"error": {"code": code}}})
    with pytest.raises(errors.ServerError) as raised:
        gemini.client().models.generate_content(model=MODEL, contents="x")
    assert (raised.value.code, raised.value.status) == (code, status)


def test_what_is_blocked_or_withheld_is_an_answer_without_text(gemini: Gemini) -> None:
    gemini.script(
        {"reply": {"block": "PROHIBITED_CONTENT"}},
        {"reply": {"finish": "SAFETY"}},
        {"reply": {"text": ""}},
        {"reply": {"thoughts": "so much to think of", "finish": "MAX_TOKENS"}},
    )
    models = gemini.client().models
    blocked = models.generate_content(model=MODEL, contents="x")
    assert blocked.candidates is None and blocked.text is None
    assert blocked.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    assert blocked.usage_metadata.prompt_token_count == 5
    withheld = models.generate_content(model=MODEL, contents="x")
    assert (withheld.text, withheld.candidates[0].finish_reason) == (None, types.FinishReason.SAFETY)
    assert not models.generate_content(model=MODEL, contents="x").text
    thinking = models.generate_content(model=MODEL, contents="x")
    assert (thinking.text, thinking.candidates[0].finish_reason) == (None, types.FinishReason.MAX_TOKENS)
    assert thinking.usage_metadata.thoughts_token_count == 5


def test_markers_in_the_text_make_trouble_without_a_script(gemini: Gemini) -> None:
    client = gemini.client()
    assert refused(client, contents="[[emu:429:2s]]").details["error"]["details"][2]["retryDelay"] == "2s"
    blocked = client.models.generate_content(model=MODEL, contents="[[emu:block]]")
    assert blocked.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT


def test_a_client_that_gives_up_is_seen(gemini: Gemini) -> None:
    gemini.script({"reply": {"text": "late", "hang": {"after_chunks": 0, "ms": 60_000}}})
    with pytest.raises(Exception):  # what it is belongs to the HTTP library
        gemini.client(timeout=300).models.generate_content(model=MODEL, contents="x")
    deadline = time.monotonic() + 5
    while gemini.requests()[0]["outcome"] == "open":
        assert time.monotonic() < deadline, "the emulator did not notice"
        time.sleep(0.02)
    assert gemini.requests()[0]["outcome"] == "cancelled"


def test_a_script_that_runs_out_says_so(gemini: Gemini) -> None:
    gemini.script({"reply": {"text": "one"}})
    client = gemini.client()
    assert client.models.generate_content(model=MODEL, contents="x").text == "one"
    error = refused(client)
    assert (error.code, error.status) == (400, "FAILED_PRECONDITION")
    assert error.message == "the emulator's script has run out; the user said \"x\""
