"""What passes between the steps: records with their lanes, then the same as columns, then a batch."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import polars as pl

from collectors.errors import Unprocessable
from collectors.tracker import Lane
from schemas.events import Kind
from sluice.eventlog.interface import PolledRecord

ValueT = TypeVar("ValueT")

_FEW = 2
"""One in so many rows, or fewer, are worth a copy: then what is held is at most so many times what is needed."""
_SETTLED = 4
"""As that, of what is left of a batch: it is cut each time that so much more is settled."""


@dataclass(slots=True)
class Delivery:
    """Records in the order they were polled, each with the lane it came on."""

    records: list[PolledRecord] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """Bytes of each value, looked up once: later a record has left the processor's caches, and each look is slow."""

    def __post_init__(self) -> None:
        if not self.sizes:
            self.sizes = _sizes(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def add(self, record: PolledRecord, lane: Lane) -> None:
        """Append one."""
        self.add_lane((record,), lane)

    def add_lane(self, records: Sequence[PolledRecord], lane: Lane) -> None:
        """Append these, all of one lane."""
        self.records += records
        self.lanes += [lane] * len(records)
        self.sizes += _sizes(records)

    def extend(self, other: Delivery) -> None:
        """Append all of another."""
        self.records += other.records
        self.lanes += other.lanes
        self.sizes += other.sizes

    def pick(self, positions: Sequence[int]) -> Delivery:
        """Those at these positions."""
        return Delivery(
            [self.records[at] for at in positions],
            [self.lanes[at] for at in positions],
            [self.sizes[at] for at in positions],
        )

    def slice(self, start: int, end: int) -> Delivery:
        """Those from ``start`` up to ``end``."""
        return Delivery(self.records[start:end], self.lanes[start:end], self.sizes[start:end])

    def slices(self, max_records: int, max_bytes: int) -> Iterator[Delivery]:
        """Runs of at most as much, so that nobody works on one for long; a record above ``max_bytes`` is its own."""
        start, size = 0, 0
        for at, length in enumerate(self.sizes):
            if at - start == max_records or (size and size + length > max_bytes):
                yield self.slice(start, at)
                start, size = at, 0
            size += length
        if start < len(self.records):
            yield self if start == 0 else self.slice(start, len(self.records))

    def size_bytes(self) -> int:
        """Bytes of all values."""
        return sum(self.sizes)

    def by_lane(self) -> Iterable[tuple[Lane, list[PolledRecord]]]:
        """The records of each lane."""
        return self._by_lane(self.records)

    def sizes_by_lane(self) -> Iterable[tuple[Lane, list[int]]]:
        """The bytes of each value of each lane."""
        return self._by_lane(self.sizes)

    def _by_lane(self, values: list[ValueT]) -> Iterable[tuple[Lane, list[ValueT]]]:
        if self.lanes and self.lanes.count(self.lanes[0]) == len(self.lanes):
            return ((self.lanes[0], values),)
        groups: dict[Lane, list[ValueT]] = defaultdict(list)
        for value, lane in zip(values, self.lanes, strict=True):
            groups[lane].append(value)
        return groups.items()


def _sizes(records: Iterable[PolledRecord]) -> list[int]:
    return [len(record.value or b"") for record in records]


@dataclass(slots=True)
class Frame:
    """Decoded events of one kind as columns; row *n* is record *n* of ``delivery``."""

    kind: Kind
    rows: pl.DataFrame
    delivery: Delivery

    def slice(self, start: int, end: int) -> Frame:
        """The rows from ``start`` up to ``end``."""
        return Frame(self.kind, self.rows.slice(start, end - start), self.delivery.slice(start, end))

    def pick(self, positions: Sequence[int]) -> Frame:
        """The rows at these positions, each at most once; itself where these are all."""
        if len(positions) == len(self.delivery):
            return self
        rows = self.rows[list(positions)]
        if _FEW * len(positions) <= self.rows.height:
            rows = copied(rows)
        return Frame(self.kind, rows, self.delivery.pick(positions))

    def producers(self, positions: Sequence[int] | None = None) -> dict[str, int]:
        """How many of these rows, or of all, each gateway made."""
        gateways = self.rows["gateway_id"]
        if positions is not None and len(positions) < len(gateways):
            gateways = gateways.gather(positions)
        return dict(gateways.value_counts().iter_rows())


def copied(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows, holding on to nothing else: what is picked of a frame shares all of its texts and bodies.

    Through a format that has no views, so that only the bytes of these rows are written.
    """
    buffer = io.BytesIO()
    rows.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    buffer.seek(0)
    return pl.read_ipc_stream(buffer)


def joined(frames: Sequence[Frame]) -> Frame:
    """Frames of one kind as one."""
    if len(frames) == 1:
        return frames[0]
    delivery = Delivery()
    for frame in frames:
        delivery.extend(frame.delivery)
    return Frame(frames[0].kind, pl.concat([frame.rows for frame in frames], rechunk=True), delivery)


@dataclass(slots=True)
class Poison:
    """Records that can never be written, each with the reason and, where known, who made it."""

    delivery: Delivery = field(default_factory=Delivery)
    errors: list[Unprocessable] = field(default_factory=list)
    producers: list[str | None] = field(default_factory=list)
    attempts: int = 1
    first_failed_at: int | None = None
    """Microseconds since the epoch; ``None`` where it is now."""
    collector: str = ""
    """The entry whose sink never takes them; empty where nothing could be made of them for any."""

    def __len__(self) -> int:
        return len(self.errors)

    def add(self, record: PolledRecord, lane: Lane, error: Unprocessable, producer: str | None = None) -> None:
        """Append one."""
        self.delivery.add(record, lane)
        self.errors.append(error)
        self.producers.append(producer)

    def extend(self, other: Poison) -> None:
        """Append all of another."""
        self.delivery.extend(other.delivery)
        self.errors += other.errors
        self.producers += other.producers

    def drop_revoked(self) -> Delivery:
        """Give up what is another's now; returns it."""
        lanes = self.delivery.lanes
        kept = [at for at in range(len(self)) if lanes[at].live]
        dropped = self.delivery.pick([at for at in range(len(self)) if not lanes[at].live])
        if dropped:
            self.delivery = self.delivery.pick(kept)
            self.errors = [self.errors[at] for at in kept]
            self.producers = [self.producers[at] for at in kept]
        return dropped


@dataclass(slots=True)
class Batch:
    """What is written together: a frame, the documents the sink made of it once, and what of it is still pending."""

    frame: Frame
    documents: Sequence[Any] = ()
    unwritable: dict[int, Unprocessable] = field(default_factory=dict)
    """Positions that have no document, each with the reason."""
    pending: list[int] = field(default_factory=list)
    attempts: int = 0
    first_failed_at: int | None = None
    """Of dead letters that their limits hold up: microseconds since the epoch."""

    def __post_init__(self) -> None:
        self.pending = list(range(len(self.frame.delivery)))

    def __len__(self) -> int:
        return len(self.frame.delivery)

    def settle(self, positions: Sequence[int]) -> Delivery:
        """Take these off ``pending``; returns their records."""
        if len(positions) == len(self.frame.delivery):
            self.pending = []
            return self.frame.delivery
        settled = set(positions)
        self.pending = [at for at in self.pending if at not in settled]
        return self.frame.delivery.pick(positions)

    def let_go(self) -> None:
        """Hold on to little more than what is pending: a few that never succeed must not keep all others in memory."""
        left = self.pending
        if not 0 < _SETTLED * len(left) <= len(self):
            return
        self.frame = self.frame.pick(left)
        self.documents = [self.documents[at] for at in left]
        self.unwritable = {new: self.unwritable[at] for new, at in enumerate(left) if at in self.unwritable}
        self.pending = list(range(len(left)))

    def drop_revoked(self) -> Delivery:
        """Give up what is another's now; returns it."""
        lanes = self.frame.delivery.lanes
        return self.settle([at for at in self.pending if not lanes[at].live])

    def poison(self, errors: dict[int, Unprocessable]) -> Poison:
        """These positions with their errors."""
        delivery, gateways = self.frame.delivery, self.frame.rows["gateway_id"]
        poison = Poison(attempts=max(1, self.attempts), first_failed_at=self.first_failed_at)
        for at, error in errors.items():
            poison.add(delivery.records[at], delivery.lanes[at], error, gateways[at])
        return poison
