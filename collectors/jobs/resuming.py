"""What a resumed job finds of what it had still to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from collectors.jobs.choosing import Chosen
from collectors.jobs.interface import Origin, Ranges, UsageError
from sluice.clock import now_micros
from sluice.eventlog.interface import Partition
from sluice.eventlog.ranges import OffsetRange

_CLOCKS_MS = 60_000
"""How far our clock and the one that gives append times may be apart."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What the log was when a job's ranges were fixed: by it another log under its name is known."""

    logs: Mapping[Partition, str] = field(default_factory=dict)
    """The ids of topics and journals; of Kafka before 2.8, and of journals of old, there are none."""
    began_ms: int | None = None
    """When it was. ``None`` where append times show that some clock was set back: they tell nothing then."""

    @classmethod
    async def of(cls, origin: Origin, ranges: Ranges) -> Self:
        """Now. Raises EventLogError."""
        now_ms = now_micros() // 1_000
        since = await origin.offsets_at(ranges, now_ms + _CLOCKS_MS)
        is_told = all(since[each] >= wanted.end for each, wanted in ranges.items())
        return cls(await origin.log_ids(ranges), now_ms if is_told else None)

    def as_dict(self) -> dict[str, Any]:
        """For a plan."""
        return {"began_ms": self.began_ms, "logs": [[*each, known] for each, known in sorted(self.logs.items())]}

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Self:
        """As ``as_dict`` made it; plans of old say less."""
        return cls(
            {Partition(topic, number): known for topic, number, known in facts.get("logs", ())}, facts.get("began_ms")
        )


async def still_there(
    origin: Origin, chosen: Chosen, next_offsets: Mapping[str, int], fixed: Fixed | None = None, *, yes: bool
) -> tuple[Ranges, tuple[str, ...]]:
    """The ranges as they were fixed, without what was deleted unread. UsageError says what that is, unless ``yes``.

    ``fixed`` is the log that they were fixed in: another one has other records at the same offsets, and that is a
    UsageError whatever is said. ``None`` where nothing can be made anew: an archive.
    """
    there = await origin.ranges(chosen.topics)
    await _refuse_another(origin, chosen, there, fixed or Fixed())
    ranges: dict[Partition, OffsetRange] = {}
    lost: list[str] = []
    for partition, wanted in chosen.ranges.items():
        place = f"{partition.topic}/{partition.partition}"
        first = max(wanted.first, next_offsets.get(place, 0))
        oldest = there[partition].first if partition in there else wanted.end
        if first < min(oldest, wanted.end):
            lost.append(f"{place} from offset {first} up to {min(oldest, wanted.end)}")
            wanted = OffsetRange(min(max(wanted.first, oldest), wanted.end), wanted.end)  # noqa: PLW2901
        ranges[partition] = wanted
    if not lost:
        return ranges, ()
    text = f"{origin.where} has lost what this job had still to read: {'; '.join(lost[:3])}"
    if not yes:
        raise UsageError(f"{text}; read what was archived, or go on with what is there by --yes")
    return ranges, (text,)


async def _refuse_another(origin: Origin, chosen: Chosen, there: Ranges, fixed: Fixed) -> None:
    """By its id; and by what was appended after the ranges were fixed and lies in them all the same, which is how a
    journal that was put back from a copy shows: that one has the id that it had."""
    known = {each: there[each] for each in chosen.ranges if each in there}
    refuse_others(fixed.logs, await origin.log_ids(known) if fixed.logs else {}, origin.where)
    since = {} if fixed.began_ms is None else await origin.offsets_at(known, fixed.began_ms + _CLOCKS_MS)
    for partition, found in known.items():
        end = chosen.ranges[partition].end
        if found.end < end or since.get(partition, end) < min(end, found.end):
            raise UsageError(_another(origin.where, partition, "it was deleted and made anew, or put back from a copy"))


def refuse_others(before: Mapping[Partition, str], now: Mapping[Partition, str], where: str) -> None:
    """Raises UsageError where a partition has another id than it had; one that is not known says nothing."""
    for partition, known in before.items():
        if partition in now and now[partition] != known:
            ids = f"its id is {now[partition]}, and was {known}"
            raise UsageError(_another(where, partition, f"{ids}: it was deleted and made anew"))


def _another(where: str, partition: Partition, why: str) -> str:
    place = f"{partition.topic}/{partition.partition}"
    return (
        f"--resume: {place} of {where} is not the one that this job began with ({why}); begin another job, or read "
        "what was archived"
    )
