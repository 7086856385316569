"""Which event log is read: Kafka where ``kafka.bootstrap_servers`` is set, else this host's journals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from schemas.topics import Topics
from sluice.eventlog.interface import Publisher, Source, Subscription
from sluice.eventlog.journal.publisher import JournalPublisher
from sluice.eventlog.journal.ranges import JournalRanges
from sluice.eventlog.journal.source import JournalSource
from sluice.eventlog.journal.survey import JournalSurveyor
from sluice.eventlog.kafka.publisher import KafkaPublisher
from sluice.eventlog.kafka.ranges import KafkaRanges
from sluice.eventlog.kafka.source import KafkaSource
from sluice.eventlog.kafka.survey import KafkaSurveyor
from sluice.eventlog.places import collector_journal
from sluice.eventlog.ranges import RangeReader
from sluice.eventlog.settings import LogSettings
from sluice.eventlog.survey import Surveyor


def topics_of(settings: LogSettings) -> Topics:
    """The topics of the configured namespace."""
    return Topics(settings.kafka.namespace, settings.kafka.partitions)


def open_source(settings: LogSettings, data_dir: Path, subscription: Subscription) -> Source:
    """A consumer of a group; ``start`` connects it."""
    if settings.kafka.bootstrap_servers:
        return KafkaSource(settings, topics_of(settings), subscription)
    return JournalSource(data_dir, subscription, settings.journal)


def open_publisher(settings: LogSettings, data_dir: Path, service: str) -> Publisher:
    """Where a collector service publishes its dead letters and alerts; connects with the first."""
    if settings.kafka.bootstrap_servers:
        return KafkaPublisher(settings, topics_of(settings))
    return JournalPublisher(collector_journal(data_dir, service), service, settings.journal, topics_of(settings))


def open_ranges(settings: LogSettings, data_dir: Path) -> RangeReader:
    """A reader of ranges, in no group; connects with its first question."""
    if settings.kafka.bootstrap_servers:
        return KafkaRanges(settings, topics_of(settings))
    return JournalRanges(data_dir)


def open_survey(
    settings: LogSettings, data_dir: Path, topics_of_group: Mapping[str, Collection[str]] | None = None
) -> Surveyor:
    """What looks at topics and groups; ``topics_of_group`` says what groups read of journals."""
    if settings.kafka.bootstrap_servers:
        return KafkaSurveyor(settings, topics_of(settings))
    return JournalSurveyor(data_dir, topics_of(settings), settings.journal, topics_of_group)
