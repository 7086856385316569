"""What kv and messages promise to plugins, held by those of the host, in its process and in the plugin's own, and by
those that authors test with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sluice.clock import now_micros
from sluice.plugin_host import kv as host_kv
from sluice.plugin_host.kv import KvStore
from sluice.plugin_host.messages import MessageBus
from sluice.plugin_host.settings import PluginHostSettings
from sluice.plugin_host.worker_sources import WorkerSources
from sluice.sdk import KeyValue, Message, Messages, NotFound, PayloadTooLarge, ServiceError
from sluice.sdk.fakes import MAX_KEY_BYTES, MAX_MESSAGE_BYTES, MAX_VALUE_BYTES, MemoryKeyValue, MemoryMessages
from sluice.sdk.serving import kv as remote_kv
from sluice.sdk.testing import ManualClock
from tests.sluice.plugin_host.waiting import until
from tests.sluice.sdk.serving.asking import asking
from tests.sluice.sdk.serving.harness import PLUGIN_ID

DEADLINE_SECONDS = 60


@dataclass
class Bench:
    """Services of one plugin, on a clock that the test turns."""

    kv: KeyValue
    messages: Messages
    clock: ManualClock


@asynccontextmanager
async def fake(_folder: Path, _monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """What ``sluice.sdk.testing`` offers."""
    clock = ManualClock()
    yield Bench(MemoryKeyValue(clock), MemoryMessages(), clock)


@asynccontextmanager
async def host(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """What the plugin host offers, as it stands in a worker."""
    clock = ManualClock(now_micros())
    monkeypatch.setattr(host_kv, "now_micros", clock.now_micros)
    store, bus = KvStore(folder / "plugins.db"), MessageBus(gateway_id="g-1")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bus.run())
        await asyncio.sleep(0)
        yield Bench(store.of_plugin(1), bus.of_plugin(1), clock)
        running.cancel()
    await store.close()


@asynccontextmanager
async def served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """The same, asked for over gRPC, as a plugin does that runs in a process of its own."""
    clock = ManualClock(now_micros())
    monkeypatch.setattr(host_kv, "now_micros", clock.now_micros)
    monkeypatch.setattr(remote_kv, "now_micros", clock.now_micros)
    sources = WorkerSources(PluginHostSettings(), folder, "g-1")
    services = sources.offer().services_of(PLUGIN_ID, "test", "gateway")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sources.run())
        async with asking(services, folder) as asked:
            yield Bench(asked.kv, asked.messages, clock)
        running.cancel()
    await sources.close()


@pytest.fixture(params=[fake, host, served], ids=["fake", "host", "served"])
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    """Each in turn."""
    async with asyncio.timeout(DEADLINE_SECONDS), request.param(tmp_path, monkeypatch) as made:
        yield made


class Heard:
    """A subscriber that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)


async def test_a_value_is_read_as_it_was_written(bench: Bench) -> None:
    """``write`` says whether its key is new, ``delete`` whether there was one."""
    assert await bench.kv.write("a", b"\x00\xff")
    assert await bench.kv.read("a") == b"\x00\xff"
    assert not await bench.kv.write("a", b"2")
    assert await bench.kv.read("a") == b"2"
    assert await bench.kv.delete("a")
    assert not await bench.kv.delete("a")
    with pytest.raises(NotFound):
        await bench.kv.read("a")


async def test_a_value_expires_at_its_time(bench: Bench) -> None:
    """Then it is nowhere, and its key is new again; one without an end stays."""
    await bench.kv.write_with_ttl("a", b"1", 60)
    await bench.kv.write("b", b"1", bench.clock.now_micros() + 60_000_000)
    await bench.kv.write("c", b"1")
    await bench.kv.write_with_ttl("d", b"1", float("inf"))
    bench.clock.advance(59)
    assert list(await bench.kv.list()) == ["a", "b", "c", "d"]
    bench.clock.advance(1)
    assert list(await bench.kv.list()) == ["c", "d"]
    assert not await bench.kv.delete("a")
    assert await bench.kv.write("b", b"2")


async def test_times_beyond_all_bounds_are_never_or_over(bench: Bench) -> None:
    """Before the epoch, at it, and after the last year there is."""
    for number, expires_at in enumerate((0, -5, 1)):
        assert await bench.kv.write(f"over {number}", b"", expires_at)
        with pytest.raises(NotFound):
            await bench.kv.read(f"over {number}")
    await bench.kv.write("never", b"1", (1 << 63) - 1)
    assert list(await bench.kv.list()) == ["never"]
    assert list(await bench.kv.list("", 0)) == []
    assert list(await bench.kv.list("", 1 << 40)) == ["never"]


