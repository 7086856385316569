"""Price rows, and the table that finds the one that held when an exchange was admitted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from operator import attrgetter

_GLOB_CHARACTERS = frozenset("*?[")
_MAX_REMEMBERED = 1024  # models are named by clients, so what is remembered of them is bounded
_MAX_REMEMBERED_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Price:
    """What one model costs from some moment on. Prices are nanos per million tokens: a price of $2.50 per million
    tokens is 2,500,000,000."""

    id: str
    version: str
    vendor: str
    model: str
    """A model's exact name, or a glob such as ``gpt-4o*``."""
    currency: str
    prompt_nanos: int
    response_nanos: int
    cache_read_nanos: int
    cache_write_nanos: int
    valid_from: int = 0
    """Micros of the epoch."""

    def __post_init__(self) -> None:
        if min(self.prompt_nanos, self.response_nanos, self.cache_read_nanos, self.cache_write_nanos) < 0:
            message = f"price {self.id!r} is negative; a price is zero or more"
            raise ValueError(message)

    @property
    def is_glob(self) -> bool:
        """Whether ``model`` is a pattern."""
        return not _GLOB_CHARACTERS.isdisjoint(self.model)


class PriceTable:
    """Immutable: a changed price list is a new table."""

    def __init__(self, prices: Iterable[Price] = ()) -> None:
        rows = sorted(prices, key=attrgetter("valid_from"), reverse=True)
        _refuse_ambiguous(rows)
        self._by_id = {row.id: row for row in reversed(rows)}
        self._exact: dict[tuple[str, str], list[Price]] = {}
        globs = [row for row in rows if row.is_glob]
        for row in rows:
            if not row.is_glob:
                self._exact.setdefault((row.vendor, row.model), []).append(row)
        # sorted() is stable: rows of one pattern stay newest first
        by_length = sorted(globs, key=lambda row: (-len(row.model), row.model))
        self._globs = [(re.compile(translate(row.model)), row) for row in by_length]
        self._remembered: dict[tuple[str, str], tuple[Price, ...]] = {}

    def by_id(self, price_id: str) -> Price | None:
        """The newest row with this id, whatever models it is for."""
        return self._by_id.get(price_id)

    def find(self, vendor: str, model: str, at_micros: int) -> Price | None:
        """The row that held at ``at_micros``: the exact name before the longest matching glob, the newest of each."""
        key = (vendor, model)
        candidates = self._remembered.get(key)
        if candidates is None:
            candidates = self._candidates(key)
        for price in candidates:
            if price.valid_from <= at_micros:
                return price
        return None

    def _candidates(self, key: tuple[str, str]) -> tuple[Price, ...]:
        vendor, model = key
        globs = (row for pattern, row in self._globs if row.vendor == vendor and pattern.match(model))
        candidates = (*self._exact.get(key, ()), *globs)
        if len(model) <= _MAX_REMEMBERED_CHARACTERS:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = candidates
        return candidates


def _refuse_ambiguous(rows: list[Price]) -> None:
    seen: dict[tuple[str, str, int], str] = {}
    for row in rows:
        key = (row.vendor, row.model, row.valid_from)
        if key in seen:
            message = (
                f"prices {seen[key]!r} and {row.id!r} are both for {row.vendor}/{row.model} from the same moment; "
                "remove one, or give it another valid_from"
            )
            raise ValueError(message)
        seen[key] = row.id
