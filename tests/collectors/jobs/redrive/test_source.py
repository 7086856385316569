"""Letters as a source: the chosen ones, in order, once, to the end, whatever befalls the log meanwhile."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from collectors.deliveries import Delivery
from collectors.jobs.redrive.ledger import Ledger
from collectors.jobs.redrive.letters import Letter
from collectors.jobs.redrive.source import LetterSource, lane_name
from collectors.operations.log import Log
from collectors.settings import HostSettings
from collectors.tracker import Lane
from sluice.eventlog.interface import EventLogError, OffsetLostError, Partition, PolledRecord, StoredRecord
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.jobs.redrive.benches import letters_of, made
from tests.collectors.jobs.redrive.test_ledger import Publisher
from tests.contracts.eventlog_laws import Listener

TOPIC = "sluice.analytics.v1.dlq"
FIRST, SECOND = Partition(TOPIC, 0), Partition(TOPIC, 1)


class Reader:
    """Two partitions of ten letters each, handed out three at a time; raises what it is told to, once each."""

    def __init__(self) -> None:
        [letter] = letters_of(made(1))
        self.records = {
            each: [StoredRecord(TOPIC, each.partition, at, 5, b"k", letter.value, letter.headers) for at in range(10)]
            for each in (FIRST, SECOND)
        }
        self.errors: list[Exception | None] = []
        self.firsts = {FIRST: 0, SECOND: 0}
        self.closed = 0

    async def ranges(self, _topics: Collection[str]) -> Mapping[Partition, OffsetRange]:
        return {each: OffsetRange(first, 10) for each, first in self.firsts.items()}

    async def read(
        self, ranges: Mapping[Partition, OffsetRange], _topics: Collection[str]
    ) -> AsyncIterator[Sequence[PolledRecord]]:
        for each, wanted in ranges.items():
            for start in range(wanted.first, wanted.end, 3):
                if self.errors and (error := self.errors.pop(0)) is not None:
                    raise error
                yield self.records[each][start : min(start + 3, wanted.end)]

    async def read_schemas(self) -> Sequence[bytes]:
        return [b"{}"]

    async def close(self) -> None:
        self.closed += 1


class Bench:
    """A source over a reader."""

    def __init__(self, folder: Path, first: Sequence[int], second: Sequence[int] = ()) -> None:
        self.reader = Reader()
        self.ledger = Ledger(Publisher(), "t", "job-1", folder / "f")
        host = HostSettings.model_validate({"data_dir": folder, "kafka": {"bootstrap_servers": "127.0.0.1:1"}})
        self.source = LetterSource(
            lambda: Log(host, lambda _: cast("Any", self.reader)),
            {FIRST: array("q", first), SECOND: array("q", second)},
            self.ledger,
        )

    async def everything(self, most: int = 100) -> list[tuple[int, int]]:
        """Partition and offset of each, until it has ended; what the log did not answer is asked again."""
        found: list[tuple[int, int]] = []
        while not self.source.has_ended:
            try:
                polled = await self.source.poll(0.01, most)
            except EventLogError:
                continue
            assert all(len(records) <= most for records in polled.values())
            found += [(record.partition, record.offset) for records in polled.values() for record in records]
            for partition, records in polled.items():
                assert partition == lane_name("job-1", Partition(records[0].topic + ".dlq", records[0].partition))
        return found

    def settle(self, partition: Partition, *offsets: int) -> None:
        """As if the service had ended with them."""
        lane = Lane(partition)
        delivery = Delivery()
        for offset in offsets:
            delivery.add(Letter.of(partition, self.reader.records[partition][offset]).original(), lane)
        self.ledger.settle("delivered", delivery)


async def test_the_chosen_ones_are_handed_out(tmp_path: Path) -> None:
    """In order, in pieces as large as asked for; it is finished when all of them are settled, and not before."""
    bench = Bench(tmp_path, [1, 2, 4, 9], [0])
    listener = Listener()
    await bench.source.start(listener)
    assert len(listener.ours) == 2
    assert await bench.everything(most=2) == [(0, 1), (0, 2), (0, 4), (0, 9), (1, 0)]
    assert await bench.source.poll(0.0, 10) == {}
    bench.settle(FIRST, 1, 2, 9)
    bench.settle(SECOND, 0)
    finished = [bench.source.is_finished]
    bench.settle(FIRST, 4)
    assert [*finished, bench.source.is_finished] == [False, True]
    assert await bench.source.commit({})
    assert await bench.source.lag() == {}
    assert await bench.source.read_schemas() == [b"{}"]
    await bench.source.close()
    assert bench.reader.closed == 2


@pytest.mark.parametrize("at", range(8))
async def test_a_log_that_is_away_is_gone_on_with(tmp_path: Path, at: int) -> None:
    """Wherever it failed: nothing is left out, nothing comes twice."""
    bench = Bench(tmp_path, range(10), range(10))
    bench.reader.errors = [*[None] * at, EventLogError("away"), EventLogError("still")]
    assert await bench.everything() == [(number, at) for number in (0, 1) for at in range(10)]


async def test_what_is_settled_is_passed_over(tmp_path: Path) -> None:
    """By an earlier life of the job's service."""
    bench = Bench(tmp_path, [1, 2, 3])
    bench.settle(FIRST, 1, 3)
    assert await bench.everything() == [(0, 2)]


async def test_what_retention_deleted_meanwhile_is_passed_over(tmp_path: Path) -> None:
    """The others come; a loss that cannot be found is an error as any other."""
    bench = Bench(tmp_path, range(10), range(10))
    bench.reader.errors = [None, OffsetLostError("gone")]
    bench.reader.firsts[FIRST] = 8
    assert await bench.everything() == [(0, 0), (0, 1), (0, 2), (0, 8), (0, 9), *((1, at) for at in range(10))]
    strange = Bench(tmp_path, [1])
    strange.reader.errors = [OffsetLostError("gone")]
    with pytest.raises(OffsetLostError):
        await strange.source.poll(0.01, 10)


async def test_a_place_that_is_gone_ends(tmp_path: Path) -> None:
    """A journal that was removed: none of its letters come."""
    bench = Bench(tmp_path, [1], [2])
    bench.reader.errors = [OffsetLostError("gone")]
    del bench.reader.firsts[FIRST]
    assert await bench.everything() == [(1, 2)]


async def test_paused_it_hands_out_nothing(tmp_path: Path) -> None:
    """Whichever partition is paused: the bounds are one job's."""
    bench = Bench(tmp_path, [1], [2])
    lane = lane_name("job-1", FIRST)
    bench.source.pause([lane])
    assert await bench.source.poll(0.0, 10) == {}
    assert await bench.source.poll(0.0, 10) == {}
    bench.source.resume([lane])
    assert len(await bench.everything()) == 2
