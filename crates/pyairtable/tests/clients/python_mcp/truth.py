"""What is in the seed, computed here, to compare results with."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from conftest import SEED


def table(base: str, name: str) -> dict[str, Any]:
    tables = next(one for one in SEED["bases"] if one["id"] == base)["tables"]
    return next(one for one in tables if one["name"] == name)


def records(base: str, name: str) -> list[dict[str, Any]]:
    return table(base, name)["records"]


def count_by(base: str, name: str, field: str) -> Counter[Any]:
    """Groups as the tool forms them: each value of a list once, nothing as `None`."""
    counts: Counter[Any] = Counter()
    for record in records(base, name):
        value = record["fields"].get(field)
        counts.update(set(value) if isinstance(value, list) else [value])
    return counts


def sum_by(base: str, name: str, by: str, field: str) -> dict[Any, Decimal]:
    sums: dict[Any, Decimal] = defaultdict(Decimal)
    for record in records(base, name):
        sums[record["fields"].get(by)] += Decimal(str(record["fields"].get(field, 0)))
    return dict(sums)
