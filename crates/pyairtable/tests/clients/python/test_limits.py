"""Runs last: after everything above, the emulator behind the gateway counted no breach of its limits."""

from __future__ import annotations

from collections.abc import Iterator

import requests

from services import Service


def numbers(value: object, name: str) -> Iterator[int]:
    """Every number called `name`, however deep."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == name and isinstance(item, int):
                yield item
            else:
                yield from numbers(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from numbers(item, name)


def test_the_limits_of_airtable_were_never_broken(gateway: object, emulator_behind_gateway: Service) -> None:
    counters = requests.get(f"{emulator_behind_gateway.url}/__emulator/counters", timeout=10).json()
    assert sum(numbers(counters, "requests")) > 0, counters
    found = list(numbers(counters, "violations"))
    assert found, f"no counter of violations in {counters}"
    assert sum(found) == 0, counters
