"""Delivery on real journals, and on a real Kafka: at least once, in order, by one process of a host, through kills."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from gateway.access.host_lock import HostLock
from gateway.control.opening import prepare
from gateway.control.plane import open_plane
from gateway.payloads.delivery import PayloadDelivery
from gateway.payloads.queue import PayloadQueue
from gateway.payloads.sender import PayloadSender
from gateway.plugin_services.sources import plugin_sources
from gateway.settings import Settings
from gateway.telemetry import GatewayMetrics
from schemas.topics import Topics
from sluice.eventlog.interface import Record
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.places import all_journals
from sluice.eventlog.settings import JournalSettings, LogSettings
from sluice.plugin_host.services import ServiceSources, bare_services
from sluice.settings import load_settings
from tests.gateway.payloads.making import IMPATIENT, SOON, TOPICS, Deaf, Plugins, queue_in, until
from tests.servers import Kafka

ROOT = Path(__file__).parent.parent.parent.parent


class Host:
    """One worker of a host: its queue, its plugins, its delivery."""

    def __init__(
        self, folder: Path, worker: str = "0", settings: LogSettings | None = None, accept_seconds: float = SOON.accept
    ) -> None:
        self.settings = settings or LogSettings()
        self.topics = Topics(self.settings.kafka.namespace, self.settings.kafka.partitions)
        self.folder = folder
        self.metrics = GatewayMetrics()
        self.plugins = Plugins(folder)
        self.queue = queue_in(folder, worker)
        self.queue._topics = self.topics
        self.sender = PayloadSender(
            self.queue, self.topics, self.metrics, edge_id=f"gw{worker}", namespace="ns", max_payload_bytes=1 << 20
        )
        self.delivery = PayloadDelivery(
            self.settings,
            folder,
            self.topics,
            self.queue,
            self.plugins,
            bare_services,
            self.metrics,
            attempts=3,
            patience=SOON._replace(accept=accept_seconds),
            look_seconds=0.02,
        )

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.delivery.run())
            yield
            running.cancel()

    async def send(self, *payloads: bytes, plugin_id: int = 7) -> None:
        for payload in payloads:
            await self.sender.send(plugin_id, f"p{plugin_id}", payload)

    def dead_letters(self) -> list[Any]:
        """Of the journal where they lie without a Kafka."""
        found: list[Any] = []
        for directory in all_journals(self.folder):
            reader = JournalReader(directory)
            found += reader.read(1000)
            reader.close()
        return found


def numbers(count: int) -> list[bytes]:
    """So many payloads."""
    return [b"%d" % number for number in range(count)]


async def test_payloads_come_in_order_and_are_gone(tmp_path: Path) -> None:
    """Those of a plugin one at a time; when all are taken nothing waits, and nothing comes again."""
    host = Host(tmp_path)
    plugin = await host.plugins.add(7)
    await host.send(*numbers(150))
    assert host.queue.waiting() == 150
    async with host.delivering():
        await until(lambda: host.queue.waiting() == 0)
    assert plugin.payloads == numbers(150)
    assert plugin.most_under_way == 1
    async with host.delivering():
        await host.send(b"more")
        await until(lambda: len(plugin.got) == 151)
    await host.queue.close()


async def test_a_host_has_one_deliverer_and_always_one(tmp_path: Path) -> None:
    """Of two workers one delivers what both sent; the other waits without a word, and goes on when that one ends."""
    first, second = Host(tmp_path, "0"), Host(tmp_path, "1")
    one, other = await first.plugins.add(7), await second.plugins.add(7)
    with structlog.testing.capture_logs() as lines:
        await _deliver_in_turn(first, second, one, other)
    assert lines == []
    assert {payload.edge_id for _, payload in [*one.got, *other.got]} == {"gw0", "gw1"}
    await first.queue.close()
    await second.queue.close()


async def _deliver_in_turn(first: Host, second: Host, one: Any, other: Any) -> None:
    async with second.delivering():
        async with first.delivering():
            await first.send(*numbers(20))
            await second.send(*numbers(20))
            await until(lambda: len(one.got) + len(other.got) == 40)
            assert 0 in {len(one.got), len(other.got)}
        before = len(other.got)
        await first.send(b"last")
        await until(lambda: len(other.got) == before + 1)


async def test_queues_of_the_dead_go_when_delivery_begins_next(tmp_path: Path) -> None:
    """What a worker that is no more had sent is delivered first."""
    host, dead = Host(tmp_path), Host(tmp_path, "dead")
    plugin = await host.plugins.add(7)
    await dead.send(b"one")
    await dead.queue.close()
    async with host.delivering():
        await until(lambda: plugin.payloads == [b"one"] and host.queue.waiting() == 0)
    assert len(all_journals(host.queue.root)) == 1
    async with host.delivering():
        await until(lambda: all_journals(host.queue.root) == [])
    await host.queue.close()


async def test_every_worker_deletes_what_was_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who delivers cannot: each has its own queues locked."""
    tidied: list[object] = []

    def tidy(queue: PayloadQueue) -> None:
        tidied.append(queue)

    monkeypatch.setattr(PayloadQueue, "tidy", tidy)
    first, second = Host(tmp_path, "0"), Host(tmp_path, "1")
    for host in (first, second):
        await host.plugins.add(7)
    async with first.delivering(), second.delivering():
        await until(lambda: tidied.count(first.queue) > 2 and tidied.count(second.queue) > 2)
    await first.queue.close()
    await second.queue.close()


