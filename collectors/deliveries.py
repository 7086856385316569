"""What passes between the steps: records with their lanes, then the same as columns, then a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from collectors.errors import Unprocessable
from collectors.tracker import Lane
from schemas.events import Kind
from sluice.eventlog.interface import PolledRecord


@dataclass(slots=True)
class Delivery:
    """Records in the order they were polled, each with the lane it came on."""

    records: list[PolledRecord] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.records)

    def add(self, record: PolledRecord, lane: Lane) -> None:
        """Append one."""
        self.records.append(record)
        self.lanes.append(lane)

    def extend(self, other: Delivery) -> None:
        """Append all of another."""
        self.records += other.records
        self.lanes += other.lanes

    def pick(self, positions: Sequence[int]) -> Delivery:
        """Those at these positions."""
        return Delivery([self.records[at] for at in positions], [self.lanes[at] for at in positions])

    def size_bytes(self) -> int:
        """Bytes of all values."""
        return sum([len(record.value or b"") for record in self.records])

    def by_lane(self) -> Iterator[tuple[Lane, list[PolledRecord]]]:
        """The records of each lane."""
        groups: dict[Lane, list[PolledRecord]] = defaultdict(list)
        for record, lane in zip(self.records, self.lanes, strict=True):
            groups[lane].append(record)
        return iter(groups.items())


@dataclass(slots=True)
class Frame:
    """Decoded events of one kind as columns; row *n* is record *n* of ``delivery``."""

    kind: Kind
    rows: pl.DataFrame
    delivery: Delivery


@dataclass(slots=True)
class Poison:
    """Records that can never be written, each with the reason."""

    delivery: Delivery = field(default_factory=Delivery)
    errors: list[Unprocessable] = field(default_factory=list)
    attempts: int = 1

    def __len__(self) -> int:
        return len(self.errors)

    def add(self, record: PolledRecord, lane: Lane, error: Unprocessable) -> None:
        """Append one."""
        self.delivery.add(record, lane)
        self.errors.append(error)


@dataclass(slots=True)
class Batch:
    """What is written together: a frame, the documents the sink made of it once, and what of it is still pending."""

    frame: Frame
    documents: Sequence[Any] = ()
    pending: list[int] = field(default_factory=list)
    attempts: int = 0

    def __post_init__(self) -> None:
        self.pending = list(range(len(self.frame.delivery)))

    def __len__(self) -> int:
        return len(self.frame.delivery)

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is settled yet."""
        return len(self.pending) == len(self.frame.delivery)

    def settle(self, positions: Sequence[int]) -> Delivery:
        """Take these off ``pending``; returns their records."""
        if len(positions) == len(self.frame.delivery):
            self.pending = []
            return self.frame.delivery
        settled = set(positions)
        self.pending = [at for at in self.pending if at not in settled]
        return self.frame.delivery.pick(positions)

    def drop_revoked(self) -> Delivery:
        """Give up what is another's now; returns it."""
        lanes = self.frame.delivery.lanes
        dropped = [at for at in self.pending if not lanes[at].live]
        return self.settle(dropped)
