"""A scope's bounds: by the millisecond, within the calendar, and never an error of a store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.eventstore.scope import END_MICROS, FIRST_MICROS, Scope


@given(st.none() | st.integers(), st.none() | st.integers())
def test_bounds_are_whole_milliseconds_of_the_calendar(start: int | None, end: int | None) -> None:
    """Rounded down, however large or negative."""
    scope = Scope.of_app(1, start, end)
    for given_, kept in ((start, scope.start), (end, scope.end)):
        assert FIRST_MICROS <= kept <= END_MICROS
        assert kept % 1_000 == 0
        if given_ is not None and FIRST_MICROS <= given_ < END_MICROS:
            assert 0 <= given_ - kept < 1_000


def test_without_bounds_time_does_not_matter() -> None:
    """No clause is made of it."""
    assert not Scope.of_app(1, None, None).is_bounded
    assert not Scope(llm_id=1).is_bounded
    assert Scope.of_app(1, 0, None).is_bounded
    assert Scope.of_app(1, None, 0).is_bounded


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**40])
def test_ids_beyond_64_bits_are_of_nobody(number: int) -> None:
    """No store is asked."""
    assert not Scope.of_app(number, None, None).is_possible
    assert not Scope(llm_id=number).is_possible


def test_a_range_that_ends_before_it_begins_is_empty() -> None:
    """So is one below a millisecond."""
    assert Scope.of_app(1, 0, 1_000).is_possible
    for start, end in ((0, 0), (0, 999), (1_000, 0)):
        assert not Scope.of_app(1, start, end).is_possible
