"""How much is between the log and the sink, and which partitions must therefore wait."""

from __future__ import annotations

from collectors.deliveries import Delivery
from collectors.entries import FlowSettings
from collectors.tracker import Lane
from sluice.eventlog.interface import Partition

_LOW = 0.5
"""Paused above the bound, resumed at this share of it: a partition that flickers costs a fetch each time."""


class Backpressure:
    """High and low watermarks in records and bytes, per partition and over all."""

    def __init__(self, settings: FlowSettings) -> None:
        self._settings = settings
        self._lanes: dict[Lane, tuple[int, int]] = {}
        self._paused: set[Partition] = set()
        self._all_paused = False
        self.records = 0
        self.size_bytes = 0

    def take(self, delivery: Delivery) -> None:
        """These are in flight now."""
        self._move(delivery, 1)

    def release(self, delivery: Delivery) -> None:
        """These are finished."""
        self._move(delivery, -1)

    def _move(self, delivery: Delivery, sign: int) -> None:
        for lane, sizes in delivery.sizes_by_lane():
            records, size_bytes = sign * len(sizes), sign * sum(sizes)
            before = self._lanes.get(lane, (0, 0))
            after = (before[0] + records, before[1] + size_bytes)
            self._lanes[lane] = after
            self.records += records
            self.size_bytes += size_bytes
            if after[0] == 0:
                del self._lanes[lane]

    def paused(self) -> set[Partition]:
        """The partitions of live lanes that must not be polled now."""
        settings = self._settings
        self._all_paused = _beyond(
            self.records, self.size_bytes, settings.max_records, settings.max_bytes, held=self._all_paused
        )
        self._paused = {
            lane.partition
            for lane, (records, size_bytes) in self._lanes.items()
            if lane.live
            and _beyond(
                records,
                size_bytes,
                settings.max_partition_records,
                settings.max_partition_bytes,
                held=lane.partition in self._paused,
            )
        }
        return self._paused

    @property
    def is_full(self) -> bool:
        """Whether every partition must wait; as of the last ``paused``."""
        return self._all_paused


def _beyond(records: int, size_bytes: int, max_records: int, max_bytes: int, *, held: bool) -> bool:
    share = _LOW if held else 1.0
    return records >= max_records * share or size_bytes >= max_bytes * share
