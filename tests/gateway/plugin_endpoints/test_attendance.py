"""Work for a client that may leave."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from gateway.outcomes import ClientGone
from gateway.plugin_endpoints.attendance import attended


class Client:
    """A connection's ``receive``."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        """Pieces that nobody waits for, and at last the disconnect."""
        self.asked += 1
        if self.asked < 3:
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leaves.wait()
        return {"type": "http.disconnect"}


async def test_the_result_is_the_work_s() -> None:
    """What it returns, what it raises; nobody is left waiting for the client."""
    client = Client()

    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    async def fail() -> None:
        await asyncio.sleep(0)
        message = "its own"
        raise LookupError(message)

    before = len(asyncio.all_tasks())
    assert await attended(work(), client.receive) == "done"
    with pytest.raises(LookupError, match="its own"):
        await attended(fail(), client.receive)
    assert len(asyncio.all_tasks()) == before


async def test_work_is_cancelled_when_the_client_leaves() -> None:
    """At once, in the same task; afterwards the task can wait for other things."""
    client, ended = Client(), []

    async def work() -> None:
        task.append(asyncio.current_task())
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    task: list[Any] = []
    asyncio.get_running_loop().call_later(0.01, client.leaves.set)
    with pytest.raises(ClientGone):
        await attended(work(), client.receive)
    assert (ended, task) == (["cancelled"], [asyncio.current_task()])
    await asyncio.sleep(0)


async def test_a_client_that_left_before_is_seen() -> None:
    """Also where the work would have been done in a moment."""
    client = Client()
    client.leaves.set()
    with pytest.raises(ClientGone):
        await attended(asyncio.sleep(60), client.receive)


async def test_work_that_was_done_as_the_client_left_is_done() -> None:
    """Whoever comes first: a result is not lost to a race, nor is the task left cancelled."""
    client = Client()
    for _ in range(50):
        client.leaves, client.asked = asyncio.Event(), 0
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(client.leaves.set)
        asyncio.get_running_loop().call_soon(done.set_result, "done")
        with contextlib.suppress(ClientGone):
            assert await attended(done, client.receive) == "done"
        await asyncio.sleep(0)


async def test_a_cancellation_from_outside_passes() -> None:
    """The worker stops: that is nobody's leaving."""
    client = Client()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(attended(asyncio.sleep(60), client.receive))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_cancellation_from_outside_passes_for_a_client_that_left_too() -> None:
    """Both at once: the worker stops all the same."""
    client = Client()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(attended(stubborn(), client.receive))
        await asyncio.sleep(0.01)
        client.leaves.set()
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def stubborn() -> None:
    """Needs some time to end."""
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(60)
