"""What cells come to: each measure's value for each group, each bucket, and all together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

from sluice.eventstore.panels.answers import Column, Unit, Value
from sluice.eventstore.panels.cells import ADDITIVE, Cell, Key, Part, Pass, Runs, is_of_numbers
from sluice.eventstore.panels.fields import field_of
from sluice.eventstore.panels.numbers import distinct_in, percentiles_of
from sluice.eventstore.panels.query import Measure, Subject

Group = tuple[Key, bool]
"""A key, and whether it is "other"."""
WHOLE: Group = ((), False)
"""All events, and the one group of a question without a split."""

_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Meter:
    """A measure, and how its value is made."""

    measure: Measure
    is_money: bool
    is_of_numbers: bool = False
    """Whether the store gives the numbers that percentiles and distinct values are of."""

    @property
    def is_additive(self) -> bool:
        """Whether the value of two groups together follows from theirs."""
        return self.is_of_numbers or self.measure.kind in ADDITIVE

    def value(self, parts: Mapping[str | None, Part], seconds: Fraction) -> tuple[Value, ...]:
        """One for each of its columns; ``parts`` by currency, ``seconds`` of the time they are of."""
        if self.is_money:
            known = {currency or "": part for currency, part in sorted(parts.items(), key=str) if part.size}
            return ({currency: self._money(part, seconds) for currency, part in known.items()},)
        if self.is_of_numbers:
            return self._ranked(sum_of(parts.values()).numbers)
        if self.is_additive:
            whole = sum_of(parts.values())
            return (self._number(whole, seconds),)
        found = next(iter(parts.values()), None)
        if self.measure.kind == "distinct":
            return (int(found.values[0] or 0),) if found else (0,)
        return found.values if found else (None,) * len(self.measure.percents)

    def _ranked(self, numbers: Runs) -> tuple[Value, ...]:
        if self.measure.kind == "distinct":
            return (distinct_in(numbers),)
        return percentiles_of(numbers, self.measure.percents)

    def _money(self, part: Part, seconds: Fraction) -> int:
        if self.measure.kind == "average":
            return round(Fraction(part.total, part.size))
        if self.measure.kind == "rate":
            return round(part.total * self.measure.per_seconds / seconds) if seconds else 0
        return part.total

    def _number(self, part: Part, seconds: Fraction) -> int | float | None:
        kind = self.measure.kind
        if kind == "count":
            return part.size
        if kind == "sum":
            return part.total
        if kind == "rate":
            counted = part.total if self.measure.field else part.size
            return float(counted * self.measure.per_seconds / seconds) if seconds else 0.0
        return float(Fraction(part.total, part.size)) if part.size else None


def sum_of(parts: Iterable[Part]) -> Part:
    """All of them together; of additive measures alone."""
    found = list(parts)
    if len(found) == 1:
        return found[0]
    numbers = tuple(chain.from_iterable(part.numbers for part in found))
    return Part(sum(part.size for part in found), sum(part.total for part in found), numbers=numbers)


def meters_of(subject: Subject, measures: Sequence[Measure], *, gives_numbers: bool = False) -> tuple[Meter, ...]:
    """A meter for each measure."""
    return tuple(
        Meter(measure, _is_money(subject, measure), gives_numbers and is_of_numbers(subject, measure))
        for measure in measures
    )


def _is_money(subject: Subject, measure: Measure) -> bool:
    if not measure.field or measure.kind not in ADDITIVE:
        return False
    return field_of(subject, measure.field, "measures").is_money


def columns_of(subject: Subject, measures: Sequence[Measure]) -> tuple[Column, ...]:
    """The columns of all measures, in order; a name that stands twice is numbered."""
    found: list[Column] = []
    seen: dict[str, int] = {}
    for measure in measures:
        unit = _unit(subject, measure)
        for name in _names(measure):
            seen[name] = seen.get(name, 0) + 1
            found.append(Column(name if seen[name] == 1 else f"{name} {seen[name]}", unit))
    return tuple(found)


def _names(measure: Measure) -> list[str]:
    if measure.kind == "percentiles":
        stem = measure.name or f"({measure.field})"
        return [f"p{percent:g}{stem if stem[0] == '(' else ' ' + stem}" for percent in measure.percents]
    return [measure.name or (f"{measure.kind}({measure.field})" if measure.field else measure.kind)]


def _unit(subject: Subject, measure: Measure) -> Unit:
    if measure.kind in {"count", "distinct"}:
        return "count"
    if measure.kind == "share":
        return "share"
    return field_of(subject, measure.field, "measures").unit if measure.field else "number"


@dataclass(slots=True)
class Tally:
    """Cells of all passes of one question."""

    meters: Sequence[Meter]
    parts: dict[tuple[Group | None, int | None], dict[int, dict[str | None, list[Part]]]] = field(default_factory=dict)
    """By group (``None``: all events) and bucket (``None``: the whole range); then by measure and currency."""

    def add(self, cell: Cell, asked: Pass, numbers: Sequence[int]) -> None:
        """Take in a cell of a pass that asked for the measures of these numbers."""
        currency = cell.key[-1] if asked.by_currency else None
        key = cell.key[: len(cell.key) - asked.by_currency]
        group: Group = (key, cell.is_other)
        bucket = None if asked.buckets is None else cell.bucket
        known = currency if isinstance(currency, str) else None
        for number, part in zip(numbers, cell.parts, strict=False):
            self._put((group, bucket), number, known, part)
            if not self.meters[number].is_additive:
                if not asked.split_by:
                    self._put((None, bucket), number, known, part)
                continue
            self._put((None, None), number, known, part)
            if bucket is not None:
                self._put((group, None), number, known, part)

    def _put(self, place: tuple[Group | None, int | None], number: int, currency: str | None, part: Part) -> None:
        self.parts.setdefault(place, {}).setdefault(number, {}).setdefault(currency, []).append(part)

    def has(self, group: Group) -> bool:
        """Whether anything is known of a group."""
        return (group, None) in self.parts

    def values(self, group: Group | None, bucket: int | None, seconds: Fraction) -> tuple[Value, ...]:
        """Of all measures in order, each as many as it has columns."""
        found = self.parts.get((group, bucket), {})
        return tuple(
            value
            for number, meter in enumerate(self.meters)
            for value in meter.value({key: sum_of(parts) for key, parts in found.get(number, {}).items()}, seconds)
        )


def seconds_of(micros: int) -> Fraction:
    """Exactly."""
    return Fraction(max(micros, 0), _MICROS)
