"""``sluice topics``: what topics there are and how large, what in them differs, and how far behind each group is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from collectors.operations.moments import ago
from collectors.operations.printing import Printer
from collectors.operations.running import OK, WRONG, UsageError, settings_of
from collectors.settings import HostSettings, Settings
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.eventlog.connect import open_survey
from sluice.eventlog.survey import GroupLag, Survey, Surveyor, TopicFacts

_ACTIONS = ("list", "create", "lag")


async def topics(action: str, config: Path, collectors: Path, group: str, printer: Printer) -> int:
    """``sluice topics``."""
    if action not in _ACTIONS:
        raise UsageError(f"{action!r} is none of {', '.join(_ACTIONS)}")
    host = settings_of(config, HostSettings)
    is_kafka = bool(host.kafka.bootstrap_servers)
    surveyor = open_survey(host, host.data_dir, topics_of_groups(host, collectors))
    if action == "lag":
        return await show_lag(surveyor, group, printer)
    if action == "create":
        return await create(surveyor, printer, is_kafka=is_kafka)
    return await show_topics(surveyor, printer, is_kafka=is_kafka)


def topics_of_groups(host: HostSettings, collectors: Path) -> dict[str, tuple[str, ...]]:
    """What each service's group reads, where there is a file that says so."""
    if not collectors.exists():
        return {}
    known = Topics(host.kafka.namespace, host.kafka.partitions)
    return {
        f"{host.kafka.namespace}.{plan.name}": tuple(known.event(kind).name for kind in plan.kinds)
        for plan in settings_of(collectors, Settings).services()
    }


async def show_topics(surveyor: Surveyor, printer: Printer, *, is_kafka: bool) -> int:
    """1 where something is missing, differs, or could not be looked at."""
    survey = await surveyor.topics()
    if printer.as_json:
        for topic in survey.topics:
            printer.object(_topic_dict(topic))
    else:
        columns = ["topic", "purpose", "partitions", "records", "bytes", "retention", "differs"]
        printer.table(columns, [_topic_row(topic, is_kafka=is_kafka) for topic in survey.topics])
    return _judge(survey, printer, is_kafka=is_kafka)


def _judge(survey: Survey, printer: Printer, *, is_kafka: bool) -> int:
    for problem in survey.problems:
        printer.note(problem)
    missing = [topic.name for topic in survey.topics if not topic.exists]
    if is_kafka and missing:
        printer.note(f"{len(missing)} topics are missing; make them with: sluice topics create")
    differing = [topic.name for topic in survey.topics if topic.differences]
    if differing:
        printer.note(f"{len(differing)} topics differ from what a gateway would make; change them with kafka-configs")
    return WRONG if survey.problems or differing or (is_kafka and missing) else OK


def _topic_dict(topic: TopicFacts) -> dict[str, Any]:
    return {
        "topic": topic.name, "purpose": topic.purpose, "exists": topic.exists, "partitions": topic.partitions,
        "records": topic.records, "bytes": topic.size_bytes, "retention_ms": topic.retention_ms,
        "differences": list(topic.differences),
    }  # fmt: skip


def _topic_row(topic: TopicFacts, *, is_kafka: bool) -> Sequence[Any]:
    retention = "-" if topic.retention_ms is None else ago(topic.retention_ms / 1_000)
    differs = "; ".join(topic.differences) if topic.exists or not is_kafka else "missing"
    return (topic.name, topic.purpose, topic.partitions, topic.records, topic.size_bytes, retention, differs)


async def create(surveyor: Surveyor, printer: Printer, *, is_kafka: bool) -> int:
    """Make what is missing; what exists is left as it is."""
    made = await surveyor.create()
    if printer.as_json:
        printer.object({"created": made})
    elif made:
        for name in made:
            printer.line(f"created {name}")
    else:
        printer.line("all topics exist" if is_kafka else "journals need no topics: each is there with its first record")
    return OK


async def show_lag(surveyor: Surveyor, group: str, printer: Printer, clock: Callable[[], int] = now_micros) -> int:
    """1 where a group is about to lose records, or where there is no such group."""
    lags, now_ms = await surveyor.lag(group), clock() // 1_000
    if group and not lags:
        printer.note(f"group {group!r} has committed nothing; groups are named NAMESPACE.SERVICE")
        return WRONG
    if printer.as_json:
        for lag in lags:
            printer.object(_lag_dict(lag, now_ms))
    else:
        columns = ["group", "partition", "next offset", "lag", "oldest", "to loss"]
        printer.table(columns, [_lag_row(lag, now_ms) for lag in lags])
    return WRONG if any(is_endangered(lag, now_ms) for lag in lags) else OK


def is_endangered(lag: GroupLag, now_ms: int) -> bool:
    """Whether less than a fifth of the retention is left of the oldest record that is not committed."""
    left = lag.seconds_to_loss(now_ms)
    return left is not None and lag.retention_ms is not None and left * 1_000 < 0.2 * lag.retention_ms


def _lag_dict(lag: GroupLag, now_ms: int) -> dict[str, Any]:
    return {
        "group": lag.group, "topic": lag.topic, "partition": f"{lag.partition.topic}/{lag.partition.partition}",
        "next_offset": lag.next_offset, "records": lag.records, "oldest_age_seconds": lag.age_seconds(now_ms),
        "seconds_to_loss": lag.seconds_to_loss(now_ms),
    }  # fmt: skip


def _lag_row(lag: GroupLag, now_ms: int) -> Sequence[Any]:
    where = f"{lag.partition.topic}/{lag.partition.partition}"
    age, left = lag.age_seconds(now_ms), lag.seconds_to_loss(now_ms)
    return (lag.group, where, lag.next_offset, lag.records, ago(age), ago(left))
