"""The numbers of a group, as many as there are: what percentiles and distinct values are of.

A million of them are read and put in order piece by piece, and never merged: a rank is found among the pieces. A single
call over all of them would hold every other thread of the process up for half a second, and exchanges with them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import chain

from sluice.eventstore.panels.cells import Runs, at_rank, rank_of

RUN = 4_096
"""Numbers that are put in order in one call: some two milliseconds."""
_PIECE_CHARACTERS = RUN * 8


def runs_in(text: str) -> Runs:
    """Of a text that has them between commas."""
    found: list[Sequence[int]] = []
    at, size = 0, len(text)
    while at < size:
        end = text.find(",", at + _PIECE_CHARACTERS)
        end = size if end < 0 else end
        found.append(array("q", sorted(map(int, text[at:end].split(",")))))
        at = end + 1
    return tuple(found)


def percentiles_of(runs: Runs, percents: Iterable[float]) -> tuple[float | None, ...]:
    """Of all together the numbers at the nearest ranks; ``None`` where there are no numbers."""
    few = _joined(runs)
    if len(few) <= 1:
        return tuple(at_rank(few[0] if few else (), percent) for percent in percents)
    return tuple(_at(few, rank_of(sum(map(len, few)), percent)) for percent in percents)


def distinct_in(runs: Runs) -> int:
    """How many different ones there are."""
    seen: set[int] = set()
    for run in runs:
        seen.update(run)
    return len(seen)


def _joined(runs: Runs) -> list[Sequence[int]]:
    """The same in few runs: short ones are put in order together."""
    found: list[Sequence[int]] = []
    short: list[Sequence[int]] = []
    size = 0
    for run in runs:
        if len(run) >= RUN:
            found.append(run)
        elif run:
            short.append(run)
            size += len(run)
        if size >= RUN:
            found.append(_merged(short))
            short, size = [], 0
    return [*found, _merged(short)] if short else found


def _merged(runs: Sequence[Sequence[int]]) -> Sequence[int]:
    return runs[0] if len(runs) == 1 else array("q", sorted(chain.from_iterable(runs)))


def _at(runs: Sequence[Sequence[int]], rank: int) -> float:
    """The smallest number that as many as ``rank`` are not above."""
    low, high = min(run[0] for run in runs), max(run[-1] for run in runs)
    while low < high:
        middle = (low + high) // 2
        if sum(bisect_right(run, middle) for run in runs) >= rank:
            high = middle
        else:
            low = middle + 1
    return float(low)
