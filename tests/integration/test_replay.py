"""``sluice replay`` over a real Kafka into a real Elasticsearch, and over journals into the events database: what was
lost comes back whole, what is there is not touched, and nobody who reads the log notices."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition

from sluice.dev.servers.ports import LOOPBACK, free_port
from tests.collectors.jobs.replay.running import replayed
from tests.integration.collecting import Collecting, Door
from tests.integration.stack import PARTITIONS, write_yaml
from tests.integration.stores import searched
from tests.integration.waiting import until, until_found
from tests.servers import Elasticsearch, Kafka

SECONDS = 60.0
EXCHANGES = 300
EVENTS = 3 * EXCHANGES


class Host:
    """A folder with both settings files over topics of one test."""

    def __init__(self, bench: Collecting, url: str) -> None:
        self.bench = bench
        self.folder = bench.folder
        self.url = url
        write_yaml(self.folder / "sluice.yaml", {"data_dir": str(self.folder / "data"), "kafka": bench.kafka})
        self.aim(url)

    def aim(self, url: str) -> None:
        """Let the entry find Elasticsearch there."""
        self.bench.elasticsearch = url
        self.bench.configure(self.bench.search())

    async def start(self, *arguments: str) -> Process:
        """``sluice replay`` with these."""
        command = [sys.executable, "-m", "sluice", "replay", "--json", *arguments]
        return await asyncio.create_subprocess_exec(*command, cwd=self.folder, stdout=PIPE, stderr=PIPE)

    async def replay(self, sink: str = "search", **given: Any) -> tuple[int, dict[str, Any], str]:
        """In this process."""
        async with asyncio.timeout(SECONDS):
            return await replayed(self.folder, "" if "to_topic" in given else sink, **given)

    async def versions(self) -> dict[str, tuple[int, int]]:
        """Document id → its version and sequence number: whatever touches a document changes these."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as client:
            body = {"size": 10_000, "version": True, "seq_no_primary_term": True, "_source": False}
            found = (await searched(client, f"/{self.bench.name}-search-*/_search", body)).json()
        return {hit["_id"]: (hit["_version"], hit["_seq_no"]) for hit in found["hits"]["hits"]}


@pytest.fixture
async def host(
    tmp_path: Path, kafka_server: Kafka, elasticsearch_server: Elasticsearch, unique_name: str
) -> AsyncIterator[Host]:
    """Topics with events, and nothing in the sink yet."""
    bench = Collecting(tmp_path, unique_name, kafka_server, elasticsearch_server)
    async with bench.topics_made():
        await bench.publish(EXCHANGES)
        host = Host(bench, elasticsearch_server.address)
        yield host
        await host.bench.delete_indices()


async def test_a_deleted_index_comes_back_and_a_second_replay_changes_nothing(host: Host) -> None:
    """The set of documents and their money equal what was published; afterwards every version and sequence number
    stays as it is. A live group that is read and rebalanced meanwhile keeps its offsets, and what is published
    meanwhile is not of the range, whose count the dry run told."""
    ledger = list(host.bench.published)
    _, dry, _ = await host.replay(dry_run=True)
    async with Group(host.bench) as group, Door(host.url).built() as door, asyncio.TaskGroup() as tasks:
        host.aim(door.url)
        replaying = tasks.create_task(host.replay(job="first", rate=450.0))
        await until((host.folder / "data" / "jobs" / "first" / "plan.json").exists, SECONDS, "a plan")
        door.shut()
        await host.bench.publish(20)
        await group.rebalance()
        assert not replaying.done()
        door.open()
        code, report, _ = await replaying
        assert await group.committed() == group.at_start
    host.aim(host.url)
    assert (code, report["read"], dry["read"]) == (0, EVENTS, EVENTS)
    assert (report["written"], report["already_there"], report["failed"]) == (EVENTS, 0, 0)
    same = ("matched", "size_bytes", "first_at", "last_at")
    assert [report[name] for name in same] == [dry[name] for name in same]
    before = await host.bench.documents()
    assert sorted(before) == sorted(ledger)
    assert money(before) == {"analytics": 1_234 * EXCHANGES, "budget": 1_234 * EXCHANGES}

    await host.bench.delete_indices()
    code, report, _ = await host.replay()
    assert (code, report["written"]) == (0, EVENTS + 60)
    after = await host.bench.documents()
    assert sorted(after) == sorted(host.bench.published)
    assert {name: after[name] for name in before} == before

    versions = await host.versions()
    code, report, _ = await host.replay()
    assert (code, report["written"], report["already_there"]) == (0, 0, EVENTS + 60)
    assert await host.versions() == versions


