"""Whether what is stored of a partition fits its log, and what is done where it does not: it is the log that is right.

| the log | what is done |
|---|---|
| begins behind us (retention was faster) | goes on from there; the offsets in between are lost, which is said |
| is another by its id (made anew, however long it is) | is read from its beginning: what is known changes nothing |
| ends before us (put back from a copy; made anew, where it has no id) | the same |

A position of which no log is known gets the id of the log that it fits. Where no id is told now, the position keeps the
one that it has: by it another log is found as soon as one is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from collectors.services.budget_truth.counting import Position
from sluice.eventlog.interface import Partition
from sluice.eventlog.journal.offsets import split_offset
from sluice.eventlog.ranges import OffsetRange
from sluice.intervals import Intervals


@dataclass(frozen=True, slots=True)
class Misfit:
    """Something that the log does not have as it was."""

    kind: str
    """``lost``, ``rewound``, or ``trimmed``: new to us, and begun long ago."""
    partition: Partition
    offsets: OffsetRange
    why: str = ""
    """How it shows, where that is not by the offsets."""

    @property
    def is_cut(self) -> bool:
        """Whether the log had more than it has, which was never read."""
        return self.kind != "rewound"


class Found(NamedTuple):
    """A partition as its log has it now."""

    partition: Partition
    there: OffsetRange
    log_id: str = ""
    """Empty where none is told."""
    is_kafka: bool = True
    was_at_end: bool = False
    """Whether the round before read everything that there was."""


def is_trimmed(first_offset: int, *, is_kafka: bool) -> bool:
    """Whether a partition had more before this."""
    return first_offset > 0 if is_kafka else split_offset(first_offset)[0] > 1


def fitted(at: Position | None, found: Found) -> tuple[Position, list[Misfit]]:
    """The position from which to go on, and what is to be said; ``None`` is a partition that is new to us."""
    if at is None:
        return _begun(found)
    if at.log_id and found.log_id and at.log_id != found.log_id:
        return _made_anew(at, found)
    at = replace(at, log_id=found.log_id or at.log_id)
    if at.next_offset < found.there.first:
        return _overtaken(at, found)
    if at.next_offset > found.there.end:
        gone = OffsetRange(found.there.end, at.next_offset)
        return replace(at, next_offset=found.there.first), [Misfit("rewound", found.partition, gone)]
    return at, []


def _begun(found: Found) -> tuple[Position, list[Misfit]]:
    first = found.there.first
    begin = Position(first, first, log_id=found.log_id)
    if not is_trimmed(first, is_kafka=found.is_kafka):
        return begin, []
    return begin, [Misfit("trimmed", found.partition, OffsetRange(0, first))]


def _made_anew(at: Position, found: Found) -> tuple[Position, list[Misfit]]:
    """No offset that was lost in the log before is lost in this one; what this one had and has no more is."""
    before = OffsetRange(min(at.first_offset, at.next_offset), at.next_offset)
    why = f"its id is {found.log_id}, and was {at.log_id}"
    begin, cut = _begun(found)
    if cut:
        begin = replace(begin, lost=Intervals([(0, found.there.first - 1)]))
    lost = [replace(each, kind="lost") for each in cut]
    return begin, [Misfit("rewound", found.partition, before, why), *lost]


def _overtaken(at: Position, found: Found) -> tuple[Position, list[Misfit]]:
    first = found.there.first
    lost = at.lost.add_range(at.next_offset, first - 1)
    if not found.is_kafka and found.was_at_end:
        lost = at.lost  # a segment that was read to its end is deleted, and the next one has another number
    behind = replace(at, next_offset=first, lost=lost)
    return behind, [] if lost == at.lost else [Misfit("lost", found.partition, OffsetRange(at.next_offset, first))]


def lost_text(misfit: Misfit) -> str:
    """For people."""
    first, end = misfit.offsets
    text = f"{misfit.partition.topic}/{misfit.partition.partition} offsets {Intervals([(first, max(first, end - 1))])}"
    return f"{text}: {misfit.why}" if misfit.why else text
