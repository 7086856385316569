"""Analytics as a re-pricing reads them."""

from __future__ import annotations

from typing import Any

from collectors.jobs.reprice.repricing import Old
from sluice.money.prices import Price
from tests.collectors.events import NOW_MICROS

ATTEMPT = {"llm_id": 3, "llm_slug": "gpt", "status": 200, "error_kind": "", "may_be_billed": True, "micros": 9}
PRICE = Price("new", "2", "openai", "gpt-4o", "USD", 2_000_000_000, 8_000_000_000, 1_000_000_000, 2_000_000_000)
_OLD = Old(
    "openai", "gpt-4o", NOW_MICROS, [], [ATTEMPT], "ok", "gpt", 100, 10, None, None, None,
    '{"prompt_tokens":100,"completion_tokens":10}', 5, "USD", "old", "1", "exact",
)  # fmt: skip
COST = 100 * 2_000 + 10 * 8_000


def an_event(**changes: Any) -> Old:
    """One that was charged 5 nanos and costs ``COST`` by ``PRICE``, but for these."""
    return _OLD._replace(**changes)
