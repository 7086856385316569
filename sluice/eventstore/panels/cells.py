"""What stores are asked for and give: events grouped by keys and time, and what each group's measures stand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.events import Kind
from sluice.eventstore.panels.buckets import Buckets
from sluice.eventstore.panels.fields import event_kind, field_of
from sluice.eventstore.panels.query import Filter, Measure, Scalar, Subject

Key = tuple[Scalar, ...]
ADDITIVE = frozenset({"count", "sum", "average", "rate", "share"})
"""Measures of two groups together follow from those of each."""
_PARTS_OF_PERCENT = 100_000
"""Percents have three decimals: ranks are found among whole numbers, where nothing is rounded."""


Runs = tuple[Sequence[int], ...]
"""Numbers, in order within each run."""


class Part(NamedTuple):
    """What a measure of a group stands on."""

    size: int = 0
    """Events; of a measure of a field, those that have it; of a share, all of them."""
    total: int = 0
    """Exact: the sum of the field; of a share, the events that are in it."""
    values: tuple[float | None, ...] = ()
    """Percentiles, or how many distinct values."""
    numbers: Runs = ()
    """What percentiles and distinct values are of, from a store that gives the numbers themselves."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One group in one bucket."""

    key: Key
    """Empty for "other"; the currency comes last where the pass asked for it."""
    bucket: int
    """Its number; 0 where there is no time axis."""
    is_other: bool
    parts: tuple[Part, ...]
    """One for each measure."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One way to group the events of one question."""

    kind: Subject
    start: int
    end: int
    filters: tuple[Filter, ...]
    measures: tuple[Measure, ...]
    split_by: tuple[str, ...] = ()
    by_currency: bool = False
    buckets: Buckets | None = None
    chosen: tuple[Key, ...] | None = None
    """The groups to keep apart; all others together are "other". ``None``: all are kept apart."""
    with_shown: bool = True
    """Whether the chosen groups are wanted, and not "other" alone."""
    with_other: bool = True
    """Whether there can be any "other"."""
    most: int = 0
    """So many cells are wanted at most, and one more that says that there are more."""

    @property
    def events(self) -> Kind:
        """Which are read."""
        return event_kind(self.kind)

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields of a cell's key."""
        return (*self.split_by, "currency") if self.by_currency else self.split_by


def is_of_numbers(kind: Subject, measure: Measure) -> bool:
    """Whether a store that gives numbers gives this measure's: those of two groups together follow from each's."""
    if measure.kind == "distinct":
        return field_of(kind, measure.field, "measures").type == "number"
    return measure.kind == "percentiles"


def rank_of(size: int, percent: float) -> int:
    """The nearest rank, from 1: percent of how many they are, rounded up."""
    return -(-size * round(percent * 1_000) // _PARTS_OF_PERCENT)


def at_rank(numbers: Sequence[int], percent: float) -> float | None:
    """Of numbers in order the one at the nearest rank."""
    return float(numbers[rank_of(len(numbers), percent) - 1]) if numbers else None
