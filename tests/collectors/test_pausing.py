"""A paused service: a member that takes nothing in, finishes what it has, and goes on where it stood."""

from __future__ import annotations

import asyncio

import pytest

from collectors.errors import Retryable
from collectors.sinks.interface import Verdict
from sluice.eventlog.interface import PartitionLag
from tests.collectors.events import make_record, partition_of
from tests.collectors.fakes import postponed, until
from tests.collectors.harness import Harness
from tests.collectors.virtual_time import virtual_time

FIRST, SECOND = partition_of(), partition_of(number=1)


@virtual_time
async def test_what_is_in_flight_is_finished_and_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also through retries; nothing more is taken in, and everything is when it resumes, each record once."""
    harness = Harness(monkeypatch)
    fails = True

    async def script(documents: list[str]) -> Verdict:
        return postponed(len(documents), Retryable("away")) if fails else Verdict()

    harness.sink.script = script  # type: ignore[assignment]
    harness.log.append(FIRST, [make_record() for _ in range(5)])
    async with harness.running() as service:
        await until(lambda: harness.sink.writes)
        service.health.pause()
        await until(lambda: harness.source.paused == {FIRST})
        harness.log.append(FIRST, [make_record() for _ in range(7)])
        fails = False
        await until(lambda: harness.log.committed.get(FIRST) == 5)
        polls = harness.source.polls
        await asyncio.sleep(120)
        assert harness.log.committed[FIRST] == 5
        assert harness.source.polls > polls + 100, "it polls on: the membership and its heartbeats live"
        assert service.health.is_live
        assert not service.health.is_ready
        service.health.resume()
        await until(lambda: harness.log.is_done and service.health.is_ready)
    assert set(harness.sink.durable.values()) == {1}


@virtual_time
async def test_a_rebalance_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes is paused before its first record, what comes back goes on at the committed offset."""
    harness = Harness(monkeypatch)
    harness.log.append(FIRST, [make_record() for _ in range(3)])
    async with harness.running() as service:
        await until(lambda: harness.log.is_done)
        service.health.pause()
        await until(lambda: harness.source.paused == {FIRST})
        for name in (FIRST, SECOND):
            harness.log.append(name, [make_record() for _ in range(4)])
        await harness.source.assign([SECOND])
        await harness.source.revoke([FIRST])
        await asyncio.sleep(30)
        await harness.source.assign([FIRST])
        await asyncio.sleep(30)
        assert len(harness.sink.durable) == 3
        service.health.resume()
        await until(lambda: harness.log.is_done)
    assert len(harness.sink.durable) == 11
    assert set(harness.sink.durable.values()) == {1}


@virtual_time
async def test_a_pause_outlives_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lag and silence are what was asked for: the source is not begun anew for it; and where it is, it is paused."""
    harness = Harness(monkeypatch)
    harness.log.append(FIRST, [make_record()])
    async with harness.running() as service:
        await until(lambda: harness.log.is_done)
        service.health.pause()
        await until(lambda: harness.source.paused == {FIRST})
        harness.log.append(FIRST, [make_record()])
        harness.source.reported_lag = {FIRST: PartitionLag(1)}
        await asyncio.sleep(600)
        assert len(harness.sources) == 1
        harness.source.poll_errors.append(RuntimeError("a fault of ours"))  # type: ignore[arg-type]
        await until(lambda: len(harness.sources) == 2)
        await asyncio.sleep(60)
        assert len(harness.sink.durable) == 1
        service.health.resume()
        await until(lambda: len(harness.sink.durable) == 2)


@virtual_time
async def test_a_paused_service_stops_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, with what was finished committed."""
    harness = Harness(monkeypatch)
    harness.log.append(FIRST, [make_record()])
    async with harness.running() as service:
        await until(lambda: harness.log.is_done)
        service.health.pause()
        harness.log.append(FIRST, [make_record()])
        await until(lambda: harness.source.paused)
    assert harness.source.closed
    assert harness.log.committed[FIRST] in {1, 2}
