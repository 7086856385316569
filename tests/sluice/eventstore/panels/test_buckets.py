"""Time axes: equal in both stores because they are made here; days of 23 and 25 hours; bounds on how many."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.clock import at_micros, micros_of
from sluice.eventstore.panels.buckets import INTERVALS, Run, automatic_interval, buckets_of, is_zone, period_before
from sluice.eventstore.panels.query import MAX_BUCKETS, QueryError

HOUR = 3_600_000_000
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: str = "Europe/Berlin") -> int:
    """Micros of a wall-clock time."""
    return micros_of(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def test_days_are_the_zone_s_own() -> None:
    """Across both changes of the clocks days have 23 and 25 hours, and begin at midnight there."""
    spring = buckets_of(at("2026-03-28"), at("2026-03-31"), "1d", "Europe/Berlin")
    assert [(end - start) // HOUR for start, end in spring.bounds()] == [24, 23, 24]
    autumn = buckets_of(at("2026-10-24T13:00"), at("2026-10-26"), "1d", "Europe/Berlin")
    assert [(end - start) // HOUR for start, end in autumn.bounds()] == [24, 25]
    assert autumn.starts[0] == at("2026-10-24")


def test_hours_from_three_on_begin_at_wall_clock_times() -> None:
    """Every day begins with a bucket, also one that lost an hour; single hours stay equal."""
    day = buckets_of(at("2026-03-29"), at("2026-03-30"), "6h", "Europe/Berlin")
    assert [at_micros(start).astimezone(BERLIN).hour for start in day.starts] == [0, 6, 12, 18]
    assert [(end - start) // HOUR for start, end in day.bounds()] == [5, 6, 6, 6]
    assert len(buckets_of(at("2026-03-29"), at("2026-03-30"), "1h", "Europe/Berlin").starts) == 23


def test_hours_are_full_where_the_zone_is_half_an_hour_beside() -> None:
    """In Kolkata an hour begins on its full hour, which is the half of everybody else's."""
    found = buckets_of(
        at("2026-01-01T10:10", "Asia/Kolkata"), at("2026-01-01T11:10", "Asia/Kolkata"), "1h", "Asia/Kolkata"
    )
    assert found.starts == (at("2026-01-01T10:00", "Asia/Kolkata"), at("2026-01-01T11:00", "Asia/Kolkata"))


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    """Of any moment, the week and the month it is in."""
    assert buckets_of(at("2026-11-26"), at("2026-11-27"), "1w", "Europe/Berlin").starts == (at("2026-11-23"),)
    months = buckets_of(at("2026-01-31"), at("2026-03-01"), "1M", "Europe/Berlin")
    assert months.starts == (at("2026-01-01"), at("2026-02-01"))
    assert months.end == at("2026-03-01")


def test_a_midnight_that_does_not_exist_begins_when_the_day_does() -> None:
    """In Beirut the clocks go from midnight to one: the day is there once, with 23 hours."""
    found = buckets_of(at("2026-03-28", "Asia/Beirut"), at("2026-03-31", "Asia/Beirut"), "1d", "Asia/Beirut")
    assert [(end - start) // HOUR for start, end in found.bounds()] == [24, 23, 24]


def test_runs_fold_a_year_up() -> None:
    """What SQL compares with is short: a year of days is five runs in Berlin and one in UTC."""
    year = (at("2026-01-01"), at("2027-01-01"))
    assert len(buckets_of(*year, "1d", "Europe/Berlin").runs()) == 5
    assert buckets_of(0, 3 * HOUR, "1h", "UTC").runs() == [Run(0, 0, HOUR)]


@given(
    start=st.integers(0, 4_000_000_000_000_000),
    length=st.integers(1, 400 * 24 * HOUR),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]),
    interval=st.sampled_from(["auto", *INTERVALS]),
)
def test_buckets_cover_a_range_without_gaps(start: int, length: int, zone: str, interval: str) -> None:
    """Whatever the range, each moment of it is in exactly one bucket, and the runs say the same."""
    try:
        found = buckets_of(start, start + length, interval, zone)
    except QueryError:
        assert length // INTERVALS[interval] >= MAX_BUCKETS - 2
        return
    bounds = list(found.bounds())
    assert bounds[0][0] <= start
    assert bounds[-1][0] < start + length <= bounds[-1][1]
    assert all(begin < end for begin, end in bounds)
    again = [
        run.start + run.length * number for run, size in _sizes(found.runs(), len(bounds)) for number in range(size)
    ]
    assert again == list(found.starts)


def _sizes(runs: list[Run], total: int) -> list[tuple[Run, int]]:
    ends = [*(run.first for run in runs[1:]), total]
    return [(run, end - run.first) for run, end in zip(runs, ends, strict=True)]


def test_automatic_is_the_finest_that_fits() -> None:
    """An hour in minutes, a day in quarters of an hour, a week in three hours, a year in weeks, an age in months."""
    lengths = [HOUR, 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR, 366 * 24 * HOUR, 10**18]
    assert [automatic_interval(length) for length in lengths] == ["1m", "15m", "3h", "12h", "1w", "1M"]


def test_too_many_are_refused_at_once() -> None:
    """Ten thousand years of minutes cost nothing but an error that names the interval."""
    with pytest.raises(QueryError, match="interval: '1m' makes more than 1,000 buckets"):
        buckets_of(-62_135_596_800_000_000, 253_402_300_800_000_000, "1m", "UTC")


def test_nothing_has_no_buckets() -> None:
    """A range without a moment has an empty axis."""
    assert buckets_of(5, 5, "auto", "UTC").starts == ()


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "\0", "x" * 5_000, None, 3])
def test_what_is_no_zone_is_known(name: object) -> None:
    """Nothing that a reader sends as a zone opens a file or raises."""
    assert not is_zone(name)
    assert is_zone("Europe/Berlin")


def test_the_period_before() -> None:
    """A month's is the month before, days' as many days though one has 23 hours, else as long a time."""
    assert period_before(at("2026-03-01"), at("2026-04-01"), "Europe/Berlin") == (at("2026-02-01"), at("2026-03-01"))
    assert period_before(at("2026-03-29"), at("2026-03-30"), "Europe/Berlin") == (at("2026-03-28"), at("2026-03-29"))
    assert period_before(at("2026-03-30"), at("2026-03-31"), "Europe/Berlin") == (at("2026-03-29"), at("2026-03-30"))
    noon = at("2026-03-29T12:00")
    assert period_before(noon, noon + HOUR, "Europe/Berlin") == (noon - HOUR, noon)
