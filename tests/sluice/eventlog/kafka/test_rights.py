"""ACLs on a real broker: what is denied is named, and rights that come back are enough; nothing is started again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from schemas.topics import Topics
from sluice.eventlog.interface import EventLogError, NotAcknowledgedError, Record, Subscription
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.kafka.admin import ensure_topics, find_problems
from sluice.eventlog.kafka.batches import BatchProducer
from sluice.eventlog.kafka.config import KafkaDeniedError
from sluice.eventlog.kafka.publisher import KafkaPublisher
from sluice.eventlog.kafka.rights import missing_right
from sluice.eventlog.kafka.source import KafkaSource
from sluice.eventlog.kafka.transactions import TransactionalProducer
from sluice.eventlog.modes import open_log
from sluice.eventlog.relay import Relay
from sluice.eventlog.settings import JournalSettings, KafkaSettings, LogSettings
from tests.contracts.eventlog_laws import Listener, poll_until
from tests.sluice.eventlog.journal.making import BOOT, exchange
from tests.sluice.eventlog.kafka.reading import topics_of
from tests.sluice.eventlog.kafka.securing import USERS, Secured

SECONDS = 30.0
ALICE = KafkaSettings(security_protocol="SASL_PLAINTEXT", username="alice")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TopicAuthorizationFailedError("t"), "Kafka denies User:alice Write on topic t"),
        (TopicAuthorizationFailedError({"b", "a"}), "Kafka denies User:alice Write on topic a, b"),
        (GroupAuthorizationFailedError("g"), "Kafka denies User:alice Read on group g"),
        (TransactionalIdAuthorizationFailed("i"), "Kafka denies User:alice Write on transactional id i"),
        (ClusterAuthorizationFailedError(), "Kafka denies User:alice IdempotentWrite on cluster"),
        (TopicAuthorizationFailedError(), "Kafka denies User:alice Write on topic (not told which)"),
        (KafkaError("x"), ""),
        (OSError(), ""),
    ],
)
def test_the_missing_right_is_named(error: BaseException, expected: str) -> None:
    """Principal, operation and resource, as an ACL names them; other errors are none of this."""
    found = missing_right(error, ALICE, "Write")
    assert found.startswith(expected)
    assert bool(found) == bool(expected)


def test_who_we_are_is_said_as_acls_do(tmp_path: Path) -> None:
    """The user, the certificate's subject, or nobody."""
    error = GroupAuthorizationFailedError("g")
    certificate = KafkaSettings(security_protocol="SSL", client_certificate_file="me.pem")
    assert "denies the subject of me.pem Read" in missing_right(error, certificate, "Read")
    assert "denies User:ANONYMOUS Read" in missing_right(error, KafkaSettings(), "Read")


async def make_topics(secured: Secured, topics: Topics) -> None:
    """By the administrator."""
    admin = AIOKafkaAdminClient(bootstrap_servers=secured.kafka.server.bootstrap_servers)
    await admin.start()
    new = [NewTopic(topic.name, topic.partitions, 1, topic_configs=topic.settings()) for topic in topics.all()]
    await admin.create_topics(new)
    await admin.close()


@asynccontextmanager
async def relaying(directory: Path, settings: LogSettings) -> AsyncIterator[tuple[Journal, Relay]]:
    """A journal and its relay at work."""
    journal = Journal(directory, JournalSettings(), topics_of(settings), embedded=False)
    journal.begin(BOOT)
    relay = Relay(directory, settings, topics_of(settings), "gateway-1")
    relay.attach(journal)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(relay.run())
        yield journal, relay
        await relay.drain(SECONDS)
        task.cancel()
    await journal.close()


async def test_topics_that_may_not_be_made_are_told_from_hidden_ones(secured: Secured, unique_name: str) -> None:
    """Without any right: hidden, perhaps there. With Describe: missing, and who must make them or allow it."""
    settings = secured.settings(unique_name)
    topics = topics_of(settings)
    name = topics.alert.name
    with pytest.raises(KafkaDeniedError, match=rf"denies User:alice Describe on topic {name}"):
        await ensure_topics(settings, topics)
    assert any("Describe on topic" in problem for problem in await find_problems(settings, topics))
    await secured.allow("topic", unique_name, "describe")
    with pytest.raises(KafkaDeniedError, match=rf"topic {name}.* is missing, and .* make it, or add an ACL .* Create"):
        await ensure_topics(settings, topics)
    await secured.allow("topic", unique_name, "create")
    await ensure_topics(settings, topics)
    (problem,) = [each for each in await find_problems(settings, topics) if "is missing" not in each]
    assert "denies User:alice DescribeConfigs on topic" in problem


async def test_only_what_is_needed_must_be_there(secured: Secured, unique_name: str) -> None:
    """A collector that may read one topic does so, whatever it may not see of the others."""
    settings = secured.settings(unique_name)
    topics = topics_of(settings)
    await make_topics(secured, topics)
    name = topics.event("budget").name
    await secured.allow("topic", name, "read", prefixed=False)
    await secured.allow("group", f"{unique_name}.g", "read", prefixed=False)
    source = KafkaSource(settings, topics, Subscription(f"{unique_name}.g", (name,)))
    await source.start(Listener())
    assert await source.poll(0.3, 10) == {}
    await source.close()
    hidden = KafkaSource(settings, topics, Subscription(f"{unique_name}.g", (topics.event("analytics").name,)))
    with pytest.raises(KafkaDeniedError, match=rf"Describe on topic {topics.event('analytics').name}"):
        await hidden.start(Listener())


