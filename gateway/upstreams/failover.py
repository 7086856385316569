"""The other LLMs that an exchange may be asked of where its own gives no first byte.

They are found and priced at admission, so that the dearest of them can be reserved and a change of the configuration in
the middle changes nothing. Failing over leads no further: the list of the LLM that the client asked is the only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.bridge.view import bridged
from gateway.usage import abandon, estimate_tokens
from sluice.money.cost import cost_nanos, worst_nanos
from sluice.money.usage import Usage

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.snapshot import Llm, Snapshot
    from sluice.money.prices import Price


class Candidate(NamedTuple):
    """An LLM that may take over, the model it would be asked for, and the price of that, pinned."""

    llm: Llm
    model: str | None
    is_renamed: bool
    """Whether ``model`` must be written into the body: it is the LLM's ``default_model``."""
    price: Price | None


def plan_failover(exchange: Exchange, llm: Llm, snapshot: Snapshot) -> None:
    """Fill ``exchange.failover``, in the order of ``llm.failover_ids``; ``exchange.price`` is pinned already.

    Left out is what this exchange may not or cannot be asked of; see the README.
    """
    left = dict.fromkeys(llm.failover_ids)
    left.pop(llm.id, None)
    found: list[Candidate] = []
    for llm_id in left:
        other = snapshot.llms_by_id.get(llm_id)
        if other is not None and llm.spoken is not None:
            other = other.bridged or bridged(other)
        if other is None or not _may_take(exchange, llm, other):
            continue
        candidate = _candidate(exchange, other, snapshot)
        if (
            candidate is not None
            and _is_accountable(exchange, llm, candidate, found)
            and (exchange.bridge is None or exchange.bridge.suits(exchange, candidate))
        ):
            found.append(candidate)
    exchange.failover = tuple(found)


def dearest_nanos(exchange: Exchange, prompt: int, response: int) -> int:
    """What so many tokens cost at most: of whoever answers, whatever class they are of and in whichever tier, and what
    those may have charged that were given up for it.

    0 where none has a price.
    """
    if not exchange.failover and not exchange.further_prices:
        return worst_nanos(exchange.price, prompt, response) if exchange.price else 0
    most = max((worst_nanos(price, prompt, response) for price in exchange.further_prices), default=0)
    given_up = 0
    asked = Usage(prompt_tokens=estimate_tokens(len(exchange.body)), response_tokens=0)
    for price in (exchange.price, *(candidate.price for candidate in exchange.failover)):
        if price is not None:
            most = max(most, given_up + worst_nanos(price, prompt, response))
            given_up += cost_nanos(price, asked)  # as ``abandon`` will
    return most


def take_over(exchange: Exchange, candidate: Candidate, body: bytes, path: str) -> None:
    """From here on the exchange is this LLM's, at its price; what the one before may have charged stays owed.

    ``body`` and ``path`` are those that were admitted.
    """
    abandon(exchange)
    model = candidate.model
    if candidate.is_renamed and model:
        body, path = candidate.llm.dialect.with_model(body, path, model)
    exchange.body, exchange.path = body, path
    exchange.model, exchange.price, exchange.served_by = model, candidate.price, candidate.llm


def _may_take(exchange: Exchange, llm: Llm, other: Llm) -> bool:
    """What keeps a request of its client's own away from an LLM keeps this one away too.

    And what is held are the budgets of the LLM that was asked: one with a budget of its own, or that the app has one
    for, would spend it without holding any of it.
    """
    app = exchange.app
    return (
        not other.problem
        and app is not None
        and other.id in app.llm_ids
        and not other.monthly_budget_nanos
        and not app.llm_budgets.get(other.id)
        and other.dialect.family == llm.dialect.family
        and not 0 < other.max_request_bytes < len(exchange.body)
        and all(other.allows(model) for model in exchange.further_models)
    )


def _candidate(exchange: Exchange, llm: Llm, snapshot: Snapshot) -> Candidate | None:
    """With the model that was asked for where the LLM allows it, else with its default."""
    model, default = exchange.model, llm.default_model
    is_renamed = bool(default and exchange.body) and (model is None or not llm.allows(model)) and _names_model(exchange)
    if is_renamed:
        model = default
    if not llm.allows(model) and not exchange.only_looks:
        return None
    price = snapshot.prices.find(llm.vendor, model, exchange.occurred_at) if model is not None else None
    return Candidate(llm, model, is_renamed, price)


def _is_accountable(exchange: Exchange, llm: Llm, candidate: Candidate, before: list[Candidate]) -> bool:
    """Whether its price goes with those of the LLMs before it.

    What two of them may have charged is one sum, so it is in one currency. And under a budget all have a price or none
    has: what was held, or passed without, holds for whoever answers.
    """
    app = exchange.app
    has_budget = llm.monthly_budget_nanos or (
        app is not None and (app.monthly_budget_nanos or app.llm_budgets.get(llm.id))
    )
    if has_budget and (candidate.price is None) != (exchange.price is None):
        return False
    prices = (exchange.price, *(other.price for other in before), candidate.price)
    return len({price.currency for price in prices if price is not None}) <= 1


def _names_model(exchange: Exchange) -> bool:
    """Whether a model can be written into the body: forms and files have none that we could change."""
    return exchange.body.lstrip()[:1] == b"{"
