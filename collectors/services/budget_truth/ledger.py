"""The ledger against the truth: two accounts of one thing, kept apart, must agree.

The ledger is asked first, the log is read to its end after that, and only then are the two compared: what the ledger
knew is in the log by then. What is under way makes short differences: the truth knows an exchange some seconds before a
host reports it. So only what stays counts:

- the ledger has **more** than the truth, at each of ``checks`` checks in a row;
- the ledger has **less** now than the truth had ``checks`` checks ago.

What a budget's scope had spent before there was a budget is not in the ledger; it is told by the first checks of a
budget that is new to us, and left out (``baseline``). Corrections are not in the ledger, and are left out as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.control_client import ControlClient
from collectors.services.budget_truth.tally import Sum, TotalKey
from collectors.settings import ControlSettings
from sluice.clock import iso_micros, micros_of
from sluice.sdk.errors import ServiceUnavailable

ENDED_MICROS = 7 * 86_400 * 1_000_000
"""Of periods that are over for longer nothing is asked any more."""
_PAGE = 100
_MAX_PAGES = 2_000


class BudgetKey(NamedTuple):
    """A budget in a period, as the ledger knows it."""

    scope: str
    scope_id: str
    period_start: int

    def __str__(self) -> str:
        return f"{self.scope} {self.scope_id}, period from {iso_micros(self.period_start)}"

    @property
    def key(self) -> str:
        """As the database knows it."""
        return f"{self.scope}:{self.scope_id}:{self.period_start}"


class Spent(NamedTuple):
    """What the ledger has."""

    nanos: int
    period_end: int


Books = Mapping[BudgetKey, Spent]


class LedgerSource(Protocol):
    """Whom to ask. Raises ServiceUnavailable, ServiceError."""

    async def spent(self, ended_after: int) -> Books:
        """Everything in periods that ended after a moment."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class ControlLedger:
    """The control API of the gateway."""

    def __init__(self, control: ControlSettings) -> None:
        self._client = ControlClient(control)

    async def spent(self, ended_after: int) -> Books:
        """All pages of ``GET /budgets/spent``."""
        found: dict[BudgetKey, Spent] = {}
        for page in range(1, _MAX_PAGES + 1):
            query = {"ended_after": iso_micros(ended_after), "page": str(page), "limit": str(_PAGE)}
            answer = await self._client.ask("GET", "/budgets/spent", params=query)
            rows = _rows(answer)
            found.update(_entry(row) for row in rows)
            if len(rows) < _PAGE:
                return found
        raise ServiceUnavailable(f"the control API has more than {_MAX_PAGES * _PAGE} budgets")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _rows(answer: object) -> Sequence[object]:
    rows = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise ServiceUnavailable("the control API answers /budgets/spent in a form that is not its own")
    return rows


def _entry(row: object) -> tuple[BudgetKey, Spent]:
    try:
        assert isinstance(row, dict)  # noqa: S101 - what is none is refused below
        app, llm, scope, nanos = row["app_id"], row["llm_id"], row["scope"], row["spent_nanos"]
        scope_id = {"app": f"{app}", "llm": f"{llm}", "app_llm": f"{app}:{llm}"}[scope]
        assert type(nanos) is int  # noqa: S101 - as above
        start, end = _micros(row["period_start"]), _micros(row["period_end"])
        return BudgetKey(scope, scope_id, start), Spent(nanos, end)
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise ServiceUnavailable("the control API answers /budgets/spent in a form that is not its own") from error


def _micros(text: str) -> int:
    return micros_of(datetime.fromisoformat(text))


class Compared(NamedTuple):
    """One budget as both accounts have it."""

    key: BudgetKey
    period_end: int
    truth_nanos: int
    ledger_nanos: int
    baseline_nanos: int
    checks: int
    difference_nanos: int
    """Ledger less truth; only what stayed."""


@dataclass(slots=True)
class _History:
    truths: deque[int]
    surpluses: deque[int]
    baseline: int
    checks: int


@dataclass(slots=True)
class Comparison:
    """Compares check by check, and knows what stayed."""

    checks: int
    tolerance_nanos: int = 0
    _known: dict[BudgetKey, _History] = field(default_factory=dict)

    async def load(self, connection: AsyncConnection, rows: Select[Any]) -> None:
        """What earlier processes knew."""
        for row in await connection.execute(rows):
            key = BudgetKey(row.scope, row.scope_id, row.period_start)
            self._known[key] = self._new(int(row.baseline_nanos), row.checks)

    def _new(self, baseline: int, checks: int) -> _History:
        return _History(deque(maxlen=self.checks), deque(maxlen=self.checks), baseline, checks)

    def compare(self, books: Books, totals: Mapping[TotalKey, Sum], covers_since: int) -> list[Compared]:
        """Each budget of the ledger whose whole period is covered; the truth is as of after ``books``."""
        truth = usage_of(totals)
        for gone in [key for key in self._known if key not in books]:
            del self._known[gone]
        return [
            self._one(key, spent, truth.get(key, 0))
            for key, spent in sorted(books.items())
            if key.period_start >= covers_since
        ]

    def _one(self, key: BudgetKey, spent: Spent, truth: int) -> Compared:
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._new(max(0, truth - spent.nanos), 0)
        if known.checks < self.checks:
            known.baseline = max(0, min(known.baseline, truth - spent.nanos))
        known.checks += 1
        known.surpluses.append(spent.nanos - truth)
        difference = self._stayed(known, spent.nanos)
        known.truths.append(truth)
        return Compared(
            key, spent.period_end, truth, spent.nanos, known.baseline, known.checks,
            0 if abs(difference) <= self.tolerance_nanos else difference,
        )  # fmt: skip

    def _stayed(self, known: _History, ledger: int) -> int:
        if len(known.surpluses) == self.checks and (surplus := min(known.surpluses)) > 0:
            return surplus
        if len(known.truths) == self.checks:
            return min(0, ledger + known.baseline - known.truths[0])
        return 0


def usage_of(totals: Mapping[TotalKey, Sum]) -> dict[BudgetKey, int]:
    """What exchanges cost by the ledger's keys, whatever the currency: a budget has one."""
    found: dict[BudgetKey, int] = {}
    for key, total in totals.items():
        budget = BudgetKey(key.scope, key.scope_id, key.period_start)
        found[budget] = found.get(budget, 0) + total.spent_nanos - total.corrected_nanos
    return found
