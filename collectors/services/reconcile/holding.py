"""What a store holds of one kind, put together from parts of its span that are small enough to be answered at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from collectors.services.reconcile.boots import Boots
from collectors.services.reconcile.sequences import Sequences
from collectors.services.reconcile.stores import Span, Store, slices
from schemas.events import Kind

MOST = 50_000
"""Documents of a part: five pages of Elasticsearch's, each of which goes through all of the part."""


@dataclass(slots=True)
class Held:
    """As large as there are ranges, not documents."""

    numbers: Sequences = field(default_factory=Sequences)
    documents: int = 0
    unnumbered: int = 0
    oldest: int | None = None


async def hold(
    store: Store, kind: Kind, span: Span, boots: Boots, progress: Callable[[int, int], None], most: int = MOST
) -> Held:
    """Everything of a span. Raises Retryable or Halt, and then nothing is known."""
    await store.open(kind)
    held = Held(oldest=await store.oldest(kind))
    expected = await store.count(kind, span)
    async for part_span, _ in slices(store, kind, span, most):
        part = await store.part(kind, part_span)
        if part.ranges.height:
            numbers = boots.numbered(part.ranges)
            held.numbers.add(part.ranges.with_columns(numbers.alias("boot")))
        held.documents += part.documents
        held.unnumbered += part.unnumbered
        progress(min(held.documents, expected), expected)
    return held
