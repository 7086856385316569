"""The service: one process of all owns the truth at a time, the others stand by.

Each round reads the log to the end that it had when the round began. The ledger is asked before a round and compared
after it; what changed is published after its transaction. Whatever breaks, the next round begins from what is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

import structlog
from sqlalchemy import select, update

from collectors.alerts import Alerts
from collectors.errors import Halt, Retryable
from collectors.services.budget_truth.checks import GapCheck, LedgerCheck
from collectors.services.budget_truth.counting import Batch, Counted, Counting
from collectors.services.budget_truth.findings import SERVICE, Findings
from collectors.services.budget_truth.fitting import is_trimmed, lost_text
from collectors.services.budget_truth.ledger import ENDED_MICROS, Books, ControlLedger, LedgerSource
from collectors.services.budget_truth.metrics import TruthMetrics
from collectors.services.budget_truth.publishing import StatePublishing
from collectors.services.budget_truth.rounds import Rounds
from collectors.services.budget_truth.settings import BudgetTruthSettings
from collectors.services.budget_truth.state import positions_of
from collectors.services.budget_truth.store import FencedError, TruthStore
from collectors.services.budget_truth.tables import STATE
from collectors.settings import ControlSettings, HostSettings
from schemas.codec import SchemaBook
from schemas.ids import new_boot_id
from sluice.clock import now_micros
from sluice.eventlog.connect import open_publisher, open_ranges, topics_of
from sluice.eventlog.interface import EventLogError, Publisher
from sluice.eventlog.ranges import RangeReader
from sluice.sdk.errors import ServiceError, ServiceUnavailable
from sluice.telemetry import Registry

_WAIT_SECONDS = (0.5, 1.0, 2.0, 5.0)
_CLOSE_SECONDS = 5.0

_log = structlog.get_logger(__name__)


@dataclass
class Opening:
    """How the service reaches what is outside of it."""

    reader: Callable[[HostSettings], RangeReader] = field(default=lambda host: open_ranges(host, host.data_dir))
    publisher: Callable[[HostSettings], Publisher] = field(
        default=lambda host: open_publisher(host, host.data_dir, SERVICE)
    )
    ledger: Callable[[ControlSettings], LedgerSource] = ControlLedger


class BudgetTruth:
    """Runs in one process; ``metrics`` are that process's."""

    def __init__(
        self,
        settings: BudgetTruthSettings,
        control: ControlSettings,
        host: HostSettings,
        metrics: TruthMetrics | None = None,
        opening: Opening | None = None,
    ) -> None:
        self._settings = settings
        self._control = control
        self._host = host
        self._metrics = metrics or TruthMetrics(Registry())
        self._opening = opening or Opening()
        self._owner = new_boot_id()
        self._failures = 0
        """In a row, without having owned it in between."""

    async def run(self) -> None:
        """Own the truth, or stand by, until cancelled. Never raises for what the log, the database or a ledger do."""
        while True:
            try:
                await self._hold()
            except FencedError:
                _log.warning("budget truth is another process's now")
            except (EventLogError, Retryable, Halt) as cause:
                self._failed("log" if isinstance(cause, EventLogError) else "database", cause)
            except Exception:  # noqa: BLE001 - a fault of ours here is no reason to stop carrying events
                _log.exception("budget truth broke")
                self._metrics.failures.add(1, "fault")
            await asyncio.sleep(_WAIT_SECONDS[min(self._failures, len(_WAIT_SECONDS) - 1)])
            self._failures += 1

    def _failed(self, cause: str, error: Exception) -> None:
        self._metrics.failures.add(1, cause)
        say = _log.error if not self._failures else _log.debug
        say("budget truth waits", cause=cause, problem=str(error))

    async def _hold(self) -> None:
        async with TruthStore(
            self._settings.database_in(self._host.data_dir), topics_of(self._host).namespace
        ) as store:
            await store.prepare()
            wait = min(self._settings.lease / 3, self._settings.poll)
            while not await store.acquire(self._owner, self._settings.lease):  # noqa: ASYNC110 - another process's lease
                await asyncio.sleep(wait)
            _log.info("budget truth is ours", epoch=store.epoch, database=store.where)
            self._failures = 0
            self._metrics.owner.set(1)
            try:
                await self._own(store)
            finally:
                self._metrics.disown()
                await _bounded(store.release())

    async def _own(self, store: TruthStore) -> None:
        owning = _Owning(self._settings, self._host, store, self._metrics, self._opening, self._control)
        try:
            await owning.run()
        finally:
            await _bounded(owning.close())


