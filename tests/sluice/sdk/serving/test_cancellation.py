"""Tests of ``sluice.sdk.serving.cancellation``."""

from __future__ import annotations

import asyncio

from sluice.sdk.serving.cancellation import is_cancelled


async def test_only_what_somebody_cancelled_is_cancelled() -> None:
    """A deadline of the task's own is such a somebody; another's cancelled future is not."""
    cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    cancelled.cancel()
    try:
        await cancelled
    except asyncio.CancelledError:
        assert not is_cancelled()
    seen = []
    try:
        async with asyncio.timeout(0):
            try:
                await asyncio.Event().wait()
            finally:
                seen.append(is_cancelled())
    except TimeoutError:
        assert seen == [True]
    assert not is_cancelled()


def test_outside_of_any_task_nothing_is_cancelled() -> None:
    """There is none to be."""

    async def ask() -> None:
        asyncio.get_running_loop().call_soon(lambda: answers.append(is_cancelled()))
        await asyncio.sleep(0)

    answers: list[bool] = []
    asyncio.run(ask())
    assert answers == [False]
