"""How much of the log there is to compare with: a range of time, less what retention has deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from collectors.jobs.interface import Origin, Ranges
from collectors.retention.floors import Floors
from collectors.services.reconcile.stores import Span
from schemas.events import Kind
from schemas.topics import Topics
from sluice.eventlog.interface import Partition
from sluice.eventlog.ranges import OffsetRange

SLACK_MS = 3_600_000
"""Clocks of gateways and brokers may differ by so much: exchanges are by the gateway's, records by the broker's."""
_FIRST_RECORDS = 1_000
"""Behind the first offset may lie what is no record: the marks of transactions."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What is read of the log, and which exchanges are therefore compared."""

    spans: Mapping[Kind, Span]
    """By kind; empty where the log begins behind the range."""
    begin_ms: int
    """Append time of the first record that is read; 0 where that is the first there ever was."""


async def extent_of(
    origin: Origin, topics: Topics, kinds: Collection[Kind], asked: Span, floors: Floors, now_ms: int
) -> Extent:
    """Raises EventLogError."""
    names = {topics.event(kind).name: kind for kind in kinds}
    ranges = await origin.ranges(list(names))
    lost = await origin.lost(ranges)
    begun = await _begun(origin, ranges, lost, list(names), now_ms)
    spans = {}
    for topic, kind in names.items():
        floor = floors.get(kind)
        starts_ms = [0 if floor is None else now_ms - int(floor * 1_000)]
        starts_ms += [
            at + SLACK_MS for partition, at in begun.items() if partition.topic in {topic, _journal(partition, names)}
        ]
        start = max(asked.start, *(ms * 1_000 for ms in starts_ms))
        spans[kind] = Span(min(start, asked.end), asked.end)
    begin_ms = max(0, min(span.start for span in spans.values()) // 1_000 - SLACK_MS)
    firsts = await origin.offsets_at(ranges, begin_ms)
    is_all = not lost and all(firsts.get(each, found.first) <= found.first for each, found in ranges.items())
    return Extent(spans, 0 if is_all else begin_ms)


def _journal(partition: Partition, names: Mapping[str, Kind]) -> str:
    """A journal is a partition for all kinds; its name is no topic's."""
    return "" if partition.topic in names else partition.topic


async def _begun(
    origin: Origin, ranges: Ranges, lost: Mapping[Partition, int], topics: Collection[str], now_ms: int
) -> dict[Partition, int]:
    """Of partitions from which something was deleted: when the first record that is left was appended."""
    heads = {
        each: OffsetRange(ranges[each].first, min(ranges[each].first + _FIRST_RECORDS, ranges[each].end))
        for each in lost
    }
    begun: dict[Partition, int] = {}
    reading = origin.read({each: head for each, head in heads.items() if not head.is_empty}, topics)
    try:
        async for partition, records in reading:
            begun.setdefault(partition, records[0].timestamp)
            if len(begun) == len(heads):
                break
    finally:
        await reading.aclose()
    return dict.fromkeys(lost, now_ms) | begun
