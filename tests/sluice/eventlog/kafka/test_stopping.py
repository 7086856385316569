"""Stopping a consumer: within a bound, whatever it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError

from sluice.eventlog.kafka import stopping
from sluice.eventlog.kafka.starting import start
from sluice.eventlog.kafka.stopping import stop_consumer
from tests.servers import Kafka

SECONDS = 5.0


class Consumer:
    """Ends as it is told to."""

    def __init__(self, ending: BaseException | None = None, *, hangs: bool = False) -> None:
        self.ending, self.hangs, self.closed = ending, hangs, False
        self._client, self._fetcher = self, None

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


async def test_who_stops_because_he_was_told_to_end_stops_it_whole() -> None:
    """A cancellation that came before is not one that came while it stops."""
    consumer: Any = Consumer(asyncio.CancelledError())

    async def life() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await stop_consumer(consumer)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(life())
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()
    assert consumer.closed


class Fetcher:
    """Of a consumer whose own stop ended before it came to it."""

    def __init__(self, closing: Callable[[], Awaitable[object]]) -> None:
        self._pending_tasks = set[asyncio.Task[None]]()
        self.close = closing


async def test_our_own_cancellation_passes_while_the_rest_is_stopped() -> None:
    """It is not one of those that aiokafka lets out."""
    consumer: Any = Consumer(asyncio.CancelledError())
    closing = asyncio.Event()

    async def hang() -> None:
        closing.set()
        await asyncio.Event().wait()

    consumer._fetcher = Fetcher(hang)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(SECONDS):
        task = tasks.create_task(stop_consumer(consumer))
        await closing.wait()
        task.cancel()
    assert task.cancelled()


async def test_the_rest_has_the_same_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetcher that hangs is left, and what comes behind it is not begun without a bound."""
    monkeypatch.setattr(stopping, "_CLOSE_SECONDS", 0.01)
    consumer: Any = Consumer(asyncio.CancelledError())
    consumer._fetcher = Fetcher(asyncio.Event().wait)
    consumer.close = asyncio.Event().wait
    async with asyncio.timeout(SECONDS):
        await stop_consumer(consumer)


async def test_a_cancellation_that_aiokafka_keeps_passes_too() -> None:
    """It waits for tasks that it cancelled, and takes ours for theirs: then it has stopped, and we end."""
    consumer: Any = Consumer()

    async def keep() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    consumer.stop = keep
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(SECONDS):
        task = tasks.create_task(stop_consumer(consumer))
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()


async def test_what_a_fetcher_began_ends_with_it() -> None:
    """Of its requests the first that slept after a failure ends aiokafka's stop: the others are cancelled too."""
    consumer: Any = Consumer(asyncio.CancelledError())
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(SECONDS):
        request = tasks.create_task(asyncio.sleep(2 * SECONDS))

        async def let_out() -> None:
            raise asyncio.CancelledError

        consumer._fetcher = Fetcher(let_out)
        consumer._fetcher._pending_tasks.add(request)
        await stop_consumer(consumer)
    assert request.cancelled()
    assert consumer.closed


async def test_one_that_has_only_just_started_is_stopped_whole(kafka_server: Kafka) -> None:
    """Its tasks had no turn of the loop yet, and aiokafka's own stop ends with the first of them."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_server.bootstrap_servers)
    await start(consumer)
    await stop_consumer(consumer)
    assert consumer._fetcher._fetch_task.done()
    assert not any(each.connected() for each in consumer._client._conns.values())
