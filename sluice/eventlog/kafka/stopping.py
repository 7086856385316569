"""Stops a consumer of aiokafka's within a bound."""

from __future__ import annotations

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

_CLOSE_SECONDS = 5.0

logger = structlog.get_logger(__name__)


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop it, within a bound, whatever state it is in."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await consumer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        logger.warning("consumer not stopped in time", error=type(error).__name__)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Fetcher.close lets out the cancellation of its own fetch task where that slept after a failure
        await consumer._client.close()  # noqa: SLF001 - what stop() would have done next
