"""Stopping a consumer: within a bound, whatever it does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from sluice.eventlog.kafka import stopping
from sluice.eventlog.kafka.stopping import stop_consumer


class Consumer:
    """Ends as it is told to."""

    def __init__(self, ending: BaseException | None = None, *, hangs: bool = False) -> None:
        self.ending, self.hangs, self.closed = ending, hangs, False
        self._client = self

    async def stop(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.ending is not None:
            raise self.ending

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("ending", [None, KafkaConnectionError(), OSError(), TimeoutError()])
async def test_whatever_stop_raises_it_is_stopped(ending: BaseException | None) -> None:
    """A coordinator that is away is no reason not to end."""
    consumer: Any = Consumer(ending)
    await stop_consumer(consumer)


async def test_one_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the bound the process goes on without it."""
    monkeypatch.setattr(stopping, "_CLOSE_SECONDS", 0.01)
    consumer: Any = Consumer(hangs=True)
    await stop_consumer(consumer)


async def test_a_cancellation_of_its_own_is_not_ours() -> None:
    """aiokafka lets out the cancellation of its fetch task: its client is closed, and we go on."""
    consumer: Any = Consumer(asyncio.CancelledError())
    await stop_consumer(consumer)
    assert consumer.closed


async def test_our_own_cancellation_passes() -> None:
    """Who is cancelled while stopping is cancelled."""
    consumer: Any = Consumer(hangs=True)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(stop_consumer(consumer))
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()
