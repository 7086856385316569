"""Which records a job reads: topics, partitions and offsets, fixed once; and what of it is not there any more.

What retention deleted is never passed over in silence: it is said what is lost, and ``--yes`` goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors.jobs.engine.wanted import occurred_within
from collectors.jobs.filtering import Filter
from collectors.jobs.interface import FrameTest, Origin, Ranges, UsageError
from collectors.jobs.letters import letter_at
from collectors.jobs.options import RangeOptions
from collectors.operations.moments import moment_ms
from collectors.operations.tail import topics_named
from schemas.events import Kind
from schemas.topics import Topics
from sluice.clock import iso_micros, now_micros
from sluice.eventlog.interface import Partition
from sluice.eventlog.ranges import OffsetRange

APPENDED, OCCURRED = "appended", "occurred"
_LATE_MS = 86_400_000
"""How far a clock that gives ``occurred_at`` may be ahead of the log's; sinks take no event that is more."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a job reads."""

    topics: tuple[str, ...]
    kinds: tuple[Kind, ...]
    ranges: Ranges
    tests: tuple[FrameTest, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def offsets(self) -> int:
        """How many; of a journal with several segments that is no number of records."""
        return sum(wanted.end - wanted.first for wanted in self.ranges.values())


@dataclass(frozen=True, slots=True)
class Moments:
    """``--from`` and ``--to`` as numbers: milliseconds since the epoch."""

    from_ms: int | None
    to_ms: int | None

    @classmethod
    def of(cls, options: RangeOptions, clock: Callable[[], int] = now_micros) -> Moments:
        """Raises UsageError naming the option."""
        since, until = options.since or "beginning", options.until or "now"
        from_ms = None if since == "beginning" else moment_ms(since, "--from", clock)
        to_ms = None if until == "now" else moment_ms(until, "--to", clock)
        if to_ms is not None and to_ms <= (from_ms or 0):
            raise UsageError(f"--to: {until} is not after --from {since}; nothing lies between them")
        return cls(from_ms, to_ms)


@dataclass(slots=True)
class _Losses:
    """What was asked for and is deleted."""

    places: list[str] = field(default_factory=list)
    oldest_ms: int | None = None

    def add(self, place: str, oldest_ms: int | None = None) -> None:
        self.places.append(place)
        if oldest_ms is not None:
            self.oldest_ms = oldest_ms if self.oldest_ms is None else min(self.oldest_ms, oldest_ms)


def event_topics(names: Sequence[str], topics: Topics) -> tuple[str, ...]:
    """The topics of events that these words mean, all where there are none; raises UsageError."""
    wanted: dict[str, None] = {}
    for name in names:
        for found in topics_named(name, topics):
            if found not in topics.events():
                raise UsageError(f"--topic: {name!r} holds no events; there are {', '.join(topics.events())}")
            wanted[found] = None
    return tuple(wanted) or tuple(topics.events())


async def choose(
    origin: Origin, topics: Topics, options: RangeOptions, moments: Moments, *, yes: bool = False
) -> Chosen:
    """What is meant, of what there is at this moment. Raises UsageError, EventLogError."""
    if options.by not in {APPENDED, OCCURRED}:
        raise UsageError(f"--by: {options.by!r} is neither {APPENDED} nor {OCCURRED}")
    begins = await _since_letter(origin, topics, options)
    names = begins.topics if begins and not options.topics else event_topics(options.topics, topics)
    kinds = tuple(topics.events()[name] for name in names if name in topics.events())
    tests = tests_of(options, moments, kinds)  # before the log is asked: it is the sooner answer
    there = await origin.ranges(names)
    if not there:
        look = "sluice topics list (of an archive: sluice archive list) shows what there is"
        raise UsageError(f"{', '.join(names)}: nothing of it in {origin.where}; {look}")
    ranges = dict(_of_partitions(there, options))
    losses = _Losses()
    wanted = await _narrowed(origin, ranges, options, moments, begins, losses, names)
    notes = _lost_notes(losses, origin, yes=yes)
    chosen = Chosen(names, kinds, wanted, tests, notes)
    if all(each.is_empty for each in wanted.values()):
        raise UsageError(await _nothing_there(origin, ranges, names))
    return chosen


def tests_of(options: RangeOptions, moments: Moments, kinds: Sequence[Kind]) -> tuple[FrameTest, ...]:
    """What rows are asked: ``--filter``, and the moments where these are of ``occurred_at``."""
    tests: list[FrameTest] = []
    if options.where:
        tests.append(Filter(options.where, kinds).positions)
    if options.by == OCCURRED:
        tests.append(occurred_within(*(None if ms is None else ms * 1_000 for ms in (moments.from_ms, moments.to_ms))))
    return tuple(tests)


@dataclass(frozen=True, slots=True)
class _Begin:
    """Where ``--since-letter`` begins."""

    topics: tuple[str, ...]
    partition: Partition
    offset: int
    appended_ms: int


async def _since_letter(origin: Origin, topics: Topics, options: RangeOptions) -> _Begin | None:
    if not options.since_letter:
        return None
    if options.since or options.offset_from is not None:
        raise UsageError("--since-letter says where to begin, and so do --from and --offset-from: give one of them")
    letter = await letter_at(origin, topics, options.since_letter)
    return _Begin((letter.topic,), letter.partition, letter.offset, letter.appended_ms)


def _of_partitions(there: Ranges, options: RangeOptions) -> Ranges:
    """Those that ``--partition`` names: by number, or a journal by its name."""
    found = dict(there)
    if options.partitions:
        for name in options.partitions:
            if not any(_is_named(partition, name) for partition in there):
                known = ", ".join(sorted({_name_of(partition) for partition in there}))
                raise UsageError(f"--partition: there is no {name!r}; there are {known}")
        found = {each: there[each] for each in there if any(_is_named(each, name) for name in options.partitions)}
    if (options.offset_from is not None or options.offset_to is not None) and len(found) != 1:
        known = ", ".join(f"{each.topic}/{each.partition}" for each in sorted(found))
        raise UsageError(
            f"--offset-from and --offset-to are of one partition: give --topic and --partition; there are {known}"
        )
    return found


def _is_named(partition: Partition, name: str) -> bool:
    return name in {str(partition.partition), partition.topic, f"{partition.topic}/{partition.partition}"}


def _name_of(partition: Partition) -> str:
    return partition.topic if "/" in partition.topic else str(partition.partition)


async def _narrowed(
    origin: Origin,
    there: Ranges,
    options: RangeOptions,
    moments: Moments,
    begins: _Begin | None,
    losses: _Losses,
    names: Sequence[str],
) -> dict[Partition, OffsetRange]:
    """The ranges between where it begins and where it ends."""
    from_ms, to_ms = moments.from_ms, moments.to_ms
    if options.by == OCCURRED:  # what occurred since was appended since, by clocks that agree
        from_ms, to_ms = None if from_ms is None else max(0, from_ms - _LATE_MS), None
    if begins is not None:
        from_ms = begins.appended_ms
    firsts = {} if from_ms is None else dict(await origin.offsets_at(there, from_ms))
    ends = {} if to_ms is None else dict(await origin.offsets_at(there, to_ms))
    if begins is not None:
        firsts[begins.partition] = begins.offset
    for partition in there:
        if options.offset_from is not None:
            firsts[partition] = options.offset_from
        if options.offset_to is not None:
            ends[partition] = options.offset_to
    await _note_losses(origin, there, firsts, losses, names if from_ms is not None else ())
    return {
        partition: OffsetRange(
            max(found.first, firsts.get(partition, found.first)), min(found.end, ends.get(partition, found.end))
        )
        for partition, found in there.items()
    }


async def _note_losses(
    origin: Origin, there: Ranges, firsts: Mapping[Partition, int], losses: _Losses, names: Sequence[str]
) -> None:
    """What lies before what is there, and would have been read; of a partition that is empty nobody knows."""
    for partition, deleted in (await origin.lost(there)).items():
        place, found = f"{partition.topic}/{partition.partition}", there[partition]
        wanted = firsts.get(partition)
        if wanted is not None and wanted < found.first:
            losses.add(f"{place} from offset {wanted} up to {found.first}")
        elif names and wanted == found.first and not found.is_empty:
            oldest = await _appended_ms(origin, partition, found, names)
            losses.add(f"{place}, of whose first {deleted} offsets nothing is left", oldest)


async def _appended_ms(origin: Origin, partition: Partition, found: OffsetRange, names: Sequence[str]) -> int | None:
    """When the oldest event that is there was appended."""
    records = origin.read({partition: found}, names)
    try:
        async for _, piece in records:
            return piece[0].timestamp
    finally:
        await records.aclose()
    return None


def _lost_notes(losses: _Losses, origin: Origin, *, yes: bool) -> tuple[str, ...]:
    if not losses.places:
        return ()
    shown = "; ".join(losses.places[:3]) + (f"; and {len(losses.places) - 3} more" if len(losses.places) > 3 else "")
    text = f"retention has deleted a part of what was asked for from {origin.where}: {shown}"
    if yes:
        return (text,)
    oldest = losses.oldest_ms
    later = "" if oldest is None else f" begin at what is left (--from {iso_micros(oldest * 1_000)}),"
    raise UsageError(f"{text};{later} read what was archived, or go on with what is there by --yes")


async def _nothing_there(origin: Origin, ranges: Ranges, names: Sequence[str]) -> str:
    """With what there is, so that the next try is a better one."""
    if all(found.is_empty for found in ranges.values()):
        return f"{', '.join(names)}: {origin.where} has no record of it; nothing is to be done"
    spans = [f"{each.topic}/{each.partition} has offsets {found.first} to {found.end - 1}" for each, found in
             sorted(ranges.items()) if not found.is_empty]  # fmt: skip
    more = f", and {len(spans) - 3} more" if len(spans) > 3 else ""
    return f"nothing lies between what --from and --to (or the offsets) say; {', '.join(spans[:3])}{more}"


def ranges_as_list(ranges: Ranges) -> list[dict[str, Any]]:
    """For a plan."""
    return [
        {"topic": each.topic, "partition": each.partition, "first": wanted.first, "end": wanted.end}
        for each, wanted in sorted(ranges.items())
    ]


def ranges_of(facts: Sequence[Mapping[str, Any]]) -> dict[Partition, OffsetRange]:
    """As ``ranges_as_list`` made them."""
    return {Partition(each["topic"], each["partition"]): OffsetRange(each["first"], each["end"]) for each in facts}
