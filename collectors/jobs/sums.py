"""What a number of events is, in figures that two places can be compared by: exact, and in any order the same.

For each kind and UTC day of ``occurred_at``: how many events, their nanos by currency, how many of them have no cost,
and a checksum of their ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple

import polars as pl

from collectors.selection import mixed
from schemas.events import KINDS, Kind

DAY_MICROS = 86_400_000_000
_EPOCH = date(1970, 1, 1)
_HALF = 32
_WORD_BYTES = 8
_MODULUS = 1 << 64


class Day(NamedTuple):
    """Events of one kind that occurred on one UTC day."""

    kind: Kind
    date: str
    """``2026-11-26``."""


@dataclass(slots=True)
class DaySums:
    """Of one day."""

    events: int = 0
    nanos: Counter[str] = field(default_factory=Counter)
    """By currency; of events that have a cost."""
    unpriced: int = 0
    """Events whose cost is null; of kinds that have one."""
    checksum: int = 0
    """The sum of a hash of each event's id, modulo 2^64: an event twice is another sum."""

    def add(self, other: DaySums) -> None:
        """Take another part of the same day in."""
        self.events += other.events
        self.nanos.update(other.nanos)
        self.unpriced += other.unpriced
        self.checksum = (self.checksum + other.checksum) % _MODULUS

    def as_dict(self) -> dict[str, Any]:
        """For JSON; the checksum in hex, as no JavaScript keeps 64 bits."""
        return {
            "events": self.events,
            "nanos": dict(sorted(self.nanos.items())),
            "unpriced": self.unpriced,
            "checksum": f"{self.checksum:016x}",
        }

    @classmethod
    def of(cls, facts: dict[str, Any]) -> DaySums:
        """As ``as_dict`` made it."""
        return cls(facts["events"], Counter(facts["nanos"]), facts["unpriced"], int(facts["checksum"], 16))


@dataclass(slots=True)
class Sums:
    """Of any number of events, by day."""

    days: dict[Day, DaySums] = field(default_factory=dict)

    def add(self, kind: Kind, rows: pl.DataFrame) -> None:
        """Take the rows of a frame in: its columns ``event_id`` and ``occurred_at``, and cost where the kind has it."""
        for day, sums in _sums_of(kind, rows):
            self.days.setdefault(day, DaySums()).add(sums)

    def merge(self, other: Sums) -> None:
        """Take all of another in."""
        for day, sums in other.days.items():
            self.days.setdefault(day, DaySums()).add(sums)

    @property
    def events(self) -> int:
        """Of all days."""
        return sum(sums.events for sums in self.days.values())

    def nanos(self, kind: Kind) -> Counter[str]:
        """Of one kind, all days, by currency."""
        total: Counter[str] = Counter()
        for day, sums in self.days.items():
            if day.kind == kind:
                total.update(sums.nanos)
        return total

    def as_dict(self) -> dict[str, Any]:
        """For JSON: kind → day → figures."""
        found: dict[str, Any] = {}
        for day, sums in sorted(self.days.items()):
            found.setdefault(day.kind, {})[day.date] = sums.as_dict()
        return found

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Sums:
        """As ``as_dict`` made them."""
        return cls({Day(kind, day): DaySums.of(facts[kind][day]) for kind in KINDS for day in facts.get(kind, {})})


def differences(wanted: Sums, found: Sums) -> Iterator[tuple[Day, DaySums, DaySums]]:
    """The days on which they are not the same, in order, each with both."""
    for day in sorted(wanted.days.keys() | found.days.keys()):
        here, there = wanted.days.get(day, DaySums()), found.days.get(day, DaySums())
        if here != there:
            yield day, here, there


def _sums_of(kind: Kind, rows: pl.DataFrame) -> Iterator[tuple[Day, DaySums]]:
    if not rows.height:
        return
    numbers, hashes = rows["occurred_at"] // DAY_MICROS, id_hashes(rows["event_id"])
    for number in numbers.unique():
        mask = numbers == number
        sums = DaySums(events=int(mask.sum()), checksum=_exact_sum(hashes.filter(mask)) % _MODULUS)
        if "cost_nanos" in rows.columns:
            _add_cost(sums, rows.filter(mask))
        yield Day(kind, (_EPOCH + timedelta(days=number)).isoformat()), sums


def _add_cost(sums: DaySums, rows: pl.DataFrame) -> None:
    priced = rows.filter(rows["cost_nanos"].is_not_null())
    sums.unpriced = rows.height - priced.height
    for currency in priced["currency"].unique():
        mask = priced["currency"].eq_missing(currency)
        sums.nanos[currency or ""] += _exact_sum(priced["cost_nanos"].filter(mask))


def _exact_sum(values: pl.Series) -> int:
    """However large: the sum of the halves of 64 bits cannot be beyond them."""
    high = values // (1 << _HALF)
    halves: list[Any] = [high.sum(), (values - high * (1 << _HALF)).sum()]
    return (int(halves[0]) << _HALF) + int(halves[1])


def id_hashes(ids: pl.Series) -> pl.Series:
    """A hash of each id, of all of its bytes: 64 bits, ours, the same in every version and place."""
    lengths = ids.str.len_bytes()
    longest: Any = lengths.max() or 0
    words = -(-longest // _WORD_BYTES)
    padded = ("\0" * _WORD_BYTES * words + ids).cast(pl.Binary)
    hashes = pl.zeros(len(ids), dtype=pl.UInt64, eager=True)  # and so it stays through words that a shorter id lacks
    for at in range(words, 0, -1):
        word = padded.bin.slice(-at * _WORD_BYTES, _WORD_BYTES).bin.reinterpret(dtype=pl.UInt64, endianness="little")
        hashes = mixed(hashes ^ word)
    return mixed(hashes ^ lengths.cast(pl.UInt64))
