"""One collector of a service at work: what it wants, what is hidden from it, its batches, its sink, its limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from collectors.batching import Batching
from collectors.burial import Gate
from collectors.deliveries import Batch, Delivery, Frame
from collectors.errors import Unprocessable
from collectors.outcomes import Role
from collectors.redact import Redactor
from collectors.selection import Selects
from collectors.sinks.interface import Sink
from collectors.tracker import CollectorLane, Lane
from collectors.writer import Writer, prepare


@dataclass(slots=True, eq=False)
class Outlet:
    """An entry of a service, or its fallback; lives as long as one membership of the group."""

    name: str
    role: Role
    selection: Selects
    redactor: Redactor | None
    batching: Batching
    sink: Sink[Any]
    writer: Writer
    gate: Gate
    is_alone: bool = True
    """Whether what it is done with is finished, as no other collector and no fallback has it too."""
    in_hand: int = 0
    """Events that were given to it and that it is not done with."""
    _lanes: dict[Lane, CollectorLane] = field(default_factory=dict)

    def leave_out(self, frame: Frame, positions: Sequence[int]) -> None:
        """All others of these rows are not for it."""
        if not self.is_alone and len(positions) < len(frame.delivery):
            wanted = set(positions)
            self.set_aside(frame.delivery.pick([at for at in range(len(frame.delivery)) if at not in wanted]))

    def set_aside(self, delivery: Delivery) -> None:
        """It is done with these without having written them: they lie before nothing that it writes."""
        if self.is_alone:
            return
        for lane, records in delivery.by_lane():
            view = self._lane_of(lane)
            for topic in {record.topic for record in records}:
                view.set_aside(topic, [record.offset for record in records if record.topic == topic])

    def _lane_of(self, lane: Lane) -> CollectorLane:
        found = self._lanes.get(lane)
        if found is None:
            self._lanes = {each: view for each, view in self._lanes.items() if each.live}
            found = self._lanes[lane] = CollectorLane(lane)
        return found

    def take(self, frame: Frame) -> list[Batch]:
        """Take rows in that it wants; returns the batches that are full now.

        A row that breaks the redactor is shown to no sink: it makes a batch of its own, that can only be dead-lettered.
        """
        self.in_hand += len(frame.delivery)
        shown, hidden = self._redact(frame)
        return [*(batch for part in shown for batch in self.batching.add(part)), *hidden]

    def _redact(self, frame: Frame) -> tuple[list[Frame], list[Batch]]:
        """Frames that may be shown; where a row breaks the redactor, halving finds it."""
        if self.redactor is None:
            return [frame], []
        try:
            return [self.redactor.apply(frame)], []
        except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 - one row must not stop all others
            size = len(frame.delivery)
            if size == 1:
                return [], [Batch(frame, [None], {0: Unprocessable("unredactable", type(error).__name__)})]
        first, second = self._redact(frame.slice(0, size // 2)), self._redact(frame.slice(size // 2, size))
        return [*first[0], *second[0]], [*first[1], *second[1]]

    def prepare(self, batch: Batch) -> None:
        """Serialise once; retries reuse the bytes."""
        if not batch.unwritable:
            prepared = prepare(self.sink, batch.frame if self.is_alone else self._as_it_sees(batch.frame))
            batch.documents, batch.unwritable = prepared.documents, prepared.poison

    def _as_it_sees(self, frame: Frame) -> Frame:
        """With the lanes as they are for this collector."""
        lanes: list[Lane] = [self._lane_of(lane) for lane in frame.delivery.lanes]
        return Frame(frame.kind, frame.rows, Delivery(frame.delivery.records, lanes, frame.delivery.sizes))

    def due(self) -> list[Batch]:
        """Batches that are old enough; while the sink is busy or left alone they rather grow than queue."""
        return self.batching.due() if self.writer.has_room else []
