"""Services are exchanged one by one after draining: nothing is lost or written twice, and nobody else is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from collectors.errors import Halt
from collectors.service import Service, ServiceFailedError
from collectors.sinks.interface import Verdict
from tests.collectors.fakes import until
from tests.collectors.fleets import STOP_SECONDS, FleetBench, closed, entry_of
from tests.collectors.virtual_time import virtual_time


async def slowly(documents: Sequence[str]) -> Verdict:
    """A write that takes a while."""
    await asyncio.sleep(0.3)
    return Verdict()


async def never(_documents: Sequence[str]) -> Verdict:
    """A write without an answer."""
    await asyncio.Event().wait()
    return Verdict()


@virtual_time
async def test_who_does_not_change_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same object, the same membership of its group: whatever becomes of the others."""
    bench = FleetBench(monkeypatch, entry_of("kept"), entry_of("changed"), entry_of("removed"))
    async with bench.running():
        await until(lambda: all(service.health.is_ready for service in bench.fleet.services))
        kept, polls = bench.service("kept"), bench.sources["kept"][0].polls
        await bench.become(entry_of("added"), entry_of("changed", sample=0.5), entry_of("kept"))
        await until(lambda: bench.sources["kept"][0].polls > polls + 3)
        assert bench.service("kept") is kept
        assert closed(bench.sources["kept"]) == [False]
        assert closed(bench.sources["removed"]) == [True]
        await until(lambda: all(service.health.is_ready for service in bench.fleet.services))
        assert closed(bench.sources["changed"]) == [True, False]
        assert bench.names() == ["added", "changed", "kept"]


@virtual_time
async def test_exchanges_under_load_lose_nothing_and_write_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty in a row, each in the middle of writes that take a while."""
    bench = FleetBench(monkeypatch, entry_of("a"))
    bench.sink("a").script = slowly
    async with bench.running():
        for number in range(20):
            bench.feed("a", 200)
            await asyncio.sleep(0.7)
            await bench.become(entry_of("a", batch={"max_records": 20 + number}))
        await until(lambda: bench.log("a").is_done)
        assert len(bench.sources["a"]) == 21
    bench.assert_exact("a")


@virtual_time
async def test_one_that_is_removed_drains_and_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had taken in is in its sink and acknowledged; of its gauges nothing is left to be alarmed by."""
    bench = FleetBench(monkeypatch, entry_of("a"), entry_of("b"))
    bench.sink("a").script = slowly
    bench.feed("a", 100)
    async with bench.running():
        await until(lambda: bench.sink("a").in_flight)
        bench.service("a").observe()
        assert bench.metrics.ready.value("a") is not None
        await bench.become(entry_of("b"))
        assert (bench.names(), list(bench.fleet.recipes)) == (["b"], ["b"])
        assert bench.metrics.ready.value("a") is None
        assert bench.metrics.records.value("a", "delivered") == 100
    bench.assert_exact("a")
    assert bench.sink("a").closed


@virtual_time
async def test_one_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that hangs holds an exchange up for a while, and then its successor takes over what was not written."""
    bench = FleetBench(monkeypatch, entry_of("a"))
    bench.sink("a").script = never
    bench.feed("a", 10)
    loop = asyncio.get_running_loop()
    async with bench.running():
        await until(lambda: bench.sink("a").in_flight)
        began = loop.time()
        applying = asyncio.create_task(bench.become(entry_of("a", priority=1)))  # noqa: TID251 - awaited below
        await asyncio.sleep(1.0)
        bench.sink("a").script = None
        await applying
        assert loop.time() - began <= STOP_SECONDS + 7
        bench.feed("a", 10)
        await until(lambda: bench.log("a").is_done)


@virtual_time
async def test_a_halted_one_is_exchanged_for_one_that_may_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is why configurations are changed; what waits in the log is then delivered."""
    bench = FleetBench(monkeypatch, entry_of("a"))
    bench.sink("a").start_errors.extend([Halt("401", "give a password")] * 100)
    bench.feed("a", 10)
    async with bench.running():
        await until(lambda: bench.service("a").health.is_halted)
        bench.sink("a").start_errors.clear()
        await bench.become(entry_of("a", retry={"halt_seconds": 1}))
        await until(lambda: bench.log("a").is_done)
        assert not bench.service("a").health.is_halted
    bench.assert_exact("a")


