"""How many records a journal has, and so how far behind a group is: counted as they come, never twice."""

from __future__ import annotations

from pathlib import Path

from sluice.eventlog.journal.entries import DamagedEntryError, entry_head
from sluice.eventlog.journal.header import BadHeaderError, SegmentHeader
from sluice.eventlog.journal.offsets import CommittedOffset
from sluice.eventlog.journal.segment import SegmentReader, read_header, segment_numbers, segment_path


class JournalTail:
    """Follows the end of one journal; each call reads what came since the last one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._segment: SegmentReader | None = None
        self._number = -1
        self._total = 0

    def total_records(self) -> int:
        """Records ever written to the journal."""
        for number in reversed(segment_numbers(self._directory)):
            if number <= self._number or self._open(number):
                break
        segment = self._segment
        if segment is not None:
            while (payload := segment.next_entry(final=False)) is not None:
                self._count(segment.header, payload)
        return self._total

    def _count(self, header: SegmentHeader, payload: bytes) -> None:
        try:
            first, count, _ = entry_head(payload)
        except DamagedEntryError:
            return
        self._total = header.records_before + first + count

    def lag_records(self, committed: CommittedOffset | None, total: int | None = None) -> int:
        """Records behind a committed offset; all that are still there where nothing is committed. Who has the journal
        open says its ``total``: then nothing is read but heads of segments."""
        if total is None:
            total = self.total_records()
        return max(0, total - self._records_before(committed, total))

    def _records_before(self, committed: CommittedOffset | None, total: int) -> int:
        """Records in front of the place where a ``JournalReader`` with this offset begins."""
        numbers = segment_numbers(self._directory)
        if committed is not None and committed.segment in numbers:
            header = self._header(committed.segment)
            if header is None:
                numbers = [number for number in numbers if number > committed.segment]
            elif committed.segment_id in {b"", header.id}:
                return header.records_before + committed.record
        readable = (header for header in map(self._header, numbers) if header is not None)
        return next((header.records_before for header in readable), total)

    def _header(self, number: int) -> SegmentHeader | None:
        try:
            return read_header(segment_path(self._directory, number))
        except (BadHeaderError, FileNotFoundError):
            return None

    def _open(self, number: int) -> bool:
        try:
            segment = SegmentReader(segment_path(self._directory, number))
        except (BadHeaderError, FileNotFoundError):
            return False
        self.close()
        self._segment, self._number = segment, number
        self._total = max(self._total, segment.header.records_before)
        return True

    def close(self) -> None:
        """Close the file."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None
