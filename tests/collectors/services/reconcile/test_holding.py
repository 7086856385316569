"""What a store holds is put together from its parts, and known only when it is whole."""

from __future__ import annotations

import pytest

from collectors.errors import Retryable
from collectors.services.reconcile.boots import Boots
from collectors.services.reconcile.holding import hold
from collectors.services.reconcile.sequences import count
from collectors.services.reconcile.stores import Span
from tests.collectors.services.reconcile.holdings import Held, MemoryStore

SPAN = Span(0, 10_000_000)


async def test_parts_are_one_whole() -> None:
    """Numbers, documents, those without a number, the oldest; and progress to the end."""
    store = MemoryStore([Held(f"x{at}", at, 5_000 + at * 1_000) for at in range(1, 51)])
    store.held += [Held("old", 0, 5_000), Held("twin", 7, 12_000)]
    seen: list[tuple[int, int]] = []
    held = await hold(store, "budget", SPAN, Boots(), lambda done, total: seen.append((done, total)), most=8)
    assert [row[1:] for row in held.numbers.ranges.iter_rows()] == [(1, 50)]
    assert count(held.numbers.repeated) == 1
    assert (held.documents, held.unnumbered, held.oldest) == (52, 1, 5_000)
    assert seen[-1] == (52, 52)
    assert sum(asked[0] == "part" for asked in store.asked) >= 6


async def test_a_store_that_is_away_holds_nothing_known() -> None:
    """It raises: nothing is taken for missing."""
    with pytest.raises(Retryable):
        await hold(MemoryStore(cause=Retryable("away")), "budget", SPAN, Boots(), lambda *_: None)