@virtual_time
async def test_an_operator_s_pause_outlives_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new one takes nothing in until it is resumed."""
    bench = FleetBench(monkeypatch, entry_of("a"))
    async with bench.running():
        bench.service("a").health.pause()
        await bench.become(entry_of("a", priority=1))
        bench.feed("a", 10)
        await asyncio.sleep(30)
        assert bench.sink("a").writes == []
        bench.service("a").health.resume()
        await until(lambda: bench.log("a").is_done)


@virtual_time
async def test_a_further_one_begins_when_the_removed_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under another name it may write to the same place."""
    bench = FleetBench(monkeypatch, entry_of("old"))
    bench.sink("old").script = slowly
    bench.feed("old", 10)
    async with bench.running():
        await until(lambda: bench.sink("old").in_flight)
        applying = asyncio.create_task(bench.become(entry_of("new")))  # noqa: TID251 - awaited below
        await asyncio.sleep(0.05)
        assert bench.sources.get("new", []) == []
        await applying
        await until(lambda: bench.sources["new"])
        assert closed(bench.sources["old"]) == [True]


@virtual_time
async def test_the_fleet_lives_while_its_only_service_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs for a moment, and that is not the end."""
    bench = FleetBench(monkeypatch, entry_of("a"))
    async with bench.running() as task:
        await until(lambda: bench.service("a").health.is_ready)
        await bench.become(entry_of("b"))
        await until(lambda: bench.service("b").health.is_ready)
        assert not task.done()


@virtual_time
async def test_a_stop_in_the_middle_begins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What drains ends, and the exchange ends with it: a service begun then would only be stopped."""
    bench = FleetBench(monkeypatch, entry_of("a"), entry_of("b"))
    bench.sink("a").script = slowly
    bench.feed("a", 100)
    async with bench.running() as task:
        await until(lambda: bench.sink("a").in_flight)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bench.become(entry_of("a", sample=0.5), entry_of("c")))
            await asyncio.sleep(0.01)
            bench.fleet.stop()
        await asyncio.wait({task}, timeout=100)
        assert task.done()
        assert "c" not in bench.sources
        assert len(bench.sources["a"]) == 1
        await bench.become(entry_of("d"))
        assert "d" not in bench.sources
    bench.assert_exact("a")


@virtual_time
async def test_a_cancelled_stop_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for a service that hangs, and not for an exchange that waits for it."""
    bench = FleetBench(monkeypatch, entry_of("a"))
    bench.sink("a").script = never
    bench.feed("a", 10)
    loop = asyncio.get_running_loop()
    async with bench.running() as task:
        await until(lambda: bench.sink("a").in_flight)
        began = loop.time()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bench.become(entry_of("a", sample=0.5)))
            await asyncio.sleep(0.01)
            bench.fleet.cancel()
        await asyncio.wait({task}, timeout=100)
        assert loop.time() - began < 1


@virtual_time
async def test_one_that_failed_for_good_begins_anew_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is then no failure any more; the others never knew."""
    bench = FleetBench(monkeypatch, entry_of("bad"), entry_of("good"))
    real = Service.run
    failures = [ServiceFailedError("bad broke")]

    async def run(service: Service) -> None:
        if service.name == "bad" and failures:
            raise failures.pop()
        await real(service)

    monkeypatch.setattr(Service, "run", run)
    async with bench.running():
        await until(lambda: bench.fleet.failed == ["bad"])
        assert "failed for good" in bench.service("bad").health.causes["service"]
        await bench.become(entry_of("bad"), entry_of("good"), failed=bench.fleet.failed)
        await until(lambda: bench.service("bad").health.is_ready)
        assert bench.fleet.failed == []
        assert len(bench.sources["good"]) == 1


@virtual_time
async def test_all_failed_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without work would only look well."""

    async def fail(service: Service) -> Any:
        raise ServiceFailedError(service.name)

    monkeypatch.setattr(Service, "run", fail)
    bench = FleetBench(monkeypatch, entry_of("a"), entry_of("b"))
    async with bench.running() as task:
        await asyncio.wait({task}, timeout=1)
        assert task.done()
    assert bench.fleet.failed == ["a", "b"]
