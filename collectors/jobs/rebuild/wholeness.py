"""Which days a job has read whole: only these may take the place of what was there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from collectors.jobs.interface import Origin, Ranges
from collectors.jobs.rebuild.interface import Span
from schemas.events import Kind
from sluice.clock import iso_micros, now_micros
from sluice.eventlog.interface import Partition

MARGIN_MS = 3_600_000
"""How much earlier than it occurred an event may have been appended, by two clocks that differ."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a job was asked to read, and what there was when it began."""

    topics: Mapping[Kind, str]
    """Those that were read, by the kind of their events."""
    asked: Ranges
    there: Ranges
    """All of these topics."""
    lost: Mapping[Partition, int] = field(default_factory=dict)
    """Partition → how many records retention had deleted before what was there."""
    leaves_out: tuple[str, ...] = ()
    """Options by which events were left out, such as ``--filter``."""
    occurred_from: int | None = None
    occurred_to: int | None = None
    """Bounds by ``occurred_at``, in microseconds, where such were given."""


async def why_partial(span: Span, coverage: Coverage, origin: Origin, now: int | None = None) -> str:
    """Why a job may not have read all events of a span; empty where it has. Raises EventLogError."""
    if (now_micros() if now is None else now) < span.end:
        return f"it is not over before {iso_micros(span.end)}: live writes go on; swap it afterwards with --resume"
    if coverage.leaves_out:
        return f"{' and '.join(coverage.leaves_out)} left events out: rebuild it without"
    if (coverage.occurred_from or 0) > span.start:
        return "--from is in the midst of it: rebuild it from its beginning"
    if coverage.occurred_to is not None and coverage.occurred_to < span.end:
        return "--to is in the midst of it: rebuild it to its end"
    if not coverage.there:
        return "the log has none of these topics"
    return await _why_ranges_lack(span, coverage, origin)


async def _why_ranges_lack(span: Span, coverage: Coverage, origin: Origin) -> str:
    begins = await origin.offsets_at(coverage.there, max(0, span.start // 1_000 - MARGIN_MS))
    present = await origin.ranges(coverage.topics.values())
    others = {topic for kind, topic in coverage.topics.items() if kind != span.kind}
    for partition, there in coverage.there.items():
        if partition.topic in others:  # a journal has the events of all kinds
            continue
        if there.is_empty and partition not in coverage.lost:
            continue
        first_now = present[partition].first if partition in present else there.end
        is_gone = first_now > there.first and begins[partition] <= first_now
        if why := _why_lacks(partition, coverage, there.first if is_gone else begins[partition]):
            return why
    return ""


def _why_lacks(partition: Partition, coverage: Coverage, begins: int) -> str:
    """``begins`` is where in what was there the first event of the span may be."""
    there, asked = coverage.there[partition], coverage.asked.get(partition)
    where = f"{partition.topic}/{partition.partition}"
    if asked is None:
        return f"partition {where} was not read: rebuild it from all partitions"
    if partition in coverage.lost and begins <= there.first:
        return f"the log had already deleted the first of it in {where}: what is there now is the better copy"
    if asked.first > max(begins, there.first):
        return f"{where} was read from offset {asked.first} on: rebuild it with an earlier --from"
    if asked.end < there.end:
        return (
            f"{where} was read up to offset {asked.end}, and late events may lie behind: rebuild it without --to, or "
            "with --by occurred"
        )
    return ""
