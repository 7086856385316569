"""How many records a journal has, and so how far behind a group is: counted as they come, never twice."""

from __future__ import annotations

from pathlib import Path

from sluice.eventlog.journal.entries import entry_head
from sluice.eventlog.journal.header import BadHeaderError
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
        numbers = segment_numbers(self._directory)
        if numbers and numbers[-1] != self._number:
            self._open(numbers[-1])
        segment = self._segment
        if segment is not None:
            while (payload := segment.next_entry(final=False)) is not None:
                first, count, _ = entry_head(payload)
                self._total = segment.header.records_before + first + count
        return self._total

    def lag_records(self, committed: CommittedOffset | None) -> int:
        """Records behind a committed offset; all that are still there where nothing is committed."""
        return max(0, self.total_records() - self._records_before(committed))

    def _records_before(self, committed: CommittedOffset | None) -> int:
        numbers = segment_numbers(self._directory)
        if not numbers:
            return self._total
        number = committed.segment if committed is not None and committed.segment in numbers else numbers[0]
        try:
            header = read_header(segment_path(self._directory, number))
        except (BadHeaderError, FileNotFoundError):
            return self._total
        is_theirs = committed is not None and header.id == committed.segment_id
        return header.records_before + (committed.record if committed is not None and is_theirs else 0)

    def _open(self, number: int) -> None:
        try:
            segment = SegmentReader(segment_path(self._directory, number))
        except (BadHeaderError, FileNotFoundError):
            return
        self.close()
        self._segment, self._number = segment, number
        self._total = max(self._total, segment.header.records_before)

    def close(self) -> None:
        """Close the file."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None
