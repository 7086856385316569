"""The comparison beside the collectors: every so often, by one process of a host, with metrics and alerts.

A difference may be only for a moment (a replay that runs, a store that is being restored), so it is an alert when it
has stayed for ``grace``; again where it has grown for as long; and said once when it is gone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from collectors.alerts import Alerts
from collectors.services.reconcile.last import keep_last
from collectors.services.reconcile.reconciling import Question, Reconciling
from collectors.services.reconcile.results import Findings, Item
from collectors.services.reconcile.settings import ReconcileSettings
from collectors.services.reconcile.stores import MILLISECOND_MICROS, Span
from collectors.settings import HostSettings, Settings
from sluice.clock import now_micros
from sluice.eventlog.connect import open_publisher, topics_of
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.lock import FileLock, JournalBusyError
from sluice.eventlog.places import LOCKS_FOLDER

SERVICE = "reconcile"
"""What its alerts are by."""
LOG = ""
"""The sink that is none: what gateways reported, and the log lacks."""
_LOCK = "reconcile.lock"
_AGAIN_SECONDS = 60.0
"""After a turn that failed the next one is not as far away as after one that did not."""
_LISTED = 20
"""Events that an alert names."""

_log = structlog.get_logger(__name__)

Key = tuple[str, str]
"""Sink and kind."""
Compare = Callable[[Question], Awaitable[Findings]]


class Metrics(Protocol):
    """What is told of each turn; ``CollectorMetrics`` is one."""

    def reconciled(self, sink: str, kind: str, missing: int, surplus: int) -> None:
        """A comparison was possible; an empty ``sink`` is the log itself."""
        ...

    def reconcile_failed(self, sink: str) -> None:
        """It was not; an empty ``sink`` is the log."""
        ...

    def reconciles_no_more(self) -> None:
        """Nothing is compared any more, or not the same: no figure stands."""
        ...


Send = Callable[[str, str, Mapping[str, str]], None]
"""As ``Alerts.send``: kind, message, facts."""


@dataclass(slots=True)
class Difference:
    """One that stays."""

    since: float | None = None
    """Monotonic seconds: when it was first more than what was told of it; ``None`` while it is not."""
    told: int = 0
    """How many events it was when it was told; 0 where it was not."""


@dataclass(slots=True)
class Watch:
    """Which differences stay beyond ``grace``. Pure but for what it sends."""

    grace: float
    send: Send
    open: dict[Key, Difference] = field(default_factory=dict)

    def take(self, findings: Findings, now: float) -> None:
        """One turn; what could not be compared stays as it stood."""
        for check in findings.checks:
            self._take((LOG, check.kind), check.missing, 0, check.items, now)
        for comparison in findings.comparisons:
            if not comparison.problem:
                key = (comparison.sink, comparison.kind)
                self._take(key, comparison.missing, comparison.surplus, comparison.items, now)

    def _take(self, key: Key, missing: int, surplus: int, items: list[Item], now: float) -> None:
        sink, kind = key
        where = f"sink {sink}" if sink else "the log"
        if not (missing or surplus):
            found = self.open.pop(key, None)
            if found is not None and found.told:
                self.send("reconcile_cleared", f"{where} is equal again for {kind}", {"sink": sink, "event_kind": kind})
            return
        found = self.open.setdefault(key, Difference())
        if missing + surplus <= found.told:
            found.since, found.told = None, missing + surplus
            return
        if found.since is None:
            found.since = now
        if now - found.since < self.grace:
            return
        differing = [item for item in items if item.verdict != "dead_lettered"][:_LISTED]
        events = ", ".join(f"{item.verdict} {item.event_id or item.numbers} ({_boot(item)})" for item in differing)
        facts = {"sink": sink, "event_kind": kind, "missing": str(missing), "surplus": str(surplus), "events": events}
        message = (
            f"{where} differs for {kind}: {missing} missing, {surplus} surplus; see sluice reconcile, and bring back "
            "what is missing with sluice replay"
        )
        self.send("reconcile_difference", message, facts)
        found.since, found.told = None, missing + surplus


def _boot(item: Item) -> str:
    boot = item.boot
    return f"{boot.gateway_id}/{boot.worker}/{boot.boot_id} {item.numbers}"


class Reconciler:
    """The service of one host. ``clock`` is in microseconds, ``monotonic`` in seconds."""

    def __init__(
        self,
        settings: Settings,
        host: HostSettings,
        metrics: Metrics,
        send: Send,
        *,
        compare: Compare | None = None,
        clock: Callable[[], int] = now_micros,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reconcile: ReconcileSettings = settings.reconcile or ReconcileSettings()
        self._host = host
        self._metrics = metrics
        self._compare = compare or Reconciling(settings, host).run
        self._clock = clock
        self._monotonic = monotonic
        self._watch = Watch(self._reconcile.grace, send)

    async def run(self) -> None:
        """Compare every ``reconcile.every``, until cancelled; nothing where that is not set. Never raises for what a
        store or the log does."""
        every = self._reconcile.every
        while every is not None:
            wait = min(every, _AGAIN_SECONDS)
            try:
                await self.turn()
                wait = every
            except JournalBusyError:
                wait = every
                _log.info("reconcile is another process's")
            except EventLogError as error:
                _log.error("nothing was reconciled", problem=str(error))
                self._metrics.reconcile_failed(LOG)
            except Exception:  # noqa: BLE001 - a fault of ours here is no reason to stop carrying events
                _log.exception("reconcile broke")
                self._metrics.reconcile_failed(LOG)
            await asyncio.sleep(wait)

    async def turn(self) -> Findings:
        """Once. Raises EventLogError, JournalBusyError where another process of the host is at it."""
        with self._alone():
            end = self._clock() // MILLISECOND_MICROS * MILLISECOND_MICROS
            window = int(self._reconcile.window * 1_000) * MILLISECOND_MICROS
            span = Span(max(0, end - window), end)
            findings = await self._compare(Question(span, limit=_LISTED))
        for check in findings.checks:
            self._metrics.reconciled(LOG, check.kind, check.missing, 0)
        for each in findings.comparisons:
            if each.problem:
                _log.warning("sink could not be compared", sink=each.sink, kind=each.kind, problem=each.problem)
                self._metrics.reconcile_failed(each.sink)
            else:
                self._metrics.reconciled(each.sink, each.kind, each.missing, each.surplus)
        keep_last(self._host.data_dir, findings, span, end)
        self._watch.take(findings, self._monotonic())
        return findings

    @contextmanager
    def _alone(self) -> Iterator[None]:
        path = self._host.data_dir / LOCKS_FOLDER / _LOCK
        lock = FileLock(path, "reconcile runs there already: wait until it is done")
        try:
            yield
        finally:
            lock.release()


async def keep_reconciling(settings: Settings, host: HostSettings, metrics: Metrics) -> None:
    """What a process runs beside its services, until cancelled: nothing where ``reconcile.every`` is not set."""
    if settings.reconcile is None or settings.reconcile.every is None:
        return
    publisher = open_publisher(host, host.data_dir, SERVICE)
    alerts = Alerts(publisher, topics_of(host).alert.name, SERVICE)

    def send(kind: str, message: str, facts: Mapping[str, str]) -> None:
        alerts.send(kind, message, dict(facts))

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(alerts.run())
            tasks.create_task(Reconciler(settings, host, metrics, send).run())
    finally:
        metrics.reconciles_no_more()
        await alerts.close()
