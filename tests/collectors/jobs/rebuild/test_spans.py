"""What a dated index spans, and how a difference is told."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from collectors.jobs.rebuild.interface import Span
from collectors.jobs.rebuild.spans import differing, span_of, within
from collectors.jobs.sums import Day, DaySums, Sums
from sluice.clock import micros_of
from sluice.eventstore.names import JobIndex


def at(*date: int) -> int:
    """Its midnight."""
    return micros_of(datetime(*date, tzinfo=UTC))  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("date", "start", "end"),
    [
        ("2024.02.28", (2024, 2, 28), (2024, 2, 29)),
        ("2024.12.31", (2024, 12, 31), (2025, 1, 1)),
        ("2024.02", (2024, 2, 1), (2024, 3, 1)),
        ("2024.12", (2024, 12, 1), (2025, 1, 1)),
        ("2024", (2024, 1, 1), (2025, 1, 1)),
    ],
)
def test_a_day_a_month_a_year(date: str, start: tuple[int, ...], end: tuple[int, ...]) -> None:
    """To the next one's first moment."""
    assert span_of(JobIndex("rebuild", "j", "budget", date)) == Span("budget", at(*start), at(*end))


def test_the_days_of_a_span_are_those_of_its_kind() -> None:
    """From its first to the one before its end."""
    days = ["2024-01-31", "2024-02-01", "2024-02-29", "2024-03-01"]
    sums = Sums({Day(kind, day): DaySums(1) for kind in ("budget", "analytics") for day in days})
    found = within(sums, Span("budget", at(2024, 2, 1), at(2024, 3, 1)))
    assert sorted(found.days) == [Day("budget", "2024-02-01"), Day("budget", "2024-02-29")]


async def test_only_where_the_log_has_more_are_its_events_counted_once() -> None:
    """Then the sums have them once for good; where it has fewer nothing of the log is asked again."""
    index, day, asked = JobIndex("rebuild", "j", "budget", "2024.02.01"), Day("budget", "2024-02-01"), list[Span]()

    async def distinct(span: Span) -> Sums:
        asked.append(span)
        return Sums({day: DaySums(2, Counter(EUR=5), checksum=9)})

    sums = Sums({day: DaySums(3, Counter(EUR=7), checksum=12)})
    found = Sums({day: DaySums(2, Counter(EUR=5), checksum=9)})
    assert await differing(index, sums, found, distinct) == []
    assert sums.days[day].events == 2
    assert len(asked) == 1
    found.days[day] = DaySums(3, Counter(EUR=6), unpriced=1, checksum=10)
    [line] = await differing(index, sums, found, distinct)
    assert len(asked) == 1
    assert line == (
        "budget of 2024-02-01: the log has 2 events, 5 nanos EUR, ids 0000000000000009; "
        "sluice-rebuild-j-budget-2024.02.01 has 3 events, 6 nanos EUR, 1 unpriced, ids 000000000000000a"
    )
    assert len(await differing(index, Sums(), found, distinct)) == 1, "a day of which the log has nothing"
