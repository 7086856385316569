"""Several processes of one service share its partitions; whatever becomes of one, Elasticsearch has each event once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.collecting import SECONDS, Collecting, Door, configuration_of, page, pids_of, reload
from tests.integration.service import Service
from tests.integration.stack import PARTITIONS
from tests.integration.waiting import until, until_found
from tests.servers import Elasticsearch, Kafka

SESSION: dict[str, Any] = {"session_timeout_seconds": 6, "heartbeat_interval_seconds": 0.5}
"""Short, and more than a busy machine makes a process wait."""


@pytest.fixture
def bench(tmp_path: Path, unique_name: str, kafka_server: Kafka, elasticsearch_server: Elasticsearch) -> Collecting:
    """Topics and indices of one test."""
    bench = Collecting(tmp_path, unique_name, kafka_server, elasticsearch_server)
    bench.configure(bench.search())
    return bench


@contextlib.asynccontextmanager
async def noted(*collectors: Service) -> AsyncIterator[None]:
    """They are closed behind the block; a failure has the ends of their logs."""
    try:
        yield
    except BaseException as error:
        for collector in collectors:
            error.add_note(collector.tail())
        raise
    finally:
        for collector in collectors:
            await collector.close()


@contextlib.asynccontextmanager
async def flowing(bench: Collecting) -> AsyncIterator[None]:
    """Records are published as long as the block lasts; none is on its way when it ends."""
    is_over = asyncio.Event()

    async def publish() -> None:
        while not is_over.is_set():
            await bench.publish(20)
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publish())
        try:
            yield
        finally:
            is_over.set()


async def change(collector: Service, service: str, action: str) -> None:
    """Pause or resume a service, as operators do it."""
    async with httpx.AsyncClient() as client:
        headers = {"content-type": "application/json"}
        answer = await client.post(f"{collector.url}/services/{service}/{action}", headers=headers)
    assert answer.status_code == 200, answer.text


async def partitions_of(collector: Service) -> int:
    """How many partitions it has, of three topics; none while it starts."""
    with contextlib.suppress(httpx.TransportError, KeyError):
        return len((await page(collector, "/services/search"))["assignment"])
    return 0


async def until_shared(*collectors: Service) -> None:
    """Return when together they have all, and each has some."""

    async def is_shared() -> bool:
        counts = [await partitions_of(each) for each in collectors]
        return sum(counts) == 3 * PARTITIONS and all(counts)

    await until_found(is_shared, SECONDS, f"{3 * PARTITIONS} partitions shared")


async def test_workers_share_the_work_behind_one_port(bench: Collecting) -> None:
    """Two, one of them killed under load: it is started again, what was paused is paused there too, and the pages are
    true of both together."""
    further = bench.search("further", hook_types=["budget"])
    bench.configure(bench.search(), further)
    collector = bench.collector("--workers", "2", **SESSION)
    async with bench.topics_made(), noted(collector):
        await collector.start()
        async with flowing(bench):
            await until_shared(collector)
            await change(collector, "further", "pause")
            pids = pids_of(collector)
            assert set(pids) == {"collect", "0", "1"}
            os.kill(pids["1"], signal.SIGKILL)

            async def is_back() -> bool:
                workers = (await page(collector, "/health"))["workers"]
                return workers == {"0": "ok", "1": "ok"} and pids_of(collector).get("1") != pids["1"]

            await until_found(is_back, SECONDS, "worker 1 started again")
            assert (await page(collector, "/services/further"))["workers"] == {"0": "paused", "1": "paused"}
            await change(collector, "further", "resume")
            bench.configure(bench.search(batch={"max_records": 77}), further)
            await reload(collector, processes=2)
        state = await configuration_of(collector)
        assert (state["state"], len(state["versions"])) == ("current", 1)
        await bench.until_all_stored()
        assert await collector.metric("sluice_collector_worker_restarts_total", 'worker="1"') == 1
        assert await collector.metric("sluice_collector_records_total", 'worker="0"') > 0
        status = await page(collector, "/services/search")
        assert set(status["workers"]) == {"0", "1"}
        remaining = pids_of(collector)
        await collector.stop()
        assert [pid for pid in remaining.values() if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.long
async def test_without_their_supervisor_workers_end(bench: Collecting) -> None:
    """Killed as it may be: no worker is left that nobody watches, and what they had taken in is committed."""
    collector = bench.collector("--workers", "2", **SESSION)
    async with bench.topics_made(), noted(collector):
        await collector.start()
        await until_shared(collector)
        await bench.publish(50)
        pids = pids_of(collector)
        os.kill(pids["collect"], signal.SIGKILL)
        await until(lambda: not any(Path(f"/proc/{pids[each]}").exists() for each in "01"), SECONDS, "no worker left")
        await collector.close()
        await collector.start()
        await bench.until_all_stored()


@pytest.mark.long
async def test_members_come_go_and_die_while_records_flow(bench: Collecting) -> None:
    """Join, leave, kill -9, and one that stands still for longer than its session and then thinks it is a member."""
    first, second, third = (bench.collector(name=name, **SESSION) for name in ("first", "second", "third"))
    async with bench.topics_made(), noted(first, second, third):
        await first.start()
        async with flowing(bench):
            await second.start()
            await until_shared(first, second)
            await third.start()
            await until_shared(first, second, third)
            await second.stop()
            await until_shared(first, third)
            zombie = pids_of(third)["collect"]
            os.kill(zombie, signal.SIGSTOP)
            await until_shared(first)
            os.kill(zombie, signal.SIGCONT)
            await until_shared(first, third)
            await first.kill()
            await until_shared(third)
        await bench.until_all_stored()


async def test_a_rebalance_while_the_sink_hangs(bench: Collecting) -> None:
    """For longer than the session: nobody is thrown out, what was written meanwhile comes again, and is known."""
    async with Door(bench.elasticsearch).built() as door, bench.topics_made():
        second = bench.collector(name="second", **SESSION)  # whose way is its own: it could not even begin
        bench.elasticsearch = door.url
        bench.configure(bench.search())
        first = bench.collector(name="first", **SESSION)
        async with noted(first, second):
            await first.start()
            await bench.publish(50)
            door.shut()
            await bench.publish(50)
            await asyncio.sleep(6.5)  # longer than the session: heartbeats go on, so it stays a member
            assert await partitions_of(first) == 3 * PARTITIONS
            second.launch()

            async def is_revoking() -> bool:
                return await first.metric("sluice_collector_rebalances_total", 'change="revoked"') > 0

            await until_found(is_revoking, SECONDS, "a revoke while the sink hangs")
            await bench.publish(50)
            door.open()
            await until_shared(first, second)
            await bench.until_all_stored()


async def test_a_static_member_is_back_before_anybody_is_stopped(bench: Collecting) -> None:
    """A quick restart within the session: the other keeps its partitions and never rebalances."""
    session: dict[str, Any] = {"session_timeout_seconds": 30}  # a busy machine takes a while to start a process
    first = bench.collector(name="first", group_instance_id="one", **session)
    second = bench.collector(name="second", group_instance_id="two", **session)
    async with bench.topics_made(), noted(first, second):
        await first.start()
        await second.start()
        await until_shared(first, second)
        before = await second.metric("sluice_collector_rebalances_total")
        held = (await page(second, "/services/search"))["assignment"]
        async with flowing(bench):
            await first.stop()
            await first.start()
            await until_shared(first, second)
        assert await second.metric("sluice_collector_rebalances_total") == before
        assert (await page(second, "/services/search"))["assignment"] == held
        await bench.until_all_stored()
