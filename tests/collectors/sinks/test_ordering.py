"""Each partition is written in the order of the log, once, whatever comes when and whatever fails."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from collectors.errors import Halt, Retryable, Waiting
from collectors.sinks import ordering
from collectors.sinks.interface import Verdict
from collectors.sinks.ordering import OrderedWrites, Placed, Position
from collectors.tracker import Lane
from sluice.eventlog.interface import Partition, StoredRecord

TOPIC = "t"
PARTITION = Partition(TOPIC, 0)


@dataclass
class MemoryStore:
    """Keeps offsets in order, and fails as it is told."""

    durable: list[int] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    opened: int = 0
    most: int = 1_000_000
    newest_ms: int | None = None
    epochs: list[list[int]] = field(default_factory=list)
    gate: threading.Event | None = None
    opening: threading.Event | None = None
    is_in_use: bool = False

    def _use(self) -> None:
        assert not self.is_in_use, "two calls at once"
        if self.errors:
            raise self.errors.pop(0)

    def open(self, first: Placed) -> Position:
        self._use()
        self.opened += 1
        if self.opening is not None:
            assert self.opening.wait(60)
        return Position(self.durable[-1] + 1 if self.durable else 0, self.newest_ms)

    def append(self, documents: Sequence[Placed]) -> int:
        self._use()
        self.is_in_use = True
        if self.gate is not None:
            assert self.gate.wait(60)
        taken = documents[: self.most]
        offsets = [document.offset for document in taken]
        assert offsets == sorted(offsets)
        assert not self.durable or offsets[0] > self.durable[-1]
        self.durable += offsets
        self.newest_ms = max(self.newest_ms or 0, *(document.appended_at_ms for document in taken))
        self.is_in_use = False
        return len(taken)

    def begin_epoch(self) -> Position:
        self.epochs.append(self.durable)
        self.durable, self.newest_ms = [], None
        return Position()

    def tend(self) -> None:
        self._use()

    def close(self) -> None:
        """Nothing is open."""


class Bench:
    """Ordered writes over one store, and the lane it is fed from."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.writes = OrderedWrites(lambda *_: self.store, 4, "tests")
        self.lane = Lane(PARTITION)

    def deliver(self, count: int, first: int = 0, topic: str = TOPIC, at_ms: int = 1_000) -> list[Placed]:
        """Records that the pipeline took in."""
        records = [StoredRecord(topic, 0, first + at, at_ms + first + at, None, b"x") for at in range(count)]
        self.lane.deliver(records)
        return [Placed(self.lane, "analytics", topic, r.offset, r.timestamp, 1, r.offset) for r in records]

    async def until_settled(self, documents: Sequence[Placed]) -> int:
        """As the pipeline: what is named is written again; returns how many were duplicates."""
        duplicates, pending = 0, list(documents)
        async with asyncio.timeout(60):
            while pending:
                verdict = await self.writes.write(pending)
                duplicates += verdict.duplicates
                named = set(verdict.retry)
                self.lane.finish([each.offset for at, each in enumerate(pending) if at not in named])
                pending = [pending[at] for at in verdict.retry]
                await asyncio.sleep(0)
        return duplicates


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """One for a test. A write is patient beyond any slow moment where the test does not say otherwise."""
    monkeypatch.setattr(ordering, "_PATIENCE_SECONDS", 60.0)
    made = Bench()
    yield made
    await made.writes.close()


async def test_what_comes_first_waits_for_what_lies_before_it(bench: Bench) -> None:
    """Batches in the wrong order: the later one is not written before the earlier one, and both are written once."""
    documents = bench.deliver(10)
    async with asyncio.TaskGroup() as tasks:
        late = tasks.create_task(bench.writes.write(documents[5:]))
        await asyncio.sleep(0.1)
        assert bench.store.durable == []
        early = tasks.create_task(bench.writes.write(documents[:5]))
    assert late.result() == early.result() == Verdict()
    assert bench.store.durable == list(range(10))


async def test_two_that_are_interleaved(bench: Bench) -> None:
    """Even and odd offsets in two batches, as two versions of a schema make them."""
    documents = bench.deliver(2_000)
    async with asyncio.TaskGroup() as tasks:
        writes = [tasks.create_task(bench.writes.write(documents[start::2])) for start in (0, 1)]
    assert [task.result() for task in writes] == [Verdict(), Verdict()]
    assert bench.store.durable == list(range(2_000))


