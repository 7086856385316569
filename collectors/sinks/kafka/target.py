"""The cluster and the topics that records go to: whether they are there, and whether they are the log's own."""

from __future__ import annotations

from collections.abc import Collection

from collectors.errors import Halt, Retryable
from collectors.sinks.halving import UnansweredError
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.kafka.cluster import cluster_id, topics_shown
from sluice.eventlog.kafka.config import KafkaDeniedError, KafkaUnreachableError
from sluice.eventlog.settings import KafkaSettings


async def check_topics(settings: KafkaSettings, topics: Collection[str]) -> None:
    """Raises ``Halt`` for a topic that is not there, ``Retryable`` where that cannot be asked."""
    try:
        shown = await topics_shown(settings)
    except EventLogError as error:
        raise cause_of(error) from error
    if missing := sorted(set(topics) - shown):
        reason = f"Kafka at {settings.bootstrap_servers} has no topic {', '.join(missing)}, or hides it from us"
        raise Halt(reason, "create it, or give the right to Describe it")


async def refuse_loops(
    settings: KafkaSettings, own: KafkaSettings, topics: Collection[str], own_topics: Collection[str]
) -> None:
    """Raises ``Halt`` where records would go into the log that they come from, by whatever address it is reached."""
    loops = sorted(set(topics) & set(own_topics))
    if not loops or not own.bootstrap_servers:
        return
    try:
        is_own = settings.bootstrap_servers == own.bootstrap_servers or await _are_one(settings, own)
    except EventLogError as error:
        raise cause_of(error) from error
    if is_own:
        reason = f"topic {', '.join(loops)} is one of the event log's own: events would go round"
        raise Halt(reason, "set another topic")


async def _are_one(settings: KafkaSettings, own: KafkaSettings) -> bool:
    return await cluster_id(settings) == await cluster_id(own)


def cause_of(error: EventLogError) -> Retryable | Halt:
    """What to do about an error of Kafka's; a missing right is a halt, which is tried again now and then."""
    if isinstance(error, KafkaDeniedError):
        return Halt(str(error), "then the service goes on by itself")
    return (UnansweredError if isinstance(error, KafkaUnreachableError) else Retryable)(str(error))
