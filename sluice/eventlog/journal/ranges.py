"""Ranges of the embedded event log: every journal below ``data_dir`` is a partition."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sluice.eventlog.interface import OffsetLostError, Partition, PolledRecord
from sluice.eventlog.journal.entries import DamagedEntryError, entry_head
from sluice.eventlog.journal.header import BadHeaderError
from sluice.eventlog.journal.offsets import CommittedOffset, offset_of, split_offset
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.journal.segment import SegmentReader, read_header, segment_numbers, segment_path
from sluice.eventlog.journal.source import log_ids_of, partition_of, polled, schemas_of
from sluice.eventlog.places import all_journals
from sluice.eventlog.ranges import OffsetRange

_MAX_RECORDS = 1_000


class JournalRanges:
    """A ``RangeReader`` over all journals of a host; it registers no group, so it keeps retention from nothing."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def _directories(self) -> dict[Partition, Path]:
        return {partition_of(directory): directory for directory in all_journals(self._data_dir)}

    async def ranges(self, topics: Collection[str]) -> Mapping[Partition, OffsetRange]:  # noqa: ARG002 - all are in all
        """From the first record of the oldest segment to behind the last of the newest."""
        found = {}
        for partition, directory in self._directories().items():
            numbers = segment_numbers(directory)
            if numbers:
                found[partition] = OffsetRange(offset_of(numbers[0], 0), await asyncio.to_thread(_end_of, directory))
        return found

    async def offsets_at(self, ranges: Mapping[Partition, OffsetRange], moment_ms: int) -> Mapping[Partition, int]:
        """Looked for in the last segment that was begun before the moment, and in those behind it."""
        directories = self._directories()
        return {
            partition: await asyncio.to_thread(_first_since, directories[partition], wanted, moment_ms)
            if partition in directories
            else wanted.end
            for partition, wanted in ranges.items()
        }

    async def read(
        self, ranges: Mapping[Partition, OffsetRange], topics: Collection[str]
    ) -> AsyncIterator[Sequence[PolledRecord]]:
        """One journal after the other; the loop has a turn after each thousand records."""
        wanted_topics = frozenset(topics)
        directories = self._directories()
        for partition, wanted in ranges.items():
            if wanted.is_empty:
                continue
            directory = directories.get(partition)
            if directory is None:
                raise OffsetLostError(f"journal {partition.topic} is gone")
            for records in _read(directory, wanted, wanted_topics):
                yield records
                await asyncio.sleep(0)

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        """The ids of these journals, of those that have one."""
        return await log_ids_of(self._data_dir, partitions)

    async def read_schemas(self) -> Sequence[bytes]:
        """The schemas at the head of every segment there is."""
        return await asyncio.to_thread(schemas_of, self._data_dir)

    async def close(self) -> None:
        """Nothing is kept open between reads."""


def _read(directory: Path, wanted: OffsetRange, topics: frozenset[str]) -> Iterator[list[PolledRecord]]:
    number, record = split_offset(wanted.first)
    _hold_segments(directory, number, wanted)
    reader = JournalReader(directory, CommittedOffset(number, record, b""))
    expected = number
    try:
        while reader.next_offset < wanted.end and (found := reader.read(_MAX_RECORDS)):
            at, _ = split_offset(found[0].offset)
            if at > expected:
                _hold_segments(directory, expected, OffsetRange(wanted.first, found[0].offset))
            expected, _ = split_offset(found[-1].offset)
            records: list[PolledRecord] = [
                polled(each) for each in found if each.offset < wanted.end and each.topic in topics
            ]
            if records:
                yield records
            if found[-1].offset >= wanted.end:
                return
    finally:
        reader.close()


def _hold_segments(directory: Path, number: int, wanted: OffsetRange) -> None:
    """Raises where the segment that is due has been deleted: what lay in it is not read in silence."""
    numbers = segment_numbers(directory)
    last, _ = split_offset(wanted.end)
    if numbers and number < numbers[0] and number <= last:
        message = f"journal {directory}: retention deleted records that were still to be read; begin later"
        raise OffsetLostError(message)


def _end_of(directory: Path) -> int:
    """Behind the last sound entry."""
    for number in reversed(segment_numbers(directory)):
        end = None
        for first, count, _ in _heads(directory, number):
            end = offset_of(number, first + count)
        if end is not None:
            return end
    numbers = segment_numbers(directory)
    return offset_of(numbers[-1], 0) if numbers else 0


def _first_since(directory: Path, wanted: OffsetRange, moment_ms: int) -> int:
    first_number, _ = split_offset(wanted.first)
    last_number, _ = split_offset(max(wanted.first, wanted.end - 1))
    numbers = [number for number in segment_numbers(directory) if first_number <= number <= last_number]
    for number in _from_moment(directory, numbers, moment_ms):
        for first, count, appended_at_ms in _heads(directory, number):
            offset = offset_of(number, first)
            if appended_at_ms >= moment_ms and offset + count > wanted.first:
                return min(max(offset, wanted.first), wanted.end)
    return wanted.end


def _from_moment(directory: Path, numbers: Sequence[int], moment_ms: int) -> Sequence[int]:
    """Without the segments that ended before the moment: those behind which another was begun before it."""
    begin = 0
    for at, number in enumerate(numbers):
        try:
            if read_header(segment_path(directory, number)).created_at < moment_ms * 1000:
                begin = at
        except (BadHeaderError, FileNotFoundError):
            continue
    return numbers[begin:]


def _heads(directory: Path, number: int) -> Iterator[tuple[int, int, int]]:
    """``entry_head`` of each sound entry of a segment; nothing where the segment cannot be read."""
    try:
        segment = SegmentReader(segment_path(directory, number))
    except (BadHeaderError, FileNotFoundError):
        return
    try:
        while (payload := segment.next_entry(final=False)) is not None:
            try:
                yield entry_head(payload)
            except DamagedEntryError:
                continue
    finally:
        segment.close()
