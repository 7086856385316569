"""What became of a job's records, counted so that a resumed job counts each of them once.

Totals grow only by what lies below the next offsets that are saved with them: what was finished beyond those comes
again when the job is resumed, and is counted then. Pure: no clock, no I/O.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from collectors.deliveries import Delivery
from collectors.jobs.report import Report
from collectors.metrics import Outcome
from sluice.eventlog.interface import Partition

_COUNTS = ("read", "matched", "written", "already_there", "passed", "failed", "undecodable", "size_bytes")


@dataclass(slots=True)
class _Part:
    """Records of one partition that were finished together."""

    outcome: str
    offsets: array[int]
    sizes: array[int]
    duplicates: int

    def below(self, offset: int) -> tuple[_Part | None, _Part | None]:
        """What of it lies below, and the rest."""
        if max(self.offsets) < offset:
            return self, None
        if min(self.offsets) >= offset:
            return None, self
        chosen = [at for at, each in enumerate(self.offsets) if each < offset]
        others = [at for at, each in enumerate(self.offsets) if each >= offset]
        duplicates = min(self.duplicates, len(chosen))
        return self._of(chosen, duplicates), self._of(others, self.duplicates - duplicates)

    def _of(self, positions: Sequence[int], duplicates: int) -> _Part:
        offsets, sizes = [self.offsets[at] for at in positions], [self.sizes[at] for at in positions]
        return _Part(self.outcome, array("q", offsets), array("q", sizes), duplicates)


class Tally:
    """Of one job. ``before`` is what its progress file says, where it is resumed."""

    def __init__(self, before: Mapping[str, Any] | None = None) -> None:
        before = before or {}
        self.counts: Counter[str] = Counter({name: before.get(name, 0) for name in _COUNTS})
        """What is settled."""
        self.first_at: int | None = before.get("first_at")
        self.last_at: int | None = before.get("last_at")
        self.finished_records = 0
        """Whose outcome is known, settled or not; of this run."""
        self._parts: defaultdict[Partition, list[_Part]] = defaultdict(list)
        self._undecodable: set[tuple[Partition, int]] = set()

    def matched(self, times: pl.Series) -> None:
        """Events that belong to the target occurred then (microseconds)."""
        if not len(times):
            return
        first, last = times.min(), times.max()
        self.first_at = first if self.first_at is None else min(self.first_at, first)  # type: ignore[assignment, type-var]
        self.last_at = last if self.last_at is None else max(self.last_at, last)  # type: ignore[assignment, type-var]

    def undecodable(self, delivery: Delivery) -> None:
        """These are about to be given up because nothing can be made of them."""
        for record, lane in zip(delivery.records, delivery.lanes, strict=True):
            self._undecodable.add((lane.partition, record.offset))

    def finished(self, delivery: Delivery, outcome: Outcome, duplicates: int) -> None:
        """The outcome of these is known."""
        self.finished_records += len(delivery)
        for lane, records in delivery.by_lane():
            offsets, sizes = [record.offset for record in records], [len(record.value or b"") for record in records]
            here = min(duplicates, len(offsets))
            duplicates -= here
            self._parts[lane.partition].append(_Part(outcome, array("q", offsets), array("q", sizes), here))

    def settle(self, next_offsets: Mapping[Partition, int]) -> None:
        """All below these next offsets is finished for good: it counts."""
        for partition, offset in next_offsets.items():
            kept = []
            for part in self._parts.pop(partition, []):
                settled, rest = part.below(offset)
                if settled is not None:
                    self._count(partition, settled)
                if rest is not None:
                    kept.append(rest)
            if kept:
                self._parts[partition] = kept

    def _count(self, partition: Partition, part: _Part) -> None:
        number, counts = len(part.offsets), self.counts
        counts["read"] += number
        if part.outcome == "filtered":
            return
        lost = 0
        if part.outcome == "dead_lettered":
            lost = self._forget(partition, part.offsets)
            counts["failed"] += number
            counts["undecodable"] += lost
        elif part.outcome == "passed":
            counts["passed"] += number
        else:
            counts["written"] += number - part.duplicates
            counts["already_there"] += part.duplicates
        if not lost:  # of one part either all could be decoded or none
            counts["matched"] += number
            counts["size_bytes"] += sum(part.sizes)

    def _forget(self, partition: Partition, offsets: Sequence[int]) -> int:
        """How many of these were undecodable."""
        found = {(partition, offset) for offset in offsets} & self._undecodable
        self._undecodable -= found
        return len(found)

    def as_dict(self) -> dict[str, Any]:
        """For a progress file."""
        return {**self.counts, "first_at": self.first_at, "last_at": self.last_at}

    def report_to(self, report: Report) -> None:
        """Put the counts where people look."""
        for name in _COUNTS:
            setattr(report, name, self.counts[name])
        report.first_at, report.last_at = self.first_at, self.last_at
