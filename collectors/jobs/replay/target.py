"""Where a replay writes: an entry's sink, a topic, or nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.entries import CollectorEntry
from collectors.jobs.interface import Origin, UsageError
from collectors.jobs.origins import open_origin
from collectors.jobs.replay.dry import NoSink
from collectors.jobs.replay.plan import COMMAND, Plan
from collectors.jobs.replay.topic import TopicSink
from collectors.jobs.targets import entry_named, in_a_place_of_its_own, open_target, start_target
from collectors.operations.running import settings_of
from collectors.settings import HostSettings, Settings
from collectors.sinks.interface import Sink
from sluice.eventlog.connect import open_publisher


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is done."""

    host: HostSettings
    collectors: Path
    """The collectors' file; read where an entry is named."""
    origin: Origin
    job: str
    is_dry: bool = False

    @property
    def folder(self) -> Path:
        """Where relative paths of entries begin."""
        return self.collectors.parent

    def settings(self) -> Settings:
        """Of the collectors' file; raises UsageError."""
        return settings_of(self.collectors, Settings)


def entry_of(plan: Plan, place: Place) -> CollectorEntry:
    """Whose selection, redaction, batches and limits hold."""
    if not plan.sink:
        return CollectorEntry(name="topic")
    return in_a_place_of_its_own(entry_named(plan.sink, place.settings(), place.host), place.job)


async def sink_of(plan: Plan, entry: CollectorEntry, place: Place) -> Sink[Any]:
    """The sink, ready to be written; raises UsageError and TargetError. A dry run reaches nothing."""
    if place.is_dry:
        return NoSink()
    if plan.sink:
        sink = open_target(entry, place.settings(), place.host, place.folder, place.job)
        await start_target(sink, f"--sink {plan.sink}")
        return sink
    host = place.host
    if host.kafka.bootstrap_servers:
        await _hold_topic(plan, place)
    to_topic = TopicSink(plan.to_topic, open_publisher(host, host.data_dir, f"{COMMAND}-{place.job}"), place.origin)
    await start_target(to_topic, f"--to-topic {plan.to_topic}")
    return to_topic


async def _hold_topic(plan: Plan, place: Place) -> None:
    """Of the log, whatever is read: nothing makes a topic of Kafka by writing to it."""
    log = open_origin(place.host) if plan.archive else place.origin
    try:
        if not await log.ranges([plan.to_topic]):
            raise UsageError(f"--to-topic: there is no topic {plan.to_topic!r} in {log.where}; make it first")
    finally:
        if log is not place.origin:
            await log.close()
