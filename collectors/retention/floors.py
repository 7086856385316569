"""How young nothing may be that is deleted: what the log still keeps could come again, and would be there again."""

from __future__ import annotations

from collections.abc import Mapping

from collectors.retention.settings import RetentionSettings
from collectors.settings import HostSettings
from schemas.events import KINDS, Kind
from schemas.topics import Topics
from sluice.eventlog.connect import open_survey
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.survey import TopicFacts

Floors = Mapping[Kind, float | None]
"""Seconds by kind; ``None`` where the log keeps for ever."""


class TooYoungError(EventLogError):
    """A limit is below what the log keeps; the message has both figures."""


def journal_floors(host: HostSettings) -> Floors:
    """Of the embedded log: a journal keeps all kinds alike."""
    return dict.fromkeys(KINDS, host.journal.retention_seconds)


async def floors_of(host: HostSettings) -> Floors:
    """As the topics are now, where the log is Kafka; raises EventLogError where it does not answer."""
    if not host.kafka.bootstrap_servers:
        return journal_floors(host)
    survey = await open_survey(host, host.data_dir).topics()
    if survey.problems:
        raise EventLogError(f"what topics keep is not known, so nothing is deleted: {survey.problems[0]}")
    by_name = {topic.name: topic for topic in survey.topics}
    topics = Topics(host.kafka.namespace, host.kafka.partitions)
    return {kind: _seconds(by_name[topics.event(kind).name]) for kind in KINDS}


def refusal(settings: RetentionSettings | None, host: HostSettings) -> str:
    """Why a process with these settings should not even start; empty where it may, or where only Kafka can tell."""
    if settings is None or host.kafka.bootstrap_servers:
        return ""
    try:
        check_floors(settings, journal_floors(host))
    except TooYoungError as error:
        return str(error)
    return ""


def _seconds(topic: TopicFacts) -> float | None:
    return None if topic.retention_ms is None else topic.retention_ms / 1_000


def check_floors(settings: RetentionSettings, floors: Floors) -> None:
    """Raises TooYoungError for the first limit that the log forbids."""
    for name, limits in settings.stores.items():
        for kind in limits.kinds:
            limit, floor = limits.of(kind), floors[kind]
            where = f"retention.stores.{name}.{kind}"
            if floor is None:
                raise TooYoungError(
                    f"{where}: the topic of {kind} keeps its records for ever, and a replay would bring back what was "
                    "deleted: give the topic a retention.ms first, or remove this limit"
                )
            if limit is not None and limit.max_age is not None and limit.max_age < floor:
                raise TooYoungError(
                    f"{where}.max_age is {_days(limit.max_age)}, and the log keeps {kind} for {_days(floor)}: a replay "
                    f"would bring back what was deleted; make it {_days(floor)} or more, or shorten the log's retention"
                )


def _days(seconds: float) -> str:
    days = seconds / 86_400
    return f"{days:g}d" if days >= 1 else f"{seconds:g}s"
