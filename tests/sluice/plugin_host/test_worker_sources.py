"""Tests of ``sluice.plugin_host.worker_sources``: two workers of a gateway are one to their plugins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sluice.plugin_host.settings import KvSettings, PluginHostSettings
from sluice.plugin_host.worker_sources import MESSAGES_FOLDER, WorkerSources
from sluice.sdk.errors import ServiceUnavailable
from sluice.sdk.services import Message
from tests.sluice.plugin_host.waiting import until

SETTINGS = PluginHostSettings(kv=KvSettings(purge_seconds=0.01))


@asynccontextmanager
async def running(data_dir: Path, gateway_id: str) -> AsyncIterator[WorkerSources]:
    """A worker that listens."""
    folder = data_dir / MESSAGES_FOLDER / f"gateway-{gateway_id}"
    before = len(list(folder.glob("*.sock")))
    sources = WorkerSources(SETTINGS, data_dir, gateway_id)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(sources.run())
        await until(lambda: len(list(folder.glob("*.sock"))) > before)
        yield sources
        task.cancel()
    await sources.close()


async def test_workers_of_a_gateway_share_keys_and_messages(tmp_path: Path) -> None:
    """Another gateway in the same folder shares the keys of its plugins, and hears nothing."""
    heard: list[str] = []
    async with running(tmp_path, "g-1") as one, running(tmp_path, "g-1") as two, running(tmp_path, ".") as other:
        for name, worker in (("one", one), ("two", two), ("other", other)):

            async def hear(_: Message, name: str = name) -> None:
                heard.append(name)

            await worker.offer().services_of(7, "a", "gateway").messages.subscribe("t", hear)
        services = one.offer().services_of(7, "a", "gateway")
        await services.kv.write("key", b"1")
        assert await two.offer().services_of(7, "a", "gateway").kv.read("key") == b"1"
        assert await other.offer().services_of(7, "a", "gateway").kv.read("key") == b"1"
        await services.messages.publish("t", b"")
        await until(lambda: len(heard) == 2)
        assert sorted(heard) == ["one", "two"]


async def test_what_became_of_messages_is_counted(tmp_path: Path) -> None:
    """Of subscribers and carriers, in this process."""
    sources = WorkerSources(PluginHostSettings(max_queued_messages=1), tmp_path, "g", FailingCarrier())

    async def fail(_: Message) -> None:
        raise ValueError

    messages = sources.offer().services_of(7, "a", "gateway").messages
    await messages.subscribe("t", fail)
    await messages.publish("t", b"")
    await messages.publish("t", b"")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(sources.run())
        await until(lambda: sources.message_counts()["failed"])
        task.cancel()
    assert sources.message_counts() == {"lost": 1, "failed": 1, "not_carried": 3, "garbled": 2}
    await sources.close()


class FailingCarrier:
    """Has dropped three and heard two that were none."""

    dropped, garbled, max_payload_bytes = 3, 2, 100

    def carry(self, message: Message) -> None:
        raise AssertionError(message)

    async def run(self, arrived: object) -> None:
        await asyncio.Event().wait()


async def test_expired_keys_are_deleted_while_it_runs(tmp_path: Path) -> None:
    """By any of the workers."""
    async with running(tmp_path, "g") as worker:
        await worker.kv.of_plugin(1).write("a", b"1", 1)

        async def is_empty() -> bool:
            return not await worker.kv.used_bytes(1)

        await until(is_empty)


async def test_what_was_not_used_leaves_nothing_behind(tmp_path: Path) -> None:
    """A gateway without plugins has no database of theirs, and no socket."""
    sources = WorkerSources(SETTINGS, tmp_path, "g")
    with pytest.raises(ServiceUnavailable):
        sources.offer().services_of(1, "a", "gateway").gateway()
    await sources.close()
    assert list(tmp_path.iterdir()) == []
