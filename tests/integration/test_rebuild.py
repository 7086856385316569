"""``sluice replay --rebuild`` as a real process beside a real ``sluice collect``: readers find each event once.

Over Kafka and over a host's journals; what the documents are is read without the code that wrote them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.avro_schema import event_schema
from schemas.events import KINDS
from sluice.clock import now_micros
from sluice.eventlog.modes import DurableLog
from sluice.eventstore.names import daily_index
from tests.collectors.events import make_event
from tests.collectors.jobs.replay.running import replayed
from tests.integration.collecting import QUICK, Collecting
from tests.integration.other_writers import Written, exchange, framed
from tests.integration.stack import write_yaml
from tests.integration.stores import searched
from tests.integration.waiting import until_found
from tests.servers import Elasticsearch
from tests.sluice.eventlog.journal.making import begun

SECONDS = 60.0
DAY_MICROS = 86_400_000_000
NANOS = 10**16 + 1
"""Of each event: sums are beyond what a double holds."""
STEMS = dict(zip(KINDS, "pab", strict=True))


def day(ago: int) -> int:
    """Noon, so many days ago."""
    return (now_micros() // DAY_MICROS - ago) * DAY_MICROS + DAY_MICROS // 2


class Host:
    """A folder with both settings files, a log that the test writes, and a real server that a live collector fills."""

    def __init__(self, folder: Path, name: str, url: str, publish: Callable[[int, int], Awaitable[list[str]]]) -> None:
        self.folder = folder
        self.name = name
        self._publish = publish
        self.client = httpx.AsyncClient(base_url=url, timeout=60)
        self.ids: list[str] = []
        """Of every event in the log."""

    async def write(self, count: int, ago: int) -> None:
        """Exchanges of that day, now."""
        self.ids += await self._publish(count, day(ago))

    def place(self, letter: str, ago: int) -> str:
        """A day's index, or what stands for it."""
        return daily_index(f"{self.name}-search-{letter}", day(ago))

    async def found(self, reader: str = "") -> list[str]:
        """What is there, with doubles, by the raw pattern or by the aliases."""
        names = [f"{self.name}-search-{letter}{reader}" for letter in STEMS.values()]
        body = {"size": 10_000, "query": {"match_all": {}}}
        path = f"/{','.join(names)}/_search?ignore_unavailable=true"
        await self.client.post(f"/{self.name}-search-*/_refresh")
        hits = (await searched(self.client, path, body)).json()["hits"]["hits"]
        return sorted(hit["_source"]["event_id"] for hit in hits)

    async def until_all_found(self) -> None:
        """By both."""

        async def are() -> bool:
            return len(await self.found("-*")) >= len(self.ids)

        await until_found(are, SECONDS, f"{len(self.ids)} documents", poll_seconds=0.2)
        await self.assert_each_is_found_once()

    async def assert_each_is_found_once(self) -> None:
        """By the aliases and by the raw pattern."""
        assert await self.found("-*") == sorted(self.ids)
        assert await self.found() == sorted(self.ids)

    async def start(self, *arguments: str) -> Process:
        """``sluice replay`` with these."""
        command = [sys.executable, "-m", "sluice", "replay", "--json", *arguments]
        return await asyncio.create_subprocess_exec(*command, cwd=self.folder, stdout=PIPE, stderr=PIPE)

    async def replay(self, sink: str = "", **given: Any) -> tuple[int, dict[str, Any], str]:
        """Its exit code, its report, and what it said; in this process, as to start one takes longer than its work."""
        async with asyncio.timeout(SECONDS):
            return await replayed(self.folder, sink, **given)

    async def close(self) -> None:
        """Nothing is left on the server."""
        await self.client.delete(f"/{self.name}-search-*?expand_wildcards=all")
        listed = (await self.client.get(f"/_cat/indices/sluice-*-{self.name}*?format=json&h=index")).json()
        for each in listed:
            await self.client.delete(f"/{each['index']}")
        await self.client.aclose()


def of_kafka(bench: Collecting) -> Callable[[int, int], Awaitable[list[str]]]:
    """Writes exchanges as a relay does."""

    async def publish(count: int, occurred_at: int) -> list[str]:
        events = []
        for number in range(count):
            for kind, event in exchange(number).items():
                changed = {**event, "occurred_at": occurred_at} | (
                    {"cost_nanos": NANOS} if "cost_nanos" in event else {}
                )
                events.append(Written(kind, changed, framed(event_schema(kind), changed)))
        assert bench._gateway is not None
        await bench._gateway.publish(events)
        return [each.event["event_id"] for each in events]

    return publish


