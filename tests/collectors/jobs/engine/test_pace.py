"""A rate is a bound over any while."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.jobs.engine.pace import Pace


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@given(st.floats(0.5, 1e6), st.lists(st.integers(0, 500), min_size=1, max_size=50))
def test_what_is_taken_is_paid_for_before_more_is(rate: float, takes: list[int]) -> None:
    """Whoever waits as told has taken, whenever it takes again, no more than the rate allows for the time gone."""
    clock = Clock()
    pace = Pace(rate, clock)
    taken = 0
    for events in takes:
        clock.now += pace.seconds_left
        assert taken <= rate * (clock.now - 1_000.0) + 1e-3 * rate
        pace.spend(events)
        taken += events


def test_time_that_was_not_used_is_no_credit() -> None:
    """After an hour's rest there is no burst."""
    clock = Clock()
    pace = Pace(10.0, clock)
    clock.now += 3_600
    pace.spend(20)
    assert pace.seconds_left == pytest.approx(2.0)


@pytest.mark.parametrize(("rate", "most"), [(1.0, 1), (0.001, 1), (100.0, 10), (1e6, 100_000)])
def test_at_most_a_tenth_of_a_second_comes_at_once(rate: float, most: int) -> None:
    """And always one at least, or nothing would ever move."""
    assert Pace(rate, Clock()).most_at_once == most


def test_no_rate_is_no_bound() -> None:
    """0 is all that it can."""
    pace = Pace(0.0, Clock())
    pace.spend(1 << 40)
    assert pace.seconds_left == 0.0
    assert pace.most_at_once > 1 << 20
