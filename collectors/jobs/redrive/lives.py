"""One life of a service that works off dead letters: the live one's parts, with a ledger beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collectors.alerts import Alerts
from collectors.assembly import Life, OpenEntry, assemble
from collectors.burial import Burial, Gate
from collectors.dead_letters import DeadLetterLimits, DeadLetters
from collectors.deliveries import Delivery, Frame, Poison
from collectors.entries import AnyEntry
from collectors.errors import Halt
from collectors.jobs.redrive.ledger import Ledger
from collectors.outcomes import Concluded, End, Outcomes, Role
from collectors.schema_wait import SchemaWait
from sluice.eventlog.interface import Publisher, Record, Source

if TYPE_CHECKING:
    from collectors.service import Service


class NotedOutcomes(Outcomes):
    """``Outcomes`` that tells the ledger how each event ended."""

    def __init__(self, collectors: int, ledger: Ledger, *, has_fallback: bool) -> None:
        super().__init__(collectors, has_fallback=has_fallback)
        self._ledger = ledger

    def expect(self, frame: Frame, selected: Sequence[Sequence[int]]) -> Delivery:
        """As it is; what is for nobody is settled."""
        filtered = super().expect(frame, selected)
        self._ledger.settle("filtered", filtered)
        return filtered

    def end(self, delivery: Delivery, how: End, role: Role) -> Concluded:
        """As it is; what has ended is settled."""
        concluded = super().end(delivery, how, role)
        for final, finished in concluded.finished.items():
            self._ledger.finish(final, finished)
        return concluded


class NotedBurial(Burial):
    """``Burial`` that tells the ledger what was refused again; of what cannot be decoded that is its end."""

    def __init__(self, letters: DeadLetters, service: Service, ledger: Ledger) -> None:
        super().__init__(letters, service.health, service.metrics, service.backoff, service.clock)
        self._ledger = ledger

    async def publish(self, poison: Poison) -> None:
        """Return when the log has these as dead letters."""
        await super().publish(poison)
        self._ledger.refuse(poison)
        if not poison.collector:
            self._ledger.settle("superseded", poison.delivery)


class NotedLimits(DeadLetterLimits):
    """Limits that hold nothing up: what they would have said is kept."""

    def __init__(self, entry: AnyEntry, clock: Callable[[], float], said: dict[str, str]) -> None:
        super().__init__(entry.dead_letter, clock, lambda _kind, message, _facts: self._say(message))
        self._entry = entry.name
        self._said = said

    def admit(self, poison: Poison) -> None:
        """Count; never raises."""
        try:
            super().admit(poison)
        except Halt as halt:
            self._say(halt.reason)

    def _say(self, what: str) -> None:
        self._said.setdefault(self._entry, what)


@dataclass(slots=True)
class Assembling:
    """Puts lives together, and counts what they say."""

    ledger: Ledger
    said: dict[str, str] = field(default_factory=dict)
    """By entry, the limit of dead letters that would have halted a live collector."""

    def __call__(
        self, service: Service, source: Source, opened: Sequence[OpenEntry], publisher: Publisher, alerts: Alerts
    ) -> Life:
        """As ``collectors.assembly.assemble``; a schema that nobody published is looked for once."""
        life = assemble(service, source, opened, publisher, alerts)
        pipeline, clock = life.pipeline, service.clock
        collectors = [each for each in life.outlets if each.role is not Role.IS_FALLBACK]
        pipeline.outcomes = NotedOutcomes(len(collectors), self.ledger, has_fallback=pipeline.fallback is not None)
        pipeline.schemas = SchemaWait(pipeline.decoder.book, source.read_schemas, 0.0, clock)
        letters = DeadLetters(
            publisher, service=service.name, group=service.group, version=service.version, clock=service.wall_clock
        )
        pipeline.burial = NotedBurial(letters, service, self.ledger)
        pipeline.gate = self._gate(service, service.plan.first)
        for outlet, each in zip(life.outlets, opened, strict=True):
            outlet.gate = self._gate(service, each.entry)
        return life

    def _gate(self, service: Service, entry: AnyEntry) -> Gate:
        limits = NotedLimits(entry, service.clock, self.said)
        return Gate(limits, service.health, entry.retry.halt_seconds, clock=service.wall_clock)


@dataclass(slots=True)
class SharedPublisher:
    """One publisher of several services, without what they would alert of: who runs a job sees it."""

    within: Publisher
    alerts: str
    """Their topic."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when all but alerts are acknowledged; raises EventLogError."""
        if kept := [record for record in records if record.topic != self.alerts]:
            await self.within.publish(kept)

    async def close(self) -> None:
        """It is its owner's to close."""
