"""Spans are cut until a store can answer at once, and every document is in exactly one part."""

from __future__ import annotations

from itertools import pairwise

from collectors.services.reconcile.stores import Span, slices
from tests.collectors.services.reconcile.holdings import Held, MemoryStore

SPAN = Span(0, 1_000_000_000)


async def test_parts_cover_everything_once() -> None:
    """In order, none larger than wanted, none that is empty."""
    times = [at * at * 1_000 for at in range(500)]
    store = MemoryStore([Held(f"x{at}", at, at) for at in times])
    parts = [part async for part in slices(store, "budget", SPAN, 20)]
    assert all(0 < number <= 20 for _, number in parts)
    assert sum(number for _, number in parts) == 500
    assert [span for span, _ in parts] == sorted(span for span, _ in parts)
    assert all(first.end <= second.start for (first, _), (second, _) in pairwise(parts))
    assert all(span.start <= at < span.end for span, _ in parts for at in times if span.start <= at < span.end)
    assert len(store.asked) < 300  # counts; a half is not asked again and again


async def test_a_millisecond_cannot_be_cut() -> None:
    """However much of it there is: it is one part, and the cutting ends."""
    store = MemoryStore([Held(f"x{at}", at, 7_000 + at) for at in range(100)])
    assert [part async for part in slices(store, "budget", SPAN, 10)] == [(Span(7_000, 8_000), 100)]


async def test_nothing_is_no_part() -> None:
    """Of an empty store, and of an empty span."""
    assert [part async for part in slices(MemoryStore(), "budget", SPAN, 10)] == []
    assert [part async for part in slices(MemoryStore([Held("x", 1)]), "budget", Span(1_000, 1_000), 10)] == []


def test_halves_meet_at_a_whole_millisecond() -> None:
    """As fine as Elasticsearch knows times."""
    assert Span(0, 3_000).halves() == (Span(0, 1_000), Span(1_000, 3_000))
    assert Span(1_000, 2_000).halves() is None
    assert Span.of_ms(1, 2) == Span(1_000, 2_000)
