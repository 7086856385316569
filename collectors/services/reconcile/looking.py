"""The second look: events one by one, but only those that do not seem to be where they should be.

What is missing by its number is asked for by its id before it is called missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable
from collectors.services.reconcile.letters import Letters
from collectors.services.reconcile.reading import EventReader
from collectors.services.reconcile.results import Comparison, Item, Verdict
from collectors.services.reconcile.scan import Chunk, Demand, Scan
from collectors.services.reconcile.sequences import contains, union
from collectors.services.reconcile.stores import Store
from schemas.events import Kind
from sluice.clock import iso_micros
from sluice.eventlog.interface import Boot, Partition
from sluice.intervals import Intervals

MAX_DISPLACED = 100_000
"""Ids of events that a store has under other numbers: so many are remembered."""


@dataclass(slots=True)
class Doubt:
    """What of one comparison must be looked at."""

    comparison: Comparison
    demand: Demand
    store: Store
    absent: pl.DataFrame
    """Numbers that the store does not show."""
    shared: pl.DataFrame
    """Numbers that stand for several of its documents, or of the log's records: there only ids tell."""
    ids: set[str] = field(default_factory=set)
    """Of all of the log's events with shared numbers."""
    displaced: set[str] = field(default_factory=set)
    """Ids that the store has, but not under their numbers."""

    @property
    def wanted(self) -> pl.DataFrame:
        """All that must be looked at."""
        return union(self.absent, self.shared)


class Look:
    """Goes through some chunks again, and settles every doubt."""

    def __init__(self, reader: EventReader, scan: Scan, letters: Letters, limit: int) -> None:
        self._reader = reader
        self._scan = scan
        self._letters = letters
        self._limit = limit

    async def settle(self, doubts: Sequence[Doubt], progress: Callable[[int, int], None]) -> None:
        """Raises EventLogError."""
        for kind in dict.fromkeys(doubt.demand.kind for doubt in doubts):
            of_kind = [doubt for doubt in doubts if doubt.demand.kind == kind]
            chunks = self._chunks(kind, of_kind)
            for at, chunk in enumerate(chunks):
                await self._look_at(kind, chunk, of_kind)
                progress(at + 1, len(chunks))

    def _chunks(self, kind: Kind, doubts: Sequence[Doubt]) -> list[Chunk]:
        found = dict.fromkeys(chunk for doubt in doubts for chunk in self._scan.where(kind, doubt.wanted))
        return list(found)

    async def _look_at(self, kind: Kind, chunk: Chunk, doubts: Sequence[Doubt]) -> None:
        async for partition, frame in self._reader.frames({chunk.partition: chunk.offsets}):
            if frame.kind == kind:
                numbered = self._scan.numbered(frame)
                for doubt in doubts:
                    await self._settle_or_give_up(doubt, partition, numbered)

    async def _settle_or_give_up(self, doubt: Doubt, partition: Partition, frame: Frame) -> None:
        """A store that goes away meanwhile holds no other up."""
        if doubt.comparison.problem:
            return
        try:
            await self._settle(doubt, partition, frame)
        except (Retryable, Halt) as cause:
            doubt.comparison.give_up(cause)

    async def _settle(self, doubt: Doubt, partition: Partition, frame: Frame) -> None:
        rows = frame.rows
        is_absent = contains(doubt.absent, rows["boot"], rows["sequence"])
        is_shared = contains(doubt.shared, rows["boot"], rows["sequence"])
        is_due = (is_absent | is_shared) & doubt.demand.mask(frame, partition)
        # what a relay sent twice is looked at once
        positions = [at for at in is_due.arg_true() if not is_shared[at] or rows["event_id"][at] not in doubt.ids]
        doubt.ids.update(rows["event_id"].filter(is_shared))
        if not positions:
            return
        there = await doubt.store.present(frame.kind, set(rows["event_id"].gather(positions)))
        for at in positions:
            if rows["event_id"][at] not in there:
                self._judge(doubt, partition, frame, at)
            elif is_absent[at]:
                doubt.comparison.explained["by_id"] += 1
                if len(doubt.displaced) < MAX_DISPLACED:
                    doubt.displaced.add(rows["event_id"][at])

    def _judge(self, doubt: Doubt, partition: Partition, frame: Frame, at: int) -> None:
        """One that is not there."""
        comparison = doubt.comparison
        letter = self._letters.of(frame.rows["event_id"][at], doubt.demand.target.letters_of)
        verdict: Verdict = "missing" if letter is None else "dead_lettered"
        if letter is None:
            comparison.missing += 1
        else:
            comparison.explained["dead_lettered"] += 1
        if sum(item.verdict == verdict for item in comparison.items) < self._limit:
            comparison.items.append(
                _item(verdict, comparison, partition, frame, at, "" if letter is None else str(letter))
            )


def _item(verdict: Verdict, comparison: Comparison, partition: Partition, frame: Frame, at: int, why: str) -> Item:
    row = frame.rows.row(at, named=True)
    return Item(
        verdict,
        comparison.sink,
        frame.kind,
        Boot(row["gateway_id"], row["worker"], row["boot_id"]),
        Intervals.of([row["sequence"]]),
        row["event_id"],
        row["outcome"],
        iso_micros(row["occurred_at"]),
        why,
        f"{partition.topic}/{partition.partition}/{frame.delivery.records[at].offset}",
    )
