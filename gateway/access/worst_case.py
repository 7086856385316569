"""The most that an exchange can cost: all of its input, and as much output as it may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.access.input_tokens import InputCount, count_input
from gateway.upstreams.failover import dearest_nanos

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.snapshot import Llm

MAX_NANOS = (1 << 62) - 1
"""Slots, events and cells carry money as a 64-bit integer; half of it, so that a cell can hold more than one."""
NO_MODEL = InputCount(0, "bytes", is_bounded=False, unbounded_because="the request names no model")


class WorstCase(NamedTuple):
    """Counted input, and the most output of an answer."""

    counted: InputCount
    maximum: int
    is_asked: bool
    """Whether the request itself names the maximum."""
    answers: int
    """How many times the most output may come: choices, of each prompt of a batch."""

    @property
    def tokens(self) -> int:
        """Of input and output together."""
        return self.counted.tokens + self.maximum * self.answers

    def described(self) -> str:
        """What was wanted, and how it was counted: for the event of a refusal."""
        output = f"{self.answers} x {self.maximum}" if self.answers > 1 else str(self.maximum)
        return f"{self.counted.tokens} tokens of input, counted by {self.counted.how}, and up to {output} of output"

    def nanos(self, exchange: Exchange) -> int:
        """At the dearest price of whoever may answer: of its classes of tokens (input that is written to a cache, or
        is sound) and of its tiers; 0 without any price."""
        return self.nanos_with(exchange, self.maximum)

    def nanos_with(self, exchange: Exchange, maximum: int) -> int:
        """As ``nanos``, if the most output of an answer were another."""
        return min(dearest_nanos(exchange, self.counted.tokens, maximum * self.answers), MAX_NANOS)


def worst_case(exchange: Exchange, llm: Llm, default_output_tokens: int) -> WorstCase:
    """Of a request as it goes to its vendor. Takes up to some milliseconds; most take a tenth of one."""
    asked = exchange.max_response_tokens
    counted = _count(exchange, llm)
    return WorstCase(
        counted=counted,
        maximum=(llm.max_tokens or default_output_tokens) if asked is None else max(asked, 0),
        is_asked=asked is not None,
        answers=max(exchange.choices, counted.answers, 1),
    )


def _count(exchange: Exchange, llm: Llm) -> InputCount:
    """The largest count of whoever may answer: vocabularies differ, and what an image costs; without a bound where one
    of them has none."""
    if exchange.model is None:
        return NO_MODEL
    if exchange.bridge is not None:
        return exchange.bridge.largest_input(exchange, llm)
    counted = count_input(exchange.body, llm, exchange.model)
    seen: set[tuple[str, str | None]] = {(llm.vendor, exchange.model)}
    for candidate in exchange.failover:
        who = (candidate.llm.vendor, candidate.model)
        if who not in seen and counted.is_bounded:
            seen.add(who)
            other = count_input(exchange.body, candidate.llm, candidate.model)
            counted = counted if other.is_bounded and other.tokens <= counted.tokens else other
    return counted
