"""Sets of integers as ranges: held against Python's own sets."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.intervals import Intervals

NUMBERS = st.sets(st.integers(-40, 40))
RANGES = st.lists(st.tuples(st.integers(-40, 40), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def of_ranges(ranges: list[tuple[int, int]]) -> set[int]:
    """The same ranges as a set of Python's own."""
    return {value for first, last in ranges for value in range(first, last + 1)}


def assert_is(intervals: Intervals, expected: set[int]) -> None:
    """The same integers, in the one canonical form, whatever way they came."""
    assert set(intervals.values()) == expected
    assert intervals == Intervals.of(expected)
    assert hash(intervals) == hash(Intervals.of(expected))
    assert intervals.count == len(expected)
    assert bool(intervals) == bool(expected)
    for (_, last), (first, _) in zip(intervals.ranges, intervals.ranges[1:], strict=False):
        assert last + 1 < first, "two ranges touch or are out of order"


@given(RANGES)
def test_ranges_in_any_order_make_the_union_of_them(ranges: list[tuple[int, int]]) -> None:
    """Touching, nested, repeated and unordered ranges give one canonical set."""
    assert_is(Intervals(ranges), of_ranges(ranges))


@given(NUMBERS, NUMBERS)
def test_the_operations_are_those_of_sets(left: set[int], right: set[int]) -> None:
    """Union, intersection, difference and inclusion are what Python's sets say."""
    one, other = Intervals.of(left), Intervals.of(right)
    assert_is(one | other, left | right)
    assert_is(one & other, left & right)
    assert_is(one - other, left - right)
    assert (one <= other) == (left <= right)
    assert (one == other) == (left == right)


@given(RANGES)
def test_adding_one_by_one_is_adding_at_once(ranges: list[tuple[int, int]]) -> None:
    """`add_range` melts whatever ranges the new one touches, whichever way they come."""
    grown = Intervals()
    for first, last in ranges:
        grown = grown.add_range(first, last)
    assert_is(grown, of_ranges(ranges))


@given(NUMBERS, st.integers(-45, 45), st.integers(-45, 45))
def test_membership_gaps_and_what_is_missing(values: set[int], one: int, other: int) -> None:
    """What is contained, what lies between and what is missing of a range are told exactly."""
    intervals = Intervals.of(values)
    asked = set(range(one, other + 1))
    assert (one in intervals) == (one in values)
    if asked:
        assert intervals.contains_range(one, other) == (asked <= values)
    assert_is(intervals.missing(one, other), asked - values)
    assert_is(intervals.add(one), values | {one})
    assert_is(intervals.gaps(), set(range(min(values), max(values) + 1)) - values if values else set())
    if values:
        assert (intervals.first, intervals.last) == (min(values), max(values))


@given(NUMBERS)
def test_text_is_read_back_as_it_was(values: set[int]) -> None:
    """The text of a set gives the same set, negative numbers and the empty set included."""
    assert Intervals.parse(str(Intervals.of(values))) == Intervals.of(values)


def test_the_text_is_compact_and_plain() -> None:
    """People read it: single numbers stand alone, ranges have a hyphen."""
    assert str(Intervals([(1, 5), (7, 7), (9, 10)])) == "1-5,7,9-10"
    assert str(Intervals()) == ""
    assert repr(Intervals([(1, 5)])) == "Intervals.parse('1-5')"


@pytest.mark.parametrize(
    "text", ["x", "1-", "-", "1,,2", "1-2-3", " 1", "1.5", "٣", ",", "9" * 41, "1-5;7", "5-1", "1\n"]
)
def test_text_that_is_no_set_is_refused_by_name(text: str) -> None:
    """Garbage never becomes a set: the error shows the piece that is wrong and the form that is right."""
    with pytest.raises(ValueError, match=r"is no range|ends before it begins"):
        Intervals.parse(text)


def test_ends_of_the_empty_set_and_ranges_that_end_before_they_begin_are_refused() -> None:
    """There is no honest answer, so there is none."""
    with pytest.raises(ValueError, match="no first"):
        _ = Intervals().first
    with pytest.raises(ValueError, match="no last"):
        _ = Intervals().last
    with pytest.raises(ValueError, match="3-2 ends before it begins"):
        Intervals([(3, 2)])
    with pytest.raises(ValueError, match="3-2 ends before it begins"):
        Intervals().add_range(3, 2)
    assert "1" not in Intervals([(1, 2)])


def test_a_set_is_a_value() -> None:
    """No operation changes its operands, so a set can be shared and be a key."""
    first = Intervals([(1, 3)])
    assert (first | Intervals([(4, 9)])) == first.add_range(4, 9) == Intervals([(1, 9)])
    assert str(first) == "1-3"
    assert {first: "kept"}[Intervals.of([3, 1, 2])] == "kept"
    with pytest.raises(AttributeError):
        first.anything = 1  # type: ignore[attr-defined]


def test_numbers_beyond_a_machine_word_are_exact() -> None:
    """Nothing is rounded or wrapped: Python's integers are the integers."""
    wide = Intervals([(1, 2**200)])
    assert wide.count == 2**200
    assert (wide - Intervals([(2**100, 2**100)])).count == 2**200 - 1
    assert 2**200 in wide
    assert wide.missing(2**200, 2**200 + 1) == Intervals([(2**200 + 1, 2**200 + 1)])


def test_a_long_run_costs_its_ranges_and_not_its_integers() -> None:
    """A million integers in a row are one range, added to in no time; 20,000 scattered ones are still quick."""
    started = time.process_time()
    run = Intervals()
    for begin in range(0, 10_000_000, 1000):
        run = run.add_range(begin, begin + 999)
    assert run.ranges == ((0, 9_999_999),)
    scattered = Intervals.of(range(0, 40_000, 2))
    assert (run - scattered).count == 10_000_000 - 20_000
    assert ((scattered | run) & scattered) == scattered
    assert time.process_time() - started < 2
