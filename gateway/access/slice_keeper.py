"""The one worker of a host that looks after all its slices: recalls, reports of the dead, the ends of periods."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from gateway.access.host_lock import HostLock
from gateway.access.ledger import LedgerUnavailableError
from gateway.access.shared_table import TableFullError
from gateway.access.slices import MAX_SLICES
from sluice.beats import beat
from sluice.clock import now_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.access.ledger import Ledger
    from gateway.access.slices import Slices

RECALL_SECONDS = 0.02
ALONE_SECONDS = 1.0
"""Between two looks for recalls while no other host lives."""
UNBUDGETED_SECONDS = 5.0
"""Between two while the host has no budget at all, of which something could be recalled: it is only heard of then."""
LOOK_SECONDS = 15.0
"""Between two looks at all rows."""
KEPT_MICROS = 3_600_000_000
"""A period's row is kept so long behind its end."""
_START_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_ROWS_AT_ONCE = 512

logger = structlog.get_logger(__name__)


class SliceKeeper:
    """Every worker has one; the lock says whose works."""

    def __init__(self, slices: Slices, ledger: Ledger, report_seconds: float) -> None:
        self.slices = slices
        self._rows = slices.rows
        self._ledger = ledger
        self._lock = HostLock(slices.rows.table.folder / "keeper")
        self._report_seconds = report_seconds
        self.is_keeper = False
        self.has_company = False
        """Whether other hosts live, who may want what is idle here."""

    async def start(self) -> None:
        """Take from the ledger what a kill or a power cut kept the table from knowing; before anything is admitted."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self.slices.restore()
        except (LedgerUnavailableError, TableFullError, OSError, TimeoutError) as error:
            logger.warning("budget slices not restored", error=str(error) or type(error).__name__)

    async def run(self) -> None:
        """Until cancelled: asks, reports and, in the one worker, everything else."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.slices.answer_asks())
            tasks.create_task(self._report())
            tasks.create_task(self._look())
            tasks.create_task(self._answer_recalls())

    async def close(self) -> None:
        """Report what is left and, where others could use it, return what is idle; within a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.slices.report()
                if self.is_keeper and self.has_company:
                    await self._give_back(list(self._rows))
        self._lock.close()

    async def return_all(self) -> bool:
        """Of a host whose gateway is no more: report what was spent, return what was not.

        False where somebody else keeps it. Raises LedgerUnavailableError, TableFullError or OSError: do it again then.
        """
        self.is_keeper = self.is_keeper or self._lock.try_to_keep()
        if not self.is_keeper:
            return False
        await self.slices.restore()
        rows = list(self._rows)
        with self._rows.table.lock:
            for row in rows:
                self._rows.give_back(row)
        for start in range(0, len(rows), MAX_SLICES):
            await self.slices.tell(rows[start : start + MAX_SLICES], is_yielded=True)
        return True

    async def _report(self) -> None:
        while True:
            await beat(self._report_seconds)
            await self.slices.report()

    async def _look(self) -> None:
        while True:
            self.is_keeper = self.is_keeper or self._lock.try_to_keep()
            if self.is_keeper:
                await self.look_at_all()
            await asyncio.sleep(LOOK_SECONDS)

    async def look_at_all(self) -> None:
        """Report what nobody reported, return what is left of periods that are over, free their rows."""
        now, rows = now_micros(), self._rows
        for row in range(rows.table.used):
            if row % _ROWS_AT_ONCE == _ROWS_AT_ONCE - 1:
                await asyncio.sleep(0)  # exchanges go on meanwhile
            if rows.is_budget(row):
                self._look_at(row, now)

    def _look_at(self, row: int, now: int) -> None:
        rows, table = self._rows, self._rows.table
        with table.lock:
            if not rows.is_budget(row):
                return
            is_over = table.period_end(row) < now and not rows.is_open(row)
            if is_over:
                rows.give_back(row)
            if not rows.is_reported(row):
                self.slices.touch((row,))
            elif is_over and table.period_end(row) + KEPT_MICROS < now:
                table.free(row)

    async def _answer_recalls(self) -> None:
        loop, next_at = asyncio.get_running_loop(), 0.0
        while True:
            await beat(RECALL_SECONDS if self.has_company else ALONE_SECONDS)
            if self.is_keeper and (self._rows.table.used or loop.time() >= next_at):
                # half a look sooner: none is at its beat to the millisecond
                next_at = loop.time() + UNBUDGETED_SECONDS - ALONE_SECONDS / 2
                await self._heed_recalls()

    async def _heed_recalls(self) -> None:
        """Return what is idle of what the ledger wants back."""
        try:
            keys, self.has_company = await self._ledger.recalls(self.slices.host)
            if not keys:
                return
            with self._rows.table.lock:
                found = [self._rows.table.find(key) for key in keys]
            await self._give_back([row for row in found if row >= 0])
        except LedgerUnavailableError as error:
            logger.debug("recalls not heard", error=str(error))

    async def _give_back(self, rows: Sequence[int]) -> None:
        with self._rows.table.lock:
            for row in rows:
                self._rows.give_back(row)
        for start in range(0, len(rows), MAX_SLICES):
            with contextlib.suppress(LedgerUnavailableError, TableFullError, OSError):
                await self.slices.tell(rows[start : start + MAX_SLICES], is_yielded=True)
                continue
            self.slices.touch(rows[start:])
            return
