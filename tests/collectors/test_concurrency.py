"""Writes in flight: slots in order, one more at a time, half at once; and waits that are jittered and bounded."""

from __future__ import annotations

import asyncio

import pytest

from collectors.backoff import Backoff
from collectors.concurrency import Concurrency
from collectors.entries import RetrySettings
from tests.collectors.virtual_time import virtual_time


@virtual_time
async def test_slots_are_handed_out_in_order() -> None:
    """Never more than the limit at once, and whoever waits longest is next."""
    slots, order, most = Concurrency(4), list[int](), 0

    async def write(number: int) -> None:
        nonlocal most
        async with slots.slot():
            order.append(number)
            most = max(most, slots.in_flight)
            await asyncio.sleep(1)

    async with asyncio.TaskGroup() as tasks:
        for number in range(7):
            tasks.create_task(write(number))
    assert order == list(range(7))
    assert most == 2
    assert slots.in_flight == 0
    assert slots.has_room


@virtual_time
async def test_cancelled_waiters_lose_no_slot() -> None:
    """A cancelled waiter gives back what it was handed in the same turn."""
    slots = Concurrency(1)
    gate = asyncio.Event()

    async def write() -> None:
        async with slots.slot():
            await gate.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        waiting = [tasks.create_task(write()) for _ in range(3)]
        await asyncio.sleep(1)
        gate.set()
        await asyncio.sleep(0)
        waiting[0].cancel()
        waiting[1].cancel()
    assert slots.in_flight == 0
    assert slots.has_room


async def test_limit_halves_once_for_those_in_flight_together() -> None:
    """Writes that started before a throttle was known halve the limit once, not each; then growth is slow."""
    slots = Concurrency(16)
    assert slots.limit == 8
    async with slots.slot() as first, slots.slot() as second:
        slots.throttled(first)
        slots.throttled(second)
    assert slots.limit == 4
    for _ in range(3):
        slots.succeeded()
    assert slots.limit == 4
    slots.succeeded()
    assert slots.limit == 5
    for _ in range(1_000):
        slots.succeeded()
    assert slots.limit == 16
    for _ in range(10):
        async with slots.slot() as started_in:
            slots.throttled(started_in)
    assert slots.limit == 1


@pytest.mark.parametrize(("attempts", "ceiling"), [(1, 0.5), (2, 1.0), (3, 2.0), (5, 8.0), (6, 10.0), (10_000, 10.0)])
def test_backoff_is_full_jitter_below_a_doubling_ceiling(attempts: int, ceiling: float) -> None:
    """0.5 s doubled for each failure, never above 10 s, and anywhere below."""
    assert Backoff(RetrySettings(), lambda: 1.0).seconds(attempts) == ceiling
    assert Backoff(RetrySettings(), lambda: 0.0).seconds(attempts) == 0.0
    drawn = [Backoff(RetrySettings()).seconds(attempts) for _ in range(200)]
    assert all(0 <= seconds <= ceiling for seconds in drawn)
    assert max(drawn) - min(drawn) > ceiling / 2


def test_retry_after_is_honoured_within_reason() -> None:
    """What a server asks for is the least that is waited, up to five minutes."""
    assert Backoff(RetrySettings(), lambda: 0.0).seconds(1, 7.0) == 7.0
    assert Backoff(RetrySettings(), lambda: 0.0).seconds(1, 1e9) == 300.0
