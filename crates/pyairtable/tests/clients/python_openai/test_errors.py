"""What the client makes of errors, and what it repeats by itself."""

from __future__ import annotations

import time

import openai
import pytest

from conftest import Model, System

ASSISTANT = "airtable-assistant"
ASK = {"model": ASSISTANT, "messages": [{"role": "user", "content": "Go"}]}


def failing(**error) -> dict:
    return {"times": "always", "reply": {"error": error}}


def test_a_bad_request_names_the_place(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model=ASSISTANT, messages=[{"role": "user"}])  # type: ignore[list-item]
    assert raised.value.param == "messages[0].content" and raised.value.type == "invalid_request_error"
    assert raised.value.request_id


def test_more_than_one_answer_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**ASK, n=2)


def test_a_wrong_key_is_an_authentication_error(system: System) -> None:
    with pytest.raises(openai.AuthenticationError) as raised:
        system.client("pya_live_nonsense").models.list()
    assert raised.value.code == "invalid_api_key"


def test_a_key_without_the_right_is_refused(system: System) -> None:
    with pytest.raises(openai.PermissionDeniedError):
        system.client("reader").chat.completions.create(**ASK)


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="gpt-4o", messages=ASK["messages"])
    assert raised.value.code == "model_not_found"


def test_somebody_elses_session_is_not_found(system: System, model: Model) -> None:
    model.script({"times": "always", "reply": {"text": "Hi."}})
    system.client().chat.completions.create(**ASK, extra_body={"session_id": "py-mine"})
    with pytest.raises(openai.NotFoundError):
        system.client("other").chat.completions.create(**ASK, extra_body={"session_id": "py-mine"})


def test_a_used_up_day_is_told_once_and_not_repeated(client: openai.OpenAI, model: Model) -> None:
    model.script(failing(code=429, quota="day"))
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(**ASK)
    assert raised.value.code == "provider_quota_exhausted" and raised.value.type == "insufficient_quota"
    assert len(model.requests()) == 1, "neither we nor the client ask again"


def test_after_a_change_the_client_does_not_repeat_the_turn(client: openai.OpenAI, model: Model) -> None:
    create = {"name": "create_records", "args": {"base": "Warehouse", "table": "Bulk", "records": [{"Name": "once"}]}}
    model.script({"when": {"tool_result": False}, "times": "always", "reply": {"calls": [create]}}, failing(code=429, quota="day"))
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(**ASK)
    assert "changes were made" in raised.value.message
    assert len(model.requests()) == 2, "one turn: a call, and the failure"


def test_an_error_in_the_middle_of_a_stream_is_raised(client: openai.OpenAI, model: Model) -> None:
    model.script({"reply": {"text": ["It ", "is ", "so."], "cut": {"after_chunks": 1}}})
    texts = []
    with pytest.raises(openai.APIError) as raised:
        for chunk in client.chat.completions.create(**ASK, stream=True):
            texts.append(chunk.choices[0].delta.content or "")
    assert "".join(texts) == "It " and raised.value.code == "answer_broke_off"


def test_a_filtered_question_is_an_answer_with_a_refusal(client: openai.OpenAI, model: Model) -> None:
    model.script({"reply": {"block": True}})
    choice = client.chat.completions.create(**ASK).choices[0]
    assert choice.finish_reason == "content_filter" and choice.message.refusal


def test_leaving_a_stream_stops_the_model(client: openai.OpenAI, model: Model) -> None:
    model.script({"reply": {"text": ["word "] * 200, "chunk_delay_ms": 50}})
    stream = client.chat.completions.create(**ASK, stream=True)
    next(chunk for chunk in stream if chunk.choices[0].delta.content)
    stream.close()
    for _ in range(100):
        if model.requests()[-1]["outcome"] == "cancelled":
            return
        time.sleep(0.05)
    raise AssertionError(f"the model was not told: {model.requests()[-1]['fate']}")


def test_the_same_request_with_the_same_key_is_one_run(client: openai.OpenAI, model: Model) -> None:
    model.script({"reply": {"text": "Once."}})
    ask = lambda: client.chat.completions.create(**ASK, extra_headers={"Idempotency-Key": "py-k1"})  # noqa: E731
    assert ask().choices[0].message.content == ask().choices[0].message.content == "Once."
    assert len(model.requests()) == 1
