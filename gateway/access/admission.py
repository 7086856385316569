"""Whether an authenticated exchange may call its vendor, and what is held for it until it is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.access.worst_case import MAX_NANOS, worst_case
from gateway.outcomes import ModelDenied
from gateway.upstreams.failover import dearest_nanos, plan_failover
from gateway.usage import estimate_tokens

if TYPE_CHECKING:
    from gateway.access.budgets import Budgets
    from gateway.access.limits import Limits
    from gateway.exchange import Exchange
    from gateway.snapshot import App, Llm, Snapshot


class Admission(Protocol):
    """Models, rate limits and budgets, between authentication and the upstream call."""

    async def admit(self, exchange: Exchange, llm: Llm, snapshot: Snapshot) -> None:
        """Let the exchange pass, pinning its price and what is held for it. Raises a ``Refusal``; then nothing is."""
        ...

    def settle(self, exchange: Exchange) -> None:
        """The exchange's outcome is known; called once for each that was admitted, however it ended.

        What is held in budgets for one whose vendor was called stays so until its record is durable: the recorder
        settles that.
        """
        ...


class LimitedAdmission:
    """Model allow-lists, then rate limits, then budgets. Who has neither limits nor budgets pays for one comparison."""

    def __init__(self, limits: Limits, budgets: Budgets, default_output_tokens: int) -> None:
        self._limits = limits
        self._budgets = budgets
        self._default_output_tokens = default_output_tokens

    async def admit(self, exchange: Exchange, llm: Llm, snapshot: Snapshot) -> None:
        """Check the allow-list; hold the worst case, at the dearest price of whoever may answer."""
        if llm.allowed_models and not (llm.allows(exchange.model) or exchange.only_looks):
            message = f"model '{exchange.model}' is not allowed" if exchange.model else "the request names no model"
            raise ModelDenied(message)
        model = exchange.model
        if model is not None:
            exchange.price = snapshot.prices.find(llm.vendor, model, exchange.occurred_at)
        if exchange.further_models:
            _admit_further(exchange, llm, snapshot)
        if llm.failover_ids:
            plan_failover(exchange, llm, snapshot)
        app = exchange.app
        if app is not None and (app.is_limited or llm.is_limited):
            await self._admit_limited(exchange, llm, app)
        if not (exchange.holds or exchange.is_free) and (exchange.price is not None or exchange.failover):
            self._estimate(exchange, llm)

    def settle(self, exchange: Exchange) -> None:
        """Let go of what is held beside the record."""
        if exchange.limit_hold is not None:
            self._limits.settle(exchange)
        if exchange.holds and exchange.slot < 0:
            self._budgets.release(exchange)

    async def _admit_limited(self, exchange: Exchange, llm: Llm, app: App) -> None:
        has_budget = bool(app.monthly_budget_nanos or llm.monthly_budget_nanos or app.llm_budgets.get(llm.id))
        is_metered = (exchange.model is not None or bool(exchange.body)) and not exchange.is_free
        if not (is_metered and (has_budget or app.rate_limit_tpm or llm.rate_limit_tpm)):
            self._limits.admit(exchange, llm, app, 0)
            return
        worst = worst_case(exchange, llm, self._default_output_tokens)
        self._limits.admit(exchange, llm, app, worst.tokens)
        if has_budget:
            try:
                await self._budgets.admit(exchange, llm, app, worst)
            except BaseException:
                self._limits.settle(exchange)
                raise

    def _estimate(self, exchange: Exchange, llm: Llm) -> None:
        """What an interrupted exchange is charged that no budget counted."""
        asked = exchange.max_response_tokens
        output = (llm.max_tokens or self._default_output_tokens) if asked is None else max(asked, 0)
        prompt = estimate_tokens(len(exchange.body))
        exchange.reserved_nanos = min(dearest_nanos(exchange, prompt, output * max(exchange.choices, 1)), MAX_NANOS)


def _admit_further(exchange: Exchange, llm: Llm, snapshot: Snapshot) -> None:
    """Models that may answer or help are held to the same list; the dearest of all is what is held for."""
    prices = []
    for model in exchange.further_models:
        if not llm.allows(model):
            message = f"model '{model}' is not allowed; the request names it beside {exchange.model!r}"
            raise ModelDenied(message)
        price = snapshot.prices.find(llm.vendor, model, exchange.occurred_at)
        if price is not None:
            prices.append(price)
    exchange.further_prices = tuple(prices)
