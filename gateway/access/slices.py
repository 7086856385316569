"""A host's parts of budgets: asked of the ledger when they do not suffice, and reported to it.

Each worker has one of these; what it asks for and reports is the host's, read from the shared table.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import structlog

from gateway.access.ledger import LedgerUnavailableError
from gateway.access.shared_table import TableFullError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.access.budget_rows import Budget, BudgetRows, Shortfall
    from gateway.access.ledger import Ledger, Slice, SliceAnswer
    from gateway.access.shared_table import Key

REFUSAL_SECONDS = 0.25
"""So long a refusal of the ledger holds for what is no smaller, unless something changes."""
MAX_SLICES = 256
"""In one transaction of the ledger."""

logger = structlog.get_logger(__name__)


class _Ask:
    """What all who wait for one budget lack together."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.needed_nanos = 0
        self.least_nanos = 0
        self.answer: asyncio.Future[SliceAnswer | None] = asyncio.get_running_loop().create_future()

    def join(self, shortfall: Shortfall) -> None:
        """One more waits."""
        lacking = shortfall.lacking_nanos
        self.budget = shortfall.budget
        self.least_nanos = min(self.least_nanos, lacking) if self.needed_nanos else lacking
        self.needed_nanos += lacking


class _Refusal(NamedTuple):
    until: float
    available_nanos: int
    limit_nanos: int


class Slices:
    """One worker's way to the ledger. ``answer_asks`` must run while exchanges are admitted."""

    def __init__(self, rows: BudgetRows, ledger: Ledger, ask_timeout_seconds: float) -> None:
        self.rows = rows
        self.host = rows.table.host
        self._ledger = ledger
        self._ask_timeout_seconds = ask_timeout_seconds
        self._asks: dict[Key, _Ask] = {}
        self._asked = asyncio.Event()
        self._refusals: dict[Key, _Refusal] = {}
        self._touched: set[int] = set()
        self._is_reachable = True

    def touch(self, rows: Iterable[int]) -> None:
        """Something changed there: it is reported soon, and what was refused may fit now."""
        self._touched.update(rows)
        if self._refusals:
            self._refusals.clear()

    def is_refused(self, shortfall: Shortfall) -> bool:
        """Whether the ledger refused no more than this a moment ago, and nothing has changed since."""
        refusal = self._refusals.get(shortfall.budget.key)
        return (
            refusal is not None
            and shortfall.lacking_nanos > refusal.available_nanos
            and shortfall.budget.limit_nanos == refusal.limit_nanos
            and asyncio.get_running_loop().time() < refusal.until
        )

    def refuse(self, shortfall: Shortfall, available_nanos: int) -> None:
        """The ledger has no more than this to give; remembered for a moment."""
        if len(self._refusals) >= MAX_SLICES:
            self._refusals.clear()
        until = asyncio.get_running_loop().time() + REFUSAL_SECONDS
        limit = shortfall.budget.limit_nanos
        self._refusals[shortfall.budget.key] = _Refusal(until, available_nanos, limit)

    async def ask(self, shortfalls: Sequence[Shortfall]) -> list[SliceAnswer] | None:
        """What the ledger says of what is lacking; the table knows it too. ``None`` where it did not answer in time.

        All who wait for the same budget wait for one answer.
        """
        waiting = []
        for shortfall in shortfalls:
            ask = self._asks.get(shortfall.budget.key)
            if ask is None:
                ask = self._asks[shortfall.budget.key] = _Ask(shortfall.budget)
            ask.join(shortfall)
            waiting.append(ask.answer)
        self._asked.set()
        await asyncio.wait(waiting, timeout=self._ask_timeout_seconds)
        answers = [future.result() for future in waiting if future.done()]
        found = [answer for answer in answers if answer is not None]
        return found if len(found) == len(waiting) else None

    async def answer_asks(self) -> None:
        """Ask the ledger for whoever waits, again and again: what comes together is asked together."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            asks, self._asks = list(self._asks.values()), {}
            for start in range(0, len(asks), MAX_SLICES):
                await self._ask_ledger(asks[start : start + MAX_SLICES])

    async def _ask_ledger(self, asks: Sequence[_Ask]) -> None:
        answers: Sequence[SliceAnswer | None] = [None] * len(asks)
        try:
            answers = await self._report([self._slice(ask) for ask in asks])
        except (LedgerUnavailableError, TableFullError, OSError) as error:
            self._note_reachable(error)
        finally:
            for ask, answer in zip(asks, answers, strict=True):
                if not ask.answer.done():
                    ask.answer.set_result(answer)

    def _slice(self, ask: _Ask) -> Slice:
        table = self.rows.table
        with table.lock:
            row = table.row(ask.budget.key, ask.budget.period_end)
            told = self.rows.slice_of(row, ask.needed_nanos, ask.least_nanos)
            return told._replace(limit_nanos=ask.budget.limit_nanos)

    async def report(self) -> bool:
        """Tell the ledger what was touched; what it did not hear stays to be told. Returns whether it heard all."""
        touched, self._touched = sorted(self._touched), set()
        for start in range(0, len(touched), MAX_SLICES):
            try:
                await self.tell(touched[start : start + MAX_SLICES])
            except (LedgerUnavailableError, TableFullError, OSError) as error:
                self._touched.update(touched[start:])
                self._note_reachable(error)
                return False
        return True

    async def tell(self, rows: Sequence[int], *, is_yielded: bool = False) -> None:
        """Tell the ledger about some rows. Raises LedgerUnavailableError, TableFullError or OSError."""
        with self.rows.table.lock:
            slices = [self.rows.slice_of(row, is_yielded=is_yielded) for row in rows if self.rows.is_budget(row)]
        await self._report(slices)

    async def restore(self) -> None:
        """Take from the ledger what a kill or a power cut kept the table from knowing; before anything is admitted.

        Raises LedgerUnavailableError, TableFullError or OSError.
        """
        for key, period_end, answer in await self._ledger.slices_of(self.host):
            self._take_note(key, period_end, answer)

    async def _report(self, slices: Sequence[Slice]) -> list[SliceAnswer]:
        answers = await self._ledger.report(self.host, slices) if slices else []
        for told, answer in zip(slices, answers, strict=True):
            self._take_note(told.key, told.period_end, answer, told)
        self._note_reachable(None)
        return answers

    def _take_note(self, key: Key, period_end: int, answer: SliceAnswer, told: Slice | None = None) -> None:
        row = self.rows.take_note(key, period_end, answer, told)
        if row >= 0:
            self._touched.add(row)

    def _note_reachable(self, error: Exception | None) -> None:
        """One line in the log where it changes."""
        if error is not None and self._is_reachable:
            logger.error("budget ledger cannot be asked", error=str(error))
        elif error is None and not self._is_reachable:
            logger.info("budget ledger answers again")
        self._is_reachable = error is None