async def test_interleaved_and_one_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only one write may be under way nobody stands in the other's way: what was offered is kept in mind."""
    monkeypatch.setattr(ordering, "_PATIENCE_SECONDS", 0.05)
    documents = bench.deliver(200)
    evens, odds = documents[::2], documents[1::2]
    first = await bench.writes.write(evens)
    assert isinstance(first.cause, Waiting)
    assert await bench.writes.write(odds) == Verdict()
    assert bench.store.durable == list(range(200))
    assert await bench.writes.write([evens[at] for at in first.retry]) == Verdict()


async def test_a_predecessor_that_does_not_come(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write gives its slot back after a while and says which offset it waits for; nothing is published over it."""
    monkeypatch.setattr(ordering, "_PATIENCE_SECONDS", 0.05)
    documents = bench.deliver(6)
    verdict = await bench.writes.write([*documents[:2], *documents[3:]])
    assert verdict.retry == [2, 3, 4]
    assert "offset 2" in str(verdict.cause)
    assert bench.store.durable == [0, 1]
    bench.lane.finish([2])  # a dead letter, say
    assert await bench.writes.write(documents[3:]) == Verdict()
    assert bench.store.durable == [0, 1, 3, 4, 5]


async def test_a_journal_has_several_topics(bench: Bench) -> None:
    """What waits in another topic of the same partition is no predecessor."""
    bench.deliver(3, first=0, topic="other")
    mine = bench.deliver(3, first=3)
    assert await bench.writes.write(mine) == Verdict()


async def test_what_fails_is_named_and_looked_up(bench: Bench) -> None:
    """After a failure nothing is taken for granted: the store is opened again, and what is there is a duplicate."""
    documents = bench.deliver(5)
    bench.store.errors = [Halt("no", "do"), Retryable("later"), OSError("?")]
    for _ in range(3):
        verdict = await bench.writes.write(documents)
        assert verdict.retry == [0, 1, 2, 3, 4]
        assert verdict.cause is not None
    assert await bench.writes.write(documents) == Verdict()
    bench.store.errors = [Retryable("later")]
    more = bench.deliver(2, first=5)
    assert (await bench.writes.write(more)).retry == [0, 1]
    assert bench.store.opened == 1
    assert await bench.writes.write([*documents, *more]) == Verdict(duplicates=5)
    assert bench.store.opened == 2


async def test_a_store_may_take_less(bench: Bench) -> None:
    """Several appends are one write."""
    bench.store.most = 3
    assert await bench.writes.write(bench.deliver(10)) == Verdict()
    assert bench.store.durable == list(range(10))


async def test_a_cancelled_write_is_known_all_the_same(bench: Bench) -> None:
    """The thread ends what it began: the next write of it is the first answer and counts no duplicate."""
    bench.store.gate = threading.Event()
    documents = bench.deliver(3)
    task = asyncio.get_running_loop().create_task(bench.writes.write(documents))
    while not bench.store.is_in_use:  # noqa: ASYNC110 - a thread sets it
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait({task})
    bench.store.gate.set()
    assert await bench.writes.write(documents) == Verdict()
    assert bench.store.durable == [0, 1, 2]
    assert await bench.writes.write(documents) == Verdict(duplicates=3)


async def test_what_is_not_ours_any_more_is_not_written(bench: Bench) -> None:
    """A revoked partition's documents are another member's to write."""
    documents = bench.deliver(3)
    bench.lane.live = False
    verdict = await bench.writes.write(documents)
    assert verdict.retry == [0, 1, 2]
    assert bench.store.opened == 0


async def test_a_partition_that_comes_back_is_looked_at_again(bench: Bench) -> None:
    """Another member may have written meanwhile."""
    assert await bench.writes.write(bench.deliver(3)) == Verdict()
    bench.lane.live = False
    bench.store.durable += [3, 4]
    bench.store.newest_ms = 1_004
    bench.lane = Lane(PARTITION)
    assert await bench.writes.write(bench.deliver(4, first=2)) == Verdict(duplicates=3)
    assert bench.store.durable == list(range(6))


async def test_a_log_that_was_made_anew(bench: Bench) -> None:
    """Offsets from before that were appended after everything known are other records: none of them is a duplicate."""
    assert await bench.writes.write(bench.deliver(5)) == Verdict()
    bench.lane.live = False
    bench.lane = Lane(PARTITION)
    assert await bench.writes.write(bench.deliver(3, at_ms=50_000)) == Verdict()
    assert bench.store.epochs == [[0, 1, 2, 3, 4]]
    assert bench.store.durable == [0, 1, 2]


async def test_a_log_that_was_restored_from_an_old_copy(bench: Bench) -> None:
    """What the copy has is there already, also in one write with what came after it; all that came after is new."""
    written = bench.deliver(10)
    assert await bench.writes.write(written) == Verdict()
    bench.store.newest_ms = max(document.appended_at_ms for document in written)
    bench.lane.live = False
    bench.lane = Lane(PARTITION)
    of_copy = bench.deliver(8)
    anew = [document._replace(appended_at_ms=10_000 + document.offset) for document in bench.deliver(6, first=8)]
    late = of_copy[:4]
    async with asyncio.TaskGroup() as tasks:
        both = tasks.create_task(bench.writes.write([*of_copy[4:], *anew]))
        await asyncio.sleep(0.05)
        assert await bench.until_settled(late) == 4
    assert both.result() == Verdict(duplicates=4)
    assert bench.store.epochs == [list(range(10))]
    assert bench.store.durable == list(range(8, 14))


async def test_a_store_that_cannot_be_tended(bench: Bench) -> None:
    """It is logged and tried again; writes go on."""
    assert await bench.writes.write(bench.deliver(2)) == Verdict()
    bench.store.errors = [Retryable("full")]
    await bench.writes.tend()
    assert await bench.writes.write(bench.deliver(2, first=2)) == Verdict()
    assert bench.store.durable == [0, 1, 2, 3]


@pytest.mark.parametrize("turns", range(1, 9))
async def test_after_a_close_nothing_is_begun(bench: Bench, turns: int) -> None:
    """A write that was under way says what it could not do: the store is not opened or written to again."""
    documents = bench.deliver(6)
    bench.store.most = 2
    task = asyncio.get_running_loop().create_task(bench.writes.write(documents))
    for _ in range(turns):
        await asyncio.sleep(0.001)
    await bench.writes.close()
    durable, opened = list(bench.store.durable), bench.store.opened
    verdict = await task
    assert (bench.store.durable, bench.store.opened) == (durable, opened)
    assert verdict.retry == list(range(len(durable), 6))
    assert await bench.writes.write(documents) == Verdict(duplicates=len(durable))


async def test_a_close_while_a_partition_is_looked_at(bench: Bench) -> None:
    """It is not looked at again, and nothing is written: whoever closes the store can be sure of that."""
    bench.store.opening = threading.Event()
    documents = bench.deliver(3)
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(bench.writes.write(documents))
        while not bench.store.opened:  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.001)
        closing = tasks.create_task(bench.writes.close())
        await asyncio.sleep(0.01)
        bench.store.opening.set()
        await closing
    assert writing.result().retry == [0, 1, 2]
    assert (bench.store.opened, bench.store.durable) == (1, [])


@pytest.mark.parametrize("seed", range(20))
async def test_any_order_any_failure(bench: Bench, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Random batches, at once, failing and cancelled at random: at the end each offset is there once, in order."""
    monkeypatch.setattr(ordering, "_PATIENCE_SECONDS", 0.02)
    chance = random.Random(seed)
    documents = bench.deliver(300)
    bench.store.most = chance.choice([3, 50, 1_000])
    bench.store.errors = [Retryable("no") for _ in range(5)]
    left, batches = list(range(300)), []
    while left:
        start = chance.randrange(len(left))
        batches.append(left[start : start + chance.randint(1, 60)])
        left = [offset for offset in left if offset not in batches[-1]]

    async def deliver(batch: list[int]) -> None:
        if chance.random() < 0.3:
            task = asyncio.get_running_loop().create_task(bench.writes.write([documents[at] for at in batch]))
            await asyncio.sleep(chance.random() / 100)
            task.cancel()
            await asyncio.wait({task})
        await bench.until_settled([documents[at] for at in batch])

    async with asyncio.TaskGroup() as tasks:
        for batch in batches:
            tasks.create_task(deliver(batch))
    assert bench.store.durable == list(range(300))
