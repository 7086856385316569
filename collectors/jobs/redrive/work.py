"""The services that work dead letters off: one for each target, beside each other, until all letters are settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collectors.jobs.pulse import Pulse
from collectors.jobs.redrive.ledger import Ledger
from collectors.jobs.redrive.lives import Assembling, SharedPublisher
from collectors.jobs.redrive.routing import Routing, Target
from collectors.jobs.redrive.source import LetterSource
from collectors.jobs.redrive.survey import Offsets
from collectors.jobs.report import Report
from collectors.metrics import CollectorMetrics
from collectors.operations.log import Log
from collectors.operations.printing import Printer
from collectors.service import Service, ServiceFailedError
from collectors.settings import HostSettings, Settings
from sluice.eventlog.interface import Publisher

_LOOK_SECONDS = 0.05
_MARK_SECONDS = 30.0
"""How long the end waits for a log that does not take marks."""


@dataclass(eq=False, slots=True)
class Work:
    """Gives letters back. ``stop`` may be called at any time."""

    host: HostSettings
    settings: Settings
    collectors_folder: Path
    routing: Routing
    ledger: Ledger
    publisher: Publisher
    printer: Printer
    pulse: Pulse = field(default_factory=lambda: Pulse(None, time.monotonic))
    is_stopped: bool = False
    problems: list[str] = field(default_factory=list)
    already_there: int = 0
    _assembling: Assembling = field(init=False)
    _services: list[Service] = field(default_factory=list)
    _said: dict[str, str] = field(default_factory=dict)
    _total: int = 0

    def __post_init__(self) -> None:
        self._assembling = Assembling(self.ledger)

    def stop(self) -> None:
        """Finish what is in flight; ``run`` returns soon."""
        self.is_stopped = True
        for service in self._services:
            service.stop()

    async def run(self, chosen: dict[Target, Offsets]) -> None:
        """Return when every letter is settled, or when stopped; marks are published before it does."""
        self._total = sum(len(found) for offsets in chosen.values() for found in offsets.values())
        async with asyncio.TaskGroup() as tasks:
            flushing = tasks.create_task(self.ledger.keep_flushing())
            async with asyncio.TaskGroup() as targets:
                for target, offsets in chosen.items():
                    if any(offsets.values()):
                        targets.create_task(self._work_off(target, offsets))
            flushing.cancel()
        self.printer.progress(self.ledger.settled, self._total, "redrive")
        await self._flush()

    async def _work_off(self, target: Target, offsets: Offsets) -> None:
        sources: list[LetterSource] = []
        metrics = CollectorMetrics()
        service = self._service(target, offsets, sources, metrics)
        self._services.append(service)
        if self.is_stopped:
            service.stop()
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch(service, target, sources))
            try:
                await service.run()
            except ServiceFailedError as error:
                self.problems.append(f"{error}; its letters stay open")
            finally:
                watching.cancel()
        self.already_there += _already_there(metrics, target)

    async def _watch(self, service: Service, target: Target, sources: Sequence[LetterSource]) -> None:
        """Stop it when every letter is settled; cancelled when it has ended."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._look_at(service, target)
            if sources and sources[-1].is_finished:
                service.stop()

    def _service(
        self, target: Target, offsets: Offsets, sources: list[LetterSource], metrics: CollectorMetrics
    ) -> Service:
        def open_source(_: object) -> LetterSource:
            sources.append(LetterSource(lambda: Log(self.host), offsets, self.ledger))
            return sources[-1]

        return Service(
            self.routing.plan(target, self.host.data_dir),
            self.host,
            metrics,
            open_source=open_source,
            open_publisher=lambda _: SharedPublisher(self.publisher, self.routing.topics.alert.name),
            drain_seconds=self.settings.shutdown_seconds,
            folder=self.collectors_folder,
            control=self.settings.control,
            assemble=self._assembling,
        )

    def _look_at(self, service: Service, target: Target) -> None:
        """How far it is, and what it waits for: each said once."""
        self.printer.progress(self.ledger.settled, self._total, "redrive")
        self.pulse.beat(self.ledger.settled, self._total, self._counts)
        for where, reason in service.health.causes.items():
            self._say(f"{','.join(target.entries)} ({where})", reason)
        if self.ledger.trouble:
            self._say("marks", self.ledger.trouble)

    def _counts(self) -> dict[str, int]:
        outcomes = self.ledger.outcomes
        written, failed = outcomes["delivered"] + outcomes["fallback"], outcomes["superseded"]
        return {"read": self.ledger.settled, "matched": self._total, "written": written, "failed": failed}

    def _say(self, where: str, reason: str) -> None:
        if self._said.get(where) != reason:
            self._said[where] = reason
            self.printer.note(
                f"{where}: {reason}; it is tried again. To stop: Ctrl-C; to go on later: --resume {self.ledger.job}"
            )

    async def _flush(self) -> None:
        """Publish what is not yet marked, for a while."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (0 if self.is_stopped else _MARK_SECONDS)
        while not await self.ledger.flush() and loop.time() < until and not self.is_stopped:
            self._say("marks", self.ledger.trouble)
            await asyncio.sleep(1)

    def tell(self, report: Report) -> None:
        """What came of it, beside what the ledger knows."""
        report.already_there = self.already_there
        report.problems += self.problems
        for limit in self._assembling.said.values():
            report.notes.append(f"a live collector would have halted: {limit}")


def _already_there(metrics: CollectorMetrics, target: Target) -> int:
    """Letters whose events every collector of theirs had."""
    counted = metrics.collector_outcomes
    return min(counted.value(target.service, entry, "duplicate") for entry in target.entries)
