"""``relay.exactly_once`` on a real Kafka: each event once for who reads what was committed, whatever ends a relay."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced

from schemas.topics import Topics
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.offsets import RELAY_GROUP, CommittedOffset, offset_path
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.kafka.batches import BatchProducer
from sluice.eventlog.kafka.transactions import ID_FILE, FencedError, TransactionalProducer, journal_id
from sluice.eventlog.relay import Relay
from sluice.eventlog.settings import LogSettings
from tests.servers import Kafka
from tests.sluice.eventlog.journal.making import exchange, ids_of
from tests.sluice.eventlog.kafka.reading import make_topic
from tests.sluice.eventlog.kafka.relay_lives import ENDED, ROUND_RECORDS, STEPS
from tests.sluice.eventlog.test_relay import journal_at, running, settings_for, topics_of

ROOT = Path(__file__).parents[4]
SECONDS = 60.0


def exactly_once(kafka: Kafka, namespace: str, **relay: Any) -> LogSettings:
    """Transactions that time out soon."""
    return settings_for(kafka.bootstrap_servers, namespace, exactly_once=True, transaction_timeout_seconds=2, **relay)


async def committed_ids(settings: LogSettings, *, isolation: str = "read_committed") -> Counter[str]:
    """How often each event id is in the topics, for who reads only what was committed."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap_servers, auto_offset_reset="earliest", isolation_level=isolation
    )
    await consumer.start()
    found: Counter[str] = Counter()
    try:
        names = topics_of(settings).events()
        consumer.assign([TopicPartition(name, number) for name in names for number in range(2)])
        ends = await consumer.end_offsets(list(consumer.assignment()))
        async with asyncio.timeout(SECONDS):
            while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found.update(dict(record.headers)["ce_id"].decode() for record in batch)
    finally:
        await consumer.stop()
    return found


async def write(directory: Path, settings: LogSettings, count: int) -> list[str]:
    """A journal of so many exchanges; returns their event ids."""
    journal = journal_at(directory, settings)
    exchanges = [exchange() for _ in range(count)]
    for events in exchanges:
        await journal.append(events)
    await journal.close()
    return ids_of(exchanges)


def lives_in(printed: bytes) -> list[str]:
    """How each life ended."""
    lines = printed.decode().splitlines()
    return [line.removeprefix(ENDED) for line in lines if line.startswith(ENDED)]


async def test_a_kill_between_any_two_steps_leaves_each_event_once(
    kafka_server: Kafka, unique_name: str, tmp_path: Path
) -> None:
    """kill -9 at every step of a round, one life after the other: nothing is lost, and nothing is read twice."""
    settings = exactly_once(kafka_server, unique_name)
    ids = await write(tmp_path, settings, (len(STEPS) + 3) * ROUND_RECORDS * 2 // 3)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.sluice.eventlog.kafka.relay_lives", str(tmp_path), settings.model_dump_json(
            by_alias=True, exclude_defaults=True
        ), *STEPS, cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(SECONDS):
        printed, _ = await child.communicate()
    assert lives_in(printed) == [*STEPS, "the end"]
    assert await committed_ids(settings) == Counter(ids)


async def test_what_a_killed_relay_left_open_was_there(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """The test above would fail without transactions: who reads everything sees what killed relays had sent."""
    settings = exactly_once(kafka_server, unique_name)
    ids = await write(tmp_path, settings, ROUND_RECORDS)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.sluice.eventlog.kafka.relay_lives", str(tmp_path), settings.model_dump_json(
            by_alias=True, exclude_defaults=True
        ), "before send_offsets_to_transaction", cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(SECONDS):
        printed, _ = await child.communicate()
    assert lives_in(printed) == ["before send_offsets_to_transaction", "the end"]
    assert await committed_ids(settings) == Counter(ids)
    everything = await committed_ids(settings, isolation="read_uncommitted")
    assert everything.total() > len(ids)