async def test_writing_again_says_anew_how_long(bench: Bench) -> None:
    """Without an end there is none."""
    await bench.kv.write_with_ttl("a", b"1", 60)
    await bench.kv.write("a", b"2")
    bench.clock.advance(61)
    assert await bench.kv.read("a") == b"2"


async def test_keys_are_listed_in_order_by_how_they_begin(bench: Bench) -> None:
    """Signs that mean something to a database mean themselves; no more than asked for."""
    for key in ("b", "a%2", "a_1", "aé", "a", "A"):
        await bench.kv.write(key, b"")
    assert list(await bench.kv.list()) == ["A", "a", "a%2", "a_1", "aé", "b"]
    assert list(await bench.kv.list("a%")) == ["a%2"]
    assert list(await bench.kv.list("a", limit=2)) == ["a", "a%2"]
    assert list(await bench.kv.list("x")) == []


@pytest.mark.parametrize("ttl_seconds", [0, -1, float("nan")])
async def test_what_would_never_be_there_is_refused(bench: Bench, ttl_seconds: float) -> None:
    """A mistake, rather than a value that is gone."""
    with pytest.raises(ServiceError):
        await bench.kv.write_with_ttl("a", b"", ttl_seconds)


@pytest.mark.parametrize("key", ["a" * (MAX_KEY_BYTES + 1), "é" * 128])
async def test_keys_and_values_are_bounded(bench: Bench, key: str) -> None:
    """In bytes; what is just within is kept."""
    with pytest.raises(PayloadTooLarge):
        await bench.kv.write(key, b"")
    with pytest.raises(PayloadTooLarge):
        await bench.kv.write("a", b"x" * (MAX_VALUE_BYTES + 1))
    await bench.kv.write("a" * MAX_KEY_BYTES, b"x" * MAX_VALUE_BYTES)


async def test_what_is_no_key_or_value_is_refused(bench: Bench) -> None:
    """By an error that an author can catch as one of the services'."""
    wrong: list[tuple[Any, Any]] = [("a", "text"), ("a", None), ("a\0b", b""), (7, b"")]
    for key, value in wrong:
        with pytest.raises(ServiceError):
            await bench.kv.write(key, value)


async def test_a_message_comes_to_those_who_want_its_topic(bench: Bench) -> None:
    """And to those who want all; once to each, as it was published."""
    own, every, other = Heard(), Heard(), Heard()
    await bench.messages.subscribe("a", own)
    await bench.messages.subscribe_all(every)
    await bench.messages.subscribe("b", other)
    message_id = await bench.messages.publish("a", b"1")
    await bench.messages.publish("a.b", b"2", "up")
    await until(lambda: len(every.messages) == 2)
    assert [(message.id, message.topic, message.payload) for message in own.messages] == [(message_id, "a", b"1")]
    assert [(message.topic, message.direction) for message in every.messages] == [("a", "local"), ("a.b", "up")]
    assert other.messages == []
    assert own.messages[0].origin.startswith(("plugin:1@", f"plugin:{PLUGIN_ID}@"))


async def test_who_unsubscribes_gets_nothing_more(bench: Bench) -> None:
    """Twice is one time too many."""
    first, second = Heard(), Heard()
    subscription = await bench.messages.subscribe("a", first)
    await bench.messages.subscribe("a", second)
    await bench.messages.unsubscribe(subscription)
    await bench.messages.publish("a", b"1")
    await until(lambda: len(second.messages) == 1)
    assert first.messages == []
    with pytest.raises(NotFound):
        await bench.messages.unsubscribe(subscription)


async def test_messages_come_in_order(bench: Bench) -> None:
    """To one subscriber, one after the other."""
    heard = Heard()
    await bench.messages.subscribe("a", heard)
    for number in range(20):
        await bench.messages.publish("a", b"%d" % number)
    await until(lambda: len(heard.messages) == 20)
    assert [int(message.payload) for message in heard.messages] == list(range(20))


async def test_messages_are_bounded(bench: Bench) -> None:
    """And what is no topic is refused."""
    with pytest.raises(PayloadTooLarge):
        await bench.messages.publish("a", b"x" * (MAX_MESSAGE_BYTES + 1))
    for topic in ("", "a b", "x" * 201):
        with pytest.raises(ServiceError):
            await bench.messages.publish(topic, b"")
