"""Budgets: the worst case of an exchange is held before its vendor is called, and settled to what it cost.

Held is all of it in every budget that applies, or nothing. Where this host's part of a budget does not suffice the
ledger is asked, unless what this host alone has spent and holds leaves no room in the limit.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.access.budget_rows import Budget
from gateway.access.ledger import APP, APP_LLM, LLM
from gateway.access.settlement import Worth
from gateway.access.shared_table import TableFullError
from gateway.outcomes import BudgetExceeded
from sluice.money.nanos import parse_nanos
from sluice.money.periods import period_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.access.budget_rows import BudgetRows, Shortfall
    from gateway.access.ledger import SliceAnswer
    from gateway.access.settlement import Rows, Settlements
    from gateway.access.shared_table import Key
    from gateway.access.slices import Slices
    from gateway.access.worst_case import WorstCase
    from gateway.exchange import Exchange
    from gateway.settings import BudgetSettings
    from gateway.snapshot import App, Llm
    from gateway.telemetry import GatewayMetrics

_EXCEEDED = "Budget limit exceeded"
_RECALL_WAIT_SECONDS = 0.005
"""Before the ledger is asked again whether what it recalled has come; then twice as long, and so on."""
_MAX_ASKS = 64
"""Each brings more, or ends the matter; so many only where others are always faster."""


def budgets_of(app: App, llm: Llm, at_micros: int) -> list[Budget]:
    """Those that apply to an app's call of an LLM, each in the period of the moment."""
    found: list[Budget] = []
    own = app.llm_budgets.get(llm.id, 0)
    if app.monthly_budget_nanos or own:
        period = period_at(at_micros, app.budget_reset_day, app.time_zone)
        if app.monthly_budget_nanos:
            found.append(Budget((APP, app.id, 0, period.start), period.end, app.monthly_budget_nanos))
        if own:
            found.append(Budget((APP_LLM, app.id, llm.id, period.start), period.end, own))
    if llm.monthly_budget_nanos:
        period = period_at(at_micros, llm.budget_reset_day, "UTC")
        found.append(Budget((LLM, 0, llm.id, period.start), period.end, llm.monthly_budget_nanos))
    return found


def worth_of(exchange: Exchange) -> Worth:
    """What an exchange is charged, as its budget event says."""
    usage = exchange.usage
    prompt, response = (usage.prompt_tokens or 0, usage.response_tokens or 0) if usage else (0, 0)
    # its own constructor costs twice as much, and two are made for each exchange under a budget
    return tuple.__new__(Worth, (exchange.cost_nanos or 0, prompt, response))


