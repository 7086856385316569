"""Forecasts: what there is and the mean of whole days; exact, by currency, and honest about what they stand on."""

from __future__ import annotations

from sluice.eventstore.panels.answers import Forecast
from sluice.eventstore.panels.buckets import DAY, Buckets, buckets_of
from sluice.eventstore.panels.cells import Cell, Part, Pass
from sluice.eventstore.panels.forecast import forecast_of, whole_days
from sluice.eventstore.panels.query import Measure
from sluice.eventstore.panels.tally import Tally, meters_of

MEASURES = (Measure("sum", "cost_nanos"), Measure("percentiles", "total_micros", (50, 95)))


def tallies(amounts: list[int]) -> tuple[Tally, Tally]:
    """Of so much a day."""
    days = buckets_of(0, len(amounts) * DAY, "1d", "UTC")
    asked = Pass("analytics", 0, 10 * DAY, (), MEASURES[:1], by_currency=True, buckets=days)
    daily, total = Tally(meters_of("analytics", MEASURES)), Tally(meters_of("analytics", MEASURES))
    for number, amount in enumerate(amounts):
        for tally in (daily, total):
            tally.add(Cell(("USD",), number, False, (Part(1, amount),)), asked, [0])
    return daily, total


def test_days_are_whole_between_the_start_and_now() -> None:
    """A range that begins at noon has no whole first day; today is none."""
    days = buckets_of(DAY // 2, 4 * DAY, "1d", "UTC")
    assert whole_days(days, DAY // 2, 3 * DAY + 5) == [1, 2]


def test_the_mean_of_whole_days_is_added_for_the_time_left() -> None:
    """Two days of 2^60 and 4: exact beyond a double, and columns that cannot be foretold are None."""
    days = buckets_of(0, 2 * DAY, "1d", "UTC")
    found = foretold(days, [2**60, 4], (0, 10 * DAY), 2 * DAY)
    assert found.values == ({"USD": (2**60 + 4) * 5}, None, None)
    assert (found.days, "2 whole days" in found.method) == (2, True)


def test_without_a_whole_day_nothing_is_foretold() -> None:
    """An hour is no ground for a month."""
    days = buckets_of(0, DAY // 2, "1d", "UTC")
    found = foretold(days, [7], (0, 10 * DAY), DAY // 2)
    assert (found.values, found.days) == ((None, None, None), 0)
    assert "no whole day" in found.method


def test_what_is_over_is_what_it_came_to() -> None:
    """No forecast of the past."""
    days = buckets_of(0, 2 * DAY, "1d", "UTC")
    found = foretold(days, [7, 8], (0, 2 * DAY), 5 * DAY)
    assert found.values == ({"USD": 15}, None, None)


def foretold(days: Buckets, amounts: list[int], span: tuple[int, int], now: int) -> Forecast:
    """Of so much a day."""
    daily, total = tallies(amounts)
    return forecast_of(daily, days, total, span, now)
