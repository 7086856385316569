"""A gate lets nobody wait for a plugin that cannot answer, and lets one look whether it can again."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from sluice.plugin_host.deadline import begin_within
from sluice.plugin_host.gate import Gate, NotCalled


@pytest.fixture(name="clock")
def a_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def failing(gate: Gate, times: int) -> None:
    """So many calls that fail."""
    for number in range(times):
        if gate.is_shut:
            gate.admit()
        gate.failed(f"failure {number + 1}")


async def held(gate: Gate, until: asyncio.Future[None]) -> None:
    """A call that waits for something."""

    async def call() -> None:
        await until

    await gate.wait(begin_within(call(), 60.0))


def test_a_healthy_plugin_finds_its_gate_open() -> None:
    """Failures in between change nothing, as long as they are fewer in a row than the bound."""
    gate = Gate(breaker_failures=3)
    for _ in range(10):
        failing(gate, 2)
        assert not gate.is_shut
        gate.succeeded()
    assert (gate.state, gate.openings, gate.failures_in_row) == ("closed", 0, 0)


def test_so_many_failures_in_a_row_open_the_breaker(clock: list[float]) -> None:
    """Then nobody is let through until the pause is over, and each is told since when and why."""
    gate = Gate(breaker_failures=3, pause_seconds=10)
    failing(gate, 3)
    assert (gate.is_shut, gate.state) == (True, "open")
    clock[0] += 9.9
    for _ in range(5):
        with pytest.raises(NotCalled, match=r"breaker is open after 3 failures in a row, the last: failure 3"):
            gate.admit()


def test_after_the_pause_there_is_one_probe(clock: list[float]) -> None:
    """Not a crowd: the others wait for what becomes of it."""
    gate = Gate(breaker_failures=1, pause_seconds=10)
    failing(gate, 1)
    clock[0] += 10
    assert gate.state == "half_open"
    gate.admit()
    with pytest.raises(NotCalled):
        gate.admit()
    gate.succeeded()
    assert (gate.is_shut, gate.state, gate.openings) == (False, "closed", 1)


def test_a_probe_that_fails_begins_the_pause_anew(clock: list[float]) -> None:
    """One failure is enough then, and the breaker did not open a second time: it was never closed."""
    gate = Gate(breaker_failures=5, pause_seconds=10)
    failing(gate, 5)
    clock[0] += 10
    gate.admit()
    gate.failed("still ill")
    clock[0] += 9.9
    with pytest.raises(NotCalled, match="6 failures in a row, the last: still ill"):
        gate.admit()
    clock[0] += 0.1
    gate.admit()
    gate.succeeded()
    assert (gate.state, gate.openings) == ("closed", 1)


async def test_a_probe_that_is_cut_from_outside_proves_nothing(clock: list[float]) -> None:
    """The client left: the next call is the probe, at once."""
    gate = Gate(breaker_failures=1, pause_seconds=10)
    failing(gate, 1)
    clock[0] += 10
    gate.admit()
    async with asyncio.TaskGroup() as tasks:
        probing = tasks.create_task(held(gate, asyncio.get_running_loop().create_future()))
        await asyncio.sleep(0)
        probing.cancel()
    assert gate.state == "half_open"
    gate.admit()


async def test_a_call_that_began_before_is_not_the_probe(clock: list[float]) -> None:
    """Clients leave whom a hanging plugin kept: that lets no second probe in beside the first."""
    gate = Gate(breaker_failures=1, pause_seconds=10)
    async with asyncio.TaskGroup() as tasks:
        loop = asyncio.get_running_loop()
        before = tasks.create_task(held(gate, loop.create_future()))
        await asyncio.sleep(0)
        failing(gate, 1)
        clock[0] += 10
        gate.admit()
        probing = tasks.create_task(held(gate, loop.create_future()))
        await asyncio.sleep(0)
        before.cancel()
        await asyncio.wait([before])
        with pytest.raises(NotCalled):
            gate.admit()
        probing.cancel()
        await asyncio.wait([probing])
        gate.admit()


def test_zero_is_no_breaker() -> None:
    """However often it fails."""
    gate = Gate(breaker_failures=0)
    failing(gate, 1_000)
    assert (gate.is_shut, gate.state) == (False, "closed")


async def test_so_many_calls_may_be_under_way() -> None:
    """One more is refused with the bound; when one ends there is room again, however it ends."""
    gate = Gate(max_concurrent=2)
    ends: list[asyncio.Future[Any]] = [asyncio.get_running_loop().create_future() for _ in range(3)]
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(held(gate, end)) for end in ends[:2]]
        await asyncio.sleep(0)
        assert (gate.under_way, gate.is_shut) == (2, True)
        with pytest.raises(NotCalled, match="2 hooks of it are under way, which is its max_concurrent"):
            gate.admit()
        calls[0].cancel()
        await asyncio.wait(calls[:1])
        assert (gate.under_way, gate.is_shut) == (1, False)
        ends[1].set_result(None)
    assert gate.under_way == 0


async def test_without_a_bound_calls_are_counted_all_the_same() -> None:
    """Health shows them."""
    gate, end = Gate(), asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(50):
            tasks.create_task(held(gate, end))
        await asyncio.sleep(0)
        assert (gate.under_way, gate.is_shut) == (50, False)
        end.set_result(None)
    assert gate.under_way == 0