def money(documents: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Nanos by kind of event."""
    sums: Counter[str] = Counter()
    for name, document in documents.items():
        if document.get("cost_nanos") is not None:
            sums[{"a": "analytics", "b": "budget"}[name[-1]]] += document["cost_nanos"]
    return dict(sums)


class Group:
    """A live consumer group with an offset of its own."""

    def __init__(self, bench: Collecting) -> None:
        self._bench = bench
        self._topic = bench.topics.event("analytics").name
        self._members: list[AIOKafkaConsumer] = []
        self.at_start: dict[TopicPartition, int] = {}

    async def _join(self) -> None:
        member = AIOKafkaConsumer(
            self._topic, bootstrap_servers=self._bench.kafka["bootstrap_servers"], group_id=f"{self._bench.name}.live",
            enable_auto_commit=False, auto_offset_reset="earliest",
        )  # fmt: skip
        await member.start()
        self._members.append(member)

    async def __aenter__(self) -> Self:
        await self._join()
        [member] = self._members
        await member.getmany(timeout_ms=5_000, max_records=10)
        self.at_start = dict.fromkeys(sorted(member.assignment()), 1)
        await member.commit(self.at_start)
        return self

    async def __aexit__(self, *_: object) -> None:
        for member in self._members:
            await member.stop()

    async def rebalance(self) -> None:
        """Another member comes."""
        await self._join()

    async def committed(self) -> dict[TopicPartition, int | None]:
        """By a member that is in it."""
        return {partition: await self._members[0].committed(partition) for partition in self.at_start}


async def test_a_killed_replay_is_gone_on_with(host: Host) -> None:
    """kill -9 in the middle: while it runs nobody else can have its job, and another job may run beside it; resumed,
    nothing is lost, nothing is there twice, and both runs together count each record once."""
    process = await host.start("--sink", "search", "--rate", "60", "--job", "again")
    try:
        await _while_it_runs(host, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    code, _, said = await host.replay("", resume="again", topics=("budget",))
    assert (code, "begun with another --topic" in said) == (2, True)
    code, report, _ = await host.replay("", resume="again", rate=1e6)
    assert (code, report["state"], report["read"], report["matched"]) == (0, "complete", EVENTS, EVENTS)
    assert report["written"] + report["already_there"] == EVENTS
    assert sorted(await host.bench.documents()) == sorted(host.bench.published)


async def _while_it_runs(host: Host, process: Process) -> None:
    progress = host.folder / "data" / "jobs" / "again" / "progress.json"
    done = lambda: progress.exists() and json.loads(progress.read_bytes())["counts"]["read"]  # noqa: E731
    await until(done, SECONDS, "progress")
    code, _, said = await host.replay("", resume="again")
    assert (code, f"process {process.pid}" in said) == (2, True)
    code, report, _ = await host.replay(topics=("budget",), job="beside")
    assert (code, report["read"]) == (0, EXCHANGES)
    assert process.returncode is None
    process.kill()
    await process.wait()
    assert 0 < json.loads(progress.read_bytes())["counts"]["read"] < EVENTS


async def test_a_target_that_cannot_be_written_is_said_and_gone_on_with_later(host: Host) -> None:
    """Absent, or read-only: exit code 1, the cause and what to do; nothing is a failure by that, and when the cause is
    gone the job ends well."""
    budgets = ("budget",)
    assert (await host.replay(topics=budgets))[0] == 0
    async with httpx.AsyncClient(base_url=host.url, timeout=30) as client:
        index = (await client.get(f"/_cat/indices/{host.bench.name}-search-*?format=json&h=index")).json()[0]["index"]
        block = f"/{index}/_settings"
        (await client.put(block, json={"index.blocks.write": True})).raise_for_status()
        code, report, _ = await host.replay(topics=budgets, job="blocked")
        assert (code, report["state"], report["failed"]) == (1, "stopped", 0)
        assert "--resume blocked" in report["problems"][-1]
        assert "block" in report["problems"][0]
        (await client.put(block, json={"index.blocks.write": None})).raise_for_status()
    code, report, _ = await host.replay("", resume="blocked")
    assert (code, report["already_there"]) == (0, EXCHANGES)
    host.aim(f"http://{LOOPBACK}:{free_port()}")
    code, _, said = await host.replay(job="absent")
    assert code == 1
    assert "--sink search does not answer" in said
    assert not (host.folder / "data" / "jobs" / "absent").exists()


async def test_what_retention_deleted_is_not_passed_over(host: Host) -> None:
    """By offsets and by time: it says what is lost; `--yes` goes on with what is there, and says it all the same."""
    topic, analytics = host.bench.topics.event("analytics").name, ("analytics",)
    async with admin_of(host.bench) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=5)})
    code, _, said = await host.replay(topics=analytics, partitions=("0",), offset_from=2)
    assert (code, f"{topic}/0 from offset 2 up to 5" in said, "--yes" in said) == (2, True, True)
    code, _, said = await host.replay(topics=analytics, since="-1h")
    assert (code, f"{topic}/0" in said, "--from 20" in said) == (2, True, True)
    code, report, _ = await host.replay(topics=analytics, since="-1h", yes=True)
    assert (code, report["read"]) == (0, EXCHANGES - 5)
    assert "retention has deleted" in report["notes"][0]
    code, report, _ = await host.replay(topics=analytics)
    assert (code, report["already_there"]) == (0, EXCHANGES - 5)
    code, _, said = await host.replay(topics=analytics, until="2020-01-01")
    assert (code, "nothing lies between" in said) == (2, True)


async def test_a_topic_that_was_made_anew_is_not_gone_on_with(host: Host) -> None:
    """It has as many records at the same offsets, and its id tells: the job is refused by name, whatever is said."""
    topic = host.bench.topics.event("budget").name
    assert (await host.replay(topics=("budget",), job="old"))[0] == 0
    await made_anew(host.bench, topic)
    await host.bench.publish(EXCHANGES)
    code, _, said = await host.replay("", resume="old", yes=True)
    assert (code, topic in said, "its id is" in said, "made anew" in said) == (2, True, True, True), said


async def made_anew(bench: Collecting, topic: str) -> None:
    """Deleted, and made again with as many partitions."""
    new = NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)
    async with admin_of(bench) as admin:
        await admin.delete_topics([topic])

        async def is_made() -> bool:
            [answer] = (await admin.create_topics([new])).topic_errors
            return bool(answer[1] == 0)

        await until_found(is_made, SECONDS, f"{topic} made again", poll_seconds=0.1)


async def test_a_topic_is_given_the_records_as_they_were(host: Host) -> None:
    """Key, value and headers byte for byte; a topic that is not there is not made, and one that live groups read asks
    for `--yes`."""
    copy, source = f"{host.bench.name}.copy", host.bench.topics.event("analytics").name
    code, _, said = await host.replay(topics=("analytics",), to_topic=copy)
    assert (code, "there is no topic" in said) == (2, True)
    code, _, said = await host.replay(topics=("analytics",), to_topic=source)
    assert (code, "--yes" in said) == (2, True)
    async with admin_of(host.bench) as admin:
        await admin.create_topics([NewTopic(copy, num_partitions=2, replication_factor=1)])
    code, report, _ = await host.replay(topics=("analytics",), to_topic=copy, where="response_tokens < 100")
    assert (code, report["written"]) == (0, 100)
    originals, copies = await records_of(host.bench, source), await records_of(host.bench, copy)
    assert len(copies) == 100
    assert set(copies) < set(originals)


@asynccontextmanager
async def admin_of(bench: Collecting) -> AsyncIterator[AIOKafkaAdminClient]:
    """Of its cluster."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.kafka["bootstrap_servers"])
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def records_of(bench: Collecting, topic: str) -> list[tuple[bytes | None, bytes | None, tuple[Any, ...]]]:
    """Everything on a topic."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bench.kafka["bootstrap_servers"], auto_offset_reset="earliest",
        enable_auto_commit=False, group_id=None,
    )  # fmt: skip
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found = []
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            polled = await consumer.getmany(timeout_ms=500)
            found += [(each.key, each.value, tuple(each.headers)) for part in polled.values() for each in part]
        return found
    finally:
        await consumer.stop()
