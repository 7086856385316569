"""What a dated index spans, and how its figures differ from the log's."""

from __future__ import annotations

from datetime import UTC, datetime

from collectors.jobs.rebuild.interface import Distinct, Span
from collectors.jobs.sums import Day, DaySums, Sums, differences
from sluice.clock import micros_of
from sluice.eventstore.names import JobIndex

_MONTHS = 12


def span_of(index: JobIndex) -> Span:
    """Its day, month or year."""
    year, month, day = (*(int(part) for part in index.date.split(".")), 0, 0)[:3]
    begin = micros_of(datetime(year, month or 1, day or 1, tzinfo=UTC))
    if day:
        return Span(index.kind, begin, begin + 86_400_000_000)
    after = (year, month + 1) if 0 < month < _MONTHS else (year + 1, 1)
    return Span(index.kind, begin, micros_of(datetime(*after, 1, tzinfo=UTC)))


def within(sums: Sums, span: Span) -> Sums:
    """The days of a span."""
    first, end = (datetime.fromtimestamp(at // 1_000_000, UTC).date().isoformat() for at in (span.start, span.end))
    return Sums({day: each for day, each in sums.days.items() if day.kind == span.kind and first <= day.date < end})


async def differing(index: JobIndex, sums: Sums, found: Sums, distinct: Distinct) -> list[str]:
    """How an index differs from the log, a line for each day. Where the log has more, each of its events is counted
    once before that is said, and ``sums`` then have them once."""
    span = span_of(index)
    different = list(differences(within(sums, span), found))
    if any(wanted.events > there.events for _, wanted, there in different):
        once = await distinct(span)
        for day in within(sums, span).days:
            sums.days[day] = once.days.get(day, DaySums())
        different = list(differences(within(sums, span), found))
    return [as_line(index.name, *each) for each in different]


def as_line(index: str, day: Day, wanted: DaySums, found: DaySums) -> str:
    """A difference, for people."""
    return f"{day.kind} of {day.date}: the log has {_text(wanted)}; {index} has {_text(found)}"


def _text(sums: DaySums) -> str:
    parts = [
        f"{sums.events} events",
        *(f"{amount} nanos {currency}" for currency, amount in sorted(sums.nanos.items())),
    ]
    parts += [f"{sums.unpriced} unpriced"] if sums.unpriced else []
    return ", ".join([*parts, f"ids {sums.checksum:016x}"])
