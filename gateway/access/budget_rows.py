"""What a host knows of its budgets: the rows of the shared table that are budgets.

room = granted - returned - written off - forgotten - Σ over workers (spent + reserved)

Granted, returned and the like only grow. Besides its part of a budget a host never holds more than the budget: a limit
that was lowered holds here at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.access.ledger import APP, APP_LLM, LLM, Slice
from gateway.access.shared_table import (
    FIRST_WORD,
    OPEN,
    PROMPT_TOKENS,
    REQUESTS,
    RESERVED,
    RESPONSE_TOKENS,
    SPENT,
    TableFullError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.access.ledger import SliceAnswer
    from gateway.access.settlement import Rows
    from gateway.access.shared_table import Key, SharedTable

GRANTED, RETURNED, WRITTEN_OFF, FORGOTTEN, LIMIT, REPORTED_SPENT, REPORTED_RETURNED, IS_KNOWN = range(
    FIRST_WORD, FIRST_WORD + 8
)
"""``FORGOTTEN`` is what the ledger heard was spent before this row was made, or before a power cut; until it has
answered once (``IS_KNOWN``) nobody here knows what is spent in all."""


_MAX_CELL = (1 << 63) - 1


class Budget(NamedTuple):
    """One budget that applies to an exchange, in the period of its admission."""

    key: Key
    period_end: int
    limit_nanos: int


class Shortfall(NamedTuple):
    """What a budget lacks for an exchange."""

    budget: Budget
    lacking_nanos: int
    is_certain: bool
    """Whether what this host alone has spent and holds leaves no room in the limit: no ledger could give any."""


def rows_held(table: SharedTable, rows: Rows, app_id: int, llm_id: int, at_micros: int) -> Rows:
    """Those of a slot's rows that are still what they were when it was filled: a table that was lost has others."""
    with table.lock:
        return tuple(row for row in rows if _is_held(table, row, app_id, llm_id, at_micros))


def _is_held(table: SharedTable, row: int, app_id: int, llm_id: int, at_micros: int) -> bool:
    if not 0 <= row < table.used:
        return False
    kind, row_app, row_llm, start = table.key(row)
    is_same = (kind, row_app, row_llm) in {(APP, app_id, 0), (LLM, 0, llm_id), (APP_LLM, app_id, llm_id)}
    if is_same and start <= at_micros < table.period_end(row):
        table.allow(row)
        return True
    return False


