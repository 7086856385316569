"""Usage → tokens → cost: what an exchange was worth, and how sure we are.

``exact``      the vendor counted, and we have its price; or the vendor refused, which costs nothing
``estimated``  the vendor may have charged but did not say how much: a quarter of the bytes sent, and a token for each
               SSE frame (or a quarter of the bytes) received
``unpriced``   counted or estimated, but no price is known
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.money.cost import cost_nanos
from sluice.money.usage import Usage

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.upstreams.vendors.dialect import Answer

_BYTES_PER_TOKEN = 4  # the usual rule of thumb for English text and JSON


def estimate_tokens(size: int) -> int:
    """Tokens of so many bytes, rounded up."""
    return -(-size // _BYTES_PER_TOKEN)


def take_answer(exchange: Exchange, answer: Answer) -> None:
    """Copy what a response body or stream said of its worth."""
    exchange.usage = answer.usage
    exchange.raw_usage = answer.raw_usage
    exchange.response_model = answer.model
    exchange.tool_calls = answer.tool_calls
    if answer.choices or not exchange.is_stream or _vendor_refused(exchange):
        exchange.choices = answer.choices


def price_exchange(exchange: Exchange) -> None:
    """Fill ``usage``, ``cost_nanos`` and ``cost_status``; nothing where no vendor was called."""
    if exchange.attempts and exchange.attempts[-1]["may_be_billed"]:
        _price_last(exchange)
    if exchange.abandoned_nanos is not None:
        _add_abandoned(exchange)


def _price_last(exchange: Exchange) -> None:
    """The last attempt alone: each before it was repeated because nothing was charged, or was given up."""
    if exchange.usage is None and _vendor_refused(exchange):
        exchange.cost_nanos, exchange.cost_status = 0, "exact"
        return
    status = "exact"
    if exchange.usage is None:
        exchange.usage, status = _estimate(exchange), "estimated"
    if exchange.price is None:
        exchange.cost_status = "unpriced"
        return
    exchange.cost_nanos, exchange.cost_status = cost_nanos(exchange.price, exchange.usage), status


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


def _estimate(exchange: Exchange) -> Usage:
    """Paths that have no model are not metered by any vendor (lists, health): they cost nothing."""
    if exchange.model is None:
        return Usage(prompt_tokens=0, response_tokens=0)
    received = exchange.sse_frames if exchange.is_stream else estimate_tokens(exchange.response_bytes)
    return Usage(prompt_tokens=estimate_tokens(len(exchange.body)), response_tokens=received)
