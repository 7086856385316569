"""One setting decides where events wait: with ``kafka.bootstrap_servers`` Kafka, without it this host's journals."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from sluice.eventlog.connect import open_publisher, open_source, topics_of
from sluice.eventlog.interface import Partition, Record, Subscription
from sluice.eventlog.journal.publisher import JournalPublisher
from sluice.eventlog.journal.source import JournalSource
from sluice.eventlog.kafka.config import KafkaUnreachableError
from sluice.eventlog.kafka.publisher import KafkaPublisher
from sluice.eventlog.kafka.source import KafkaSource
from sluice.eventlog.places import collector_journal
from sluice.eventlog.settings import LogSettings

EMBEDDED = LogSettings.model_validate({"kafka": {"namespace": "acme", "partitions": 3}})
NOBODY = LogSettings.model_validate({"kafka": {"bootstrap_servers": "127.0.0.1:1", "request_timeout_seconds": 1}})
SUBSCRIPTION = Subscription("group", ("acme.alert.v1",))


class Listener:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.ours: list[Partition] = []

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        self.ours += partitions

    async def on_revoked(self, partitions: Iterable[Partition]) -> None:
        """Nothing to do."""


@pytest.mark.parametrize("settings", [LogSettings(), EMBEDDED])
def test_topics_have_the_configured_names_and_partitions(settings: LogSettings) -> None:
    """Whoever writes and whoever reads asks here, so that they agree."""
    topics = topics_of(settings)
    assert (topics.namespace, topics.partitions) == (settings.kafka.namespace, settings.kafka.partitions)


def test_the_setting_decides(tmp_path: Path) -> None:
    """Making them opens nothing: no folder, no lock, no connection."""
    assert isinstance(open_source(EMBEDDED, tmp_path, SUBSCRIPTION), JournalSource)
    assert isinstance(open_publisher(EMBEDDED, tmp_path, "es"), JournalPublisher)
    assert isinstance(open_source(NOBODY, tmp_path, SUBSCRIPTION), KafkaSource)
    assert isinstance(open_publisher(NOBODY, tmp_path, "es"), KafkaPublisher)
    assert list(tmp_path.iterdir()) == []


async def test_what_a_service_publishes_the_embedded_log_gives_to_who_asks(tmp_path: Path) -> None:
    """Both ends meet in the service's own journal below ``data_dir``, under its bounds."""
    publisher = open_publisher(EMBEDDED, tmp_path, "es")
    await publisher.publish([Record("acme.alert.v1", b"k", b"v", (("h", b"1"),)), Record("acme.other.v1", b"k", b"v")])
    assert collector_journal(tmp_path, "es").is_dir()
    source, listener = open_source(EMBEDDED, tmp_path, SUBSCRIPTION), Listener()
    await source.start(listener)
    assert listener.ours == [Partition("collectors/es", 0)]
    ((record,),) = (await source.poll(0.0, 10)).values()
    assert (record.topic, record.key, record.value, tuple(record.headers)) == (
        "acme.alert.v1",
        b"k",
        b"v",
        (("h", b"1"),),
    )
    await source.close()
    await publisher.close()


async def test_an_absent_kafka_is_not_replaced_by_the_journal(tmp_path: Path) -> None:
    """It is an error that names the setting: records put elsewhere would be looked for in vain."""
    publisher, source = open_publisher(NOBODY, tmp_path, "es"), open_source(NOBODY, tmp_path, SUBSCRIPTION)
    with pytest.raises(KafkaUnreachableError, match=r"check kafka\.bootstrap_servers"):
        await publisher.publish([Record("sluice.alert.v1", b"k", b"v")])
    with pytest.raises(KafkaUnreachableError, match=r"check kafka\.bootstrap_servers"):
        await source.start(Listener())
    await publisher.close()
    await source.close()
    assert list(tmp_path.iterdir()) == []
