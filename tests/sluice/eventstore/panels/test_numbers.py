"""Ranks and distinct values of numbers in many runs are those of all numbers in order."""

from __future__ import annotations

import random
from array import array

import pytest

from sluice.eventstore.panels.cells import at_rank
from sluice.eventstore.panels.numbers import RUN, distinct_in, percentiles_of, runs_in

PERCENTS = (0.001, 1, 50, 95, 99.9, 100)


@pytest.mark.parametrize(("size", "top"), [(1, 5), (2, 5), (RUN - 1, 9), (3 * RUN, 50), (5 * RUN + 1, 1 << 62)])
def test_what_is_read_in_pieces_ranks_as_a_whole(size: int, top: int) -> None:
    """Whatever the sizes, numbers that stand often, and those below nothing; no number is cut where a piece ends."""
    numbers = [random.Random(number).randint(-top, top) for number in range(size)]
    runs = runs_in(",".join(map(str, numbers)))
    assert sorted(number for run in runs for number in run) == sorted(numbers)
    assert percentiles_of(runs, PERCENTS) == tuple(at_rank(sorted(numbers), percent) for percent in PERCENTS)
    assert distinct_in(runs) == len(set(numbers))


def test_short_runs_and_long_ones_are_ranked_together() -> None:
    """As of a thousand groups, some of them large, some empty."""
    chance = random.Random(7)
    runs = tuple(
        array("q", sorted(chance.randint(0, 10_000) for _ in range(chance.choice((0, 1, 30, 2 * RUN)))))
        for _ in range(60)
    )
    whole = sorted(number for run in runs for number in run)
    assert percentiles_of(runs, PERCENTS) == tuple(at_rank(whole, percent) for percent in PERCENTS)


def test_of_no_numbers_there_is_no_rank() -> None:
    """Nothing is not 0."""
    assert runs_in("") == ()
    assert percentiles_of((), (50, 99)) == (None, None)
    assert percentiles_of(((), ()), (50,)) == (None,)
    assert distinct_in(()) == 0


def test_no_run_is_long() -> None:
    """What is put in order in one call holds other threads up: it is bounded, however many numbers there are."""
    assert max(map(len, runs_in(",".join(["1234567"] * 10 * RUN)))) <= RUN + 1