async def _bounded(work: Awaitable[None]) -> None:
    """At the end nothing is waited for without end, and nothing hides why it ended."""
    with suppress(EventLogError, Retryable, Halt, TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await work


class _Owning:
    """One ownership, from taking it to losing it."""

    def __init__(
        self,
        settings: BudgetTruthSettings,
        host: HostSettings,
        store: TruthStore,
        metrics: TruthMetrics,
        opening: Opening,
        control: ControlSettings,
    ) -> None:
        self._settings = settings
        self._store = store
        self._metrics = metrics
        topics = topics_of(host)
        self._is_kafka = bool(host.kafka.bootstrap_servers)
        self._publisher = opening.publisher(host)
        self._findings = Findings(Alerts(self._publisher, topics.alert.name, SERVICE))
        self._publishing = StatePublishing(store, self._publisher, topics.budget_state.name)
        self._rounds = Rounds(host, settings.batch_records, opening.reader)
        book = SchemaBook(has_registry=bool(host.schema_registry.url))
        self._counting = Counting(store, book, self._rounds.read_schemas)
        self._ledger = opening.ledger(control) if control.url else None
        self._ledger_check = LedgerCheck(store, settings, self._findings, metrics)
        self._gap_check = GapCheck(store, settings, self._findings)
        self._publish_at = self._check_at = monotonic()
        self._caught_up_at = 0

    async def run(self) -> None:
        """Round after round. Raises FencedError when somebody else has taken over."""
        await self._begin()
        failures = 0
        while True:
            try:
                await self._step()
                failures = 0
            except (EventLogError, Retryable, Halt) as cause:
                await self._recover(cause, failures)
                failures += 1
            wait = _WAIT_SECONDS[min(failures, len(_WAIT_SECONDS)) - 1] if failures else self._settings.poll
            await asyncio.sleep(min(wait, self._settings.lease / 3))

    async def _begin(self) -> None:
        async with self._store.read() as connection:
            self._rounds.begin(await positions_of(connection))
        await self._ledger_check.begin()

    async def _step(self) -> None:
        is_due = monotonic() >= self._check_at
        books = await self._ask() if is_due else None
        await self._round()
        if is_due:
            self._check_at = monotonic() + self._settings.check
            self._metrics.gaps.set(await self._gap_check.run(self._caught_up_at))
            self._counting.forget()  # the check has written to what it remembers
            if books is not None:
                await self._ledger_check.run(books)
        await self._publish()
        self._findings.tell()
        await self._findings.flush()

    async def _ask(self) -> Books | None:
        if self._ledger is None:
            return None
        try:
            return await self._ledger.spent(now_micros() - ENDED_MICROS)
        except (ServiceUnavailable, ServiceError) as error:
            self._metrics.failures.add(1, "ledger")
            _log.warning("the ledger could not be asked", problem=str(error))
            return None

    async def _round(self) -> None:
        asked_at = now_micros()
        misfits = await self._rounds.fit()
        for misfit in misfits:
            if misfit.kind != "trimmed":
                self._findings.note({misfit.kind: (1, lost_text(misfit))})
        if any(misfit.is_cut for misfit in misfits):
            await self._set(has_begun=False)
        await self._rounds.run(self._apply)
        await self._finish_round(asked_at)

    async def _apply(self, batch: Batch) -> None:
        if batch.positions:
            self._note(await self._counting.apply(batch))
            await self._publish()

    def _note(self, counted: Counted) -> None:
        for outcome, count in (("applied", counted.applied), ("duplicate", counted.duplicates)):
            if count:
                self._metrics.events.add(count, outcome)
        for kind, (count, _) in counted.problems.items():
            self._metrics.events.add(count, kind)
        self._findings.note(counted.problems)

    async def _finish_round(self, asked_at: int) -> None:
        """What is missing at the first end of a log that had begun long before will never come."""
        async with self._store.read() as connection:
            has_begun, covers_since = (await connection.execute(select(STATE.c.has_begun, STATE.c.covers_since))).one()
        if not has_begun:
            positions = self._rounds.positions.values()
            if any(is_trimmed(at.first_offset, is_kafka=self._is_kafka) or at.lost for at in positions):
                await self._gap_check.excuse()
                self._counting.forget()
                await self._set(covers_since=covers_since or asked_at)
        await self._set(has_begun=True, caught_up_at=asked_at)
        self._caught_up_at = asked_at
        self._metrics.behind_seconds.set(max(0.0, (now_micros() - asked_at) / 1_000_000))

    async def _set(self, **values: object) -> None:
        async with self._store.write() as connection:
            await connection.execute(update(STATE).values(**values))

    async def _publish(self) -> None:
        if monotonic() >= self._publish_at:
            await self._publishing.publish()
            self._publish_at = monotonic() + self._settings.publish

    async def _recover(self, cause: Exception, failures: int) -> None:
        """Nothing that was remembered is trusted; the lease is kept, where the database answers."""
        where = "log" if isinstance(cause, EventLogError) else "database"
        self._metrics.failures.add(1, where)
        if not failures:
            _log.error("budget truth waits", cause=where, problem=str(cause))
        if self._caught_up_at:
            self._metrics.behind_seconds.set(max(0.0, (now_micros() - self._caught_up_at) / 1_000_000))
        self._counting.forget()
        await _bounded(self._rounds.close())
        with suppress(Retryable, Halt):
            async with self._store.read() as connection:
                positions = await positions_of(connection)
            self._rounds.begin(positions)
            await self._set(epoch=self._store.epoch)

    async def close(self) -> None:
        """Let go of the log, the ledger and the publisher."""
        await _bounded(self._rounds.close())
        await _bounded(self._publisher.close())
        if self._ledger is not None:
            await _bounded(self._ledger.close())
