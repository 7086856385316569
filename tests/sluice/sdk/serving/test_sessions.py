"""Tests of ``sluice.sdk.serving.sessions``."""

from __future__ import annotations

import asyncio

from sluice.sdk.serving.sessions import Reason, Sessions


async def test_sessions_end_together_and_later_ones_are_others() -> None:
    """A host that closed one may open the next."""
    sessions = Sessions()
    async with asyncio.TaskGroup() as group:
        held = [group.create_task(sessions.hold(60)) for _ in range(2)]
        await asyncio.sleep(0)
        sessions.close(Reason.PLUGIN_ERROR)
    assert [task.result() for task in held] == [Reason.PLUGIN_ERROR, Reason.PLUGIN_ERROR]
    assert await sessions.hold(0.01) == Reason.TIMEOUT


async def test_behind_the_end_none_is_held() -> None:
    """The process ends: a host that asks again does not keep it."""
    sessions = Sessions()
    sessions.end()
    async with asyncio.timeout(30):
        assert await sessions.hold(60) == Reason.EXPLICIT_CLOSE
