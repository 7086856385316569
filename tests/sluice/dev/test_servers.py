"""The real servers that everything else is tested on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from elasticsearch import AsyncElasticsearch

from sluice.dev.servers import ServerStartError, Step
from sluice.dev.servers import folders as folders_module
from sluice.dev.servers.folders import RunFolder, locked
from sluice.dev.servers.ports import free_port, is_free
from sluice.dev.servers.prerequisites import java_version
from sluice.dev.servers.process import ServerProcess
from tests.servers import Elasticsearch, Kafka

READY_SECONDS = 60.0


async def produce(bootstrap_servers: str, topic: str, value: bytes) -> None:
    """One record, acknowledged."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def consume(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    """The first ``count`` values of a topic."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(READY_SECONDS):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def create_topic(bootstrap_servers: str, topic: str) -> None:
    """A topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def test_kafka_keeps_what_it_acknowledged_through_a_kill(kafka_server: Kafka, unique_name: str) -> None:
    """A record acknowledged before kill -9 is there after a restart on the same port, and more can be published."""
    address = kafka_server.bootstrap_servers
    await create_topic(address, unique_name)
    await produce(address, unique_name, b"before")
    await asyncio.to_thread(kafka_server.kill)
    await asyncio.to_thread(kafka_server.restart)
    await produce(address, unique_name, b"after")
    assert await consume(address, unique_name, 2) == [b"before", b"after"]


async def test_kafka_stops_and_starts_again(kafka_server: Kafka, unique_name: str) -> None:
    """A stop by SIGTERM keeps port and data as well."""
    address = kafka_server.bootstrap_servers
    await create_topic(address, unique_name)
    await produce(address, unique_name, b"kept")
    await asyncio.to_thread(kafka_server.restart)
    assert kafka_server.bootstrap_servers == address
    assert await consume(address, unique_name, 1) == [b"kept"]


async def test_elasticsearch_keeps_what_it_acknowledged_through_a_kill(
    elasticsearch_server: Elasticsearch, unique_name: str
) -> None:
    """A document acknowledged before kill -9 is found after a restart on the same port."""
    async with AsyncElasticsearch(elasticsearch_server.url) as client:
        operations: list[dict[str, object]] = [{"create": {"_index": unique_name, "_id": "1"}}, {"word": "before"}]
        answer = await client.bulk(operations=operations)
        assert not answer["errors"]
        await asyncio.to_thread(elasticsearch_server.kill)
        await asyncio.to_thread(elasticsearch_server.restart)
    async with AsyncElasticsearch(elasticsearch_server.url) as client:
        assert (await client.get(index=unique_name, id="1"))["_source"] == {"word": "before"}
        assert (await client.bulk(operations=operations))["items"][0]["create"]["status"] == 409


def process_of(folder: Path, *command: str) -> ServerProcess:
    """Any command, held as servers are."""
    return ServerProcess("a server", command, folder=folder, log_path=folder / "server.log", uid=None)


def wait_until_gone(pid: int) -> None:
    """Until the process has ended, or only its entry in the process table is left."""
    deadline = time.monotonic() + READY_SECONDS
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def test_a_server_that_ends_while_starting_is_named_with_its_log(tmp_path: Path) -> None:
    """The error holds the last lines of the log and where the whole of it is."""
    process = process_of(tmp_path, "sh", "-c", "echo no such setting; exit 1")
    process.launch()
    with pytest.raises(ServerStartError, match="no such setting") as caught:
        process.wait_until(lambda: False, timeout_seconds=READY_SECONDS)
    assert str(tmp_path / "server.log") in str(caught.value)


def test_a_server_that_stays_silent_is_killed(tmp_path: Path) -> None:
    """When the time is over nothing of it is left running."""
    process = process_of(tmp_path, "sleep", "600")
    process.launch()
    with pytest.raises(ServerStartError, match="not ready"):
        process.wait_until(lambda: False, timeout_seconds=0.1)
    assert not process.is_running


def test_a_kill_takes_grandchildren_along(tmp_path: Path) -> None:
    """Elasticsearch's server is a child of its launcher: both are gone when kill returns."""
    process = process_of(tmp_path, "sh", "-c", "sleep 600 & echo $!; wait")
    process.launch()
    process.wait_until(lambda: process.log_since_launch().endswith(b"\n"), timeout_seconds=READY_SECONDS)
    grandchild = int(process.log_since_launch())
    process.kill()
    assert not Path(f"/proc/{grandchild}").exists()


def test_a_server_dies_with_its_owner(tmp_path: Path) -> None:
    """When the process that started a server is killed, the server is gone too."""
    owner_script = (
        "import pathlib, sys, time\n"
        "from sluice.dev.servers.process import ServerProcess\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "p = ServerProcess('s', ['sh', '-c', 'echo $$; sleep 600'], folder=folder, log_path=folder / 'log', uid=None)\n"
        "p.launch()\n"
        "p.wait_until(lambda: p.log_since_launch().endswith(b'\\n'), timeout_seconds=30)\n"
        "print(int(p.log_since_launch()), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", owner_script, tmp_path], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        server = int(owner.stdout.readline())
        os.kill(owner.pid, signal.SIGKILL)
    wait_until_gone(server)


def test_a_lock_is_held_by_one_and_tells_who_waits(tmp_path: Path) -> None:
    """Two runs that want the same download do it once, one after the other."""
    waits: list[None] = []

    class GiveUpError(Exception):
        pass

    def waiting() -> None:
        waits.append(None)
        raise GiveUpError

    with locked(tmp_path / "lock", lambda: None), pytest.raises(GiveUpError), locked(tmp_path / "lock", waiting):
        pytest.fail("two held one lock")
    assert waits
    with locked(tmp_path / "lock", waiting):
        pass


def test_only_abandoned_folders_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a run that lives stays, whatever its age; the one of a dead run goes when it is old."""
    living = RunFolder.open(tmp_path, "kafka", None)
    dead = RunFolder.open(tmp_path, "kafka", None)
    assert dead._lock is not None
    dead._lock.close()
    monkeypatch.setattr(folders_module, "_KEPT_SECONDS", -1.0)
    newest = RunFolder.open(tmp_path, "kafka", None)
    assert living.path.exists()
    assert not dead.path.exists()
    newest.close()
    living.close()
    assert not living.path.exists()


def test_a_callers_own_folder_is_kept(tmp_path: Path) -> None:
    """What was put where the caller said is not deleted."""
    folder = RunFolder.open(tmp_path, "kafka", tmp_path / "mine")
    folder.close()
    assert (tmp_path / "mine").is_dir()


def test_ports_lie_below_the_ephemeral_range() -> None:
    """A port that must be found again after a kill cannot be given to an outgoing connection meanwhile."""
    port = free_port()
    assert is_free(port)
    assert port < 32_768


def test_an_unknown_java_counts_as_too_old(tmp_path: Path) -> None:
    """What cannot be asked for its version is not relied on."""
    assert java_version(str(tmp_path / "java")) == 0


def test_a_step_reads_as_a_line() -> None:
    """Progress says what is done for whom, in megabytes where something is downloaded."""
    assert str(Step("Kafka", "starting")) == "Kafka: starting"
    assert str(Step("Kafka", "downloading", 12_500_000, 45_000_000)) == "Kafka: downloading (12 MB of about 45 MB)"
    assert str(Step("Kafka", "downloading", 46_000_000, 45_000_000)) == "Kafka: downloading (46 MB)"
