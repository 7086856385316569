"""Where the pipeline of a job is put together: every part is the collectors' own, but its source and its letters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from collectors.alerts import Alerts
from collectors.assembly import OpenEntry, make_outlet
from collectors.backoff import Backoff
from collectors.backpressure import Backpressure
from collectors.burial import UNDECODABLE, Burial, Gate
from collectors.committer import Committer
from collectors.dead_letters import DeadLetterLimits
from collectors.entries import AnyEntry
from collectors.health import Health
from collectors.intake import Intake
from collectors.jobs.engine.failures import Failures
from collectors.jobs.engine.pace import Pace
from collectors.jobs.engine.source import RangeSource
from collectors.jobs.engine.tally import Tally
from collectors.jobs.engine.wanted import JobSelection
from collectors.jobs.interface import Ranges
from collectors.metrics import CollectorMetrics, ServiceMetrics
from collectors.outcomes import Outcomes, Role
from collectors.pipeline import Pipeline
from collectors.schema_wait import SchemaWait
from collectors.tracker import Tracker
from collectors.writer import SINK
from schemas.codec import SchemaBook
from sluice.clock import now_micros
from sluice.eventlog.interface import Partition

if TYPE_CHECKING:
    from collectors.jobs.engine.work import Work

_FOREVER = float("inf")

Store = Callable[[Mapping[Partition, int]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What one run of a job consists of."""

    ranges: Ranges
    """What is left to read."""
    source: RangeSource
    pipeline: Pipeline
    tracker: Tracker
    health: Health
    committer: Committer
    pace: Pace
    intake: Intake
    notes: list[str]
    """What was found on the way that operators should know."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What outlets need of whose they are."""

    health: Health
    metrics: ServiceMetrics
    clock: Callable[[], float]
    wall_clock: Callable[[], int] = now_micros


class _Notes(Alerts):
    """A job's alerts: there is somebody in front of it, who is told at the end."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def send(self, kind: str, message: str, facts: dict[str, str]) -> None:  # noqa: ARG002 - the message says it
        self.notes.append(message)


def assemble_job(work: Work, ranges: Ranges, tally: Tally, store: Store) -> Parts:
    """Everything that lives as long as this run."""
    clock, entry, alerts = work.clock, cast("AnyEntry", work.entry), _Notes()
    metrics, health = CollectorMetrics().of(work.name), Health(work.name, clock)
    tracker, backpressure, pace = Tracker(), Backpressure(entry.flow), Pace(work.rate, clock)
    source = RangeSource(work.origin, ranges, work.topics, store=store, pace=pace)
    backoff, halt_seconds = Backoff(entry.retry), entry.retry.halt_seconds
    intake = Intake(source, tracker, backpressure, health, metrics, backoff, halt_seconds, clock)
    outlet = make_outlet(
        _Job(health, metrics, clock), OpenEntry(entry, Role.REPLACES, work.sink, SINK), alerts, is_alone=True
    )
    outlet.selection = JobSelection(outlet.selection, work.tests, tally, pace, work.observe)
    book = SchemaBook(has_registry=bool(work.host.schema_registry.url))
    committer = Committer(source, tracker, health, metrics, clock)
    limits = DeadLetterLimits(entry.dead_letter, clock, alerts.send)
    failures = Failures(None if work.folder is None else work.folder.failures, tally)
    pipeline = Pipeline(
        intake=intake,
        tracker=tracker,
        backpressure=backpressure,
        decoder=work.origin.decoder(book),
        schemas=SchemaWait(book, source.read_schemas, work.host.schema_.wait_seconds, clock),
        outlets=[outlet],
        fallback=None,
        outcomes=Outcomes(1, has_fallback=False),
        gate=Gate(limits, health, halt_seconds, UNDECODABLE),
        burial=Burial(failures, health, metrics, backoff, clock),
        committer=committer,
        health=health,
        metrics=metrics,
        drain_seconds=_FOREVER,
        clock=clock,
        on_finished=tally.finished,
    )
    source.ended = pipeline.stop
    return Parts(ranges, source, pipeline, tracker, health, committer, pace, intake, alerts.notes)
