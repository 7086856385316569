"""Stops a consumer of aiokafka's within a bound."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

_CLOSE_SECONDS = 5.0

logger = structlog.get_logger(__name__)


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop it, within a bound, whatever state it is in."""
    before = _cancellations()
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            try:
                await consumer.stop()
            except asyncio.CancelledError:
                if _cancellations() > before:
                    raise
                await _stop_the_rest(consumer)
    except (KafkaError, OSError, TimeoutError) as error:
        logger.warning("consumer not stopped in time", error=type(error).__name__)


def _cancellations() -> int:
    """How often we were asked to end: who stops a consumer because of that has one already."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


async def _stop_the_rest(consumer: AIOKafkaConsumer) -> None:
    """What ``stop`` would have done next. Its coordinator lets out the cancellation of a task that had not begun, its
    fetcher that of one which slept after a failure."""
    fetcher = consumer._fetcher  # noqa: SLF001
    if fetcher is not None and not fetcher._fetch_task.done():  # noqa: SLF001
        with suppress(asyncio.CancelledError):
            await fetcher.close()
    await consumer._client.close()  # noqa: SLF001
