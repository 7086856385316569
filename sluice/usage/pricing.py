"""What counted usage costs at a price, and how sure that is: as the gateway settles an exchange."""

from __future__ import annotations

from typing import NamedTuple

from sluice.money.cost import cost_nanos
from sluice.money.prices import Price
from sluice.money.usage import Usage
from sluice.usage.counts import BATCH_TIER


class Settled(NamedTuple):
    """An amount of nanos; ``status`` is ``exact`` or ``estimated``."""

    nanos: int
    status: str


def settle(price: Price, usage: Usage, problem: str = "", *, is_batch: bool = False) -> Settled:
    """``problem`` is why the usage cannot be trusted, or empty. A vendor's batch price is exact where it is known."""
    if problem == BATCH_TIER and price.knows_batch:
        is_batch, problem = True, ""
    if not problem:
        found = usage.contradictions()
        problem = found[0] if found else ""
    return Settled(cost_nanos(price, usage, is_batch=is_batch), "estimated" if problem else "exact")
