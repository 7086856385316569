"""Stops a consumer of aiokafka's within a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

_CLOSE_SECONDS = 5.0

logger = structlog.get_logger(__name__)


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop it, within a bound, whatever state it is in. Whoever is cancelled meanwhile is cancelled."""
    before = _cancellations()
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await _stop_whole(consumer)
    except (KafkaError, OSError, TimeoutError) as error:
        logger.warning("consumer not stopped in time", error=type(error).__name__)
    if _cancellations() > before:  # aiokafka waits for tasks that it cancelled, and takes ours for theirs
        raise asyncio.CancelledError


async def _stop_whole(consumer: AIOKafkaConsumer) -> None:
    """Its coordinator lets out the cancellation of a task that had not begun, its fetcher that of one which slept after
    a failure: then here is done what ``stop`` would have done next."""
    if await _came_to_its_end(consumer.stop()):
        return
    fetcher = consumer._fetcher  # noqa: SLF001
    if fetcher is not None and not await _came_to_its_end(fetcher.close()):
        for task in fetcher._pending_tasks:  # noqa: SLF001 - those behind the one that slept
            task.cancel()
    await consumer._client.close()  # noqa: SLF001


async def _came_to_its_end(closing: Awaitable[None]) -> bool:
    """Or let out a cancellation that is none of ours, nor the bound's."""
    before = _cancellations()
    try:
        await closing
    except asyncio.CancelledError:
        if _cancellations() > before:
            raise
        return False
    return True


def _cancellations() -> int:
    """How often we were asked to end: who stops a consumer because of that has one already."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
