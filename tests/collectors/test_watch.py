"""The watch: it tells how far behind a service is, asks an idle sink, and ends when records wait and none come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import orjson
import pytest

from collectors.alerts import Alerts
from collectors.backoff import Backoff
from collectors.backpressure import Backpressure
from collectors.breaker import Breaker
from collectors.concurrency import Concurrency
from collectors.deliveries import Batch
from collectors.entries import BreakerSettings, FlowSettings, RetrySettings
from collectors.errors import Halt, Retryable
from collectors.health import Health
from collectors.intake import Intake
from collectors.metrics import CollectorMetrics
from collectors.sinks.interface import Verdict
from collectors.tracker import Lane, Tracker
from collectors.watch import LOOK_SECONDS, STALL_SECONDS, Watch
from collectors.writer import SINK, Writer
from schemas.codec import SchemaBook
from sluice.eventlog.interface import EventLogError, Partition, PartitionLag, StoredRecord
from tests.collectors.events import NOW_MICROS, make_record, partition_of
from tests.collectors.fakes import FakeLog, FakeSink, FakeSource
from tests.collectors.frames import frame_of_records
from tests.collectors.outlets import make_outlet
from tests.collectors.virtual_time import virtual_time

NOW_MS = NOW_MICROS // 1_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
FIRST, SECOND = partition_of(), partition_of(number=1)
LagAnswer = Mapping[Partition, PartitionLag] | Exception | float


class Source(FakeSource):
    """Answers about its lag as it is told."""

    answers: LagAnswer = {}  # noqa: RUF012 - replaced, not changed

    async def lag(self) -> Mapping[Partition, PartitionLag]:
        if isinstance(self.answers, Exception):
            raise self.answers
        if isinstance(self.answers, float):
            await asyncio.sleep(self.answers)
            return {}
        return self.answers


class Sink(FakeSink):
    """Counts how often it is asked whether it is there."""

    checks = 0

    async def check(self) -> None:
        self.checks += 1
        await super().check()


class Bench:
    """A watch and what it looks at; the wall clock stands still."""

    def __init__(self) -> None:
        clock = asyncio.get_running_loop().time
        self.sink = Sink()
        self.log = FakeLog(self.sink)
        self.source, self.tracker, self.catalogue = Source(self.log), Tracker(), CollectorMetrics()
        self.health, metrics = Health("test", clock), self.catalogue.of("test")
        backoff, flow = Backoff(RetrySettings()), Backpressure(FlowSettings())
        self.intake = Intake(self.source, self.tracker, flow, self.health, metrics, backoff, 30.0, clock)
        breaker = Breaker(BreakerSettings(), clock)
        self.writer = Writer(self.sink, Concurrency(4), self.health, metrics, backoff, 30.0, clock, breaker=breaker)
        self.outlet = make_outlet(self.sink, self.writer)
        self.alerts = Alerts(self.log, "sluice.alert.v1", "test", lambda: NOW_MICROS)
        self.watch = Watch(
            source=self.source,
            outlets=[self.outlet],
            tracker=self.tracker,
            intake=self.intake,
            health=self.health,
            metrics=metrics,
            alerts=self.alerts,
            clock=clock,
            wall_clock=lambda: NOW_MICROS,
        )
        self.looking: asyncio.Task[None] | None = None

    def unfinished(self, at_ms: int = NOW_MS) -> Lane:
        """One record of the first partition that is taken in and not finished."""
        self.tracker.assign([FIRST])
        lane = self.tracker.lane(FIRST)
        assert lane is not None
        lane.deliver([StoredRecord(*FIRST, 0, at_ms, None, b"")])
        return lane

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self.watch.run())
            yield looking
            looking.cancel()

    async def look(self, lag: Mapping[Partition, PartitionLag]) -> None:
        """One look at this lag."""
        self.source.answers = lag
        async with self.running():
            await asyncio.sleep(LOOK_SECONDS + 0.5)

    async def told(self) -> list[str]:
        """The seconds to loss of every alert so far."""
        await self.alerts.flush()
        return [orjson.loads(record.value or b"")["seconds_to_loss"] for record in self.log.alerts]


def behind(left_ms: int, retention_ms: int) -> PartitionLag:
    """A partition whose oldest record has so much left of the retention."""
    return PartitionLag(1, NOW_MS - (retention_ms - left_ms), retention_ms)


@virtual_time
async def test_lag_is_told_by_partition_and_by_age() -> None:
    """Records of each, the age of the oldest of all, and what is left until the log deletes it."""
    bench = Bench()
    await bench.look(
        {FIRST: PartitionLag(7, NOW_MS - 5_000, HOUR_MS), SECOND: PartitionLag(2, NOW_MS - 9_000, HOUR_MS)}
    )
    assert bench.catalogue.lag_records.value("test", *map(str, FIRST)) == 7
    assert bench.catalogue.lag_records.value("test", *map(str, SECOND)) == 2
    assert bench.catalogue.lag_seconds.value("test") == 9.0
    assert bench.catalogue.seconds_to_loss.value("test") == HOUR_MS / 1_000 - 9.0


@virtual_time
async def test_nothing_behind_is_nothing_to_lose() -> None:
    """An age that the log still names counts for nothing once no record waits; partitions without retention too."""
    bench = Bench()
    await bench.look({FIRST: PartitionLag(0, NOW_MS - 10 * HOUR_MS, HOUR_MS), SECOND: PartitionLag(3, NOW_MS - 2_000)})
    assert bench.catalogue.lag_seconds.value("test") == 2.0
    assert bench.catalogue.seconds_to_loss.value("test") is None
    await bench.look({})
    assert bench.catalogue.lag_seconds.value("test") == 0.0
    assert await bench.told() == []


@virtual_time
async def test_where_the_log_knows_no_age_ours_is_told() -> None:
    """What we took in and have not finished has a time; what was never taken in has none that anybody knows."""
    bench = Bench()
    bench.unfinished(NOW_MS - 4_000)
    await bench.look({FIRST: PartitionLag(1, None, HOUR_MS), SECOND: PartitionLag(5, None, HOUR_MS)})
    assert bench.catalogue.lag_seconds.value("test") == 4.0
    assert bench.catalogue.seconds_to_loss.value("test") == HOUR_MS / 1_000 - 4.0


@pytest.mark.parametrize(
    ("left_ms", "alerts"), [(HOUR_MS // 2 + 1, 0), (HOUR_MS // 2, 1), (HOUR_MS // 5, 1), (0, 1), (-HOUR_MS, 1)]
)
@virtual_time
async def test_operators_are_told_from_half_of_the_retention_on(left_ms: int, alerts: int) -> None:
    """At the half and not before; where it is found later, or too late, it is told at once."""
    bench = Bench()
    await bench.look({FIRST: behind(left_ms, HOUR_MS)})
    told = await bench.told()
    assert told == [str(left_ms // 1_000)] * alerts


@virtual_time
async def test_operators_are_told_twice_and_again_after_a_recovery() -> None:
    """Half and a fifth, each once however often it is looked at; who caught up and falls behind again says so again."""
    bench = Bench()
    for left in (0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0):
        await bench.look({FIRST: behind(int(left * HOUR_MS), HOUR_MS)})
    assert len(await bench.told()) == 2
    await bench.look({FIRST: PartitionLag(0, None, HOUR_MS)})
    await bench.look({FIRST: behind(HOUR_MS // 3, HOUR_MS)})
    assert len(await bench.told()) == 3


@virtual_time
async def test_a_shorter_retention_beside_it_hides_no_loss() -> None:
    """A fresh record of a topic kept for 7 days does not hide one of a topic kept for 30 that has 10 days left."""
    bench = Bench()
    await bench.look({FIRST: behind(7 * DAY_MS, 7 * DAY_MS), SECOND: behind(10 * DAY_MS, 30 * DAY_MS)})
    assert await bench.told() == [str(10 * DAY_MS // 1_000)]
    assert bench.catalogue.seconds_to_loss.value("test") == 7 * DAY_MS / 1_000


@virtual_time
async def test_records_that_wait_while_none_come_end_the_watch() -> None:
    """After a minute and not before: then the source is begun anew."""
    bench, loop = Bench(), asyncio.get_running_loop()
    bench.source.answers = {FIRST: PartitionLag(3)}
    began = loop.time()
    async with asyncio.timeout(10 * STALL_SECONDS):
        await bench.watch.run()
    assert STALL_SECONDS <= loop.time() - began <= STALL_SECONDS + 2 * LOOK_SECONDS


@pytest.mark.parametrize("why", ["no lag", "no answer", "unfinished", "paused", "halted", "an error", "a hanging log"])
@virtual_time
async def test_what_is_no_stall(why: str) -> None:
    """Nothing waits, nobody knows, or it is we who do not take it in: the source is left as it is, for hours."""
    bench = Bench()
    waiting = {FIRST: PartitionLag(3)}
    answers: dict[str, LagAnswer] = {
        "no lag": {FIRST: PartitionLag(0)},
        "no answer": {},
        "an error": EventLogError("broker away"),
        "a hanging log": 3_600.0,
    }
    bench.source.answers = answers.get(why, waiting)
    if why == "unfinished":
        bench.unfinished()
    if why == "paused":
        bench.intake.paused = {FIRST}
    if why == "halted":
        bench.health.halt("offsets", Halt("gone", "reset it"))
    async with bench.running() as looking:
        await asyncio.sleep(3 * 3_600)
        assert not looking.done()


@virtual_time
async def test_a_trickle_is_no_stall() -> None:
    """Every record that was taken in begins the minute anew; after the last one it runs out."""
    bench = Bench()
    bench.source.answers = {FIRST: PartitionLag(3)}
    async with bench.running() as looking:
        for _ in range(20):
            await asyncio.sleep(STALL_SECONDS - 2 * LOOK_SECONDS)
            bench.intake.taken += 1
            assert not looking.done()
        await asyncio.sleep(STALL_SECONDS + 2 * LOOK_SECONDS)
        assert looking.done()


@virtual_time
async def test_an_idle_sink_is_asked() -> None:
    """At each look; its trouble and its halt are said, and end by themselves."""
    bench = Bench()
    bench.sink.check_errors.extend([Retryable("refused"), Halt("401", "give a password")])
    await bench.look({})
    assert bench.health.causes == {SINK: "refused"}
    await bench.look({})
    assert bench.health.is_halted_at(SINK)
    await bench.look({})
    assert not bench.health.has(SINK)
    assert bench.sink.checks == 3


@virtual_time
async def test_a_sink_that_just_wrote_is_not_asked() -> None:
    """Nor one that is writing now: writes tell more, and a busy sink is not asked for nothing."""
    bench = Bench()
    frame = frame_of_records(SchemaBook(), [make_record()])
    gate = asyncio.Event()

    async def hang(_documents: Sequence[str]) -> Verdict:
        await gate.wait()
        return Verdict()

    bench.sink.script = hang
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.writer.write(Batch(frame, frame.rows["event_id"].to_list())))
        async with bench.running():
            await asyncio.sleep(100)
            assert bench.sink.checks == 0
            gate.set()
            await asyncio.sleep(LOOK_SECONDS - 1)
            assert bench.sink.checks == 0
            await asyncio.sleep(2 * LOOK_SECONDS)
            assert bench.sink.checks >= 1


@virtual_time
async def test_a_check_does_not_end_a_trouble_that_writes_found() -> None:
    """A server may answer a check and refuse every write: while one waits to be tried again it alone tells."""
    bench = Bench()
    bench.outlet.in_hand = 1
    bench.health.halt(SINK, Halt("403", "grant it"))
    await bench.look({})
    assert (bench.sink.checks, bench.health.is_halted_at(SINK)) == (0, True)
    bench.outlet.in_hand = 0
    await bench.look({})
    assert (bench.sink.checks, bench.health.has(SINK)) == (1, False)


@virtual_time
async def test_a_log_that_cannot_tell_its_lag_does_not_end_the_looks() -> None:
    """The sink is asked all the same, and the lag is told again when it is known."""
    bench = Bench()
    bench.source.answers = EventLogError("away")
    async with bench.running():
        await asyncio.sleep(3 * LOOK_SECONDS + 1)
        assert bench.sink.checks == 3
        assert bench.catalogue.lag_seconds.value("test") is None
        bench.source.answers = {FIRST: PartitionLag(1, NOW_MS - 1_000)}
        await asyncio.sleep(LOOK_SECONDS)
        assert bench.catalogue.lag_seconds.value("test") == 1.0


@pytest.mark.parametrize("fault", [ValueError("a fault of its own"), None])
@virtual_time
async def test_a_sink_that_breaks_or_hangs_when_asked_ends_no_look(fault: Exception | None) -> None:
    """It is in trouble, and the log is looked at all the same: seconds to loss must not depend on a sink."""
    bench = Bench()

    async def hang() -> None:
        await asyncio.Event().wait()

    if fault is None:
        bench.sink.check = hang  # type: ignore[method-assign]
    else:
        bench.sink.check_errors.extend([fault] * 100)
    bench.source.answers = {FIRST: behind(2 * HOUR_MS, DAY_MS)}
    async with bench.running():
        await asyncio.sleep(60)
        assert bench.health.has(SINK)
    assert await bench.told() == [str(2 * HOUR_MS // 1_000)]
