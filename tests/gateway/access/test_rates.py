"""The ring of buckets: no sixty seconds have more than the limit, whatever the clock does, and room comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.rates import BUCKET_NS, BUCKETS, REFUSED, WINDOW_NS, Rates
from gateway.access.shared_table import FIRST_WORD, ROW_WORDS, SharedTable

SECOND = 1_000_000_000
START = 1_000 * BUCKET_NS
"""The beginning of a bucket."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedTable]:
    """Of one worker; each test takes rows of its own."""
    shared = SharedTable(tmp_path_factory.mktemp("table"), "w0", max_rows=4096)
    yield shared
    shared.close()


_rows = iter(range(1, 4000))


def new_row(table: SharedTable) -> int:
    """A row that nobody has used."""
    return table.row((8, next(_rows), 0, 0))


def test_a_window_is_the_bucket_under_way_and_a_whole_minute_before_it() -> None:
    """By the numbers, and a row has the room for them."""
    assert (BUCKETS - 1) * BUCKET_NS >= WINDOW_NS
    assert FIRST_WORD + 1 + BUCKETS * 4 // 8 <= ROW_WORDS


def test_what_fits_is_counted_and_what_does_not_is_not(table: SharedTable) -> None:
    """To the limit, and not one more."""
    rates, row = Rates(table), new_row(table)
    assert rates.take(row, START, 7, 10) == START // BUCKET_NS
    assert rates.take(row, START, 4, 10) == REFUSED
    assert rates.used(row, START) == 7
    assert rates.take(row, START, 3, 10) != REFUSED
    assert rates.used(row, START) == 10


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 40 * SECOND), st.integers(1, 6)), max_size=80))
def test_no_sixty_seconds_have_more_than_the_limit(
    table: SharedTable, limit: int, steps: list[tuple[int, int]]
) -> None:
    """Wherever they begin: every window that ends with something admitted is summed up."""
    rates, row, nanos = Rates(table), new_row(table), START
    admitted: list[tuple[int, int]] = []
    for passed, amount in steps:
        nanos += passed
        if rates.take(row, nanos, amount, limit) != REFUSED:
            admitted.append((nanos, amount))
    for end, _ in admitted:
        assert sum(amount for at, amount in admitted if end - WINDOW_NS <= at <= end) <= limit


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(0, 5 * BUCKET_NS))
def test_all_of_the_limit_comes_back(table: SharedTable, limit: int, offset: int) -> None:
    """A pause of a minute and a bucket is enough, and never too much is held back."""
    rates, row = Rates(table), new_row(table)
    for _ in range(limit):
        assert rates.take(row, START + offset, 1, limit) != REFUSED
    assert rates.take(row, START + offset + WINDOW_NS, 1, limit) == REFUSED
    assert rates.used(row, START + offset + BUCKETS * BUCKET_NS) == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9 * SECOND), st.integers(1, 5)), min_size=1, max_size=30), st.integers(1, 5))
def test_the_seconds_it_names_are_enough_and_not_two_too_many(
    table: SharedTable, steps: list[tuple[int, int]], amount: int
) -> None:
    """Who waits as long as ``Retry-After`` says gets in; two seconds before there was no room."""
    rates, row, limit, nanos = Rates(table), new_row(table), 10, START
    for passed, size in steps:
        nanos += passed
        rates.take(row, nanos, size, limit)
    missing = rates.used(row, nanos) + amount - limit
    if missing <= 0:
        return
    seconds = rates.seconds_until(row, nanos, missing)
    assert 1 <= seconds <= 64
    if seconds > 2:
        assert limit - rates.used(row, nanos + (seconds - 2) * SECOND) < amount
    assert rates.take(row, nanos + seconds * SECOND, amount, limit) != REFUSED


