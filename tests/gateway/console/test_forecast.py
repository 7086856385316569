"""Where a budget will stand, at the pace of its period so far."""

from __future__ import annotations

from gateway.console.forecast import forecast
from gateway.control.api.services import BudgetStatus


def status(spent: int, limit: int = 1000, start: int = 0, end: int = 1000) -> BudgetStatus:
    """A budget in its period."""
    return BudgetStatus(app_id=1, limit_nanos=limit, spent_nanos=spent, period_start=start, period_end=end)


def test_half_way_the_pace_is_doubled() -> None:
    """400 of 1,000 in half the period come to 800: it lasts."""
    found = forecast(status(400), 500)
    assert (found.elapsed, found.end_nanos, found.exhausted_at) == (0.5, 800, None)


def test_when_it_will_be_gone() -> None:
    """800 in half the period: the limit is reached at 625, and 1,600 would be spent."""
    found = forecast(status(800), 500)
    assert (found.end_nanos, found.exhausted_at) == (1600, 625)


def test_what_is_gone_is_gone_now() -> None:
    """Overspent and exactly spent alike."""
    assert forecast(status(1000), 500).exhausted_at == 500
    assert forecast(status(2000), 500).exhausted_at == 500


def test_too_early_is_said_and_nothing_is_guessed() -> None:
    """In the first hundredth of a period, before it, and in one of no length."""
    assert forecast(status(900), 5).end_nanos is None
    assert forecast(status(900), -10).end_nanos is None
    assert forecast(status(900, start=5, end=5), 5).end_nanos is None


def test_behind_the_end_the_forecast_is_what_was_spent() -> None:
    """A period that is over, no limit, and nothing spent."""
    assert forecast(status(700), 5000).end_nanos == 700
    assert forecast(status(700, limit=0), 500).exhausted_at is None
    assert forecast(status(0), 500).exhausted_at is None
