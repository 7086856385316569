"""Reads one journal forward, across its segments, also while it is being written.

Where a committed offset does not fit what lies there (another segment id, a segment missing between others: somebody
restored a copy), reading begins again at the oldest segment: what is seen twice has the same ids.
"""

from __future__ import annotations

from pathlib import Path

from sluice.eventlog.journal.counters import ReaderCounters
from sluice.eventlog.journal.entries import DamagedEntryError, WrittenRecord, decode_entry
from sluice.eventlog.journal.header import BadHeaderError
from sluice.eventlog.journal.offsets import NOTHING_COMMITTED, CommittedOffset, split_offset
from sluice.eventlog.journal.segment import SegmentReader, segment_numbers, segment_path

_REMEMBERED_SEGMENTS = 1024
"""Ids of segments handed out and not yet committed; more are forgotten, oldest first, and would be read again."""


class JournalReader:
    """One reader of one journal's directory, from ``start`` (``None``: from the oldest record there is)."""

    def __init__(self, directory: Path, start: CommittedOffset | None = None) -> None:
        self.directory = directory
        self.counters = ReaderCounters()
        self._start = start or NOTHING_COMMITTED
        self._segment: SegmentReader | None = None
        self._number = -1
        self._skip_below = 0
        self._ids: dict[int, bytes] = {}
        self._schemas: dict[bytes, None] = {}
        self._next_offset = self._start.offset

    @property
    def next_offset(self) -> int:
        """Behind the last record handed out."""
        return self._next_offset

    @property
    def schemas(self) -> list[bytes]:
        """JSON texts of the schemas met so far."""
        return list(self._schemas)

    def read(self, max_records: int, max_bytes: int = 1 << 20) -> list[WrittenRecord]:
        """The next records, whole entries; empty where there is nothing new. Never waits."""
        records: list[WrittenRecord] = []
        size = 0
        while len(records) < max_records and size < max_bytes:
            payload = self._next_payload()
            if payload is None:
                break
            found = self._decoded(payload)
            if found:  # what lies before the start is passed over in one go: an empty answer means the end
                size += len(payload)
                records += found
        self.counters.records += len(records)
        if records:
            self._next_offset = records[-1].offset + 1
        return records

    def _next_payload(self) -> bytes | None:
        """The next entry of this segment or of a later one."""
        while True:
            if self._segment is None and not self._open_next():
                return None
            segment = self._segment
            if segment is None:
                return None
            payload = segment.next_entry(final=False)
            if payload is None and self._has_later():
                # what was appended between the two looks is read before the segment counts as ended
                payload = segment.next_entry(final=True)
                if payload is None:
                    self._leave(segment)
                    continue
            return payload

    def _decoded(self, payload: bytes) -> list[WrittenRecord]:
        segment = self._segment
        try:
            found = [] if segment is None else decode_entry(payload, segment.header.topics, self._number)
        except DamagedEntryError:
            self.counters.damaged += 1
            return []
        if self._skip_below:
            found = [record for record in found if record.offset >= self._skip_below]
        return found

    def _has_later(self) -> bool:
        numbers = segment_numbers(self.directory)
        return bool(numbers) and numbers[-1] > self._number

    def _leave(self, segment: SegmentReader) -> None:
        self.counters.damaged += segment.damaged
        segment.close()
        self._segment = None

    def _open_next(self) -> bool:
        """Open the segment behind the present one, at the start the committed one."""
        numbers = segment_numbers(self.directory)
        if self._number < 0:
            return self._open_first(numbers)
        return self._open_any([number for number in numbers if number > self._number])

    def _open_first(self, numbers: list[int]) -> bool:
        start = self._start
        if start.segment not in numbers:
            later = [number for number in numbers if number > start.segment]
            if start != NOTHING_COMMITTED and len(later) < len(numbers):
                self.counters.offset_mismatches += 1  # older segments lie there, and ours does not
                later = numbers
            return self._open_any(later)
        if not self._open_any([start.segment]):
            return self._open_any([number for number in numbers if number > start.segment])
        segment = self._segment
        if segment is not None and start.segment_id and segment.header.id != start.segment_id:
            self.counters.offset_mismatches += 1
            segment.close()
            self._segment = None
            return self._open_any(numbers)
        self._skip_below = start.offset
        return True

    def _open_any(self, numbers: list[int]) -> bool:
        """Open the first of these that can be read."""
        for number in numbers:
            try:
                segment = SegmentReader(segment_path(self.directory, number))
            except BadHeaderError:
                self.counters.unreadable_segments += 1
                self._number = max(self._number, number)
                continue
            except FileNotFoundError:
                self.counters.segments_gone += 1
                continue
            self._segment, self._number, self._skip_below = segment, number, 0
            self._remember(number, segment.header.id)
            self._schemas.update(dict.fromkeys(segment.read_schemas()))
            return True
        return False

    def _remember(self, number: int, segment_id: bytes) -> None:
        self._ids[number] = segment_id
        while len(self._ids) > _REMEMBERED_SEGMENTS:
            del self._ids[min(self._ids)]

    def committed(self, next_offset: int) -> CommittedOffset:
        """What to store for a next offset that this reader has handed out."""
        number, record = split_offset(next_offset)
        for older in [known for known in self._ids if known < number]:
            del self._ids[older]
        segment_id = self._ids.get(number, self._start.segment_id if number == self._start.segment else b"")
        return CommittedOffset(number, record, segment_id)

    def seek(self, next_offset: int) -> None:
        """Go on reading at a next offset that this reader has handed out, or that the journal's writer has told."""
        self._start = self.committed(next_offset)
        if self._segment is not None:
            self._leave(self._segment)
        self._number, self._skip_below, self._next_offset = -1, 0, next_offset

    def skip_to_end(self) -> None:
        """Open every segment for its schemas, reading no entry."""
        while self._open_next():
            if self._segment is not None:
                self._leave(self._segment)

    def close(self) -> None:
        """Close the file."""
        if self._segment is not None:
            self._leave(self._segment)
