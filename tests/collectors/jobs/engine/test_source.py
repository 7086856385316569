"""Ranges behave as a source to the pipeline: order, pauses, failures, and an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from collectors.jobs.engine.pace import Pace
from collectors.jobs.engine.source import RangeSource
from collectors.jobs.interface import Ranges
from sluice.eventlog.interface import EventLogError, OffsetLostError, Partition, PolledRecord
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import TOPICS, partition_of
from tests.collectors.jobs.bench import MemoryOrigin, origin_of, records
from tests.collectors.virtual_time import virtual_time

FIRST, SECOND = partition_of(number=0), partition_of(number=1)


class Listener:
    """Remembers what was assigned."""

    def __init__(self) -> None:
        self.assigned: list[Partition] = []

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        self.assigned += partitions

    async def on_revoked(self, partitions: Iterable[Partition]) -> None:
        raise AssertionError(list(partitions))


@asynccontextmanager
async def reading(origin: MemoryOrigin, rate: float = 0.0) -> AsyncIterator[RangeSource]:
    """A source that reads ahead while the block runs."""
    clock = asyncio.get_running_loop().time

    async def store(next_offsets: Mapping[Partition, int]) -> None:
        stored.update(next_offsets)

    stored: dict[Partition, int] = {}
    ranges = await origin.ranges(tuple(TOPICS.events()))
    source = RangeSource(origin, ranges, tuple(TOPICS.events()), store=store, pace=Pace(rate, clock))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(source.run())
        yield source
        running.cancel()


async def everything(source: RangeSource, most: int = 5_000) -> dict[Partition, list[int]]:
    """Poll to the end; the offsets."""
    found: dict[Partition, list[int]] = {}
    while not source.has_ended:
        for partition, polled in (await source.poll(1.0, most)).items():
            assert len(polled) <= most
            found.setdefault(partition, []).extend(record.offset for record in polled)
    return found


@virtual_time
async def test_it_gives_everything_in_order_and_then_ends() -> None:
    """Every partition from its first offset to its last; at the end, once everything was polled, it says so."""
    ends: list[int] = []
    async with reading(MemoryOrigin({FIRST: records(250), SECOND: records(130, partition=1)})) as source:
        source.ended = lambda: ends.append(1)
        found = await everything(source)
    assert found == {FIRST: list(range(250)), SECOND: list(range(130))}
    assert ends == [1]


@virtual_time
async def test_polls_are_as_small_as_asked_for() -> None:
    """What is left of a piece comes with the next poll."""
    async with reading(origin_of(250)) as source:
        assert (await everything(source, 33))[FIRST] == list(range(250))


@virtual_time
async def test_a_paused_partition_gives_nothing_until_it_is_resumed() -> None:
    """And nothing of it is lost; reading ahead is bounded meanwhile."""
    origin = origin_of(5_000)
    async with reading(origin) as source:
        source.pause([FIRST])
        for _ in range(20):
            assert await source.poll(0.5, 100) == {}
        assert origin.pieces <= 4
        source.resume([FIRST])
        assert (await everything(source))[FIRST] == list(range(5_000))


@virtual_time
async def test_a_failure_is_the_next_poll_s_and_reading_goes_on_behind_it() -> None:
    """Each record once, whatever failed between."""
    origin = origin_of(300)
    origin.failures = [None, EventLogError("away"), EventLogError("still away"), None]
    async with reading(origin) as source:
        assert len((await source.poll(1.0, 1_000))[FIRST]) == 100
        for words in ("away", "still away"):
            with pytest.raises(EventLogError, match=words):
                await source.poll(1.0, 1_000)
        assert (await everything(source))[FIRST] == list(range(100, 300))


@virtual_time
async def test_what_is_gone_is_said_by_its_own_error() -> None:
    """The pipeline halts for it, and does not retry in silence."""
    origin = origin_of(100)
    async with reading(origin) as source:
        origin.first[FIRST] = 50
        with pytest.raises(OffsetLostError):
            await source.poll(1.0, 1_000)


@virtual_time
async def test_a_pace_is_waited_for() -> None:
    """At most a tenth of a second's worth at once, and nothing while it is not paid for."""
    clock = asyncio.get_running_loop().time
    async with reading(origin_of(100), rate=50.0) as source:
        assert len((await source.poll(1.0, 1_000))[FIRST]) == 5
        source._pace.spend(50)  # as a selection does
        began = clock()
        assert await source.poll(0.5, 1_000) == {}
        assert clock() - began == pytest.approx(0.5)


@virtual_time
async def test_all_partitions_are_assigned_at_once_and_commits_are_stored() -> None:
    """Nobody takes one away; empty ranges are no partitions."""
    listener = Listener()
    stored: dict[Partition, int] = {}

    async def store(next_offsets: Mapping[Partition, int]) -> None:
        stored.update(next_offsets)

    ranges = {FIRST: OffsetRange(0, 5), SECOND: OffsetRange(7, 7)}
    source = RangeSource(origin_of(5), ranges, (), store=store, pace=Pace(0.0, lambda: 0.0))
    await source.start(listener)
    assert listener.assigned == [FIRST]
    assert await source.commit({FIRST: 3})
    assert stored == {FIRST: 3}
    assert await source.lag() == {}
    assert await source.read_schemas() == ()
    await source.close()


@virtual_time
async def test_a_poll_of_an_origin_that_is_slow_ends_in_time() -> None:
    """So that batches that are old enough are written meanwhile."""

    class Slow(MemoryOrigin):
        async def read(
            self, ranges: Ranges, topics: Collection[str]
        ) -> AsyncGenerator[tuple[Partition, Sequence[PolledRecord]], None]:
            await asyncio.sleep(60)
            async for piece in super().read(ranges, topics):
                yield piece

    clock = asyncio.get_running_loop().time
    found: Mapping[Partition, Sequence[PolledRecord]]
    async with reading(Slow({FIRST: records(10)})) as source:
        began = clock()
        found = await source.poll(0.5, 100)
        assert found == {}
        assert clock() - began == pytest.approx(0.5)
        assert (await everything(source))[FIRST] == list(range(10))
