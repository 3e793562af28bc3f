"""One answer at a time."""

from __future__ import annotations

from enum import Enum

import pytest
from google import genai
from google.genai import types
from pydantic import BaseModel

from conftest import MODEL, Gemini


def test_an_answer_with_its_usage(gemini: Gemini, client: genai.Client) -> None:
    answer = client.models.generate_content(model=MODEL, contents="hi")
    assert answer.text == "hi"
    candidate = answer.candidates[0]
    assert candidate.finish_reason == types.FinishReason.STOP
    assert candidate.content.parts[-1].thought_signature
    usage = answer.usage_metadata
    # "hi" and a turn; "Repeating what the user said." is thought.
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) == (1 + 4, 1, 8)
    assert usage.total_token_count == 5 + 1 + 8
    assert usage.cached_content_token_count is None
    assert answer.model_version == MODEL and answer.response_id
    (asked,) = gemini.requests()
    assert asked["json"] == {"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}
    assert asked["target"].endswith(f"/models/{MODEL}:generateContent")
    assert "google-genai-sdk" in asked["headers"]["x-goog-api-client"]
    assert asked["headers"]["x-goog-api-key"] == "***"


def test_all_settings_are_taken(gemini: Gemini, client: genai.Client) -> None:
    safety = types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_ONLY_HIGH")
    config = types.GenerateContentConfig(
        system_instruction="You manage bases.",
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        seed=7,
        candidate_count=1,
        max_output_tokens=100,
        stop_sequences=["END"],
        safety_settings=[safety],
        service_tier="standard",
        thinking_config=types.ThinkingConfig(thinking_level="low", include_thoughts=True),
    )
    answer = client.models.generate_content(model=f"models/{MODEL}", contents="one END two", config=config)
    assert answer.text == "one "
    thoughts = [part for part in answer.candidates[0].content.parts if part.thought]
    assert [part.text for part in thoughts] == ["Repeating what the user said."]


def test_output_ends_at_the_limit(client: genai.Client) -> None:
    config = types.GenerateContentConfig(max_output_tokens=10)
    answer = client.models.generate_content(model=MODEL, contents="abcdefghijklmnop", config=config)
    assert (answer.text, answer.candidates[0].finish_reason) == ("abcdefgh", types.FinishReason.MAX_TOKENS)
    config = types.GenerateContentConfig(max_output_tokens=3)
    answer = client.models.generate_content(model=MODEL, contents="abcdefghijklmnop", config=config)
    assert answer.text is None
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert answer.usage_metadata.candidates_token_count is None


class Recipe(BaseModel):
    name: str
    steps: list[str]
    minutes: int


class Mood(Enum):
    SAD = "sad"
    HAPPY = "happy"


def test_json_mode_answers_fit_the_schema(client: genai.Client) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Recipe)
    answer = client.models.generate_content(model=MODEL, contents="pancakes", config=config)
    assert answer.parsed == Recipe(name="pancakes", steps=["pancakes"], minutes=0)
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=list[Recipe])
    assert isinstance(client.models.generate_content(model=MODEL, contents="x", config=config).parsed[0], Recipe)
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"], "additionalProperties": False}
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=schema)
    assert client.models.generate_content(model=MODEL, contents="x", config=config).parsed == {"n": 3}
    config = types.GenerateContentConfig(response_mime_type="text/x.enum", response_schema=Mood)
    assert client.models.generate_content(model=MODEL, contents="so happy", config=config).parsed == Mood.HAPPY


def test_tokens_are_counted_by_the_published_rule(client: genai.Client) -> None:
    text = "Zwölf Boxkämpfer"
    counted = client.models.count_tokens(model=MODEL, contents=[text, "x"])
    assert counted.total_tokens == -(-len(text.encode()) // 4) + 1 + 4


def test_models_are_listed_and_read(client: genai.Client) -> None:
    models = {model.name: model for model in client.models.list(config={"page_size": 4})}
    assert len(models) > 10
    model = client.models.get(model=MODEL)
    assert models[f"models/{MODEL}"] == model
    assert "generateContent" in model.supported_actions
    assert (model.input_token_limit, model.thinking) == (1_048_576, True)


def test_a_long_beginning_that_comes_again_is_cached(client: genai.Client) -> None:
    config = types.GenerateContentConfig(system_instruction="x" * 20_000)
    first = client.models.generate_content(model=MODEL, contents="one", config=config)
    second = client.models.generate_content(model=MODEL, contents="two", config=config)
    assert first.usage_metadata.cached_content_token_count is None
    assert second.usage_metadata.cached_content_token_count == 5004
    assert second.usage_metadata.prompt_token_count == 5004 + 1 + 4


def test_an_answer_that_continues_is_put_together(gemini: Gemini) -> None:
    gemini.script(
        {"when": {"continuation": False}, "reply": {"text": "one ", "continuation": True}},
        {"when": {"continuation": True}, "reply": {"text": "two"}},
    )
    answer = gemini.client().models.generate_content(model=MODEL, contents="go")
    assert answer.text == "one two"
    first, second = gemini.requests()
    assert "continuationToken" in second["json"] and "continuationToken" not in first["json"]


def test_embeddings_come_in_batches_and_are_deterministic(client: genai.Client) -> None:
    embed = lambda *texts, **config: client.models.embed_content(  # noqa: E731
        model="gemini-embedding-001", contents=list(texts), config=config or None
    ).embeddings
    first, second, other = embed("open tasks", "Open TASKS", "blue whale", output_dimensionality=64, task_type="RETRIEVAL_QUERY")
    assert len(first.values) == 64 and first.values == second.values != other.values
    assert sum(value * value for value in first.values) == pytest.approx(1)
    assert len(embed("x")[0].values) == 3072
