"""Whether an authenticated exchange may call its vendor, and what is held for it until it is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.outcomes import ModelDenied
from gateway.usage import estimate_tokens
from sluice.money.cost import cost_nanos
from sluice.money.usage import Usage

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.snapshot import Llm, Snapshot


class Admission(Protocol):
    """Models, rate limits and budgets, between authentication and the upstream call."""

    def admit(self, exchange: Exchange, llm: Llm, snapshot: Snapshot) -> None:
        """Let the exchange pass, pinning its price and what is reserved for it. Raises a ``Refusal``."""
        ...

    def settle(self, exchange: Exchange) -> None:
        """Turn what was reserved into what was spent; called once for each admitted exchange, however it ended."""
        ...


class OpenAdmission:
    """Model allow-lists, and no limits: what is reserved is computed and recorded, nothing is held back."""

    def __init__(self, default_output_tokens: int) -> None:
        self._default_output_tokens = default_output_tokens

    def admit(self, exchange: Exchange, llm: Llm, snapshot: Snapshot) -> None:
        """Check the allow-list; reserve the worst case at the price that holds now."""
        if not llm.allows(exchange.model):
            message = f"model '{exchange.model}' is not allowed" if exchange.model else "the request names no model"
            raise ModelDenied(message)
        if exchange.model is None:
            return
        exchange.price = snapshot.prices.find(llm.vendor, exchange.model, exchange.occurred_at)
        if exchange.price is not None:
            limit = exchange.max_response_tokens
            output = (self._default_output_tokens if limit is None else max(limit, 0)) * max(exchange.choices, 1)
            worst = Usage(prompt_tokens=estimate_tokens(len(exchange.body)), response_tokens=output)
            exchange.reserved_nanos = cost_nanos(exchange.price, worst)

    def settle(self, exchange: Exchange) -> None:
        """Nothing was held."""
