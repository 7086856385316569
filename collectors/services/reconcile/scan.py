"""The log, read once: which numbers it has, which of them each target should have, and where they lie in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import polars as pl

from collectors.deliveries import Frame
from collectors.services.reconcile.boots import Boots
from collectors.services.reconcile.sequences import MAX_SEQUENCE, Sequences
from collectors.services.reconcile.stores import Span
from collectors.services.reconcile.targets import Target
from schemas.events import Kind
from sluice.eventlog.interface import Partition
from sluice.eventlog.ranges import OffsetRange

_MAX_BOOTS = 256
"""A chunk with events of more boots is looked at for each of them: what is remembered of chunks stays small."""
_EXACT_RANGES = 2_000
"""More ranges than these are looked for by the first and the last number of each boot."""

Reason = Literal["in_flight", "retention"]


class Chunk(NamedTuple):
    """Some records that were read together."""

    partition: Partition
    offsets: OffsetRange


@dataclass(slots=True)
class Demand:
    """What of one kind one target should have."""

    target: Target
    kind: Kind
    span: Span
    committed: Mapping[Partition, int] | None
    """Next offsets of its group: what lies behind them is not acknowledged yet. ``None`` is that everything is."""
    cutoff: int = 0
    """Exchanges before this moment may have been deleted by retention; microseconds."""
    numbers: Sequences = field(default_factory=Sequences)
    excused: dict[Reason, Sequences] = field(default_factory=dict)

    def mask(self, frame: Frame, partition: Partition, *, excuse: bool = False) -> pl.Series:
        """Of each row whether it should be there; ``excuse`` counts the others that are selected."""
        occurred = frame.rows["occurred_at"]
        selected = self.target.wanted(frame) & (occurred >= self.span.start) & (occurred < self.span.end)
        is_settled = self._is_settled(frame, partition)
        is_kept = occurred >= self.cutoff
        if excuse:
            self._excuse("in_flight", frame, selected & ~is_settled)
            self._excuse("retention", frame, selected & is_settled & ~is_kept)
        return selected & is_settled & is_kept

    def _is_settled(self, frame: Frame, partition: Partition) -> pl.Series:
        if self.committed is None:
            return pl.repeat(value=True, n=frame.rows.height, dtype=pl.Boolean, eager=True)
        return _offsets(frame) < self.committed.get(partition, 0)

    def _excuse(self, reason: Reason, frame: Frame, mask: pl.Series) -> None:
        if mask.any():
            boots, numbers = frame.rows["boot"].filter(mask), frame.rows["sequence"].filter(mask)
            self.excused.setdefault(reason, Sequences()).add_numbers(boots, numbers)


def _offsets(frame: Frame) -> pl.Series:
    return pl.Series([record.offset for record in frame.delivery.records], dtype=pl.Int64)


class Scan:
    """What the first reading of the log leaves behind; as large as there are ranges, not events."""

    def __init__(self, spans: Mapping[Kind, Span], demands: Sequence[Demand], boots: Boots) -> None:
        self._spans = spans
        self._demands = demands
        self._boots = boots
        self.all: dict[Kind, Sequences] = {kind: Sequences() for kind in spans}
        """Every number that was read, whenever its exchange was."""
        self.within: dict[Kind, Sequences] = {kind: Sequences() for kind in spans}
        """Those of exchanges of the span."""
        self._chunks: dict[Kind, list[Chunk]] = {kind: [] for kind in spans}
        self._places: dict[Kind, list[pl.DataFrame]] = {kind: [] for kind in spans}
        self._crowded: dict[Kind, list[int]] = {kind: [] for kind in spans}

    def numbered(self, frame: Frame) -> Frame:
        """Those rows that have a number of ours, with the number of their boot."""
        positions = frame.rows["sequence"].is_between(1, MAX_SEQUENCE).arg_true().to_list()
        kept = frame.pick(positions)
        return Frame(kept.kind, kept.rows.with_columns(self._boots.numbered(kept.rows).alias("boot")), kept.delivery)

    def add(self, partition: Partition, frame: Frame) -> None:
        """Take a frame in."""
        found = self.numbered(frame)
        rows = found.rows
        if not rows.height:
            return
        self.all[frame.kind].add_numbers(rows["boot"], rows["sequence"])
        span, occurred = self._spans[frame.kind], rows["occurred_at"]
        is_within = (occurred >= span.start) & (occurred < span.end)
        self.within[frame.kind].add_numbers(rows["boot"].filter(is_within), rows["sequence"].filter(is_within))
        for demand in self._demands:
            if demand.kind == frame.kind:
                mask = demand.mask(found, partition, excuse=True)
                demand.numbers.add_numbers(rows["boot"].filter(mask), rows["sequence"].filter(mask))
        self._remember(partition, found)

    def _remember(self, partition: Partition, frame: Frame) -> None:
        records, chunks = frame.delivery.records, self._chunks[frame.kind]
        places = frame.rows.group_by("boot").agg(
            pl.col("sequence").min().alias("first"), pl.col("sequence").max().alias("last")
        )
        if places.height > _MAX_BOOTS:
            self._crowded[frame.kind].append(len(chunks))
        else:
            self._places[frame.kind].append(places.with_columns(pl.lit(len(chunks), pl.UInt32).alias("chunk")))
        chunks.append(Chunk(partition, OffsetRange(records[0].offset, records[-1].offset + 1)))

    def where(self, kind: Kind, wanted: pl.DataFrame) -> list[Chunk]:
        """The chunks that events with these numbers can lie in, in the order in which they were read."""
        numbers = set(self._crowded[kind])
        if self._places[kind]:
            places = pl.concat(self._places[kind])
            if wanted.height > _EXACT_RANGES:
                wanted = wanted.group_by("boot").agg(pl.col("first").min(), pl.col("last").max())
            met = places.join(wanted.rename({"first": "from", "last": "to"}), on="boot")
            met = met.filter((pl.col("first") <= pl.col("to")) & (pl.col("last") >= pl.col("from")))
            numbers.update(met["chunk"].unique().to_list())
        return [self._chunks[kind][number] for number in sorted(numbers)]
