"""Journals that nobody holds: of workers that are gone, of a gateway that was renamed, of a crash.

At the start and then each minute every worker looks for them. What it finds it closes (interrupted exchanges, closing
report) and, where there is a Kafka, relays to the end; in embedded mode collectors read it where it lies.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway.access.budget_rows import BudgetRows
from gateway.access.ledger import LedgerUnavailableError
from gateway.access.shared_table import SharedTable, TableFullError, table_folder
from gateway.access.slice_keeper import SliceKeeper
from gateway.access.slices import Slices
from gateway.recording.recovery import recover
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.lock import JournalBusyError
from sluice.eventlog.places import COLLECTORS_FOLDER, all_journals, gateway_journal

if TYPE_CHECKING:
    from gateway.access.ledger import Ledger
    from gateway.recording.recovery import ChargeRule
    from gateway.settings import Settings
    from gateway.telemetry import GatewayMetrics
    from schemas.topics import Topics

LOOK_SECONDS = 60.0
_RELAY_SECONDS = 30.0
"""At most so long at a time: whoever owns the journal may want it back. What is left comes with the next look."""

logger = structlog.get_logger(__name__)


class Adopter:
    """Looks after the orphans of one data directory; ``own`` is the journal of the worker that it runs in."""

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        own: Path,
        metrics: GatewayMetrics,
        rule: ChargeRule,
        ledger: Ledger | None = None,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._metrics = metrics
        self._rule = rule
        self._own = own
        self._ledger = ledger
        gateway = settings.gateway
        names = (worker_name(index) for index in range(gateway.workers))
        self._others = {own, *(gateway_journal(settings.data_dir, gateway.id, name) for name in names)}
        """Journals with an owner that lives or is about to be started again."""

    async def run(self) -> None:
        """Look now and each minute."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> int:
        """Adopt what nobody holds; returns how many journals that were."""
        adopted = 0
        for directory in await asyncio.to_thread(all_journals, self._settings.data_dir):
            if directory in self._others or directory.parent.name == COLLECTORS_FOLDER:
                continue
            try:
                adopted += await self._adopt(directory)
            except (EventLogError, OSError, ExceptionGroup) as error:
                logger.warning("journal not adopted", directory=str(directory), error=str(error))
        return adopted

    async def _adopt(self, directory: Path) -> bool:
        settings = self._settings
        embedded = not settings.kafka.bootstrap_servers
        try:
            journal = await asyncio.to_thread(Journal, directory, settings.journal, self._topics, embedded=embedded)
        except JournalBusyError:
            return False
        try:
            cut = await asyncio.to_thread(self._recover, journal, directory)
            if directory.parent != self._own.parent:
                await self._return_slices(directory)
            self._metrics.interrupted.add(cut)
            if not embedded:
                await self._relay(directory)
            await asyncio.to_thread(journal.housekeep)
        finally:
            await journal.close()
        return True

    def _recover(self, journal: Journal, directory: Path) -> int:
        table = SharedTable(table_folder(directory), directory.name)
        try:
            return recover(journal, directory, self._rule, self._topics, table)
        finally:
            table.close()

    async def _return_slices(self, directory: Path) -> None:
        """The budgets' parts that another gateway's host held, where that gateway is no more."""
        if self._ledger is None or not (folder := table_folder(directory)).exists():
            return
        table = SharedTable(folder, directory.name)
        keeper = SliceKeeper(Slices(BudgetRows(table), self._ledger, 0.0), self._ledger, 0.0)
        try:
            await keeper.return_all()
        except (LedgerUnavailableError, TableFullError) as error:
            logger.warning("budget slices of an orphan not returned", directory=str(directory), error=str(error))
        finally:
            await keeper.close()
            table.close()

    async def _relay(self, directory: Path) -> None:
        from sluice.eventlog.relay import Relay  # noqa: PLC0415 - Kafka's client, for who has a Kafka

        relay = Relay(directory, self._settings, self._topics, self._settings.gateway.id)
        if relay.lag_records == 0:
            relay.close()
            return
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(relay.run())
            complete = await relay.drain(_RELAY_SECONDS)
            running.cancel()
        logger.info("orphaned journal relayed", directory=str(directory), complete=complete)


def worker_name(index: int) -> str:
    """``w0``, ``w1`` …: stable names, so that a worker that is started again finds its journal."""
    return f"w{index}"