@pytest.fixture
async def host(request: pytest.FixtureRequest, unique_name: str, tmp_path: Path) -> AsyncIterator[Host]:
    """Its collector runs until the end of the test."""
    elasticsearch: Elasticsearch = request.getfixturevalue("elasticsearch_server")
    async with contextlib.AsyncExitStack() as closing:
        bench = Collecting(tmp_path, unique_name, _kafka(request), elasticsearch)
        bench.configure(bench.search(retry=QUICK | {"halt_seconds": 0.2}))
        if request.param == "kafka":
            await closing.enter_async_context(bench.topics_made())
            publish = of_kafka(bench)
            write_yaml(tmp_path / "sluice.yaml", {"data_dir": str(tmp_path / "data"), "kafka": bench.kafka})
        else:
            write_yaml(tmp_path / "sluice.yaml", {"data_dir": str(tmp_path / "data")})
            journal = begun(tmp_path / "data" / "journals" / "gateway-1" / "0")
            closing.push_async_callback(journal.close)
            log = DurableLog(journal)

            async def publish(count: int, occurred_at: int) -> list[str]:
                made = [
                    make_event(kind, occurred_at=occurred_at, **({} if kind == "proxy_log" else {"cost_nanos": NANOS}))
                    for kind in KINDS
                    for _ in range(count)
                ]
                for event in made:
                    await log.commit([event])
                return [event.event_id for event in made]

        host = Host(tmp_path, unique_name, elasticsearch.url, publish)
        closing.push_async_callback(host.close)
        collector = bench.collector()
        collector_folder = tmp_path / "collector" / "sluice.yaml"
        if request.param == "journal":
            write_yaml(collector_folder, {"data_dir": str(tmp_path / "data")})
        await collector.start()
        closing.push_async_callback(collector.kill)
        yield host


class _NoKafka:
    address = ""


def _kafka(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("kafka_server") if request.param == "kafka" else _NoKafka()


def states(report: dict[str, Any]) -> set[str]:
    """What became of the places."""
    return {each["state"] for each in report["details"]["places"]}


async def until_ready(process: Process, is_so: Callable[[], Awaitable[bool]], what: str) -> None:
    """Of a process that has not ended."""
    await until_found(is_so, SECONDS, what, poll_seconds=0.05)
    assert process.returncode is None, "it was meant to be in the midst of its work"


@pytest.mark.parametrize("host", ["kafka", pytest.param("journal", marks=pytest.mark.long)], indirect=True)
async def test_lost_days_are_rebuilt_beside_a_collector_that_goes_on(host: Host) -> None:
    """Documents and a whole day are lost; after the swap every reader has the log, each event once, those too that were
    written late meanwhile; again over what was swapped before; and the way back and forth."""
    await host.write(20, ago=5)
    await host.write(10, ago=3)
    await host.until_all_found()
    lost = host.place("a", 5)
    query = {"query": {"ids": {"values": host.ids[:30]}}}
    await host.client.post(f"/{host.name}-search-*/_delete_by_query?refresh=true", json=query)
    (await host.client.delete(f"/{lost}")).raise_for_status()
    job = host.name
    running = await host.start("--sink", "search", "--rebuild", "--swap", "--job", job)
    await host.write(7, ago=5)
    out, said = await running.communicate()
    report = json.loads(out.splitlines()[-1])
    assert (running.returncode, report["problems"]) == (0, []), said.decode()
    assert states(report) == {"swapped"}
    await host.until_all_found()
    await host.write(3, ago=3)
    await host.until_all_found()
    code, report, err = await host.replay("search", rebuild=True, swap=True, delete_old=True, job=f"{job}-again")
    assert (code, report["problems"], states(report)) == (0, [], {"swapped"}), err
    await host.until_all_found()
    code, report, err = await host.replay(resume=job, undo=True)
    assert (code, report["notes"]) == (0, ["nothing of this job is in a place to take back"]), err
    code, report, err = await host.replay("search")
    assert (code, report["written"], report["already_there"]) == (0, 0, len(host.ids)), err


@pytest.mark.long
@pytest.mark.parametrize("host", ["journal", "kafka"], indirect=True)
async def test_a_rebuild_that_is_killed_is_gone_on_with_and_swapped(host: Host) -> None:
    """kill -9 in the midst of it: what is there is not written twice, and what is proved is the log."""
    await host.write(60, ago=4)
    await host.until_all_found()
    job = host.name
    running = await host.start("--sink", "search", "--rebuild", "--rate", "60", "--job", job)

    async def has_begun() -> bool:
        answer = await host.client.get(f"/sluice-rebuild-{job}-*/_count")
        return int(answer.json().get("count", 0)) > 0 if answer.status_code == 200 else False

    await until_ready(running, has_begun, "the first rebuilt documents")
    running.send_signal(signal.SIGKILL)
    await running.wait()
    await host.assert_each_is_found_once()
    code, report, err = await host.replay(resume=job, swap=True)
    assert (code, report["problems"], states(report)) == (0, [], {"swapped"}), err
    await host.assert_each_is_found_once()
    code, report, err = await host.replay(resume=job, swap=True)
    assert (code, states(report)) == (0, {"swapped before"}), err
    code, report, err = await host.replay(resume=job, undo=True)
    assert (code, states(report)) == (0, {"undone"}), err
    await host.assert_each_is_found_once()
