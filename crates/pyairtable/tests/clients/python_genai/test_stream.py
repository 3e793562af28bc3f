"""Answers that come in pieces."""

from __future__ import annotations

import pytest
from google import genai
from google.genai import errors, types

from conftest import MODEL, Gemini

TEXT = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich, und das jeden Tag."


def test_the_pieces_make_the_whole_and_each_carries_usage(gemini: Gemini, client: genai.Client) -> None:
    chunks = list(client.models.generate_content_stream(model=MODEL, contents=TEXT))
    assert len(chunks) > 2
    assert "".join(chunk.text for chunk in chunks) == TEXT
    totals = [chunk.usage_metadata.total_token_count for chunk in chunks]
    assert totals == sorted(totals)
    assert [chunk.candidates[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    whole = client.models.generate_content(model=MODEL, contents=TEXT)
    assert chunks[-1].usage_metadata == whole.usage_metadata
    assert gemini.requests()[0]["target"].endswith(":streamGenerateContent?alt=sse")


def test_thoughts_and_a_signature_on_an_empty_part(gemini: Gemini) -> None:
    gemini.always(thoughts=["Let me see. ", "Yes."], text=["one ", "two"], signature="empty_part")
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    chunks = list(gemini.client().models.generate_content_stream(model=MODEL, contents="x", config=config))
    parts = [chunk.candidates[0].content.parts[0] for chunk in chunks]
    assert [(part.text, bool(part.thought)) for part in parts] == [
        ("Let me see. ", True),
        ("Yes.", True),
        ("one ", False),
        ("two", False),
        ("", False),
    ]
    assert parts[-1].thought_signature and not parts[-2].thought_signature


def test_characters_that_are_cut_on_the_way_arrive_whole(gemini: Gemini) -> None:
    gemini.always(text=[TEXT], split_bytes=1)
    chunks = list(gemini.client().models.generate_content_stream(model=MODEL, contents="x"))
    assert "".join(chunk.text for chunk in chunks) == TEXT


def test_an_error_in_the_middle_is_raised(gemini: Gemini) -> None:
    gemini.always(text=["one ", "two"], stream_error={"after_chunks": 1, "code": 503})
    stream = gemini.client().models.generate_content_stream(model=MODEL, contents="x")
    assert next(stream).text == "one "
    with pytest.raises(errors.ServerError) as raised:
        next(stream)
    assert (raised.value.code, raised.value.status) == (503, "UNAVAILABLE")


def test_a_connection_that_breaks_is_an_error_and_a_body_that_ends_early_is_not(gemini: Gemini) -> None:
    gemini.script(
        {"reply": {"text": ["one ", "zwölf"], "cut": {"after_chunks": 1, "how": "inside_chunk"}}},
        {"reply": {"text": ["one ", "two"], "cut": {"after_chunks": 1, "how": "body"}}},
    )
    models = gemini.client().models
    stream = models.generate_content_stream(model=MODEL, contents="x")
    assert next(stream).text == "one "
    with pytest.raises(Exception):  # what it is belongs to the HTTP library
        list(stream)
    (chunk,) = models.generate_content_stream(model=MODEL, contents="x")
    assert chunk.candidates[0].finish_reason is None