class BudgetRows:
    """Budgets in one worker's view of the table."""

    def __init__(self, table: SharedTable) -> None:
        self.table = table

    def hold(self, budgets: Sequence[Budget], nanos: int, *, anyway: bool = False) -> Rows | list[Shortfall]:
        """Reserve an amount in all of them or, where one has no room for it, in none.

        Raises TableFullError or OSError.
        """
        table, words = self.table, self.table.words
        with table.lock:
            rows: Rows = ()
            short: list[Shortfall] = []
            for budget in budgets:
                row = table.row(budget.key, budget.period_end)
                rows += (row,)
                limit = budget.limit_nanos
                used = self._used(row)
                lacking = nanos - min(self._given(row), limit) + used
                if lacking > 0 and not anyway:
                    is_certain = used + nanos > limit
                    short.append(Shortfall(budget, nanos - self._given(row) + used, is_certain))
                at = table.at(row)
                if words[at + LIMIT] != limit:
                    words[at + LIMIT] = limit
            if short:
                return short
            own = table.own
            if anyway and any(own[table.cell_at(row) + RESERVED] > _MAX_CELL - nanos for row in rows):
                message = "exchanges under way hold more of a budget than can be counted"
                raise TableFullError(message)
            for row in rows:
                at = table.cell_at(row)
                own[at + RESERVED] += nanos
                own[at + OPEN] += 1
            return rows

    def room(self, budget: Budget) -> int:
        """What an exchange might still reserve of what is here; below zero where reservations were exceeded."""
        with self.table.lock:
            row = self.table.row(budget.key, budget.period_end)
            return min(self._given(row), budget.limit_nanos) - self._used(row)

    def left(self, budget: Budget) -> int:
        """What would be left if this host were granted all of the budget."""
        with self.table.lock:
            return budget.limit_nanos - self._used(self.table.row(budget.key, budget.period_end))

    def reserved(self, key: Key) -> int:
        """What exchanges under way hold."""
        with self.table.lock:
            row = self.table.find(key)
            return self.table.total(row, RESERVED) if row >= 0 else 0

    def slice_of(self, row: int, needed_nanos: int = 0, least_nanos: int = 0, *, is_yielded: bool = False) -> Slice:
        """What there is to say of a row; under the lock."""
        table, words, at = self.table, self.table.words, self.table.at(row)
        return Slice(
            key=table.key(row),
            period_end=table.period_end(row),
            limit_nanos=words[at + LIMIT],
            granted_nanos=words[at + GRANTED],
            returned_nanos=words[at + RETURNED],
            spent_nanos=words[at + FORGOTTEN] + table.total(row, SPENT) if words[at + IS_KNOWN] else 0,
            requests=table.total(row, REQUESTS),
            prompt_tokens=table.total(row, PROMPT_TOKENS),
            response_tokens=table.total(row, RESPONSE_TOKENS),
            needed_nanos=needed_nanos,
            least_nanos=least_nanos,
            is_yielded=is_yielded,
        )

    def take_note(self, key: Key, period_end: int, answer: SliceAnswer, told: Slice | None = None) -> int:
        """Of what the ledger says, and that it heard what it was told; returns the row if there is more to tell.

        Else -1. Raises TableFullError or OSError.
        """
        table, words = self.table, self.table.words
        with table.lock:
            row = table.row(key, period_end)
            at = table.at(row)
            words[at + RETURNED] = max(words[at + RETURNED], answer.returned_nanos)
            words[at + WRITTEN_OFF] = max(words[at + WRITTEN_OFF], answer.written_off_nanos)
            told_before = table.total(row, SPENT) if words[at + IS_KNOWN] else 0
            words[at + FORGOTTEN] = max(words[at + FORGOTTEN], answer.spent_nanos - told_before)
            words[at + IS_KNOWN] = 1
            # granted last, behind what takes away: a kill between leaves less
            words[at + GRANTED] = max(words[at + GRANTED], answer.granted_nanos)
            if told is not None:
                words[at + REPORTED_SPENT] = max(words[at + REPORTED_SPENT], told.spent_nanos)
                words[at + REPORTED_RETURNED] = max(words[at + REPORTED_RETURNED], told.returned_nanos)
            return -1 if self.is_reported(row) else row

    def give_back(self, row: int) -> int:
        """Return what is idle: here first, so that it is nowhere twice; returns how much. Under the lock."""
        idle = self._given(row) - self._used(row)
        if idle > 0:
            self.table.words[self.table.at(row) + RETURNED] += idle
        return max(idle, 0)

    def is_reported(self, row: int) -> bool:
        """Whether the ledger has heard everything; under the lock."""
        words, at = self.table.words, self.table.at(row)
        spent = words[at + FORGOTTEN] + self.table.total(row, SPENT)
        return words[at + REPORTED_SPENT] >= spent and words[at + REPORTED_RETURNED] >= words[at + RETURNED]

    def is_open(self, row: int) -> bool:
        """Whether exchanges hold something of it; under the lock."""
        return self.table.total(row, OPEN) != 0

    def __iter__(self) -> Iterator[int]:
        """The rows that are budgets; without the lock some may be missed."""
        for row in self.table.used_rows():
            if self.is_budget(row):
                yield row

    def is_budget(self, row: int) -> bool:
        """Whether a row that was one still is."""
        return 0 < self.table.key(row)[0] <= APP_LLM

    def _given(self, row: int) -> int:
        words, at = self.table.words, self.table.at(row)
        return words[at + GRANTED] - words[at + RETURNED] - words[at + WRITTEN_OFF]

    def _used(self, row: int) -> int:
        return self.table.words[self.table.at(row) + FORGOTTEN] + self.table.total_of_two(row, SPENT, RESERVED)