async def test_a_kill_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    """The delivering process is killed again and again: each payload is taken at least once, first in its order."""
    host, out = Host(tmp_path), tmp_path / "out"
    await host.send(*numbers(400))

    def taken() -> list[bytes]:
        return out.read_bytes().split() if out.exists() else []

    for at_least in (60, 200, 400):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.gateway.payloads.delivering", str(tmp_path), cwd=ROOT
        )
        try:
            await until_taken(taken, at_least)
        finally:
            process.kill()
            await process.wait()
    found = taken()
    assert list(dict.fromkeys(found)) == numbers(400)
    await host.queue.close()


async def until_taken(taken: Any, count: int) -> None:
    """Wait until so many different payloads were taken."""
    await until(lambda: len(set(taken())) >= count)


async def test_one_plugin_that_hangs_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    """Its own wait, each is given up in its turn; another's come at once."""
    host = Host(tmp_path, accept_seconds=IMPATIENT.accept)
    bad, good = await host.plugins.add(7), await host.plugins.add(8)
    bad.answers = ["hang"] * 1000
    await host.send(*numbers(300))
    await host.send(*numbers(300), plugin_id=8)
    began = asyncio.get_running_loop().time()
    async with host.delivering():
        await until(lambda: len(good.got) == 300)
        await until(lambda: host.metrics.payloads.value("p7", "dead_lettered") >= 1)
    waits = (asyncio.get_running_loop().time() - began) / IMPATIENT.accept
    tried = list(dict.fromkeys(bad.payloads))
    assert tried == numbers(len(tried))
    assert len(bad.payloads) <= 1 + waits
    assert len(tried) <= 1 + waits / 3
    await host.queue.close()


async def test_payloads_that_nobody_receives_become_dead_letters(tmp_path: Path) -> None:
    """Though no plugin of this host receives anything: what waits is reason enough to deliver."""
    host = Host(tmp_path)
    await host.plugins.add(7, Deaf)
    await host.send(b"for nobody")
    async with host.delivering():
        await until(lambda: host.queue.waiting() == 0)
    [letter] = host.dead_letters()
    headers = dict(letter.headers)
    assert letter.topic == TOPICS.edge_payload.dead_letters().name
    assert (letter.value, headers["dlq.error.type"]) == (b"for nobody", b"no_receiver")
    await host.queue.close()


async def test_garbage_in_the_queue_stops_nobody(tmp_path: Path) -> None:
    """Records that are no payloads are buried; those around them are delivered."""
    host = Host(tmp_path)
    plugin = await host.plugins.add(7)
    topic = host.topics.edge_payload.name
    await host.send(b"before")
    for key, value in ((b"7", b"no headers"), (b"x", b"junk"), (b"7", None), (b"", b"")):
        await host.queue.append(7, Record(topic, key, value))
    await host.queue.append(7, Record("some.other.topic", b"7", b"not ours"))
    await host.send(b"after")
    async with host.delivering():
        await until(lambda: host.queue.waiting() == 0)
    assert plugin.payloads == [b"before", b"after"]
    assert len(host.dead_letters()) == 4
    await host.queue.close()


async def test_without_receivers_and_payloads_nothing_is_opened(tmp_path: Path) -> None:
    """A gateway that uses none of this has not even a folder of it."""
    host = Host(tmp_path)
    async with host.delivering():
        for _ in range(10):
            await asyncio.sleep(0.01)
    assert list(tmp_path.iterdir()) == []
    await host.queue.close()


