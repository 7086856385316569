"""What each collector of a service did with each event: when an event is finished, and whether its fallback is due.

Every collector that an event was selected for ends with it once: *handled*, *passed* (seen, not stored),
*dead-lettered* (it can never store it) or *revoked* (the partition is another member's now). Then, and not before:

    the fallback is due where one with ``replace_database: false`` handled it, or where none handled it; not where one
    with ``replace_database: true`` dead-lettered it and none handled it: its place is then the dead letters

An event is finished when all collectors and a due fallback are. Pure: no clock, no I/O. Where a service has one
collector and no fallback nothing is remembered: what that one is done with is finished.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from collectors.deliveries import Delivery, Frame
from collectors.tracker import Lane

End = Literal["handled", "passed", "dead_lettered", "revoked"]
"""How one collector, or the fallback, ended with an event."""

Final = Literal["delivered", "fallback", "passed", "dead_lettered", "revoked"]
"""How the service ended with it."""


class Role(Enum):
    """What a collector is to the fallback."""

    REPLACES = 1
    """What it handled need not be in the fallback."""
    SUPPLEMENTS = 2
    IS_FALLBACK = 3


_NONE, _HANDLED, _SUPPLEMENTED, _LETTERED, _REVOKED = 0, 1, 2, 4, 8
_KEPT = 16  # in the dead letters of one that replaces the fallback
_STORED = 32  # by the fallback

_MARKS: dict[tuple[End, Role], int] = {
    ("handled", Role.REPLACES): _HANDLED,
    ("handled", Role.SUPPLEMENTS): _HANDLED | _SUPPLEMENTED,
    ("handled", Role.IS_FALLBACK): _STORED,
    ("dead_lettered", Role.REPLACES): _LETTERED | _KEPT,
    ("dead_lettered", Role.SUPPLEMENTS): _LETTERED,
    ("dead_lettered", Role.IS_FALLBACK): _LETTERED,
    **{("revoked", role): _REVOKED for role in Role},
    **{("passed", role): _NONE for role in Role},
}
_ALONE: dict[End, Final] = {
    "handled": "delivered",
    "passed": "passed",
    "dead_lettered": "dead_lettered",
    "revoked": "revoked",
}


_SPARSE = 4
"""One in so many events of a frame that are not finished, or fewer: the frame is cut down to them."""


@dataclass(slots=True, eq=False)
class _Event:
    """One that is not finished: how many are not done with it, what the others did, and where its row is."""

    waiting: int
    rows: _Rows
    at: int
    marks: int = _NONE


@dataclass(slots=True, eq=False)
class _Rows:
    """A frame as long as events of it are not finished: a few that never are must not keep all others in memory."""

    frame: Frame
    events: list[_Event] = field(default_factory=list)
    unfinished: int = 0

    def let_go(self) -> None:
        """Hold on to little more than what is not finished."""
        if not self.unfinished:
            self.events.clear()  # they hold on to this in turn
        elif self.unfinished * _SPARSE <= len(self.frame.delivery):
            self.events = [event for event in self.events if event.waiting]
            self.frame = self.frame.pick([event.at for event in self.events])
            for at, event in enumerate(self.events):
                event.at = at


@dataclass(slots=True)
class Concluded:
    """What came of a step."""

    finished: dict[Final, Delivery] = field(default_factory=dict)
    due: list[Frame] = field(default_factory=list)
    """To be given to the fallback: rows as they were decoded."""

    def finish(self, final: Final, frame: Frame, at: int) -> None:
        """One more is finished."""
        self.finished.setdefault(final, Delivery()).add(frame.delivery.records[at], frame.delivery.lanes[at])


class Outcomes:
    """Of the events of one life of a service."""

    def __init__(self, collectors: int, *, has_fallback: bool) -> None:
        self._has_fallback = has_fallback
        self.remembers = collectors > 1 or has_fallback
        """Whether an event may wait for more than the one that is done with it."""
        self._events: dict[Lane, dict[int, _Event]] = {}

    def __len__(self) -> int:
        """How many events are remembered."""
        return sum(map(len, self._events.values()))

    def expect(self, frame: Frame, selected: Sequence[Sequence[int]]) -> Delivery:
        """These rows of a frame go to each collector; returns the records that go to none."""
        size = len(frame.delivery)
        if any(len(positions) == size for positions in selected) and not self.remembers:
            return Delivery()
        waiting = [sum(len(positions) == size for positions in selected)] * size
        for positions in selected:
            if len(positions) < size:
                for at in positions:
                    waiting[at] += 1
        if self.remembers:
            self._remember(frame, waiting)
        return frame.delivery.pick([at for at, count in enumerate(waiting) if not count])

    def _remember(self, frame: Frame, waiting: Sequence[int]) -> None:
        records, lanes, lane, events = frame.delivery.records, frame.delivery.lanes, None, {}
        rows = _Rows(frame)
        for at, count in enumerate(waiting):
            if not count:
                continue
            if lanes[at] is not lane:
                lane = lanes[at]
                events = self._events.setdefault(lane, {})
            event = events[records[at].offset] = _Event(count, rows, at)
            rows.events.append(event)
        rows.unfinished = len(rows.events)
        rows.let_go()

    def end(self, delivery: Delivery, how: End, role: Role) -> Concluded:
        """A collector is done with these. The fallback's part in an event begins when it is due."""
        concluded = Concluded()
        if not self.remembers:
            concluded.finished[_ALONE[how]] = delivery
            return concluded
        mark, due, touched = _MARKS[how, role], defaultdict[_Rows, list[_Event]](list), set[_Rows]()
        for lane, records in delivery.by_lane():
            events = self._events[lane]
            for record in records:
                event = events[record.offset]
                event.marks |= mark
                event.waiting -= 1
                if event.waiting:
                    continue
                if role is not Role.IS_FALLBACK and self._is_due(event.marks):
                    event.waiting = 1
                    due[event.rows].append(event)
                else:
                    del events[record.offset]
                    event.rows.unfinished -= 1
                    touched.add(event.rows)
                    concluded.finish(_final(event.marks), event.rows.frame, event.at)
            if not events:
                del self._events[lane]
        concluded.due = [rows.frame.pick([event.at for event in group]) for rows, group in due.items()]
        for rows in touched:
            rows.let_go()
        return concluded

    def _is_due(self, marks: int) -> bool:
        if not self._has_fallback or marks & _REVOKED:
            return False
        return bool(marks & _SUPPLEMENTED) or not marks & (_HANDLED | _KEPT)


def _final(marks: int) -> Final:
    """What counts most of what was done."""
    if marks & _REVOKED:
        return "revoked"
    if marks & _LETTERED:
        return "dead_lettered"
    if marks & _HANDLED:
        return "delivered"
    return "fallback" if marks & _STORED else "passed"
