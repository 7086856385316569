"""What a resumed job finds of what it had still to read."""

from __future__ import annotations

from collections.abc import Mapping

from collectors.jobs.choosing import Chosen
from collectors.jobs.interface import Origin, Ranges, UsageError
from sluice.clock import now_micros
from sluice.eventlog.interface import Partition
from sluice.eventlog.ranges import OffsetRange

_CLOCKS_MS = 60_000
"""How far our clock and the one that gives append times may be apart."""


async def fixed_at(origin: Origin, ranges: Ranges) -> int | None:
    """For ``still_there``: now, in milliseconds; ``None`` where append times show that some clock was set back: they
    tell nothing then."""
    now_ms = now_micros() // 1_000
    since = await origin.offsets_at(ranges, now_ms + _CLOCKS_MS)
    return now_ms if all(since[each] >= wanted.end for each, wanted in ranges.items()) else None


async def still_there(
    origin: Origin, chosen: Chosen, next_offsets: Mapping[str, int], began_ms: int | None = None, *, yes: bool
) -> tuple[Ranges, tuple[str, ...]]:
    """The ranges as they were fixed, without what was deleted unread. UsageError says what that is, unless ``yes``.

    ``began_ms`` is when they were fixed: what lies in them was appended before, else it is not what was meant, and that
    is a UsageError whatever is said. ``None`` where nothing can be made anew: an archive.
    """
    there = await origin.ranges(chosen.topics)
    await _refuse_another(origin, chosen, there, began_ms)
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


async def _refuse_another(origin: Origin, chosen: Chosen, there: Ranges, began_ms: int | None) -> None:
    """A topic or a journal that was deleted and made again has other records at the same offsets."""
    known = {each: there[each] for each in chosen.ranges if each in there}
    since = {} if began_ms is None else await origin.offsets_at(known, began_ms + _CLOCKS_MS)
    for partition, found in known.items():
        end = chosen.ranges[partition].end
        if found.end < end or since.get(partition, end) < min(end, found.end):
            place = f"{partition.topic}/{partition.partition}"
            raise UsageError(
                f"--resume: {place} of {origin.where} is not the one that this job began with: it was deleted and made "
                "anew, or put back from a copy; begin another job, or read what was archived"
            )
