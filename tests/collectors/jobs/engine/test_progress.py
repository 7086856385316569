"""A bar that tells how far it is, how fast, and how long yet."""

from __future__ import annotations

from collectors.jobs.engine.progress import Progress
from collectors.operations.printing import Printer
from sluice.eventlog.interface import Partition
from sluice.eventlog.journal.offsets import offset_of
from sluice.eventlog.ranges import OffsetRange

FIRST, SECOND = Partition("t", 0), Partition("t", 1)


class Bars(Printer):
    """Remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[int, int, str]] = []

    def progress(self, done: int, total: int, what: str) -> None:
        self.shown.append((done, total, what))


class Clock:
    """Stands where it is put."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_rate_and_time_left() -> None:
    """In offsets of all partitions; the rate is of late, the time by what this run got through."""
    bars, clock = Bars(), Clock()
    progress = Progress({FIRST: OffsetRange(100, 1_100), SECOND: OffsetRange(0, 1_000)}, "replay job", bars, clock)
    clock.now = 1.0
    progress.show({FIRST: 100}, 0)
    clock.now = 10.0
    progress.show({FIRST: 600}, 500)
    assert bars.shown[-1] == (500, 2_000, "replay job 56/s, 30s left")
    progress.end()
    assert bars.shown[-1][:2] == (2_000, 2_000)


def test_eyes_are_not_flooded() -> None:
    """Twice a second is enough; a bar that is not done never looks done, for its line would end."""
    bars, clock = Bars(), Clock()
    progress = Progress({FIRST: OffsetRange(0, 10)}, "replay", bars, clock)
    for step in range(100):
        clock.now = step / 20
        progress.show({FIRST: 10}, 10)
    assert len(bars.shown) <= 10
    assert all(done < total for done, total, _ in bars.shown)


def test_segments_of_a_journal_are_as_long_as_one_another() -> None:
    """Their offsets leap by four thousand million; half of the segments are about half of the way."""
    bars, clock = Bars(), Clock()
    journal = Partition("gateway/w0", 0)
    progress = Progress({journal: OffsetRange(offset_of(3, 500), offset_of(7, 500))}, "replay", bars, clock)
    assert 0.49 < progress.done({journal: offset_of(5, 500)}) / progress.done({journal: offset_of(7, 500)}) < 0.51
    one = Progress({journal: OffsetRange(offset_of(3, 500), offset_of(3, 900))}, "replay", bars, clock)
    assert one.done({journal: offset_of(3, 600)}) == 100


def test_a_resumed_job_reckons_from_where_it_began() -> None:
    """What an earlier run did is done, and says nothing of how fast this one is."""
    bars, clock = Bars(), Clock()
    progress = Progress({FIRST: OffsetRange(0, 1_000)}, "replay", bars, clock)
    clock.now = 1.0
    progress.show({FIRST: 900}, 0)
    clock.now = 11.0
    progress.show({FIRST: 950}, 50)
    assert bars.shown[-1] == (950, 1_000, "replay 5/s, 11s left")
