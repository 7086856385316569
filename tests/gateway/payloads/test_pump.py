"""The pump: in order per key, keys beside each other, bounded, at least once through revocations and failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.payloads import pump as pump_module
from gateway.payloads.pump import Pump
from schemas.topics import Topics
from sluice.eventlog.interface import EventLogError, Partition, PolledRecord, Record, Subscription
from sluice.eventlog.memory import MemoryBroker, MemorySource
from tests.gateway.payloads.making import until

TOPICS = Topics(partitions=2)
TOPIC = TOPICS.edge_payload.name


class Bench:
    """A broker with records, and a handler that notes and waits as the test says."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(TOPICS)
        self.done: list[bytes] = []
        self.held: dict[bytes, asyncio.Event] = {}
        self.begun: list[bytes] = []

    def put(self, key: bytes, *values: bytes) -> None:
        self.broker.append([Record(TOPIC, key, value) for value in values])

    def source(self) -> MemorySource:
        return MemorySource(self.broker, Subscription("g", (TOPIC,)))

    async def handle(self, record: PolledRecord) -> None:
        value = record.value or b""
        self.begun.append(value)
        if value in self.held:
            await self.held[value].wait()
        self.done.append(value)

    @asynccontextmanager
    async def running(self, handle: Callable[[PolledRecord], Awaitable[None]] | None = None) -> AsyncIterator[Pump]:
        """A pump of its own member of the group."""
        pump = Pump(self.source(), handle or self.handle)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(pump.run())
            yield pump
            task.cancel()

    def committed(self) -> int:
        """Records before the group's offsets."""
        return sum(self.broker.groups["g"].committed.values())


async def test_each_record_is_handled_once_and_committed() -> None:
    """In the order of its key."""
    bench = Bench()
    values = [b"%d" % number for number in range(200)]
    bench.put(b"1", *values)
    async with bench.running():
        await until(lambda: bench.committed() == 200)
    assert bench.done == values


async def test_one_that_waits_holds_up_its_key_alone() -> None:
    """The next of its key is not begun; others are done; nothing is committed beyond it in its partition."""
    bench = Bench()
    bench.held[b"a1"] = asyncio.Event()
    bench.put(b"a", b"a1", b"a2")
    for key in (b"b", b"c", b"d", b"e"):
        bench.put(key, key + b"1", key + b"2")
    async with bench.running():
        await until(lambda: len(bench.done) == 8)
        assert b"a2" not in bench.begun
        await asyncio.sleep(0)
        bench.held[b"a1"].set()
        await until(lambda: bench.committed() == 10)
    assert bench.done[-2:] == [b"a1", b"a2"]


async def test_a_partition_takes_in_no_more_than_it_may() -> None:
    """While its first record waits, however many lie behind it; then all of them come."""
    bench = Bench()
    bench.held[b"0"] = asyncio.Event()
    bench.put(b"1", *(b"%d" % number for number in range(1000)))
    async with bench.running() as pump:
        await until(lambda: pump.unfinished >= 64)
        for _ in range(50):
            await asyncio.sleep(0.002)
        assert pump.unfinished <= 128
        bench.held[b"0"].set()
        await until(lambda: bench.committed() == 1000)
    assert bench.done == [b"%d" % number for number in range(1000)]


async def test_large_records_fill_a_partition_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bound is of bytes too."""
    monkeypatch.setattr(pump_module, "_POLL_RECORDS", 3)
    bench = Bench()
    big = b"x" * (1 << 19)
    bench.held[big] = asyncio.Event()
    bench.put(b"1", *([big] * 300))
    async with bench.running() as pump:
        await until(lambda: pump.unfinished > 0)
        for _ in range(20):
            await asyncio.sleep(0.002)
        assert pump.unfinished == 3
        bench.held[big].set()


async def test_what_was_not_finished_comes_again() -> None:
    """The end in the middle of a record commits those before it, and the next pump begins with it."""
    bench = Bench()
    bench.put(b"1", b"0", b"1", b"2")
    bench.held[b"1"] = asyncio.Event()
    async with bench.running():
        await until(lambda: b"1" in bench.begun)
    assert bench.done == [b"0"]
    assert bench.committed() == 1
    bench.held.clear()
    async with bench.running():
        await until(lambda: bench.committed() == 3)
    assert bench.done == [b"0", b"1", b"2"]


async def test_a_partition_that_goes_to_another_is_finished_first() -> None:
    """A second member joins: what is under way is waited for, and nothing is handled twice."""
    bench = Bench()
    for number in range(20):
        bench.put(b"%d" % number, *(b"%d-%d" % (number, each) for each in range(5)))
    slow = asyncio.Event()
    bench.held[b"3-0"] = slow
    async with bench.running():
        await until(lambda: b"3-0" in bench.begun)
        asyncio.get_running_loop().call_later(0.05, slow.set)
        async with bench.running():
            await until(lambda: len(bench.done) == 100)
    assert len(set(bench.done)) == 100


async def test_one_that_hangs_is_left_behind_when_its_partition_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a bound it is another's to do: done twice rather than never, and not committed by us."""
    monkeypatch.setattr(pump_module, "REVOKE_SECONDS", 0.05)
    bench = Bench()
    bench.held[b"0"] = asyncio.Event()
    bench.put(b"1", b"0", b"1")
    async with bench.running() as first:
        await until(lambda: b"0" in bench.begun)
        [partition] = [lane.partition for lane in first._lanes.values() if len(lane)]
        await first.on_revoked([partition])
        bench.held[b"0"].set()
        await until(lambda: b"0" in bench.done)
        assert bench.committed() == 0
        assert b"1" not in bench.begun


async def test_records_of_a_partition_that_is_not_ours_are_not_taken() -> None:
    """A source may still hand out what was revoked while it was polled."""
    bench = Bench()
    bench.put(b"1", b"0")
    async with bench.running() as pump:
        await until(lambda: bench.done)
        record = bench.broker.lanes[next(iter(bench.broker.groups["g"].committed))].records[0]
        pump._take({Partition("elsewhere", 0): [record]})
        assert pump.unfinished == 0


async def test_a_log_that_fails_ends_the_pump() -> None:
    """Whoever runs it begins anew; the source is closed."""
    bench = Bench()

    class Failing(MemorySource):
        closed = False

        async def poll(self, timeout_seconds: float, max_records: int) -> dict[Partition, list[PolledRecord]]:
            message = "away"
            raise EventLogError(message)

        async def close(self) -> None:
            self.closed = True
            await super().close()

    source = Failing(bench.broker, Subscription("g", (TOPIC,)))
    with pytest.raises(ExceptionGroup) as caught:
        await Pump(source, bench.handle).run()
    assert caught.group_contains(EventLogError, match="away") if hasattr(caught, "group_contains") else True
    assert source.closed


async def test_a_handler_that_breaks_its_contract_commits_nothing() -> None:
    """It ends the pump; the record comes again."""
    bench = Bench()
    bench.put(b"1", b"0")

    async def broken(_record: PolledRecord) -> None:
        raise ZeroDivisionError

    with suppress(ExceptionGroup):
        await Pump(bench.source(), broken).run()
    assert bench.committed() == 0
    async with bench.running():
        await until(lambda: bench.committed() == 1)
