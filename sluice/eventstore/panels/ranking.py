"""Which groups are shown: the largest by the first measure; where it is money, the largest of each currency in turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sluice.eventstore.panels.answers import Value
from sluice.eventstore.panels.cells import Key


def ranked(values: Iterable[tuple[Key, Value]]) -> list[Key]:
    """The keys, largest value first, then by key; groups without a value last.

    Amounts of different currencies cannot be compared: a group's place is the best it has in any of them.
    """
    found = list(values)
    places: dict[Key, int] = {}
    for ladder in _ladders(found):
        for place, (key, _) in enumerate(sorted(ladder, key=_largest_first)):
            places[key] = min(place, places.get(key, place))
    return sorted((key for key, _ in found), key=lambda key: (places.get(key, len(found)), *map(_order, key)))


def _ladders(found: Sequence[tuple[Key, Value]]) -> list[list[tuple[Key, float | int]]]:
    by_currency: dict[str, list[tuple[Key, float | int]]] = {}
    for key, value in found:
        if isinstance(value, int | float):
            by_currency.setdefault("", []).append((key, value))
        elif value is not None:
            for currency, amount in value.items():
                by_currency.setdefault(currency, []).append((key, amount))
    return list(by_currency.values())


def _largest_first(item: tuple[Key, float | int]) -> tuple[Any, ...]:
    key, value = item
    return (-value, *map(_order, key))


def _order(value: Any) -> tuple[bool, bool, Any]:
    """Nothing first, then numbers, then texts."""
    is_text = isinstance(value, str)
    return value is not None, is_text, value if value is not None else 0
