"""Tests of ``sluice.plugin_host.messages``: who gets what, once, whatever the others do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sluice.plugin_host import subscription as subscription_module
from sluice.plugin_host.messages import MAX_SUBSCRIPTIONS, MessageBus, PluginMessages, check_topic
from sluice.plugin_host.settings import PluginHostSettings
from sluice.sdk.errors import NotFound, PayloadTooLarge, ServiceError, ServiceUnavailable
from sluice.sdk.services import Message
from tests.sluice.plugin_host.waiting import until

SETTINGS = PluginHostSettings(max_message_bytes=100, max_queued_messages=5)
DEADLINE_SECONDS = 40


class FakeCarrier:
    """Remembers what it carries; delivers what a test says that arrived."""

    def __init__(self, max_payload_bytes: int = 100) -> None:
        self.max_payload_bytes = max_payload_bytes
        self.dropped = self.garbled = 0
        self.carried: list[Message] = []
        self.arrived: Callable[[Message], None] | None = None

    def carry(self, message: Message) -> None:
        self.carried.append(message)

    async def run(self, arrived: Callable[[Message], None]) -> None:
        self.arrived = arrived
        await asyncio.Event().wait()


class Heard:
    """A subscriber that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]


@asynccontextmanager
async def running(bus: MessageBus) -> AsyncIterator[MessageBus]:
    """The bus as it is beside a server."""
    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(bus.run())
        await asyncio.sleep(0)
        yield bus
        task.cancel()


@pytest.fixture
async def bus() -> AsyncIterator[MessageBus]:
    """Of one process alone."""
    async with running(MessageBus(SETTINGS, "g-1")) as made:
        yield made


async def test_every_subscriber_of_a_topic_gets_a_message_once(bus: MessageBus) -> None:
    """The publisher's own too, those of every topic too; nobody else."""
    first, same, other = Heard(), Heard(), Heard()
    everything = Heard()
    publisher, second = bus.of_plugin(1), bus.of_plugin(2)
    await publisher.subscribe("cache.clear", first)
    await second.subscribe("cache.clear", same)
    await second.subscribe("cache", other)
    await second.subscribe_all(everything)
    sent = await publisher.publish("cache.clear", b"now")
    await until(lambda: first.messages and same.messages and everything.messages)
    assert first.messages == same.messages == everything.messages
    assert first.messages == [Message(sent, "cache.clear", b"now", "plugin:1@g-1", "local")]
    assert other.messages == []


async def test_messages_before_the_bus_runs_wait_for_it() -> None:
    """Plugins subscribe and publish in ``initialize``, before there is a server."""
    bus, heard = MessageBus(SETTINGS), Heard()
    messages = bus.of_plugin(1)
    await messages.subscribe("t", heard)
    await messages.publish("t", b"early")
    async with running(bus):
        await until(lambda: heard.payloads == [b"early"])


async def test_a_plugin_ends_its_own_subscriptions_alone(bus: MessageBus) -> None:
    """Another's id, an unknown one and one that has ended are not found."""
    one, other, heard = bus.of_plugin(1), bus.of_plugin(2), Heard()
    kept = await other.subscribe("t", heard)
    ended = await one.subscribe("t", Heard())
    await one.unsubscribe(ended)
    for unknown in (kept, ended, "", None, 7):
        with pytest.raises(NotFound):
            await one.unsubscribe(unknown)  # type: ignore[arg-type]
    await one.publish("t", b"")
    await until(lambda: heard.messages)


async def test_a_subscriber_may_unsubscribe_itself(bus: MessageBus) -> None:
    """It ends what it is at, and is not called again."""
    messages = bus.of_plugin(1)
    calls: list[bytes] = []
    ids: list[str] = []

    async def once(message: Message) -> None:
        await messages.unsubscribe(ids[0])
        await asyncio.sleep(0)
        calls.append(message.payload)

    ids.append(await messages.subscribe("t", once))
    await messages.publish("t", b"0")
    await messages.publish("t", b"1")
    await until(lambda: calls)
    heard = Heard()
    await messages.subscribe("t", heard)
    await messages.publish("t", b"2")
    await until(lambda: heard.messages)
    assert calls == [b"0"]


async def test_one_life_of_a_plugin_ends_without_the_next_one(bus: MessageBus) -> None:
    """A reload has two lives of one id for a while: ``release`` ends the old one's subscriptions, in their midst."""
    old, new = bus.of_plugin(1), bus.of_plugin(1)
    began, ended, heard = asyncio.Event(), asyncio.Event(), Heard()

    async def hang(_: Message) -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    await old.subscribe("t", hang)
    await new.subscribe("t", heard)
    await new.publish("t", b"0")
    await began.wait()
    old.release()
    old.release()
    await ended.wait()
    with pytest.raises(ServiceUnavailable, match="shut down"):
        await old.subscribe("t", Heard())
    await new.publish("t", b"1")
    await until(lambda: heard.payloads == [b"0", b"1"])


async def test_local_messages_stay_and_others_are_carried_on() -> None:
    """``local`` reaches this gateway's workers, ``up`` and ``down`` the other gateways too; what arrives goes no
    further."""
    workers, gateways, heard = FakeCarrier(), FakeCarrier(), Heard()
    async with running(MessageBus(SETTINGS, "g-1", workers=workers, gateways=gateways)) as bus:
        messages = bus.of_plugin(1)
        await messages.subscribe_all(heard)
        for direction in ("local", "up", "down"):
            await messages.publish("t", b"", direction)
        await until(lambda: gateways.arrived)
        assert [message.direction for message in workers.carried] == ["local", "up", "down"]
        assert [message.direction for message in gateways.carried] == ["up", "down"]
        assert workers.arrived is not None
        workers.arrived(Message("1", "t", b"from elsewhere", "plugin:9@g-2", "up"))
        await until(lambda: len(heard.messages) == 4)
        assert len(workers.carried) == 3
        assert len(gateways.carried) == 2