async def test_a_relay_and_strict_clients_recover_when_the_right_comes_back(
    secured: Secured, unique_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write is taken away in mid-run: strict refuses, the journal holds; given back, both go on and nothing is lost."""
    monkeypatch.setattr("sluice.eventlog.relay._MAX_BACKOFF_SECONDS", 0.5)
    settings = secured.settings(unique_name, eventlog={"durability": "strict"})
    settings = settings.model_copy(update={"strict": settings.strict.model_copy(update={"timeout_seconds": 6.0})})
    topics = topics_of(settings)
    await make_topics(secured, topics)
    await secured.allow("topic", unique_name, "read", "write")
    async with relaying(tmp_path, settings) as (journal, relay):
        log = open_log(settings, journal, relay)
        await relay.drain(SECONDS)
        await log.commit(exchange())
        await secured.deny("topic", unique_name)
        with pytest.raises(NotAcknowledgedError):
            await log.commit(exchange())
        assert not log.reserve()
        await secured.allow("topic", unique_name, "read", "write")
        async with asyncio.timeout(SECONDS):
            while not log.reserve():  # noqa: ASYNC110 - as clients would, again and again
                await asyncio.sleep(0.02)
        await log.commit(exchange())
        assert relay.lag_records == 0
    source = KafkaSource(settings, topics, Subscription(f"{unique_name}.g", tuple(topics.events())))
    await secured.allow("group", unique_name, "read")
    await source.start(Listener())
    assert sum(map(len, (await poll_until(source, 9)).values())) == 9
    await source.close()


async def test_a_relay_says_which_topic_it_may_not_write(secured: Secured, unique_name: str, tmp_path: Path) -> None:
    """Seen and not writable: the very first topic that it writes to is named."""
    # of bob, who may write nothing anywhere: Write on any topic implies IdempotentWrite
    settings = secured.settings(unique_name, username="bob", password=USERS["bob"])
    topics = topics_of(settings)
    await make_topics(secured, topics)
    await secured.allow("topic", unique_name, "describe", user="bob")
    producer = BatchProducer(settings, topics, "gateway-1", lambda *_: None, tmp_path)
    with pytest.raises(KafkaDeniedError, match=r"denies User:bob IdempotentWrite on cluster.*, or Write on the"):
        await producer.start()
    await secured.allow("topic", topics.alert.name, "write", user="bob")
    with pytest.raises(KafkaDeniedError, match=rf"denies User:bob Write on topic {topics.schema.name}"):
        await producer.start()


async def test_a_relay_says_which_transactional_id_it_may_not_use(
    secured: Secured, unique_name: str, tmp_path: Path
) -> None:
    """With ``relay.exactly_once``: the id is that of its journal, and one ACL for the namespace's prefix covers all."""
    settings = secured.settings(unique_name, relay={"exactly_once": True})
    topics = topics_of(settings)
    await make_topics(secured, topics)
    await secured.allow("topic", unique_name, "all")
    producer = TransactionalProducer(settings, topics, "gateway-1", lambda *_: None, tmp_path)
    with pytest.raises(KafkaDeniedError, match=rf"Write on transactional id {unique_name}\.relay\."):
        await producer.start()
    await secured.allow("transactional id", unique_name, "all")
    await producer.start()
    with pytest.raises(KafkaDeniedError, match=rf"on group {unique_name}\.relay\."):
        await producer.watermark()
    await secured.allow("group", unique_name, "all")
    assert await producer.watermark() is None
    await producer.close()


async def test_a_consumer_recovers_when_its_rights_come_back(secured: Secured, unique_name: str) -> None:
    """Group and topic, taken away one after the other in mid-run: each poll names it, until one goes on."""
    # denied the group it cannot leave it either: who comes back waits for the session of who it was
    settings = secured.settings(unique_name, session_timeout_seconds=4, heartbeat_interval_seconds=0.3)
    topics = topics_of(settings)
    await make_topics(secured, topics)
    await secured.allow_everything(unique_name)
    name = topics.event("budget").name
    source = KafkaSource(settings, topics, Subscription(f"{unique_name}.g", (name,)))
    publisher = KafkaPublisher(settings, topics)
    await source.start(Listener())
    await publisher.publish([Record(name, b"k", b"1")])
    await poll_until(source, 1)
    for resource, words in (("topic", f"Describe on topic {name}"), ("group", f"Read on group {unique_name}")):
        await secured.deny(resource, unique_name)
        said = await until_denied(source, words)
        assert words in said
        await secured.allow(resource, unique_name, "all")
        await publisher_recovers(publisher, Record(name, b"k", b"2"))
        async with asyncio.timeout(SECONDS):
            while not await polled(source):
                pass
    await source.close()
    await publisher.close()


async def until_denied(source: KafkaSource, words: str) -> str:
    """What polls say, once it is that."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await source.poll(0.3, 10)
            except EventLogError as error:
                if words in str(error):
                    return str(error)


async def polled(source: KafkaSource) -> Any:
    """What a poll gives; nothing where it is still denied."""
    try:
        return await source.poll(0.3, 10)
    except KafkaDeniedError:
        return {}


async def publisher_recovers(publisher: KafkaPublisher, record: Record) -> None:
    """The same object publishes again."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await publisher.publish([record])
            except KafkaDeniedError:
                continue
            return
