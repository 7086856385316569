"""Usage → tokens → cost: what an exchange was worth, and how sure we are.

``exact``      the vendor counted, and we have its price; or the vendor refused, which costs nothing
``estimated``  the vendor may have charged but did not say how much: a quarter of the bytes sent, and a token for each
               SSE frame (or a quarter of the bytes) received; or what it said cannot all be true
``unpriced``   counted or estimated, but no price is known

Why usage could not be trusted is ``exchange.usage_problem``, which events carry as the label ``usage:<code>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.money.cost import cost_nanos
from sluice.money.usage import Usage
from sluice.usage.counts import BATCH_TIER

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.upstreams.vendors.dialect import Answer
    from sluice.money.prices import PriceTable

_BYTES_PER_TOKEN = 4  # the usual rule of thumb for English text and JSON
_LOOKS = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))
"""What no vendor meters: what such an answer counts was paid for by the request that made it."""


def estimate_tokens(size: int) -> int:
    """Tokens of so many bytes, rounded up."""
    return -(-size // _BYTES_PER_TOKEN)


def take_answer(exchange: Exchange, answer: Answer) -> None:
    """Copy what a response body or stream said of its worth."""
    if exchange.bridge is not None:  # the client's bytes are others than the vendor's
        answer = exchange.bridge.counted(answer)
    usage, problem = answer.usage, answer.problem
    if exchange.method in _LOOKS:
        usage, problem = None, ""
    elif usage is not None and (impossible := usage.impossible()):
        usage, problem = None, impossible
    exchange.usage, exchange.usage_problem = usage, problem
    exchange.raw_usage = answer.raw_usage
    exchange.response_model = answer.model
    exchange.tool_calls = answer.tool_calls
    if answer.choices or not exchange.is_stream or _vendor_refused(exchange):
        exchange.choices = answer.choices


def price_exchange(exchange: Exchange, prices: PriceTable | None = None) -> None:
    """Fill ``usage``, ``cost_nanos`` and ``cost_status``; nothing where no vendor was called.

    A request whose model has no price (a deployment of its client's own name, or none) is priced as the model that
    answered, where ``prices`` has that.
    """
    if exchange.price is None and prices is not None and exchange.response_model and exchange.method not in _LOOKS:
        llm = exchange.served_by or exchange.llm
        if llm is not None and exchange.response_model != exchange.model:
            exchange.price = prices.find(llm.vendor, exchange.response_model, exchange.occurred_at)
    if exchange.further_models and exchange.response_model and prices is not None:
        _price_as_answered(exchange, prices)
    if exchange.attempts and exchange.attempts[-1]["may_be_billed"]:
        _price_last(exchange)
    if exchange.abandoned_nanos is not None:
        _add_abandoned(exchange)


def _price_as_answered(exchange: Exchange, prices: PriceTable) -> None:
    """Of the models that a request names the one that answered is charged; where that is none of them, or has no price,
    the cost is an estimate."""
    answered, llm = exchange.response_model or "", exchange.served_by or exchange.llm
    named = [name for name in (exchange.model, *exchange.further_models) if name and answered.startswith(name)]
    model = max(named, key=len, default=None)
    if model == exchange.model or llm is None:
        return
    price = prices.find(llm.vendor, model, exchange.occurred_at) if model is not None else None
    if price is None:
        exchange.usage_problem = exchange.usage_problem or "other_model"
    else:
        exchange.price, exchange.priced_model = price, model


def _price_last(exchange: Exchange) -> None:
    """The last attempt alone: each before it was repeated because nothing was charged, or was given up."""
    usage, problem = exchange.usage, exchange.usage_problem
    if usage is None and _vendor_refused(exchange):
        exchange.cost_nanos, exchange.cost_status = 0, "exact"
        return
    if exchange.method in _LOOKS or (exchange.is_free and _counts_nothing(usage)):
        exchange.usage, exchange.usage_problem = Usage(prompt_tokens=0, response_tokens=0), ""
        exchange.cost_nanos, exchange.cost_status = 0, "exact"
        return
    price, status = exchange.price, "exact"
    if usage is None:
        usage, status = _estimate(exchange), "estimated"
        exchange.usage, exchange.usage_problem = usage, problem or ("missing" if _is_metered(exchange) else "")
    else:
        if problem == BATCH_TIER and price is not None and price.knows_batch:
            exchange.is_batch, exchange.is_batch_tier, problem = True, True, ""
        if not problem and (contradictions := usage.contradictions()):
            problem = contradictions[0]
        exchange.usage_problem = problem
        if problem:
            status = "estimated"
            if usage.prompt_tokens is None:  # the output alone was counted
                usage.prompt_tokens = estimate_tokens(len(exchange.body))
    if price is None:
        exchange.cost_status = "unpriced"
        return
    exchange.cost_nanos, exchange.cost_status = cost_nanos(price, usage, is_batch=exchange.is_batch), status


def _counts_nothing(usage: Usage | None) -> bool:
    """Of what is free a vendor may say so; one that counts tokens all the same is believed."""
    return usage is None or not (usage.prompt_tokens or usage.response_tokens)


def abandon(exchange: Exchange) -> None:
    """The LLM asked so far is given up for another; what its last attempt may have cost is kept, as an estimate."""
    if exchange.attempts and exchange.attempts[-1]["may_be_billed"]:
        cost = cost_nanos(exchange.price, _estimate(exchange)) if exchange.price else 0
        exchange.abandoned_nanos = (exchange.abandoned_nanos or 0) + cost


def _add_abandoned(exchange: Exchange) -> None:
    """The sum is an estimate, however exact one part of it is; without any price there is none."""
    if exchange.cost_nanos is None and not exchange.abandoned_nanos:
        exchange.cost_status = "unpriced"
    else:
        exchange.cost_nanos = (exchange.cost_nanos or 0) + (exchange.abandoned_nanos or 0)
        exchange.cost_status = "estimated"


def _vendor_refused(exchange: Exchange) -> bool:
    status = exchange.upstream_status
    return status is not None and status >= 400


def _is_metered(exchange: Exchange) -> bool:
    """Paths that have no model are not metered by any vendor (lists, health, files): they cost nothing."""
    if exchange.method in _LOOKS or exchange.is_free:
        return False
    return exchange.model is not None or exchange.body[:1] == b"{"


def _estimate(exchange: Exchange) -> Usage:
    """JSON that is sent to a path we do not know may cost too, whoever chooses the model."""
    if not _is_metered(exchange):
        return Usage(prompt_tokens=0, response_tokens=0)
    received = exchange.sse_frames if exchange.is_stream else estimate_tokens(exchange.response_bytes)
    if exchange.is_batch and exchange.max_response_tokens is not None:  # it comes later, if ever it is asked for
        received = exchange.max_response_tokens
    return Usage(prompt_tokens=estimate_tokens(len(exchange.body)), response_tokens=received)
