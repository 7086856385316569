"""Which events of what was read a job carries: those that its target takes in life too, and that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from collectors.deliveries import Frame
from collectors.jobs.engine.pace import Pace
from collectors.jobs.engine.tally import Tally
from collectors.jobs.interface import FrameTest
from collectors.selection import Selects


class JobSelection:
    """The entry's own selection, then each test; whatever is left is counted and paid for."""

    def __init__(
        self,
        of_entry: Selects,
        tests: Sequence[FrameTest],
        tally: Tally,
        pace: Pace,
        observe: Callable[[Frame], None] | None = None,
    ) -> None:
        self._tests: tuple[FrameTest, ...] = (of_entry.positions, *tests)
        self._tally = tally
        self._pace = pace
        self._observe = observe

    def positions(self, frame: Frame) -> Sequence[int]:
        """Of the rows that all of them want."""
        wanted: Sequence[int] = range(len(frame.delivery))
        for test in self._tests:
            wanted = _both(wanted, test(frame), len(frame.delivery))
        if wanted:
            times = frame.rows["occurred_at"]
            self._tally.matched(times if len(wanted) == len(times) else times.gather(list(wanted)))
            self._pace.spend(len(wanted))
            if self._observe is not None:
                self._observe(frame.pick(wanted))
        return wanted


def _both(one: Sequence[int], other: Sequence[int], size: int) -> Sequence[int]:
    if len(other) == size:
        return one
    if len(one) == size:
        return other
    kept = set(other)
    return [at for at in one if at in kept]


def occurred_within(from_micros: int | None, to_micros: int | None) -> FrameTest:
    """``--by occurred``: from one moment on and before another."""
    parts = [] if from_micros is None else [pl.col("occurred_at") >= from_micros]
    parts += [] if to_micros is None else [pl.col("occurred_at") < to_micros]

    def test(frame: Frame) -> Sequence[int]:
        if not parts:
            return range(len(frame.delivery))
        mask = frame.rows.select(pl.all_horizontal(parts).alias("within")).to_series()
        return range(len(mask)) if mask.all() else mask.arg_true().to_list()

    return test
