"""Where one life of a service is put together from its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from collectors.alerts import Alerts
from collectors.backoff import Backoff
from collectors.backpressure import Backpressure
from collectors.batching import Batching
from collectors.breaker import Breaker
from collectors.burial import LIMITS, UNDECODABLE, Burial, Gate
from collectors.columns import Decoder
from collectors.committer import Committer
from collectors.concurrency import Concurrency
from collectors.dead_letters import DeadLetterLimits, DeadLetters
from collectors.entries import AnyEntry
from collectors.health import Health
from collectors.intake import Intake
from collectors.metrics import ServiceMetrics
from collectors.outcomes import Outcomes, Role
from collectors.outlet import Outlet
from collectors.pipeline import Pipeline
from collectors.redact import redactor_of
from collectors.schema_wait import SchemaWait
from collectors.selection import Selection
from collectors.sinks.interface import Sink
from collectors.tracker import Tracker
from collectors.watch import Watch
from collectors.writer import Writer
from schemas.codec import SchemaBook
from sluice.eventlog.interface import Publisher, Source

if TYPE_CHECKING:
    from collectors.service import Service


@dataclass(frozen=True, slots=True)
class OpenEntry:
    """An entry, or the fallback, with its sink, which outlives the lives of a service."""

    entry: AnyEntry
    role: Role
    sink: Sink[Any]
    where: str
    """Where its troubles are kept in ``Health``."""
    limits_where: str = LIMITS
    """And those of its dead letters."""


@dataclass(frozen=True, slots=True)
class Life:
    """What exists from joining the group to leaving it."""

    pipeline: Pipeline
    watch: Watch
    intake: Intake
    tracker: Tracker
    backpressure: Backpressure
    outlets: Sequence[Outlet]

    def observe(self, metrics: ServiceMetrics, oldest_unfinished_seconds: float) -> None:
        """Bring its gauges up to date."""
        turns = [outlet.writer.concurrency for outlet in self.outlets]
        metrics.in_flight(self.backpressure.records, self.backpressure.size_bytes, oldest_unfinished_seconds)
        metrics.writing(
            sum(each.in_flight for each in turns), sum(each.limit for each in turns), len(self.intake.paused)
        )


Assemble = Callable[["Service", Source, Sequence[OpenEntry], Publisher, Alerts], Life]
"""Puts one life together; a job may give its service another than ``assemble``."""


def assemble(
    service: Service, source: Source, opened: Sequence[OpenEntry], publisher: Publisher, alerts: Alerts
) -> Life:
    """Everything that lives as long as one membership of the group."""
    plan, health, metrics, clock = service.plan, service.health, service.metrics, service.clock
    backoff, halt_seconds = service.backoff, plan.first.retry.halt_seconds
    tracker, backpressure = Tracker(), Backpressure(plan.flow)
    intake = Intake(source, tracker, backpressure, health, metrics, backoff, halt_seconds, clock)
    outlets = [make_outlet(service, each, alerts, is_alone=len(opened) == 1) for each in opened]
    collectors = [outlet for outlet in outlets if outlet.role is not Role.IS_FALLBACK]
    fallback = next((outlet for outlet in outlets if outlet.role is Role.IS_FALLBACK), None)
    letters = DeadLetters(
        publisher, service=service.name, group=service.group, version=service.version, clock=service.wall_clock
    )
    book = SchemaBook(has_registry=bool(service.host.schema_registry.url))
    pipeline = Pipeline(
        intake=intake,
        tracker=tracker,
        backpressure=backpressure,
        decoder=Decoder(book),
        schemas=SchemaWait(book, source.read_schemas, service.host.schema_.wait_seconds, clock),
        outlets=collectors,
        fallback=fallback,
        outcomes=Outcomes(len(collectors), has_fallback=fallback is not None),
        gate=Gate(
            DeadLetterLimits(plan.first.dead_letter, clock, alerts.send),
            health,
            halt_seconds,
            UNDECODABLE,
            service.wall_clock,
        ),
        burial=Burial(letters, health, metrics, backoff, clock),
        committer=Committer(source, tracker, health, metrics, clock),
        health=health,
        metrics=metrics,
        drain_seconds=service.drain_seconds,
        clock=clock,
        tracing=service.tracing,
    )
    watch = Watch(
        source=source,
        outlets=outlets,
        tracker=tracker,
        intake=intake,
        health=health,
        metrics=metrics,
        alerts=alerts,
        clock=clock,
        wall_clock=service.wall_clock,
        stall_seconds=service.stall_seconds,
    )
    return Life(pipeline, watch, intake, tracker, backpressure, outlets)


class Serves(Protocol):
    """What an outlet needs of whose it is."""

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic, in seconds."""
        ...

    @property
    def wall_clock(self) -> Callable[[], int]:
        """Microseconds since the epoch."""
        ...

    @property
    def health(self) -> Health:
        """How it stands."""
        ...

    @property
    def metrics(self) -> ServiceMetrics:
        """What it counts."""
        ...


def make_outlet(service: Serves, opened: OpenEntry, alerts: Alerts, *, is_alone: bool) -> Outlet:
    """What of a life is one entry's own."""
    entry, clock, metrics = opened.entry, service.clock, service.metrics
    breaker = Breaker(entry.breaker, clock, partial(_note_breaker, metrics, entry.name))
    _note_breaker(metrics, entry.name, is_open=False)  # whatever an earlier life left it at
    limits = DeadLetterLimits(entry.dead_letter, clock, alerts.send)
    writer = Writer(
        opened.sink,
        Concurrency(entry.flow.max_writes),
        service.health,
        metrics,
        Backoff(entry.retry),
        entry.retry.halt_seconds,
        clock,
        breaker=breaker,
        where=opened.where,
    )
    return Outlet(
        name=entry.name,
        role=opened.role,
        selection=Selection(entry.hook_types, entry.include, entry.exclude, entry.sample),
        redactor=redactor_of(entry.redact),
        batching=Batching(entry.batch, clock),
        sink=opened.sink,
        writer=writer,
        gate=Gate(limits, service.health, entry.retry.halt_seconds, opened.limits_where, service.wall_clock),
        is_alone=is_alone,
    )


def _note_breaker(metrics: ServiceMetrics, collector: str, is_open: bool) -> None:
    metrics.broke_off(collector, is_open=is_open)