async def test_it_ends_when_the_last_receiver_is_gone(tmp_path: Path) -> None:
    """And begins again with the next: the lock is held no longer than there is something to do."""
    host = Host(tmp_path)
    await host.plugins.add(7)
    async with host.delivering():
        await host.send(b"one")
        await until(lambda: host.queue.waiting() == 0)
        await host.plugins.host.retire(await host.plugins.host.reconcile([]))
        await until(lambda: is_free(host.queue.root / "delivery.lock"))
        plugin = await host.plugins.add(7)
        await host.send(b"two")
        await until(lambda: plugin.payloads == [b"two"])
    await host.queue.close()


def is_free(path: Path) -> bool:
    """Whether nobody holds a lock."""
    lock = HostLock(path)
    try:
        return lock.try_to_keep()
    finally:
        lock.close()


async def test_a_delivery_that_breaks_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever went wrong is logged once a round, and the gateway does not notice."""
    host = Host(tmp_path)
    plugin = await host.plugins.add(7)
    await host.send(b"one")
    real, failures = host.delivery._ends, ["once", "twice"]

    def breaking(stack: Any) -> Any:
        if failures:
            raise OSError(failures.pop())
        return real(stack)

    monkeypatch.setattr(host.delivery, "_ends", breaking)
    monkeypatch.setattr("gateway.payloads.delivery._FIRST_PAUSE_SECONDS", 0.01)
    with structlog.testing.capture_logs() as lines:
        async with host.delivering():
            await until(lambda: plugin.payloads == [b"one"])
    assert [line["error"] for line in lines if line["event"] == "payload delivery broke"] == [
        "OSError: twice",
        "OSError: once",
    ]
    await host.queue.close()


async def test_a_full_disk_of_journals_is_no_matter_of_exchanges(tmp_path: Path) -> None:
    """``journal.max_bytes`` bounds the queue too where it is smaller."""
    queue = queue_in(tmp_path, max_bytes=1 << 20)
    assert queue._settings.max_bytes == 1 << 20
    assert JournalSettings().max_bytes > queue_in(tmp_path)._settings.max_bytes
    await queue.close()


async def test_a_gateway_s_own_plugins_are_served(tmp_path: Path) -> None:
    """A plugin of ``sluice.yaml``, loaded as a worker loads it, sends by its services and receives what it sent."""
    plugin = {"id": 7, "name": "p7", "command": "python://tests.gateway.payloads.making:Receiver"}
    config = tmp_path / "sluice.yaml"
    config.write_text(yaml.safe_dump({"data_dir": str(tmp_path), "plugins": [plugin]}))
    settings = load_settings(config, Settings)
    await prepare(settings)
    host = Host(tmp_path)
    async with open_plane(settings, config, lambda: ()) as plane:
        sources = plugin_sources(plane.snapshots, plane.store, dict, host.sender)
        services = ServiceSources(gateway=sources.gateway, studio=sources.studio).services_of
        await plane.refresher.start_plugins(settings, config.parent, services)
        host.delivery._plugins, host.delivery._services = plane.plugins, services
        running: Any = plane.plugins.receivers[7].running
        own: Any = plane.plugins.receivers[7].services
        assert await own.gateway().send_to_control_json({"a": 1}) == 1
        async with host.delivering():
            await until(lambda: host.queue.waiting() == 0)
        [(ctx, payload)] = running.plugin.got
        assert (payload.payload, ctx.runtime) == (b'{"a":1}', "studio")
        assert [app.name for app in await ctx.services.studio().list_apps()]
    await host.queue.close()


async def test_over_kafka_every_payload_comes_through(tmp_path: Path, kafka_server: Kafka) -> None:
    """Two hosts send, and the group has each payload at least once, those of a host and plugin in order."""
    kafka = {
        "bootstrap_servers": kafka_server.bootstrap_servers,
        "namespace": f"test-{uuid.uuid4().hex[:8]}",
        "single_broker": True,
        "partitions": 2,
    }
    settings = LogSettings.model_validate({"kafka": kafka})
    hosts = [Host(tmp_path / name, name, settings) for name in ("a", "b")]
    plugins = [await host.plugins.add(7) for host in hosts]
    async with hosts[0].delivering(), hosts[1].delivering():
        for host in hosts:
            await host.send(*numbers(30))
        await until(lambda: sum(len(plugin.got) for plugin in plugins) >= 60, 60.0)
        await until(lambda: all(host.queue.waiting() == 0 for host in hosts))
    got = [payload for plugin in plugins for _, payload in plugin.got]
    for edge in ("gwa", "gwb"):
        own = [payload.payload for payload in got if payload.edge_id == edge]
        assert list(dict.fromkeys(own)) == numbers(30)
    for host in hosts:
        await host.queue.close()
