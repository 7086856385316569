"""Work for a client that may leave meanwhile: then nobody wants its result, and it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

from gateway.outcomes import ClientGone

if TYPE_CHECKING:
    from gateway.asgi import Receive

T = TypeVar("T")


class _Outcome:
    """A result or an exception, kept: what is raised within a task group comes out of it in a group."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    async def of(self, work: Awaitable[T]) -> T | None:
        try:
            return await work
        except Exception as error:  # noqa: BLE001 - raised again behind the group
            self.error = error
            return None


class _Watch:
    """Cancels a task when the client leaves."""

    def __init__(self, task: asyncio.Task[object] | None) -> None:
        self._task = task
        self.has_left = False

    async def keep(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":  # the request was read to its end
            pass
        self.has_left = True
        if self._task is not None:
            self._task.cancel()


async def attended(work: Awaitable[T], receive: Receive) -> T:
    """The work's result. Raises what it raises; ``ClientGone`` where the client left, the work having been cancelled.

    The work stays in this task, in which it may have begun: its time limits and cancel scopes are bound to it.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    watch, outcome = _Watch(task), _Outcome()
    try:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch.keep(receive))
            result = await outcome.of(work)
            watching.cancel()
    except asyncio.CancelledError:
        if not watch.has_left or task is None or task.uncancel() > before:
            raise  # the worker stops
        raise ClientGone from None
    if outcome.error is not None:
        raise outcome.error
    return result  # type: ignore[return-value]  # there was no error, so there is a result
