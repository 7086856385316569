"""Ranges of many boots in columns are what sets of (boot, number) are, in whatever order they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.services.reconcile import sequences
from collectors.services.reconcile.sequences import (
    MAX_SEQUENCE,
    Sequences,
    by_boot,
    contains,
    count,
    difference,
    intersection,
    no_ranges,
    union,
)
from sluice.intervals import Intervals

Rows = list[tuple[int, int, int]]
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 30), st.integers(0, 6)).map(lambda row: (*row[:2], row[1] + row[2])),
    max_size=12,
)


def table(rows: Sequence[tuple[int, int, int]]) -> pl.DataFrame:
    """Ranges as they come."""
    return pl.DataFrame(rows, schema=no_ranges().schema, orient="row")


def numbers(ranges: pl.DataFrame) -> set[tuple[int, int]]:
    """One by one."""
    return set(each_of(list(ranges.iter_rows())))


def each_of(rows: Sequence[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """As ``numbers``, repeated where they are."""
    return [(boot, number) for boot, first, last in rows for number in range(first, last + 1)]


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS)
def test_they_are_sets(left: Rows, right: Rows) -> None:
    """Union, difference, intersection and count are those of sets, and results are sorted and do not touch."""
    a, b = union(table(left)), union(table(right))
    mine, other = set(each_of(left)), set(each_of(right))
    assert numbers(union(table(left), table(right))) == mine | other
    assert numbers(difference(a, b)) == mine - other
    assert numbers(intersection(a, b)) == mine & other
    assert count(a) == len(mine)
    assert dict(by_boot(a)) == {
        boot: Intervals.of(n for at, n in mine if at == boot) for boot in {at for at, _ in mine}
    }


@settings(max_examples=60, deadline=None)
@given(ROWS, st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40)), max_size=20))
def test_containment_is_told_for_each(rows: Rows, asked: list[tuple[int, int]]) -> None:
    """In the order in which it was asked, of boots that nobody knows too."""
    boots = pl.Series([boot for boot, _ in asked], dtype=pl.UInt32)
    found = contains(union(table(rows)), boots, pl.Series([number for _, number in asked], dtype=pl.Int64))
    assert found.to_list() == [each in set(each_of(rows)) for each in asked]


@settings(max_examples=40, deadline=None)
@given(st.lists(ROWS, max_size=5))
def test_what_comes_twice_is_known(frames: list[Rows]) -> None:
    """However it is spread over frames, and whenever it was put together in between."""
    grown = Sequences()
    for rows in frames:
        grown.add(table(rows))
        assert grown.ranges.height >= 0
    counted = Counter(each for rows in frames for each in each_of(rows))
    assert numbers(grown.ranges) == set(counted)
    assert numbers(grown.repeated) == {each for each, times in counted.items() if times > 1}


def test_the_largest_numbers_do_not_overflow() -> None:
    """A lie of a gateway is a long range, not a crash."""
    claims = table([(0, 1, MAX_SEQUENCE), (1, MAX_SEQUENCE, MAX_SEQUENCE)])
    gaps = difference(claims, table([(0, 1, 7)]))
    assert list(gaps.iter_rows()) == [(0, 8, MAX_SEQUENCE), (1, MAX_SEQUENCE, MAX_SEQUENCE)]
    assert count(table([(0, 1, MAX_SEQUENCE)] * 4)) == 4 * MAX_SEQUENCE


def test_memory_follows_ranges_and_not_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is put together when it is much; a boot that is whole is one row, and 100,000 boots are so many."""
    monkeypatch.setattr(sequences, "_COMPACT_AT", 10_000)
    grown = Sequences()
    for part in range(50):
        shuffled = pl.int_range(part * 4_000 + 1, (part + 1) * 4_000 + 1, eager=True).sample(
            fraction=1, shuffle=True, seed=part
        )
        grown.add_numbers(pl.repeat(7, 4_000, dtype=pl.UInt32, eager=True), shuffled)
        assert grown._rows < 14_000
    assert list(grown.ranges.iter_rows()) == [(7, 1, 200_000)]
    many = Sequences()
    for number in range(1, 4):
        many.add_numbers(
            pl.int_range(100_000, dtype=pl.UInt32, eager=True), pl.repeat(number, 100_000, dtype=pl.Int64, eager=True)
        )
    assert many.ranges.height == 100_000
    assert count(many.ranges) == 300_000