@pytest.mark.parametrize("use", ["subscribe", "publish"])
async def test_other_gateways_are_met_by_the_first_who_wants_them(use: str) -> None:
    """Local messages open no way to them; a subscription does, also one from before the bus ran, and a message to
    them."""
    workers, gateways = FakeCarrier(), FakeCarrier()
    async with running(MessageBus(SETTINGS, workers=workers, gateways=gateways)) as bus:
        messages = bus.of_plugin(1)
        await until(lambda: workers.arrived)
        await messages.publish("t", b"")
        for _ in range(10):
            await asyncio.sleep(0)
        assert gateways.arrived is None
        await (messages.subscribe("t", Heard()) if use == "subscribe" else messages.publish("t", b"", "up"))
        await until(lambda: gateways.arrived)
    waiting = FakeCarrier()
    early = MessageBus(SETTINGS, gateways=waiting)
    await early.of_plugin(1).subscribe("t", Heard())
    async with running(early):
        await until(lambda: waiting.arrived)


async def test_what_cannot_be_carried_is_refused_before_anybody_gets_it() -> None:
    """All or nobody."""
    gateways, heard = FakeCarrier(max_payload_bytes=10), Heard()
    async with running(MessageBus(SETTINGS, gateways=gateways)) as bus:
        messages = bus.of_plugin(1)
        await messages.subscribe("t", heard)
        with pytest.raises(PayloadTooLarge, match="carried"):
            await messages.publish("t", b"v" * 11, "up")
        await messages.publish("t", b"v" * 11)
        await messages.publish("t", b"v" * 10, "up")
        await until(lambda: len(heard.messages) == 2)


@pytest.mark.parametrize(
    ("topic", "payload", "direction", "error"),
    [
        ("", b"", "local", ServiceError),
        ("a b", b"", "local", ServiceError),
        ("a\n", b"", "local", ServiceError),
        ("a\0", b"", "local", ServiceError),
        ("\ud800", b"", "local", ServiceError),
        ("t" * 201, b"", "local", ServiceError),
        (None, b"", "local", ServiceError),
        ("t", "text", "local", ServiceError),
        ("t", None, "local", ServiceError),
        ("t", b"v" * 101, "local", PayloadTooLarge),
        ("t", b"", "sideways", ServiceError),
        ("t", b"", ["up"], ServiceError),
        ("t", b"", 1, ServiceError),
    ],
)
async def test_what_is_no_message_is_refused(
    bus: MessageBus, topic: Any, payload: Any, direction: Any, error: type[Exception]
) -> None:
    """By name; nobody gets anything of it."""
    heard, messages = Heard(), bus.of_plugin(1)
    await messages.subscribe_all(heard)
    with pytest.raises(error):
        await messages.publish(topic, payload, direction)
    await messages.publish("t", b"v" * 100)
    await until(lambda: heard.messages)
    assert heard.payloads == [b"v" * 100]


@pytest.mark.parametrize("topic", ["llm-cache.clear", "a", "é", "a/b:c", "t" * 200])
def test_topics_are_any_text_without_spaces(topic: str) -> None:
    """Peers' topics among them."""
    check_topic(topic)


async def test_a_payload_cannot_be_changed_after_it_was_published(bus: MessageBus) -> None:
    """What is queued is a copy."""
    heard, messages, payload = Heard(), bus.of_plugin(1), bytearray(b"before")
    await messages.subscribe("t", heard)
    await messages.publish("t", payload)  # type: ignore[arg-type]
    payload[:] = b"after!"
    await until(lambda: heard.messages)
    assert heard.payloads == [b"before"]


async def test_subscriptions_of_a_plugin_are_bounded(bus: MessageBus) -> None:
    """One that subscribes in every hook finds out, not the operator."""
    messages: PluginMessages = bus.of_plugin(1)
    ids = [await messages.subscribe("t", Heard()) for _ in range(MAX_SUBSCRIPTIONS)]
    with pytest.raises(ServiceError, match="unsubscribe from some"):
        await messages.subscribe("t", Heard())
    await messages.unsubscribe(ids[0])
    await messages.subscribe_all(Heard())


async def test_the_end_of_the_bus_ends_its_subscribers() -> None:
    """Nothing runs on behind the server's back."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def hang(_: Message) -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with running(MessageBus(SETTINGS)) as bus:
        await bus.of_plugin(1).subscribe("t", hang)
        await bus.of_plugin(2).publish("t", b"")
        await began.wait()
    assert ended.is_set()


async def test_subscribers_of_one_plugin_share_what_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another plugin's are not counted with them."""
    monkeypatch.setattr(subscription_module, "_MAX_QUEUED_BYTES", 200)
    bus = MessageBus(SETTINGS, "g-1")
    greedy, other = bus.of_plugin(1), bus.of_plugin(2)
    heard = [Heard() for _ in range(4)]
    for each in heard[:3]:
        await greedy.subscribe_all(each)
    await other.subscribe_all(heard[3])
    for number in range(2):
        await other.publish("t", b"%d" % number * 100)
    async with running(bus):
        await until(lambda: all(each.messages for each in heard) and len(heard[3].messages) == 2)
    assert sum(len(each.messages) for each in heard[:3]) < 6
    assert bus.counts.dropped > 0
