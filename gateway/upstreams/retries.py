"""Whether a call to a vendor is made again, and how long after: never where the one before may have been charged."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from gateway.errors import UpstreamFault
from gateway.headers import header
from gateway.upstreams.client import UpstreamResponse

if TYPE_CHECKING:
    from gateway.snapshot import Llm
    from gateway.upstreams.client import Headers

End = UpstreamResponse | UpstreamFault
"""How an attempt ended: with the head of an answer, or without."""
REFUSED_FOR_NOW = frozenset((429, 500, 502, 503, 504, 529))
"""A vendor says by these that it did not do the work, and that a repetition may succeed (529 is an overload)."""
MAX_PAUSE_SECONDS = 2.0
"""A client waits for us meanwhile: a vendor that asks for a longer pause is not asked again."""
_FIRST_PAUSE_SECONDS = 0.1


def has_failed(end: End) -> bool:
    """Whether an attempt ended in what a repetition, or another LLM, may do better."""
    return isinstance(end, UpstreamFault) or end.status in REFUSED_FOR_NOW


def pause_seconds(llm: Llm, default_retries: int, retries_made: int, end: End) -> float | None:
    """How long to wait before a failed attempt is repeated at the same LLM; ``None`` where it is not.

    ``default_retries`` are for connections alone: an SDK repeats a refused request by itself, and each layer that does
    so too multiplies the load of a vendor that has too much of it. An LLM's own ``retry_count`` is for both.
    """
    asked = 0.0
    if not isinstance(end, UpstreamFault):
        retries, asked = llm.retry_count or 0, retry_after_seconds(end.headers)
    elif end.may_be_billed:
        return None
    else:
        retries = default_retries if llm.retry_count is None else llm.retry_count
    if retries_made >= retries or asked > MAX_PAUSE_SECONDS:
        return None
    backoff = min(_FIRST_PAUSE_SECONDS * (1 << retries_made), MAX_PAUSE_SECONDS)
    return max(asked, backoff * random.uniform(0.5, 1.0))


def retry_after_seconds(headers: Headers) -> float:
    """What ``Retry-After`` asks for: 0 where it is absent. A date, or what is no time, is longer than we wait."""
    value = header(headers, b"retry-after")
    if value is None:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        return float("inf")
    return seconds if seconds >= 0 else float("inf")