async def test_the_file_beside_the_journal_may_be_gone(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """Kafka's own watermark is the one that counts: nothing is sent again."""
    settings = exactly_once(kafka_server, unique_name)
    ids = await write(tmp_path, settings, 5)
    async with running(tmp_path, settings) as relay:
        assert await relay.drain(SECONDS)
    offset_path(tmp_path, RELAY_GROUP).unlink()
    async with running(tmp_path, settings) as relay:
        assert await relay.drain(SECONDS)
        assert relay.counters.records == 0
    assert await committed_ids(settings, isolation="read_uncommitted") == Counter(ids)


async def test_a_journal_begun_anew_is_another_one(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """Its directory was deleted: its offsets begin again, and nobody has carried them."""
    settings = exactly_once(kafka_server, unique_name)
    ids = await write(tmp_path / "w0", settings, 3)
    async with running(tmp_path / "w0", settings) as relay:
        assert await relay.drain(SECONDS)
    (tmp_path / "w0").rename(tmp_path / "gone")
    ids += await write(tmp_path / "w0", settings, 2)
    async with running(tmp_path / "w0", settings) as relay:
        assert await relay.drain(SECONDS)
    assert await committed_ids(settings) == Counter(ids)


async def until_it_stands_by(relay: Relay) -> None:
    """Because another one carries its journal."""
    while not relay.is_fenced:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.05)


async def until_carried(*relays: Relay) -> None:
    """As far as these know."""
    while any(relay.lag_records for relay in relays):  # noqa: ASYNC110 - of a journal that nobody tells them about
        await asyncio.sleep(0.05)


async def test_a_fenced_relay_stands_by_and_takes_over(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """While another relay carries the journal nothing that the old one sent is read; when that one is gone, the old one
    goes on by itself: a live journal is never left without a relay. Each event is there once."""
    settings = exactly_once(kafka_server, unique_name)
    journal = journal_at(tmp_path, settings)
    events = [exchange() for _ in range(6)]
    async with asyncio.timeout(SECONDS), running(tmp_path, settings) as old:
        assert await old.drain(SECONDS)
        async with running(tmp_path, settings) as heir:
            assert await heir.drain(SECONDS)
            for each in events[:4]:
                await journal.append(each)
            await until_it_stands_by(old)
            await until_carried(heir, old)
            assert [old.counters.records, heir.counters.records] == [0, 12]
            assert not old.is_acknowledging
        for each in events[4:]:
            await journal.append(each)
        await until_carried(old)
        assert [old.counters.records, old.is_fenced] == [6, False]
    await journal.close()
    assert await committed_ids(settings) == Counter(ids_of(events))


async def test_a_producer_that_was_fenced_says_so(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """The next relay's start is enough, before it has sent anything; the watermark stays readable for both."""
    settings = exactly_once(kafka_server, unique_name)
    journal = journal_at(tmp_path, settings)
    await journal.append(exchange())
    await journal.close()
    old, new = (TransactionalProducer(settings, topics_of(settings), "g", lambda *_: None, tmp_path) for _ in range(2))
    await old.start()
    await new.start()
    reader = JournalReader(tmp_path)
    records = reader.read(10)
    reader.close()
    end = CommittedOffset(0, 3, b"\x01\x02")
    with pytest.raises(FencedError, match=f"transactional id {unique_name}.relay.[0-9a-f]{{16}} is another's now"):
        await old.send(records, end)
    await new.send(records, end)
    assert await old.watermark() == (end, False)
    assert await new.watermark() == (end, True)
    await old.close()
    await new.close()


async def test_a_refused_record_takes_nothing_else_along(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """A batch that the broker refuses ends its transaction: the next has all the others, once, and the watermark."""
    settings = exactly_once(kafka_server, unique_name)
    await make_topic(kafka_server, topics_of(settings).event("proxy_log").name, max_message_bytes="3000")
    journal = journal_at(tmp_path, settings)
    good = [exchange() for _ in range(6)]
    large = exchange(traceparent=secrets.token_hex(4000))
    for events in (*good[:3], large, *good[3:]):
        await journal.append(events)
    async with running(tmp_path, settings, journal) as relay:
        assert await relay.drain(SECONDS)
        assert relay.counters.refused == 1
    await journal.close()
    found = await committed_ids(settings)
    assert found == Counter(ids_of(good) + ids_of([large[1:]]))


async def test_a_commit_whose_answer_is_lost_is_not_repeated(
    kafka_server: Kafka, unique_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay asks Kafka how far it is before it sends anything again."""
    settings = exactly_once(kafka_server, unique_name)
    ids = await write(tmp_path, settings, 4)
    commit, lost = AIOKafkaProducer.commit_transaction, []

    async def commit_and_lose(producer: AIOKafkaProducer) -> None:
        await commit(producer)
        lost.append(1)
        if len(lost) == 2:  # the first one is that of the schemas
            raise TimeoutError

    monkeypatch.setattr(AIOKafkaProducer, "commit_transaction", commit_and_lose)
    async with running(tmp_path, settings) as relay:
        assert await relay.drain(SECONDS)
        assert relay.counters.failures == 1
        assert relay.lag_records == 0
    assert await committed_ids(settings, isolation="read_uncommitted") == Counter(ids)


async def test_a_relay_that_slept_through_its_timeout_goes_on(
    kafka_server: Kafka, unique_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fenced, and nobody else has moved the watermark: that was the broker's clock, not another relay."""
    settings = exactly_once(
        kafka_server,
        unique_name,
    )
    ids = await write(tmp_path, settings, 4)
    deliver = TransactionalProducer._deliver
    failed: list[int] = []

    async def fenced_at_first(self: TransactionalProducer, *arguments: Any) -> None:
        if not failed:
            failed.append(1)
            raise FencedError("slept")
        await deliver(self, *arguments)

    monkeypatch.setattr(TransactionalProducer, "_deliver", fenced_at_first)
    async with running(tmp_path, settings) as relay:
        assert await relay.drain(SECONDS)
    assert await committed_ids(settings) == Counter(ids)


def test_a_journal_s_id_is_made_once(tmp_path: Path) -> None:
    """It stays when the directory moves, and damage makes a new one instead of an error."""
    first = journal_id(tmp_path / "a")
    assert first == journal_id(tmp_path / "a") != journal_id(tmp_path / "b")
    (tmp_path / "a").rename(tmp_path / "moved")
    assert journal_id(tmp_path / "moved") == first
    for damage in (b"", b"\xff\xfe", b"short", b"a" * 17, b"../../etc/passwd"):
        (tmp_path / "b" / ID_FILE).write_bytes(damage)
        again = journal_id(tmp_path / "b")
        assert len(again) == 16
        assert again == journal_id(tmp_path / "b")


@pytest.mark.parametrize("error", [ProducerFenced(), ExceptionGroup("", [ProducerFenced()])])
async def test_a_fence_is_seen_wherever_it_comes_from(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a batch among several, or from the coordinator."""

    async def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(TransactionalProducer, "_deliver_once", refuse)
    settings = LogSettings.model_validate({"kafka": {"bootstrap_servers": "nobody:1"}})
    producer = TransactionalProducer(settings, Topics(), "g", lambda *_: None, tmp_path)
    with pytest.raises(FencedError):
        await producer.send([])
    assert issubclass(FencedError, EventLogError)
    assert issubclass(TransactionalProducer, BatchProducer)
