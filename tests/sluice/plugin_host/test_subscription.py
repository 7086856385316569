"""Tests of ``sluice.plugin_host.subscription``: a subscriber's faults and slowness are its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from sluice.plugin_host import subscription as module
from sluice.plugin_host.subscription import Backlog, Counts, Subscription
from sluice.sdk.services import Message
from tests.sluice.plugin_host.waiting import until

MAX_MESSAGES = 5


def message(payload: bytes) -> Message:
    """Any."""
    return Message("id", "t", payload)


def subscription(subscriber: Any, counts: Counts | None = None) -> Subscription:
    """Of plugin 7, not started."""
    return Subscription(7, "t", subscriber, MAX_MESSAGES, counts or Counts())


@asynccontextmanager
async def started(*subscriptions: Subscription) -> AsyncIterator[None]:
    """Until the end of the block."""
    async with asyncio.TaskGroup() as tasks:
        for each in subscriptions:
            each.start(tasks)
        yield
        for each in subscriptions:
            each.end()
            each.cancel()


async def test_messages_come_in_order_one_after_the_other() -> None:
    """A subscriber is never called twice at once; what came before the start is first."""
    at_once, order = [0], []

    async def subscriber(given: Message) -> None:
        at_once[0] += 1
        assert at_once[0] == 1
        await asyncio.sleep(0)
        order.append(given.payload)
        at_once[0] -= 1

    counts = Counts()
    subscribed = subscription(subscriber, counts)
    subscribed.put(message(b"0"))
    async with started(subscribed):
        for number in range(1, MAX_MESSAGES):
            subscribed.put(message(b"%d" % number))
        await until(lambda: len(order) == MAX_MESSAGES)
    assert order == [b"0", b"1", b"2", b"3", b"4"]
    assert counts == Counts()


async def test_the_oldest_give_way_where_a_subscriber_is_slow() -> None:
    """At most ``max_messages`` wait; what gave way is counted."""
    let_go, got, counts = asyncio.Event(), list[bytes](), Counts()

    async def slow(given: Message) -> None:
        await let_go.wait()
        got.append(given.payload)

    subscribed = subscription(slow, counts)
    async with started(subscribed):
        subscribed.put(message(b"0"))
        await asyncio.sleep(0)
        for number in range(1, 20):
            subscribed.put(message(b"%d" % number))
        let_go.set()
        await until(lambda: got[-1:] == [b"19"])
    assert got == [b"0", b"15", b"16", b"17", b"18", b"19"]
    assert counts == Counts(dropped=14)


async def test_what_waits_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand large messages are not kept for who does not listen; one alone always is."""
    monkeypatch.setattr(module, "_MAX_QUEUED_BYTES", 150)
    got, counts = list[bytes](), Counts()

    async def subscriber(given: Message) -> None:
        got.append(given.payload)

    subscribed = subscription(subscriber, counts)
    for number in range(3):
        subscribed.put(message(b"%d" % number * 200))
    async with started(subscribed):
        await until(lambda: got)
    assert got == [b"2" * 200]
    assert counts.dropped == 2


async def test_many_subscribers_of_a_plugin_hold_no_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not read from a hundred of them costs its gateway what one does, and the last message of each."""
    monkeypatch.setattr(module, "_MAX_QUEUED_BYTES", 1000)
    backlog = Backlog()
    subscribed = [Subscription(7, None, print, 1000, Counts(), backlog) for _ in range(10)]  # type: ignore[arg-type]
    for _ in range(50):
        for each in subscribed:
            each.put(message(b"0" * 100))
    assert backlog.bytes <= 1000 + 10 * 100
    assert all(each._queue for each in subscribed)
    for each in subscribed:
        each.end()
    assert backlog.bytes == 0


@pytest.mark.parametrize("failure", [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, BaseException])
async def test_a_subscriber_that_raises_harms_nobody(failure: type[BaseException]) -> None:
    """Whatever it raises, it gets the next message; the log has one line, with nothing of the message."""
    calls, counts = list[bytes](), Counts()

    async def subscriber(given: Message) -> None:
        calls.append(given.payload)
        raise failure(given.payload)

    subscribed = subscription(subscriber, counts)
    with capture_logs() as lines:
        async with started(subscribed):
            for number in range(MAX_MESSAGES):
                subscribed.put(message(b"secret %d" % number))
            await until(lambda: counts.failed == MAX_MESSAGES)
    assert len(calls) == MAX_MESSAGES
    assert [(line["event"], line["plugin_id"], line["topic"]) for line in lines] == [
        ("message subscriber failed", 7, "t")
    ]
    assert "secret" not in str(lines)


async def test_a_subscriber_that_hangs_is_cancelled_and_gets_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that swallows its cancellation."""
    monkeypatch.setattr(module, "SUBSCRIBER_SECONDS", 0.01)
    calls, counts = list[bytes](), Counts()

    async def subscriber(given: Message) -> None:
        calls.append(given.payload)
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    subscribed = subscription(subscriber, counts)
    async with started(subscribed):
        subscribed.put(message(b"0"))
        subscribed.put(message(b"1"))
        await until(lambda: counts.failed == 2)
    assert calls == [b"0", b"1"]


@pytest.mark.parametrize("subscriber", [None, print, "text"])
async def test_what_is_no_subscriber_fails_alone(subscriber: Any) -> None:
    """A function that is no coroutine, or nothing at all: counted, as any failure."""
    counts = Counts()
    subscribed = subscription(subscriber, counts)
    async with started(subscribed):
        subscribed.put(message(b"0"))
        await until(lambda: counts.failed == 1)


async def test_a_subscriber_that_waits_for_nothing_leaves_the_loop_its_turns() -> None:
    """Between two messages others run."""
    got, turns = list[bytes](), 0

    async def subscriber(given: Message) -> None:
        got.append(given.payload)

    subscribed = subscription(subscriber)
    for number in range(MAX_MESSAGES):
        subscribed.put(message(b"%d" % number))
    async with started(subscribed):
        while len(got) < MAX_MESSAGES:
            await asyncio.sleep(0)
            turns += 1
    assert turns >= MAX_MESSAGES


async def test_an_ended_subscription_begins_nothing_more() -> None:
    """What waits is let go, what is under way goes on; cancelling ends that too."""
    began, ended, calls = asyncio.Event(), asyncio.Event(), list[bytes]()

    async def subscriber(given: Message) -> None:
        calls.append(given.payload)
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    subscribed = subscription(subscriber)
    async with started(subscribed):
        subscribed.put(message(b"0"))
        subscribed.put(message(b"1"))
        await began.wait()
        subscribed.end()
        subscribed.put(message(b"2"))
        assert not ended.is_set()
        subscribed.cancel()
        await ended.wait()
    assert calls == [b"0"]
