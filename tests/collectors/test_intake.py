"""The intake: what is polled is ours or it is left, what must wait is paused, and a log that fails is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from collectors.backoff import Backoff
from collectors.backpressure import Backpressure
from collectors.deliveries import Delivery
from collectors.entries import FlowSettings, RetrySettings
from collectors.errors import Halt
from collectors.health import LIVE_SECONDS, Health
from collectors.intake import EVENT_LOG, MAX_POLL_RECORDS, OFFSETS, Intake
from collectors.metrics import CollectorMetrics
from collectors.tracker import Tracker
from sluice.eventlog.interface import EventLogError, OffsetLostError, Partition, StoredRecord
from tests.collectors.events import partition_of
from tests.collectors.fakes import FakeLog, FakeSink, FakeSource
from tests.collectors.virtual_time import virtual_time

FIRST, SECOND = partition_of(), partition_of(number=1)
HALT_SECONDS = 30.0


class Source(FakeSource):
    """Notes what it is told to pause and resume."""

    def __init__(self, log: FakeLog) -> None:
        super().__init__(log)
        self.told: list[tuple[str, set[Partition]]] = []
        self.asked: list[int] = []

    def pause(self, partitions: Iterable[Partition]) -> None:
        self.told.append(("pause", set(partitions)))
        super().pause(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        self.told.append(("resume", set(partitions)))
        super().resume(partitions)

    async def poll(self, timeout_seconds: float, max_records: int) -> Any:
        self.asked.append(max_records)
        return await super().poll(timeout_seconds, max_records)


class Bench:
    """An intake on a fake log, as the group's listener, with small bounds."""

    def __init__(self, **flow: int) -> None:
        clock = asyncio.get_running_loop().time
        self.log = FakeLog(FakeSink())
        self.source, self.tracker, self.metrics = Source(self.log), Tracker(), CollectorMetrics()
        self.backpressure = Backpressure(FlowSettings(**flow))
        self.health = Health("test", clock)
        backoff = Backoff(RetrySettings(base_seconds=1.0, max_seconds=16.0), lambda: 1.0)
        metrics = self.metrics.of("test")
        self.intake = Intake(
            self.source, self.tracker, self.backpressure, self.health, metrics, backoff, HALT_SECONDS, clock
        )

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        names = list(partitions)
        self.tracker.assign(names)
        self.intake.open(names)

    async def on_revoked(self, partitions: Iterable[Partition]) -> None:
        names = list(partitions)
        self.intake.close(names)
        self.tracker.revoke(names)

    async def start(self, *partitions: Partition, count: int = 10) -> None:
        for partition in partitions:
            self.fill(partition, count)
        await self.source.start(self)

    def fill(self, partition: Partition, count: int) -> None:
        self.log.append(partition, [StoredRecord(*partition, 0, 0, None, b"x" * 10) for _ in range(count)])

    async def take(self) -> Delivery:
        return await self.intake.take(1.0)


@virtual_time
async def test_what_is_taken_is_tracked_and_in_flight() -> None:
    """Every record is on its own lane, unfinished, and counted against the bounds."""
    bench = Bench()
    await bench.start(FIRST, SECOND, count=3)
    delivery = await bench.take()
    assert [(record.partition, record.offset) for record in delivery.records] == [
        (number, offset) for number in range(2) for offset in range(3)
    ]
    assert [lane.partition.partition for lane in delivery.lanes] == [0, 0, 0, 1, 1, 1]
    assert bench.tracker.unfinished() == bench.backpressure.records == bench.intake.taken == 6
    assert bench.backpressure.size_bytes == 60
    assert bench.source.asked == [MAX_POLL_RECORDS]


@virtual_time
async def test_nothing_to_take_is_no_failure() -> None:
    """An empty poll waits its time, is counted as waiting for the log, and takes nothing."""
    bench, loop = Bench(), asyncio.get_running_loop()
    await bench.start(FIRST, count=0)
    began = loop.time()
    assert len(await bench.take()) == 0
    assert loop.time() - began == pytest.approx(1.0)
    assert bench.metrics.step_micros.value("test", "poll") == pytest.approx(1_000_000, abs=10)
    assert bench.metrics.step_micros.value("test", "backpressure") == 0
    assert bench.intake.taken == 0


@virtual_time
async def test_records_of_foreign_partitions_are_left() -> None:
    """A poll that brings what was revoked meanwhile gives none of it away: the next owner reads it."""
    bench = Bench()
    await bench.start(FIRST, SECOND)
    bench.tracker.revoke([SECOND])
    delivery = await bench.take()
    assert {record.partition for record in delivery.records} == {0}
    assert bench.backpressure.records == bench.intake.taken == 10


@virtual_time
async def test_nothing_is_taken_of_what_is_being_revoked() -> None:
    """From ``close`` on, while the lane still drains; and all is taken again once it is assigned anew."""
    bench = Bench()
    await bench.start(FIRST)
    closing = [bench.intake.is_closing]
    bench.intake.close([FIRST])
    closing.append(bench.intake.is_closing)
    assert len(await bench.take()) == 0
    assert bench.tracker.unfinished() == 0
    bench.tracker.revoke([FIRST])
    closing.append(bench.intake.is_closing)
    await bench.source.assign([FIRST])
    closing.append(bench.intake.is_closing)
    assert closing == [False, True, False, False]
    assert len(await bench.take()) == 10


