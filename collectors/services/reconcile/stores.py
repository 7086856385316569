"""What a store is to a comparison: it says which sequence numbers it holds, which ids, and what stands in documents.

An answer is whole or none: a store of which a part is away raises, so that what is merely unseen is never missing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import polars as pl

from schemas.events import Kind
from sluice.eventlog.interface import Boot

MILLISECOND_MICROS = 1_000
"""As fine as Elasticsearch knows times: spans begin and end with one."""


class Span(NamedTuple):
    """Exchanges of ``[start, end)``, in microseconds since the epoch."""

    start: int
    end: int

    @classmethod
    def of_ms(cls, start_ms: int, end_ms: int) -> Span:
        """From milliseconds."""
        return cls(start_ms * MILLISECOND_MICROS, end_ms * MILLISECOND_MICROS)

    def halves(self) -> tuple[Span, Span] | None:
        """Its two halves; ``None`` of one that cannot be halved."""
        middle = (self.start + self.end) // 2 // MILLISECOND_MICROS * MILLISECOND_MICROS
        return (Span(self.start, middle), Span(middle, self.end)) if self.start < middle < self.end else None


@dataclass(frozen=True, slots=True)
class Part:
    """What a store holds of a span."""

    ranges: pl.DataFrame
    """The columns gateway_id, worker, boot_id, first and last. A number that several documents have is in it several
    times."""
    documents: int
    """All of the span."""
    unnumbered: int
    """Those of them without a gateway, worker, boot or sequence number: old ones, or somebody else's."""


@dataclass(frozen=True, slots=True)
class Document:
    """One that a store holds, as far as it says what it is."""

    event_id: str
    sequence: int
    outcome: str = ""
    occurred_at: str = ""


class Store(Protocol):
    """All raise Retryable or Halt, and then nothing is known."""

    async def open(self, kind: Kind, *, refreshes: bool = True) -> None:
        """Called once before a kind is asked for; makes what was written visible, unless told not to: whoever asks for
        one event may as well ask again."""
        ...

    async def count(self, kind: Kind, span: Span) -> int:
        """How many documents it has of a span."""
        ...

    async def oldest(self, kind: Kind) -> int | None:
        """When its first exchange was, in microseconds; ``None`` where it has none."""
        ...

    async def part(self, kind: Kind, span: Span) -> Part:
        """Everything of a span; of one moment, or of several that agree."""
        ...

    async def present(self, kind: Kind, ids: Collection[str]) -> set[str]:
        """Which of these event ids it has, whatever else stands in the documents."""
        ...

    async def documents(
        self, kind: Kind, span: Span, boot: Boot, numbers: tuple[int, int], limit: int
    ) -> list[Document]:
        """Those of a boot with these sequence numbers (both inclusive), in their order; at most ``limit``."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


async def slices(store: Store, kind: Kind, span: Span, most: int) -> AsyncIterator[tuple[Span, int]]:
    """The parts of a span that have documents, with how many: at most ``most`` each, where it can be halved so far."""
    waiting = [span]
    while waiting:
        part = waiting.pop()
        found = await store.count(kind, part)
        halves = part.halves() if found > most else None
        if halves is not None:
            waiting += halves[::-1]
        elif found:
            yield part, found
