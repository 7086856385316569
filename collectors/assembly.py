"""Where one life of a service is put together from its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from collectors.alerts import Alerts
from collectors.backpressure import Backpressure
from collectors.batching import Batching
from collectors.columns import Decoder
from collectors.committer import Committer
from collectors.concurrency import Concurrency
from collectors.dead_letters import DeadLetterLimits, DeadLetters
from collectors.intake import Intake
from collectors.metrics import ServiceMetrics
from collectors.pipeline import Pipeline
from collectors.schema_wait import SchemaWait
from collectors.sinks.interface import Sink
from collectors.tracker import Tracker
from collectors.watch import Watch
from collectors.writer import Writer
from schemas.codec import SchemaBook
from sluice.eventlog.interface import Publisher, Source

if TYPE_CHECKING:
    from collectors.service import Service


@dataclass(frozen=True, slots=True)
class Life:
    """What exists from joining the group to leaving it."""

    pipeline: Pipeline
    watch: Watch
    intake: Intake
    tracker: Tracker
    backpressure: Backpressure
    concurrency: Concurrency

    def observe(self, metrics: ServiceMetrics, oldest_unfinished_seconds: float) -> None:
        """Bring its gauges up to date."""
        metrics.in_flight(self.backpressure.records, self.backpressure.size_bytes, oldest_unfinished_seconds)
        metrics.writing(self.concurrency.in_flight, self.concurrency.limit, len(self.intake.paused))


def assemble(service: Service, source: Source, sink: Sink[Any], publisher: Publisher, alerts: Alerts) -> Life:
    """Everything that lives as long as one membership of the group."""
    entry, health, metrics, clock = service.entry, service.health, service.metrics, service.clock
    backoff, halt_seconds = service.backoff, entry.retry.halt_seconds
    tracker, backpressure = Tracker(), Backpressure(entry.flow)
    concurrency = Concurrency(entry.flow.max_writes)
    intake = Intake(source, tracker, backpressure, health, metrics, backoff, halt_seconds, clock)
    writer = Writer(sink, concurrency, health, metrics, backoff, halt_seconds, clock)
    book = SchemaBook()
    pipeline = Pipeline(
        kinds=frozenset(entry.hook_types),
        intake=intake,
        tracker=tracker,
        backpressure=backpressure,
        decoder=Decoder(book),
        schemas=SchemaWait(book, source.read_schemas, service.host.schema_.wait_seconds, clock),
        batching=Batching(entry.batch, clock),
        sink=sink,
        writer=writer,
        letters=DeadLetters(
            publisher, service=service.name, group=service.group, version=service.version, clock=service.wall_clock
        ),
        limits=DeadLetterLimits(entry.dead_letter, clock, alerts.send),
        committer=Committer(source, tracker, health, metrics, clock),
        health=health,
        metrics=metrics,
        backoff=backoff,
        halt_seconds=halt_seconds,
        drain_seconds=service.drain_seconds,
        clock=clock,
    )
    watch = Watch(
        source=source,
        sink=sink,
        tracker=tracker,
        intake=intake,
        writer=writer,
        health=health,
        metrics=metrics,
        alerts=alerts,
        clock=clock,
        wall_clock=service.wall_clock,
        stall_seconds=service.stall_seconds,
    )
    return Life(pipeline, watch, intake, tracker, backpressure, concurrency)