class Budgets:
    """What admission and the recorder ask of budgets."""

    def __init__(
        self, settings: BudgetSettings, slices: Slices, settlements: Settlements, metrics: GatewayMetrics
    ) -> None:
        self._settings = settings
        self._unbounded_nanos = parse_nanos(settings.unbounded_reserve)
        self._rows: BudgetRows = slices.rows
        self._slices = slices
        self._settlements = settlements
        self._metrics = metrics

    async def admit(self, exchange: Exchange, llm: Llm, app: App, worst: WorstCase) -> None:
        """Hold what the exchange may cost; its prices are pinned. Raises ``BudgetExceeded``; then nothing is held."""
        budgets = budgets_of(app, llm, exchange.occurred_at)
        if not budgets:
            return
        try:
            await self._admit(exchange, llm, app, budgets, worst)
        except BudgetExceeded as refusal:
            refusal.detail = f"{refusal.message} ({worst.described()})"
            raise

    async def _admit(self, exchange: Exchange, llm: Llm, app: App, budgets: Sequence[Budget], worst: WorstCase) -> None:
        least = self._least_nanos(worst)
        if len(exchange.further_prices) < len(exchange.further_models):
            self._pass_unpriced(exchange)
        if exchange.price is None and not least:
            self._pass_unpriced(exchange)
            return
        if (
            not worst.is_asked
            and self._settings.no_maximum == "cap"
            and await self._hold_capped(exchange, llm, app, budgets, worst)
        ):
            return
        await self._hold(exchange, app, budgets, max(worst.nanos(exchange), least))

    def settle(self, exchange: Exchange, clear: Callable[[], None]) -> None:
        """What was held becomes what was spent, now that the record is durable; ``clear`` clears its slot."""
        rows, exchange.holds = exchange.holds, ()
        self.settle_slot(exchange.exchange_id, rows, exchange.reserved_nanos, worth_of(exchange), clear)

    def settle_slot(
        self, exchange_id: str, rows: Rows, held_nanos: int, worth: Worth, clear: Callable[[], None]
    ) -> None:
        """As ``settle``, of an exchange of which only its slot is left."""
        self._settlements.settle(exchange_id, rows, held_nanos, worth, clear)
        self._slices.touch(rows)
        if worth.cost_nanos > held_nanos:
            self._metrics.reservation_exceeded.add(worth.cost_nanos - held_nanos)

    def release(self, exchange: Exchange) -> None:
        """Let go of what is held for an exchange that got no slot: its vendor was not called."""
        rows, exchange.holds = exchange.holds, ()
        with self._rows.table.lock:
            self._settlements.release(rows, exchange.reserved_nanos)
        self._slices.touch(rows)

    def _least_nanos(self, worst: WorstCase) -> int:
        """What an exchange holds at least whose input has no bound. Raises ``BudgetExceeded``."""
        if worst.counted.is_bounded:
            return 0
        if self._settings.unbounded == "deny":
            message = (
                f"what this request may cost has no bound ({worst.counted.unbounded_because}), and there is a budget"
            )
            raise BudgetExceeded(message, "unbounded_request")
        return self._unbounded_nanos

    def _pass_unpriced(self, exchange: Exchange) -> None:
        if self._settings.unpriced == "deny":
            names = ", ".join(repr(name) for name in (exchange.model, *exchange.further_models)[:4])
            message = f"model {names} has no price, and there is a budget"
            raise BudgetExceeded(message, "unpriced_model")

    async def _hold_capped(
        self, exchange: Exchange, llm: Llm, app: App, budgets: Sequence[Budget], worst: WorstCase
    ) -> bool:
        """Write the largest affordable maximum into the request; whether there is one to be written there.

        Affordable is what its LLM's maximum costs, else what is left of the limits, else what is left on this host.
        """
        if not worst.counted.is_bounded or llm.dialect.with_maximum(exchange.body, exchange.path, 1) is None:
            return False
        for room_of in (None, self._rows.left, self._rows.room):
            maximum = worst.maximum if room_of is None else _affordable(exchange, worst, min(map(room_of, budgets)))
            if room_of is not None and maximum < 1:
                break
            try:
                await self._hold(exchange, app, budgets, worst.nanos_with(exchange, maximum))
            except BudgetExceeded as refusal:
                if refusal.code != "budget_exceeded" or room_of == self._rows.room:
                    raise
                continue
            exchange.body = llm.dialect.with_maximum(exchange.body, exchange.path, maximum) or exchange.body
            exchange.max_response_tokens = maximum
            return True
        raise BudgetExceeded(_EXCEEDED)

    async def _hold(self, exchange: Exchange, app: App, budgets: Sequence[Budget], nanos: int) -> None:
        try:
            exchange.holds = await self._reserve(app, budgets, nanos)
        except (TableFullError, OSError) as error:
            if app.budget_fail == "closed":
                raise _unavailable() from error
        exchange.reserved_nanos = nanos

    async def _reserve(self, app: App, budgets: Sequence[Budget], nanos: int) -> Rows:
        """Hold, asking the ledger as often as it has more to give. Raises BudgetExceeded, TableFullError, OSError."""
        answers: dict[Key, SliceAnswer] = {}
        clock = asyncio.get_running_loop().time
        deadline, pause = clock() + self._settings.ask_timeout_seconds, _RECALL_WAIT_SECONDS
        for _ in range(_MAX_ASKS):
            found = self._rows.hold(budgets, nanos)
            if isinstance(found, tuple):
                return found
            if self._is_recalled(found, answers) and clock() < deadline:
                await asyncio.sleep(pause)
                pause *= 2
            else:
                self._refuse_lacking(found, answers)
            said = await self._slices.ask(found)
            if said is None:
                break
            answers = {shortfall.budget.key: answer for shortfall, answer in zip(found, said, strict=True)}
        if app.budget_fail == "closed":
            raise _unavailable()
        held = self._rows.hold(budgets, nanos, anyway=True)
        return held if isinstance(held, tuple) else ()

    def _is_recalled(self, shortfalls: Sequence[Shortfall], answers: dict[Key, SliceAnswer]) -> bool:
        """Whether other hosts have been asked for what is lacking, and no answer says that it is hopeless."""
        lacking = [each for each in shortfalls if _is_refused(each, answers)]
        return bool(lacking) and all(answers[each.budget.key].is_recalling and not each.is_certain for each in lacking)

    def _refuse_lacking(self, shortfalls: Sequence[Shortfall], answers: dict[Key, SliceAnswer]) -> None:
        for shortfall in shortfalls:
            if _is_refused(shortfall, answers):
                self._slices.refuse(shortfall, answers[shortfall.budget.key].available_nanos)
            elif not (shortfall.is_certain or self._slices.is_refused(shortfall)):
                continue
            raise BudgetExceeded(_EXCEEDED)


def _affordable(exchange: Exchange, worst: WorstCase, room: int) -> int:
    """The most output tokens of a choice that so much pays for; 0 where not even one."""
    low, high = 0, worst.maximum
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if worst.nanos_with(exchange, middle) <= room else (low, middle - 1)
    return low


def _is_refused(shortfall: Shortfall, answers: dict[Key, SliceAnswer]) -> bool:
    answer = answers.get(shortfall.budget.key)
    return answer is not None and shortfall.lacking_nanos > answer.available_nanos


def _unavailable() -> BudgetExceeded:
    message = "the budget cannot be checked now; try again"
    return BudgetExceeded(message, "budget_unavailable")
