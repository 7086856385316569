"""Tests of ``schemas.topics``: names, keys and every setting a topic is created with."""

from __future__ import annotations

import pytest

from schemas.events import KINDS
from schemas.topics import DLQ_EXTRA_BYTES, MAX_EVENT_BYTES, MAX_PAYLOAD_RECORD_BYTES, Topic, Topics

DAY_MS = 24 * 60 * 60 * 1000


def by_name(topics: Topics) -> dict[str, Topic]:
    """All topics of a namespace."""
    return {topic.name: topic for topic in topics.all()}


def test_the_topics_of_the_default_namespace() -> None:
    """Name → (cleanup, retention in days, partitions): the design's table, written a second time."""
    found = {
        name: (topic.cleanup, topic.retention_ms and topic.retention_ms / DAY_MS, topic.partitions)
        for name, topic in by_name(Topics()).items()
    }
    assert found == {
        "sluice.proxy-log.v1": ("delete", 7, 12),
        "sluice.analytics.v1": ("delete", 30, 12),
        "sluice.budget.v1": ("delete", 40, 12),
        "sluice.proxy-log.v1.dlq": ("delete", 7, 12),
        "sluice.analytics.v1.dlq": ("delete", 30, 12),
        "sluice.budget.v1.dlq": ("delete", 40, 12),
        "sluice.edge-payload.v1": ("delete", 7, 12),
        "sluice.edge-payload.v1.dlq": ("delete", 7, 12),
        "sluice.plugin-message.v1": ("delete", 1, 12),
        "sluice.schema.v1": ("compact", None, 1),
        "sluice.budget-state.v1": ("compact", None, 1),
        "sluice.redrive.v1": ("compact", None, 1),
        "sluice.gateway-report.v1": ("delete", 30, 12),
        "sluice.alert.v1": ("delete", 90, 12),
    }


def test_every_setting_of_an_event_s_topic() -> None:
    """LogAppendTime above all: with create time a late relay's records are deleted on arrival."""
    assert Topics().event("budget").settings() == {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": "1048576",
        "retention.ms": "3456000000",
    }


def test_a_payload_of_a_plugin_fits_with_its_metadata() -> None:
    """One mebibyte, and beside it what the sender says of it; as a dead letter too, with its reason."""
    topic = Topics().edge_payload
    assert topic.settings()["max.message.bytes"] == str(MAX_PAYLOAD_RECORD_BYTES) == "1572864"
    assert topic.dead_letters().max_message_bytes == MAX_PAYLOAD_RECORD_BYTES + DLQ_EXTRA_BYTES


def test_a_compacted_topic_has_no_retention() -> None:
    """A schema is needed for as long as an event of its writer is."""
    assert Topics().schema.settings() == {
        "cleanup.policy": "compact",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": "1048576",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_dead_letter_has_room_for_its_reason(kind: str) -> None:
    """The largest event and its error headers fit; everything else is as at its source."""
    source = next(topic for name, topic in by_name(Topics()).items() if Topics().events().get(name) == kind)
    dead = source.dead_letters()
    assert dead.name == source.name + ".dlq"
    assert dead.max_message_bytes == MAX_EVENT_BYTES + DLQ_EXTRA_BYTES
    assert (dead.cleanup, dead.retention_ms, dead.partitions) == (
        source.cleanup,
        source.retention_ms,
        source.partitions,
    )


def test_a_namespace_has_topics_of_its_own() -> None:
    """Two installations may share a Kafka: no name of one is a name of the other."""
    assert not set(by_name(Topics())) & set(by_name(Topics("team-blue")))
    assert all(name.startswith("team-blue.") for name in by_name(Topics("team-blue")))


def test_partitions_are_the_operator_s() -> None:
    """Everywhere but in compacted tables, which have one."""
    partitions = {topic.cleanup: topic.partitions for topic in Topics(partitions=3).all()}
    assert partitions == {"delete": 3, "compact": 1}


def test_events_are_found_by_their_topic() -> None:
    """A consumer knows what a topic holds; dead letters are not among them."""
    topics = Topics("ns")
    assert topics.events() == {topics.event(kind).name: kind for kind in KINDS}


def test_every_topic_says_what_it_is_for() -> None:
    """``sluice doctor`` and the admin show it."""
    assert all(topic.purpose for topic in Topics().all())
