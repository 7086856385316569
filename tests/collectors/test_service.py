"""A service keeps going: it waits for what is away at the start, and begins anew what breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from collectors.errors import Halt, Retryable
from collectors.service import CLOSE_SECONDS, ServiceFailedError
from collectors.sinks.interface import Verdict
from sluice.eventlog.interface import EventLogError, Partition, PartitionLag
from tests.collectors.events import NOW_MICROS, make_record, partition_of
from tests.collectors.fakes import FakeSource, until
from tests.collectors.harness import Harness
from tests.collectors.several import Bench as Several
from tests.collectors.virtual_time import virtual_time

FIRST, SECOND = partition_of(), partition_of(number=1)


@virtual_time
async def test_sink_and_log_absent_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is away at the start is waited for, alive and unready; then everything is delivered."""
    harness = Harness(monkeypatch)
    harness.log.append(FIRST, [make_record() for _ in range(3)])
    harness.publisher_errors += [EventLogError("no journal")] * 2
    harness.sink.start_errors.extend([*[Retryable("refused")] * 5, Halt("401", "give a password")])
    harness.next_source.start_errors.append(EventLogError("no broker"))
    async with harness.running() as service:
        await until(lambda: service.health.has("sink"))
        assert service.health.is_live
        await until(lambda: service.health.is_halted)
        assert not service.health.is_ready
        await until(lambda: harness.log.is_done)
        await until(lambda: service.health.is_ready)
    assert len(harness.sources) == 2


@virtual_time
async def test_stop_before_anything_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop does not wait for a sink that never comes."""
    harness = Harness(monkeypatch)
    harness.sink.start_errors.extend([Halt("403", "grant")] * 1_000)
    loop = asyncio.get_running_loop()
    async with harness.running() as service:
        await until(lambda: service.health.is_halted)
        began = loop.time()
    assert loop.time() - began < 2
    assert harness.sources == []


@virtual_time
async def test_silent_source_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where records wait in the log and none comes for a minute, a new source takes over."""
    harness = Harness(monkeypatch)
    harness.next_source.silent = True
    harness.log.append(FIRST, [make_record() for _ in range(3)])
    loop = asyncio.get_running_loop()
    async with harness.running():
        began = loop.time()
        await until(lambda: harness.log.is_done)
        assert 60 <= loop.time() - began < 90
    assert harness.sources[0].closed
    assert harness.metrics.restarts.value("test", "stall") == 1


@virtual_time
async def test_lag_without_records_does_not_restart_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lag that no record explains (markers of transactions) is looked at less and less often."""
    harness = Harness(monkeypatch)
    harness.log.append(FIRST, [])

    async def one_behind(_source: FakeSource) -> dict[Partition, PartitionLag]:
        return {FIRST: PartitionLag(1)}

    monkeypatch.setattr(FakeSource, "lag", one_behind)
    async with harness.running():
        await asyncio.sleep(3_600)
    assert 3 <= len(harness.sources) <= 6


@virtual_time
async def test_service_that_breaks_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of ours costs one life: the next goes on at what was committed."""
    harness = Harness(monkeypatch)
    harness.next_source.commit_results.append(ZeroDivisionError())
    harness.log.append(FIRST, [make_record() for _ in range(3)])
    async with harness.running() as service:
        await until(lambda: harness.log.is_done)
        await until(lambda: service.health.is_ready)
    assert len(harness.sources) == 2
    assert harness.metrics.restarts.value("test", "break") == 1


@virtual_time
async def test_service_that_keeps_breaking_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five breaks within ten minutes are for good, and everything is closed."""
    harness = Harness(monkeypatch)
    harness.log.append(FIRST, [make_record()])

    async def break_always(_source: FakeSource, _next_offsets: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(FakeSource, "commit", break_always)
    with pytest.raises(ServiceFailedError, match="broke 5 times"):
        await harness.service.run()
    assert len(harness.sources) == 5
    assert all(source.closed for source in harness.sources)
    assert harness.sink.closed


@virtual_time
async def test_loss_ahead_is_an_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    """When half and when a fifth of the retention is left for the oldest unfinished record, operators are told."""
    harness = Harness(monkeypatch)
    harness.log.append(FIRST, [make_record()])
    hour_ms = 3_600_000
    harness.next_source.reported_lag = {FIRST: PartitionLag(1, NOW_MICROS // 1_000, hour_ms)}

    async def hang(_documents: Sequence[str]) -> Verdict:
        await asyncio.Event().wait()
        return Verdict()

    harness.sink.script = hang
    async with harness.running():
        await asyncio.sleep(28 * 60)
        assert harness.log.alerts == []
        await asyncio.sleep(4 * 60)
        assert len(harness.log.alerts) == 1
        await asyncio.sleep(18 * 60)
        assert len(harness.log.alerts) == 2
        left = harness.metrics.seconds_to_loss.value("test")
        assert left is not None
        assert 9 * 60 < left <= 10 * 60 + 10
        assert harness.service.oldest_unfinished_seconds > 49 * 60
    assert b"loss_ahead" in (harness.log.alerts[0].value or b"")


@virtual_time
async def test_idle_sink_is_asked_whether_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that goes away while nothing is written makes the service unready, and its return ready again."""
    harness = Harness(monkeypatch)
    harness.log.append(FIRST, [])
    async with harness.running() as service:
        await until(lambda: service.health.is_ready)
        harness.sink.check_errors.append(Retryable("refused"))
        await until(lambda: not service.health.is_ready)
        await until(lambda: service.health.is_ready)