@virtual_time
async def test_a_full_partition_pauses_alone() -> None:
    """It is paused once and not with each poll, others go on, and it is resumed when half of it is finished."""
    bench = Bench(max_partition_records=10)
    await bench.start(FIRST, SECOND, count=0)
    bench.fill(FIRST, 10)
    full = await bench.take()
    bench.fill(FIRST, 5)
    bench.fill(SECOND, 5)
    assert {record.partition for record in (await bench.take()).records} == {1}
    await bench.take()
    assert bench.source.told == [("pause", {FIRST})]
    bench.backpressure.release(full.slice(0, 5))
    await bench.take()
    assert bench.intake.paused == {FIRST}
    bench.backpressure.release(full.slice(5, 6))
    assert len(await bench.take()) == 5
    assert bench.source.told == [("pause", {FIRST}), ("resume", {FIRST})]


@virtual_time
async def test_waiting_for_the_sink_is_not_waiting_for_the_log() -> None:
    """Time in polls with anything paused is the sink's: it says what to scale."""
    bench = Bench(max_records=10)
    await bench.start(FIRST, SECOND, count=5)
    await bench.take()
    await bench.take()
    assert bench.intake.paused == {FIRST, SECOND}
    assert bench.metrics.step_micros.value("test", "backpressure") == pytest.approx(1_000_000, abs=10)


@virtual_time
async def test_a_halt_pauses_everything_and_polls_on() -> None:
    """The membership is kept by polling; when the cause is gone all partitions flow again."""
    bench = Bench()
    await bench.start(FIRST, SECOND)
    bench.health.halt("sink", Halt("403", "grant it"))
    for _ in range(3):
        assert len(await bench.take()) == 0
    assert (bench.source.polls, bench.intake.paused) == (3, {FIRST, SECOND})
    bench.health.clear("sink")
    assert len(await bench.take()) == 20
    assert bench.intake.paused == set()


@virtual_time
async def test_a_partition_that_comes_back_paused_is_resumed() -> None:
    """A source keeps pauses across assignments: what was paused when it went must not stand still when it is back."""
    bench = Bench()
    await bench.start(FIRST)
    bench.health.halt("sink", Halt("403", "grant it"))
    await bench.take()
    await bench.source.revoke([FIRST])
    await bench.source.assign([FIRST])
    assert len(await bench.take()) == 0
    assert bench.source.paused == {FIRST}
    bench.health.clear("sink")
    await bench.take()
    assert bench.source.paused == set()


@virtual_time
async def test_a_log_that_is_away_is_asked_less_and_less_often() -> None:
    """Waits double, nothing is taken, the trouble is said; one good poll begins anew at the first wait."""
    bench, loop = Bench(), asyncio.get_running_loop()
    await bench.start(FIRST)
    bench.source.poll_errors.extend(EventLogError("no broker") for _ in range(4))
    waits = []
    for _ in range(4):
        began = loop.time()
        assert len(await bench.take()) == 0
        waits.append(loop.time() - began)
    assert waits == pytest.approx([1.0, 2.0, 4.0, 8.0])
    assert bench.health.causes == {EVENT_LOG: "no broker"}
    assert bench.metrics.poll_errors.value("test", "EventLogError") == 4
    assert len(await bench.take()) == 10
    assert bench.health.causes == {}
    bench.source.poll_errors.append(EventLogError("no broker"))
    began = loop.time()
    await bench.take()
    assert loop.time() - began == pytest.approx(1.0)


@virtual_time
async def test_a_lost_offset_halts() -> None:
    """A silent jump would be loss: it is tried again each ``halt_seconds``, said with its cause, and ends by itself."""
    bench, loop = Bench(), asyncio.get_running_loop()
    await bench.start(FIRST)
    bench.source.poll_errors.append(OffsetLostError("offset 5 is gone"))
    began = loop.time()
    assert len(await bench.take()) == 0
    assert loop.time() - began == pytest.approx(HALT_SECONDS)
    assert bench.health.is_halted_at(OFFSETS)
    assert "offset 5 is gone" in bench.health.causes[OFFSETS]
    assert bench.metrics.poll_errors.value("test", "OffsetLostError") == 1
    await bench.take()
    assert not bench.health.is_halted


@virtual_time
async def test_waiting_for_a_log_is_being_alive() -> None:
    """However long the wait, the intake comes round often enough that nobody kills the process for it."""
    bench = Bench()
    await bench.start(FIRST)
    bench.source.poll_errors.append(OffsetLostError("gone"))
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(bench.take())
        while not taking.done():
            await asyncio.sleep(0.5)
            assert bench.health.is_live
    assert LIVE_SECONDS < HALT_SECONDS


@virtual_time
async def test_what_is_not_the_log_s_error_is_not_swallowed() -> None:
    """A fault of ours shows: the service is begun anew for it."""
    bench = Bench()
    await bench.start(FIRST)
    bench.source.poll_errors.append(ZeroDivisionError())  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        await bench.take()


@virtual_time
async def test_logs_are_named_where_the_source_knows_them() -> None:
    """A source that does not is asked nothing."""
    bench = Bench()
    assert await bench.intake.log_ids([FIRST]) == {}

    async def log_ids(partitions: Iterable[Partition]) -> dict[Partition, str]:
        return dict.fromkeys(partitions, "a")

    bench.source.log_ids = log_ids  # type: ignore[attr-defined]
    assert await bench.intake.log_ids([FIRST, SECOND]) == {FIRST: "a", SECOND: "a"}
