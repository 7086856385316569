"""Periods: every moment lies in one, they follow each other without gap, and begin at midnight where the app is."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.money import periods as periods_module
from sluice.money.periods import Period, is_time_zone, period_at

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia",
         "America/Santiago", "Africa/Casablanca")  # fmt: skip
HOUR = 3_600_000_000


def micros(*when: int, zone: str = "UTC") -> int:
    """Micros of the epoch."""
    return round(datetime(*when, tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("at", "day", "start", "end", "name"),
    [
        ((2026, 11, 26), 1, (2026, 11, 1), (2026, 12, 1), "2026-11-01"),
        ((2026, 11, 1), 1, (2026, 11, 1), (2026, 12, 1), "2026-11-01"),
        ((2026, 11, 14, 23, 59, 59), 15, (2026, 10, 15), (2026, 11, 15), "2026-10-15"),
        ((2026, 11, 15), 15, (2026, 11, 15), (2026, 12, 15), "2026-11-15"),
        ((2026, 12, 31, 23, 59, 59), 1, (2026, 12, 1), (2027, 1, 1), "2026-12-01"),
        ((2027, 1, 3), 28, (2026, 12, 28), (2027, 1, 28), "2026-12-28"),
        ((2024, 2, 29, 12), 28, (2024, 2, 28), (2024, 3, 28), "2024-02-28"),
        ((2025, 2, 28), 28, (2025, 2, 28), (2025, 3, 28), "2025-02-28"),
        ((2025, 3, 1), 28, (2025, 2, 28), (2025, 3, 28), "2025-02-28"),
    ],
)  # fmt: skip
def test_a_month_begins_on_its_day(
    at: tuple[int, ...], day: int, start: tuple[int, ...], end: tuple[int, ...], name: str
) -> None:
    """At midnight; the microsecond before belongs to the month before; ends of years and leap days are days."""
    assert period_at(micros(*at), day, "UTC") == Period(micros(*start), micros(*end), name)
    before = period_at(micros(*start) - 1, day, "UTC")
    assert before.end == micros(*start)


@pytest.mark.parametrize(
    ("zone", "day", "at", "start", "end", "hours"),
    [
        ("Europe/Berlin", 1, (2026, 3, 10), (2026, 2, 28, 23), (2026, 3, 31, 22), 31 * 24 - 1),
        ("Europe/Berlin", 1, (2026, 10, 10), (2026, 9, 30, 22), (2026, 10, 31, 23), 31 * 24 + 1),
        ("America/New_York", 8, (2026, 3, 9), (2026, 3, 8, 5), (2026, 4, 8, 4), 31 * 24 - 1),
        ("Pacific/Apia", 28, (2012, 1, 5), (2011, 12, 28, 10), (2012, 1, 27, 10), 30 * 24),
    ],
)  # fmt: skip
def test_a_month_is_the_clock_s_where_the_app_is(
    zone: str, day: int, at: tuple[int, ...], start: tuple[int, ...], end: tuple[int, ...], hours: int
) -> None:
    """An hour is lost or won in it when clocks change; one country even left out a day."""
    period = period_at(micros(*at), day, zone)
    assert (period.start, period.end) == (micros(*start), micros(*end))
    assert period.end - period.start == hours * HOUR


def test_a_midnight_that_does_not_exist_is_when_the_day_begins() -> None:
    """In Santiago clocks go from 23:59 to 01:00 on the first Sunday of September, in 2024 the eighth."""
    period = period_at(micros(2024, 9, 20), 8, "America/Santiago")
    before = period_at(period.start - 1, 8, "America/Santiago")
    assert before.end == period.start == micros(2024, 9, 8, 4)


@given(st.integers(0, 4_000_000_000_000_000), st.integers(1, 28), st.sampled_from(ZONES))
def test_periods_follow_each_other(at: int, day: int, zone: str) -> None:
    """Every moment is in the period that is said to hold; the next begins where it ends, in the same words."""
    found = [period_at(at, day, zone)]
    assert found[0].start <= at < found[0].end
    for _ in range(13):
        found.append(period_at(found[-1].end, day, zone))
    for one, following in pairwise(found):
        assert one.end == following.start
        assert period_at(one.end - 1, day, zone) == one
        assert 26 * 24 * HOUR < one.end - one.start < 33 * 24 * HOUR
    local = datetime.fromtimestamp(found[0].start // 1_000_000, UTC).astimezone(ZoneInfo(zone))
    assert (local.day, found[0].id) == (day, local.date().isoformat())
    assert len({period.id for period in found}) == 14


def test_what_is_remembered_is_bounded() -> None:
    """However many days and zones apps have."""
    zones = sorted(ZONES) * 30
    for number, zone in enumerate(zones * 20):
        period_at(1_700_000_000_000_000, number % 28 + 1, zone)
    assert len(periods_module._remembered) <= periods_module._MAX_REMEMBERED


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "Etc/GMT+12"])
def test_zones_of_the_iana_are_zones(name: str) -> None:
    """As they are written there."""
    assert is_time_zone(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "Berlin", "europe/berlin/", "../../etc/passwd", "/etc/localtime", "Europe", "a" * 5000, "UTC\0", "+02:00"],
)
def test_whatever_else_is_none(name: str) -> None:
    """It is said, with what to write instead; no file of the host is opened by it."""
    with pytest.raises(ValueError, match=r"is no time zone; write one of the IANA's"):
        is_time_zone(name)