def test_it_names_the_very_bucket_that_makes_room(table: SharedTable) -> None:
    """And not the one behind it."""
    rates, row = Rates(table), new_row(table)
    for step in (0, 5, 9):
        rates.take(row, START + step * BUCKET_NS, 5, 15)
    now = START + 9 * BUCKET_NS
    waits = [-(-(BUCKETS + step - 9) * BUCKET_NS // SECOND) for step in (0, 5, 9)]
    assert [rates.seconds_until(row, now, room) for room in (5, 10, 15)] == waits
    assert [rates.seconds_until(row, now, room) for room in (1, 6, 11)] == waits
    assert rates.seconds_until(row, now, 999) == waits[-1]


@pytest.mark.timeout(5)
def test_a_long_pause_is_one_turn(table: SharedTable) -> None:
    """Not one for each bucket that passed meanwhile."""
    rates, row = Rates(table), new_row(table)
    rates.take(row, START, 10, 10)
    assert rates.take(row, START + 10**18, 10, 10) != REFUSED


def test_a_clock_that_is_a_little_behind_counts_into_the_present(table: SharedTable) -> None:
    """Two processes look at the clock, and the later one takes the lock first."""
    rates, row = Rates(table), new_row(table)
    ahead = rates.take(row, START + 5 * BUCKET_NS, 3, 10)
    assert rates.take(row, START, 3, 10) == ahead
    assert rates.used(row, START) == 6


@pytest.mark.parametrize("back", [BUCKETS, BUCKETS + 1, 999])
def test_a_clock_that_began_anew_begins_the_row_anew(table: SharedTable, back: int) -> None:
    """After a restart of the host; nobody is locked out until the clock is where it was."""
    rates, row = Rates(table), new_row(table)
    assert rates.take(row, START, 10, 10) != REFUSED
    earlier = START - back * BUCKET_NS
    assert rates.take(row, earlier, 10, 10) != REFUSED
    assert rates.take(row, earlier, 1, 10) == REFUSED


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-(10**12), 10**12), max_size=40))
def test_a_hostile_clock_never_breaks_a_row(table: SharedTable, jumps: list[int]) -> None:
    """Whatever it says, the limit holds at that moment, and a minute later all of it is free."""
    rates, row, nanos = Rates(table), new_row(table), 10**15
    for jump in jumps:
        nanos += jump
        rates.take(row, nanos, 3, 10)
        assert 0 <= rates.used(row, nanos) <= 10
    rates.used(row, nanos)
    later = nanos + 2 * BUCKETS * BUCKET_NS
    assert rates.take(row, later, 10, 10) != REFUSED


def test_a_correction_changes_its_own_bucket(table: SharedTable) -> None:
    """While it is in the window; then it is nobody's."""
    rates, row = Rates(table), new_row(table)
    tick = rates.take(row, START, 100, 100)
    rates.used(row, START + 3 * BUCKET_NS)
    rates.correct(row, tick, -60)
    assert rates.used(row, START + 3 * BUCKET_NS) == 40
    rates.used(row, START + BUCKETS * BUCKET_NS)
    rates.correct(row, tick, 60)
    assert rates.used(row, START + BUCKETS * BUCKET_NS) == 0


@pytest.mark.parametrize(("amount", "left"), [(-1000, 0), (1 << 40, (1 << 32) - 1)])
def test_a_correction_stays_within_a_bucket(table: SharedTable, amount: int, left: int) -> None:
    """Below zero is none; a vendor that counts nonsense fills one bucket, and touches no other."""
    rates, row = Rates(table), new_row(table)
    tick = rates.take(row, START, 100, 100)
    rates.take(row, START + BUCKET_NS, 5, 200)
    rates.correct(row, tick, amount)
    assert rates.used(row, START + BUCKET_NS) == left + 5


def test_a_ring_stays_within_its_row(table: SharedTable) -> None:
    """The neighbours are as they were."""
    rates = Rates(table)
    before, row, after = (new_row(table) for _ in range(3))
    for step in range(3 * BUCKETS):
        rates.take(row, START + step * BUCKET_NS, 1_000_000, 1_000_000_000)
    for neighbour in (before, after):
        assert list(table.words[table.at(neighbour) + FIRST_WORD : table.at(neighbour) + ROW_WORDS]) == [0] * (
            ROW_WORDS - FIRST_WORD
        )
    assert rates.used(row, START + (3 * BUCKETS - 1) * BUCKET_NS) == BUCKETS * 1_000_000


def test_another_worker_sees_what_was_counted(table: SharedTable, tmp_path: Path) -> None:
    """The rows are one for all."""
    first = SharedTable(tmp_path, "w0", max_rows=1024)
    second = SharedTable(tmp_path, "w1", max_rows=1024)
    row = first.row((8, 1, 0, 0))
    Rates(first).take(row, START, 4, 10)
    assert Rates(second).used(second.row((8, 1, 0, 0)), START) == 4
    first.close()
    second.close()
