"""Questions to the event store are bounded."""

from __future__ import annotations

import asyncio

import pytest

from gateway.console.asking import MAX_WAITING, Asking
from gateway.control.api.problems import Problem
from sluice.eventstore.queries import EventStoreError


async def test_so_many_run_at_once_and_no_more() -> None:
    """Of twenty questions never more than three are asked at the same time, and all are answered."""
    asking, present, most = Asking(3), 0, 0

    async def question() -> int:
        nonlocal present, most
        present += 1
        most = max(most, present)
        await asyncio.sleep(0)
        present -= 1
        return 7

    assert await asyncio.gather(*(asking.ask(question) for _ in range(20))) == [7] * 20
    assert most == 3


async def test_who_waits_too_long_is_told_so() -> None:
    """A store that hangs does not pile up pages: the next is refused in time, with the setting to raise."""
    asking, ended = Asking(1, wait_seconds=0.01), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asking.ask(ended.wait))
        await asyncio.sleep(0)
        with pytest.raises(Problem, match=r"console\.max_queries"):
            await asking.ask(ended.wait)
        ended.set()
    assert await asking.ask(ended.wait)


async def test_a_flood_is_refused_at_once() -> None:
    """Beyond MAX_WAITING nobody waits at all."""
    asking, ended = Asking(1), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(MAX_WAITING + 1):
            tasks.create_task(asking.ask(ended.wait))
        await asyncio.sleep(0)
        with pytest.raises(Problem) as caught:
            await asking.ask(ended.wait)
        ended.set()
    assert (caught.value.status, caught.value.code) == (503, "console_busy")


async def test_a_store_that_is_away_says_so_and_gives_its_turn_back() -> None:
    """The store's own sentence reaches the page, and the next question is asked."""
    asking = Asking(1)

    async def away() -> None:
        raise EventStoreError("the store is away; look at it")

    for _ in range(3):
        with pytest.raises(Problem, match="look at it") as caught:
            await asking.ask(away)
        assert caught.value.status == 503
