"""What a journal's directory says when it is opened: whose it was, how far it counted, and where its sound end is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from schemas.events import KINDS, Kind
from sluice.eventlog.interface import Boot
from sluice.eventlog.journal.entries import DamagedEntryError, decode_entry, entry_head, last_sequences
from sluice.eventlog.journal.header import BadHeaderError
from sluice.eventlog.journal.offsets import load_groups
from sluice.eventlog.journal.segment import SegmentReader, segment_numbers, segment_path
from sluice.eventlog.journal.writer import remove_unfinished


def no_sequences() -> dict[Kind, int]:
    """None given yet."""
    return dict.fromkeys(KINDS, 0)


@dataclass(slots=True)
class Recovered:
    """What was found."""

    boot: Boot | None = None
    """Who wrote last; ``None`` in an empty journal, or where the last segment's header is lost."""
    sequences: dict[Kind, int] = field(default_factory=no_sequences)
    number: int = 0
    """The highest segment number that exists or that a group has committed: numbers go on behind it."""
    total_records: int = 0
    closed_cleanly: bool = False
    cut_bytes: int = 0
    damaged: int = 0


def recover_journal(directory: Path) -> Recovered:
    """Cut the torn end of the last segment and read from it where to go on. The caller holds the lock."""
    remove_unfinished(directory)
    numbers = segment_numbers(directory)
    committed = [group.segment for group in load_groups(directory).values()]
    found = Recovered(number=max([0, *numbers, *committed]))
    if numbers:
        _read_last(directory, numbers, found)
    return found


def _read_last(directory: Path, numbers: list[int], found: Recovered) -> None:
    path = segment_path(directory, numbers[-1])
    try:
        segment = SegmentReader(path)
    except BadHeaderError:
        # Its sequences are unknown, so nobody may go on counting for that boot; records are counted from before it.
        found.damaged += 1
        found.total_records = _records_before(directory, numbers[:-1])
        return
    try:
        _scan(segment, found)
    finally:
        segment.close()
    excess = path.stat().st_size - segment.position
    if excess > 0:
        os.truncate(path, segment.position)
        found.cut_bytes = excess


def _records_before(directory: Path, numbers: list[int]) -> int:
    """Records in the segments up to the last readable one of ``numbers``."""
    for number in reversed(numbers):
        try:
            segment = SegmentReader(segment_path(directory, number))
        except BadHeaderError:
            continue
        found = Recovered()
        _scan(segment, found)
        segment.close()
        return found.total_records
    return 0


def _scan(segment: SegmentReader, found: Recovered) -> None:
    header = segment.header
    found.boot, found.sequences, found.total_records = header.boot, dict(header.sequences), header.records_before
    while (payload := segment.next_entry(final=False)) is not None:
        try:
            first, count, _ = entry_head(payload)
            found.total_records = header.records_before + first + count
            found.sequences.update(last_sequences(payload))
        except DamagedEntryError:
            found.damaged += 1
    found.closed_cleanly = segment.sealed
    found.damaged += segment.damaged


def event_ids_since(directory: Path, mark: tuple[int, int]) -> Iterator[str]:
    """The ids of the events behind ``mark`` (segment number, bytes in it); all of its segment where it is shorter."""
    for number in segment_numbers(directory):
        if number < mark[0]:
            continue
        try:
            segment = SegmentReader(segment_path(directory, number))
        except BadHeaderError:
            continue
        try:
            if number == mark[0] and mark[1] <= segment.size():
                segment.seek(mark[1])
            yield from _event_ids(segment)
        finally:
            segment.close()


def _event_ids(segment: SegmentReader) -> Iterator[str]:
    while (payload := segment.next_entry(final=True)) is not None:
        try:
            records = decode_entry(payload, segment.header.topics, segment.header.number)
        except DamagedEntryError:
            continue
        yield from (record.event_id.decode() for record in records if record.event_id)