@virtual_time
async def test_partition_lost_unawares_holds_no_other_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the log refuses a commit because one partition is not ours, the others are committed all the same."""
    harness = Harness(monkeypatch)
    harness.log.append(FIRST, [make_record() for _ in range(3)])
    harness.log.append(SECOND, [make_record() for _ in range(3)])
    harness.next_source.commit_results.extend([False, False, True])
    async with harness.running():
        await until(lambda: harness.log.committed.get(SECOND) == 3)
        assert harness.log.committed.get(FIRST, 0) == 0
        await harness.source.assign([FIRST])
        await until(lambda: harness.log.is_done)


@virtual_time
async def test_metrics_tell_the_story(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every metric of the catalogue that a plain run touches has the service's label and a value."""
    harness = Harness(monkeypatch)
    harness.log.append(FIRST, [make_record() for _ in range(3)])
    async with harness.running() as service:
        await until(lambda: harness.log.is_done)
        await asyncio.sleep(15)
        service.observe()
        text = harness.metrics.registry.render()
    for line in (
        'sluice_collector_records_total{service="test",outcome="delivered"} 3',
        'sluice_collector_ready{service="test"} 1',
        'sluice_collector_in_flight_records{service="test"} 0',
        'sluice_collector_lag_records{service="test",topic="sluice.analytics.v1",partition="0"} 0',
        'sluice_collector_batch_records_count{service="test"} 1',
    ):
        assert line in text


@virtual_time
async def test_a_sink_that_has_a_life_of_its_own_lives_as_long_as_its_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """From before it starts until after the last write; it ends before it is closed."""
    harness = Harness(monkeypatch)
    events: list[str] = []

    async def keep() -> None:
        events.append("begins")
        try:
            await asyncio.Event().wait()
        finally:
            events.append("closed" if harness.sink.closed else "ends")

    monkeypatch.setattr(harness.sink, "keep", keep, raising=False)
    harness.sink.start_errors.append(Retryable("not yet"))
    harness.log.append(FIRST, [make_record()])
    async with harness.running():
        await until(lambda: harness.log.is_done)
        assert events == ["begins"]
    assert events == ["begins", "ends"]
    assert harness.sink.closed


@virtual_time
async def test_a_life_that_breaks_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the service for good, with its cause."""
    harness = Harness(monkeypatch)

    async def keep() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(harness.sink, "keep", keep, raising=False)
    with pytest.raises(ExceptionGroup) as caught:
        await harness.service.run()
    assert isinstance(caught.value.exceptions[0], ZeroDivisionError)
    assert harness.sink.closed


@virtual_time
async def test_a_sink_whose_start_breaks_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of its own, too, may pass; it does not end the service."""
    harness = Harness(monkeypatch)
    harness.sink.start_errors.extend([ValueError("a fault of its own")] * 3)
    harness.log.append(FIRST, [make_record()])
    async with harness.running() as service:
        await until(lambda: service.health.has("sink"))
        await until(lambda: harness.log.is_done)
        assert not service.health.has("sink")


@virtual_time
async def test_sinks_that_hang_when_they_are_closed_hang_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its bound, and all have it at once: several end no later than one."""
    bench = Several(monkeypatch, {name: {} for name in "abcde"})
    for sink in bench.sinks.values():
        monkeypatch.setattr(sink, "close", asyncio.Event().wait)
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bench.service.run())
        await until(lambda: bench.sources)
        began = loop.time()
        bench.service.stop()
        await asyncio.wait({running})
    assert loop.time() - began < 2 * CLOSE_SECONDS
