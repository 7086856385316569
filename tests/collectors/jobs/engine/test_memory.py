"""A job's memory does not grow with its range."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from pathlib import Path

import pytest

from collectors.jobs.engine.work import carry
from collectors.jobs.folder import JobFolder
from collectors.jobs.interface import Ranges
from collectors.jobs.replay.dry import NoSink
from sluice.eventlog.interface import Partition, PolledRecord, StoredRecord
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.jobs.bench import MemoryOrigin, records, work_of
from tests.collectors.memory import resident_bytes

PIECE = 5_000
PLACE = Partition("sluice.analytics.v1", 0)


class Repeating(MemoryOrigin):
    """The same few records again and again under ever new offsets: a million cost no memory of the test's own."""

    def __init__(self, count: int) -> None:
        super().__init__({PLACE: records(500)})
        self.count = count
        self.sizes: list[int] = []
        """What this process holds, measured about eighteen times on the way."""

    async def ranges(self, topics: Collection[str]) -> Ranges:
        return {PLACE: OffsetRange(0, self.count)} if PLACE.topic in topics else {}

    async def read(
        self, ranges: Ranges, topics: Collection[str]
    ) -> AsyncGenerator[tuple[Partition, Sequence[PolledRecord]], None]:
        del topics
        [wanted] = ranges.values()
        few = self.records[PLACE]
        for first in range(wanted.first, wanted.end, PIECE):
            if first % max(PIECE, self.count // 18 // PIECE * PIECE) == 0:
                self.sizes.append(resident_bytes())
            piece: list[PolledRecord] = []
            for offset in range(first, min(first + PIECE, wanted.end)):
                old = few[offset % len(few)]
                piece.append(StoredRecord(old.topic, 0, offset, old.timestamp, old.key, old.value, old.headers))
            yield PLACE, piece
            await asyncio.sleep(0)


@pytest.fixture
def only_its_own() -> Iterator[None]:
    """What the tests before have left lies where no collection looks: they take a third of a second each with it."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("only_its_own")
@pytest.mark.parametrize(
    "count",
    [
        pytest.param(1_000_000, marks=pytest.mark.timeout(120)),  # a limit for each: one of the function would win
        pytest.param(10_000_000, marks=[pytest.mark.long, pytest.mark.timeout(1_200)]),
    ],
    ids=["million", "ten"],
)
async def test_memory_is_flat(count: int, tmp_path: Path) -> None:
    """A million records, read, decoded, selected, batched, counted and saved: what the process holds in the last third
    is what it held in the second, within a few megabytes; ten million in the long form."""
    origin = Repeating(count)
    with JobFolder.begin(tmp_path, "job", {}) as folder:
        report = await carry(await work_of(origin, NoSink(), folder=folder, clock=time.monotonic))
        size = sum(path.stat().st_size for path in folder.path.iterdir())
    assert (report.state, report.read, report.written) == ("complete", count, count)
    third = len(origin.sizes) // 3
    before, after = origin.sizes[third : 2 * third], origin.sizes[2 * third :]
    assert max(after) - max(before) < 16 << 20, f"{max(before) >> 20} MB, then {max(after) >> 20} MB"
    assert sum(after) / len(after) - sum(before) / len(before) < 8 << 20
    assert size < 1 << 16
