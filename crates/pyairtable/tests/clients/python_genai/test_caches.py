"""Contents that are stored and used again."""

from __future__ import annotations

import time

import pytest
from google import genai
from google.genai import errors, types

from conftest import MODEL, Gemini


def test_a_cache_from_its_making_to_its_end(gemini: Gemini, client: genai.Client) -> None:
    config = types.CreateCachedContentConfig(display_name="schema", system_instruction="x" * 20_000, contents=["base appA"], ttl="300s")
    cache = client.caches.create(model=MODEL, config=config)
    assert cache.name.startswith("cachedContents/") and cache.model == f"models/{MODEL}"
    assert cache.usage_metadata.total_token_count == 5004 + 3 + 4
    assert (cache.expire_time - cache.create_time).total_seconds() == 300

    answer = client.models.generate_content(model=MODEL, contents="hi", config=types.GenerateContentConfig(cached_content=cache.name))
    assert answer.text == "hi"
    assert answer.usage_metadata.cached_content_token_count == 5011
    assert answer.usage_metadata.prompt_token_count == 5011 + 5

    updated = client.caches.update(name=cache.name, config=types.UpdateCachedContentConfig(ttl="600s"))
    assert (updated.expire_time - updated.update_time).total_seconds() == 600
    assert client.caches.get(name=cache.name) == updated
    assert [listed.name for listed in client.caches.list()] == [cache.name]
    client.caches.delete(name=cache.name)
    assert list(client.caches.list()) == []
    with pytest.raises(errors.ClientError) as raised:
        client.models.generate_content(model=MODEL, contents="hi", config=types.GenerateContentConfig(cached_content=cache.name))
    assert raised.value.code == 403


def test_a_cache_expires_and_is_its_owners_alone(gemini: Gemini) -> None:
    client = gemini.client()
    config = types.CreateCachedContentConfig(system_instruction="x" * 20_000, ttl="0.4s")
    name = client.caches.create(model=MODEL, config=config).name
    with pytest.raises(errors.ClientError):
        gemini.client(key="second-key").caches.get(name=name)
    deadline = time.monotonic() + 5
    while list(client.caches.list()):
        assert time.monotonic() < deadline, "it does not expire"
        time.sleep(0.02)
    with pytest.raises(errors.ClientError):
        client.caches.get(name=name)


def test_what_cannot_be_cached(gemini: Gemini) -> None:
    client = gemini.client()
    with pytest.raises(errors.ClientError, match="Cached content is too small"):
        client.caches.create(model=MODEL, config=types.CreateCachedContentConfig(contents=["short"]))
    with pytest.raises(errors.ClientError) as raised:
        client.caches.create(model="gemini-4-hydrogen", config=types.CreateCachedContentConfig(system_instruction="x" * 20_000))
    assert raised.value.code == 404
    name = client.caches.create(model=MODEL, config=types.CreateCachedContentConfig(system_instruction="x" * 20_000)).name
    with pytest.raises(errors.ClientError, match="CachedContent can not be used"):
        client.models.generate_content(model=MODEL, contents="x", config=types.GenerateContentConfig(cached_content=name, system_instruction="y"))
    with pytest.raises(errors.ClientError, match="has to be the same"):
        client.models.generate_content(model="gemini-3.5-flash", contents="x", config=types.GenerateContentConfig(cached_content=name))
