"""A store in memory that is compared, and documents for real ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from collectors.errors import Halt, Retryable
from collectors.services.reconcile.boots import NAMES
from collectors.services.reconcile.stores import Document, Part, Span
from schemas.events import Kind
from sluice.eventlog.interface import Boot

BOOT = Boot("gw-1", "0", "b" * 32)
"""That of ``make_record``."""


@dataclass
class Held:
    """One document of the store in memory."""

    event_id: str
    sequence: int
    occurred_at: int = 1_000
    boot: Boot = BOOT


@dataclass
class MemoryStore:
    """A ``Store``; while ``cause`` is set, whoever asks gets it."""

    held: list[Held] = field(default_factory=list)
    cause: Retryable | Halt | None = None
    asked: list[Any] = field(default_factory=list)
    closed: bool = False

    def _within(self, span: Span) -> list[Held]:
        if self.cause is not None:
            raise self.cause
        return [each for each in self.held if span.start <= each.occurred_at < span.end]

    async def open(self, kind: Kind, *, refreshes: bool = True) -> None:
        self.asked.append(("open", kind))
        self._within(Span(0, 0))

    async def count(self, kind: Kind, span: Span) -> int:
        self.asked.append(("count", span))
        return len(self._within(span))

    async def oldest(self, kind: Kind) -> int | None:
        return min((each.occurred_at for each in self.held), default=None)

    async def part(self, kind: Kind, span: Span) -> Part:
        self.asked.append(("part", span))
        found = self._within(span)
        rows = [
            (each.boot.gateway_id, each.boot.worker, each.boot.boot_id, each.sequence, each.sequence)
            for each in found
            if each.sequence > 0
        ]
        schema = {**dict.fromkeys(NAMES, pl.String), "first": pl.Int64, "last": pl.Int64}
        return Part(pl.DataFrame(rows, schema=schema, orient="row"), len(found), len(found) - len(rows))

    async def present(self, kind: Kind, ids: Collection[str]) -> set[str]:
        self.asked.append(("present", set(ids)))
        return {each.event_id for each in self._within(Span(0, 1 << 62))} & set(ids)

    async def documents(
        self, kind: Kind, span: Span, boot: Boot, numbers: tuple[int, int], limit: int
    ) -> list[Document]:
        self.asked.append(("documents", boot, numbers, limit))
        found = [each for each in self._within(span) if each.boot == boot and numbers[0] <= each.sequence <= numbers[1]]
        return [Document(each.event_id, each.sequence) for each in found][:limit]

    async def close(self) -> None:
        self.closed = True
