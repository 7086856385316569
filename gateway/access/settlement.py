"""From what was held for an exchange to what it cost: once, whatever kills the worker in the middle.

The order is: the record is durable, the values to come are written down beside the cells (redo), the cells change, the
exchange's slot in the in-flight file is cleared, the redo ends, what was held is let go. Who finds a redo after a kill
stores its values again: they are absolute, and nobody else writes these cells. Who finds a slot instead settles it, by
its record where there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from gateway.access.shared_table import OPEN, PROMPT_TOKENS, REQUESTS, RESERVED, RESPONSE_TOKENS, SPENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.shared_table import SharedTable

Rows = tuple[int, ...]
"""The rows of the budgets an exchange is charged to."""

# words of a redo
_COUNT, _HOST, _ID_HIGH, _ID_LOW, _FIRST = range(5)
_ROW_WORDS = 5
_HALF = (1 << 64) - 1
_SIGN = 1 << 63


class Worth(NamedTuple):
    """What an exchange is charged, as its budget event says; without a cost there is no such event, and nothing is."""

    cost_nanos: int = 0
    prompt_tokens: int = 0
    response_tokens: int = 0


class Settlements:
    """Those of one worker."""

    def __init__(self, table: SharedTable) -> None:
        self._table = table

    def settle(self, exchange_id: str, rows: Rows, held_nanos: int, worth: Worth, clear: Callable[[], None]) -> None:
        """Charge an exchange to its budgets and let go of what was held; ``clear`` ends what recovery would find."""
        table = self._table
        with table.lock:
            if worth.cost_nanos > 0:
                self._write_redo(exchange_id, rows, worth)
                self._apply()
                clear()
                table.redo[_COUNT] = 0
            else:
                clear()
            self.release(rows, held_nanos)

    def release(self, rows: Rows, held_nanos: int) -> None:
        """Let go of what was held; under the lock."""
        own = self._table.own
        for row in rows:
            at = self._table.cell_at(row)
            own[at + RESERVED] -= held_nanos
            own[at + OPEN] -= 1

    def finish_redo(self) -> str:
        """What a kill cut in the middle is done; returns the exchange's id, or nothing where none was."""
        redo = self._table.redo
        if not redo[_COUNT]:
            return ""
        exchange_id = ""
        if redo[_HOST] == self._table.host_number:
            self._apply()
            exchange_id = str(UUID(int=(redo[_ID_HIGH] + _SIGN) << 64 | (redo[_ID_LOW] + _SIGN)))
        return exchange_id

    def end_redo(self) -> None:
        """Nothing is left of it to be found."""
        self._table.redo[_COUNT] = 0

    def _write_redo(self, exchange_id: str, rows: Rows, worth: Worth) -> None:
        table, redo = self._table, self._table.redo
        number = int(exchange_id.replace("-", ""), 16)
        redo[_HOST] = table.host_number
        redo[_ID_HIGH], redo[_ID_LOW] = (number >> 64) - _SIGN, (number & _HALF) - _SIGN
        place = _FIRST
        for row in rows:
            at = table.cell_at(row)
            redo[place] = at
            redo[place + 1] = table.own[at + SPENT] + worth.cost_nanos
            redo[place + 2] = table.own[at + REQUESTS] + 1
            redo[place + 3] = table.own[at + PROMPT_TOKENS] + worth.prompt_tokens
            redo[place + 4] = table.own[at + RESPONSE_TOKENS] + worth.response_tokens
            place += _ROW_WORDS
        redo[_COUNT] = len(rows)

    def _apply(self) -> None:
        own, redo = self._table.own, self._table.redo
        place = _FIRST
        for _ in range(redo[_COUNT]):
            at = redo[place]
            own[at + SPENT] = redo[place + 1]
            own[at + REQUESTS] = redo[place + 2]
            own[at + PROMPT_TOKENS] = redo[place + 3]
            own[at + RESPONSE_TOKENS] = redo[place + 4]
            place += _ROW_WORDS
