"""Times that figures are asked for."""

from __future__ import annotations

import pytest

from gateway.control.api.problems import Problem
from gateway.control.api.times import WEEK_MICROS, TimeQuery, range_of
from sluice.clock import now_micros


def test_by_default_it_is_up_to_now() -> None:
    """And so long as the figure has it; an end of its own moves both."""
    start, end = range_of(TimeQuery(), WEEK_MICROS)
    assert end - start == WEEK_MICROS
    assert abs(end - now_micros()) < 60_000_000
    assert range_of(TimeQuery.model_validate({"end_time": "1970-01-01T00:00:01Z"}), WEEK_MICROS) == (0, 1_000_000)


def test_a_plus_that_nobody_encoded_is_one() -> None:
    """Forms make a space of it."""
    query = TimeQuery.model_validate({"end_time": "2026-11-01T01:00:00 01:00"})
    assert query.end_time == 1_793_491_200_000_000


@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z"), ("2000-01-01T00:00:00Z", "2026-01-01T00:00:00Z")],
)
def test_a_range_is_one(start: str, end: str) -> None:
    """Not empty, not backwards, not without end."""
    with pytest.raises(Problem) as refused:
        range_of(TimeQuery.model_validate({"start_time": start, "end_time": end}), WEEK_MICROS)
    assert refused.value.field == "start_time"
