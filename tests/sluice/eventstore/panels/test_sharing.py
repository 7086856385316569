"""Ten who ask the same at once cost one question; whoever leaves or fails takes nobody along who need not go."""

from __future__ import annotations

import asyncio
import time

import pytest

from sluice.eventstore.panels.sharing import Shared


class Asked:
    """Counts, and answers when it is let."""

    def __init__(self) -> None:
        self.times = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.times += 1
        await self.may_end.wait()
        return self.times


async def begun(asked: Asked, times: int) -> None:
    """Until it was asked so often."""
    deadline = time.monotonic() + 30
    while asked.times < times:
        assert time.monotonic() < deadline
        await asyncio.sleep(0)


async def test_the_same_at_once_is_asked_once_and_nothing_is_kept() -> None:
    """Another question is another's; who comes afterwards asks anew."""
    shared, asked = Shared[int](), Asked()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(shared.once("same", asked)) for _ in range(10)]
        other = group.create_task(shared.once("other", asked))
        await begun(asked, 2)
        asked.may_end.set()
    assert asked.times == 2
    assert {task.result() for task in tasks} == {2}
    assert other.result() == 2
    assert await shared.once("same", asked) == 3


async def test_who_leaves_hands_the_question_on() -> None:
    """The first is cancelled, and so is its question; the next asks again, and one who waited may leave as well."""
    shared, asked = Shared[int](), Asked()
    async with asyncio.TaskGroup() as group:
        first, second, third = (group.create_task(shared.once("same", asked)) for _ in range(3))
        await begun(asked, 1)
        third.cancel()
        first.cancel()
        await begun(asked, 2)
        asked.may_end.set()
    assert first.cancelled()
    assert third.cancelled()
    assert second.result() == 2


async def test_a_failure_is_everybodys() -> None:
    """Each gets the error itself, and the next question may succeed."""
    shared, started = Shared[int](), asyncio.Event()

    async def fails() -> int:
        started.set()
        await asyncio.sleep(0)
        raise ValueError("away")

    found = await asyncio.gather(*(shared.once("same", fails) for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in found] == ["away"] * 3
    with pytest.raises(ValueError, match="away"):
        await shared.once("same", fails)
    asked = Asked()
    asked.may_end.set()
    assert await shared.once("same", asked) == 1
