"""The end of the journal: gives sequence numbers and offsets, writes groups of entries, goes over to new segments.

Synchronous and without waiters, so it runs on the loop or in a thread, one call at a time. What it says of the end
(``mark``, ``sequences``, ``next_offset``) is replaced whole when a group is durable: a group that failed has given
nothing, and whoever looks from another thread never sees half.
"""

from __future__ import annotations

import struct
from asyncio import Future
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from schemas.codec import EncodedEvent
from schemas.events import Kind
from schemas.topics import Topics
from sluice.eventlog.interface import Boot, CommitFailedError, Record
from sluice.eventlog.journal.counters import JournalCounters
from sluice.eventlog.journal.disk import Disk
from sluice.eventlog.journal.entries import Copy, encode_events, encode_record
from sluice.eventlog.journal.frames import frame_head
from sluice.eventlog.journal.header import SegmentHeader, event_topics
from sluice.eventlog.journal.offsets import offset_of
from sluice.eventlog.journal.recovery import Recovered, no_sequences
from sluice.eventlog.journal.writer import SegmentWriter
from sluice.eventlog.settings import JournalSettings


class Append(msgspec.Struct):
    """What one caller wants in the journal, all or nothing: an exchange's events, or side records."""

    events: Sequence[EncodedEvent]
    records: Sequence[Record] = ()
    done: Future[int] | None = None
    """Gets the next offset behind it, or the error; ``None`` where nobody waits."""
    arrived: float = 0.0
    """Loop time; kept where writes happen in a thread."""


class WrittenGroup(msgspec.Struct):
    """A group that is durable."""

    sequences: Mapping[Kind, int]
    """The last sequence numbers behind it."""
    records: int
    """The number of the record behind it."""
    copy: Copy | None
    """Its records as a reader would read them, where the appender ``keeps_copies``."""
    ends: list[int | CommitFailedError] = []
    """For each append the next offset behind it, or why it could not be encoded."""
    frames: list[bytes] = []
    """Heads and payloads, in turn: they are copied but once, to be written together."""
    size: int = 0


class Appender:
    """Writes where recovery found the end. Methods raise ``OSError``, and then nothing was given or written."""

    def __init__(
        self,
        directory: Path,
        settings: JournalSettings,
        topics: Topics,
        found: Recovered,
        *,
        disk: Disk,
        clock: Callable[[], int],
        counters: JournalCounters,
    ) -> None:
        self._settings = settings
        self._max_age_micros = int(settings.segment_max_age_seconds * 1_000_000)
        self._topics = event_topics(topics)
        self._clock = clock
        self._counters = counters
        self._writer = SegmentWriter(directory, disk, sync=settings.sync == "full")
        self._header: SegmentHeader | None = None
        self._boot = found.boot
        self._number = found.number
        self._seed = 0
        self._records = 0
        self._records_before = found.total_records
        self._must_roll = False
        """After a failed write: readers may have seen its bytes, and a device that failed to sync once forgets."""
        self._may_roll = True
        """Not again at once after a new segment could not be made."""
        self.keeps_copies = False
        """Whether somebody wants the records of each group."""
        self.sequences: Mapping[Kind, int] = dict(found.sequences)
        self.mark = (found.number + 1, 0)
        """Segment number and bytes in it."""

    @property
    def is_begun(self) -> bool:
        """Whether anything may be written."""
        return self._header is not None

    @property
    def next_offset(self) -> int:
        """The offset that the next record gets, unless a new segment comes first."""
        return offset_of(self._number if self._header else self._number + 1, self._records)

    @property
    def total_records(self) -> int:
        """Records ever written to this journal."""
        return self._records_before + self._records

    def begin(self, boot: Boot) -> None:
        """Open a new segment for this boot, which goes on counting where it is the last one."""
        sequences = self.sequences if boot == self._boot else no_sequences()
        self._start_segment(boot, sequences)
        self._boot = boot
        self.sequences = sequences

    def _start_segment(self, boot: Boot, sequences: Mapping[Kind, int]) -> None:
        header = SegmentHeader(
            number=self._number + 1,
            boot=boot,
            sequences=dict(sequences),
            records_before=self.total_records,
            created_at=self._clock(),
            topics=self._topics,
        )
        self._writer.start(header)
        self._records_before += self._records
        self._records = 0
        self._number, self._seed, self._header = header.number, header.seed, header
        self.mark = (header.number, self._writer.length)
        self._must_roll = False
        self._counters.segments_created += 1

    def write(self, appends: Sequence[Append]) -> WrittenGroup:
        """Make a group durable with one write."""
        self._roll_if_due()
        copy = Copy(self._topics, self._number, []) if self.keeps_copies else None
        group = WrittenGroup(self.sequences, self._records, copy)
        appended_at_ms = self._clock() // 1000
        for append in appends:
            self._encode(append, appended_at_ms, group)
        if group.frames:
            try:
                self._writer.write(group.frames)
            except OSError:
                self._must_roll = True
                self._counters.failed_batches += 1
                raise
            self._complete(group)
        return group

    def _complete(self, group: WrittenGroup) -> None:
        length, records = self._writer.length, group.records
        group.size = size = length - self.mark[1]
        counters = self._counters
        counters.batches += 1
        counters.records += records - self._records
        counters.bytes += size
        self.sequences = group.sequences
        self._records = records
        self.mark = (self._number, length)

    def _encode(self, append: Append, appended_at_ms: int, group: WrittenGroup) -> None:
        """What cannot be encoded fails alone: it gives no numbers and leaves nothing in the group."""
        events, frames, copy, end, seed = append.events, group.frames, group.copy, group.records, self._seed
        sequences: dict[Kind, int] = {**group.sequences}
        framed, copied = len(frames), len(copy.records) if copy is not None else 0
        try:
            if events:
                payload = encode_events(events, sequences, end, appended_at_ms, copy)
                frames += (frame_head(seed, payload), payload)
                end += len(events)
            for record in append.records:
                payload = encode_record(record, end, appended_at_ms, copy)
                frames += (frame_head(seed, payload), payload)
                end += 1
        except (struct.error, ValueError, TypeError, OverflowError) as error:
            del frames[framed:]
            if copy is not None:
                del copy.records[copied:]
            group.ends.append(CommitFailedError(f"cannot be written to the journal: {error}"))
            return
        group.sequences, group.records = sequences, end
        group.ends.append(offset_of(self._number, end))

    def _roll_if_due(self) -> None:
        if self._header is None:
            message = "a journal is written to before begin()"
            raise RuntimeError(message)
        if self._must_roll:
            self._start_segment(self._header.boot, self.sequences)
        elif self._writer.length >= self._settings.segment_max_bytes and self._may_roll:
            self.roll()

    def roll(self) -> None:
        """Go over to a new segment; where that fails the old one goes on until ``roll_if_old`` allows a new try."""
        if self._header is None or self._records == 0:
            return
        try:
            self._start_segment(self._header.boot, self.sequences)
        except OSError:
            self._counters.housekeeping_failures += 1
            self._may_roll = False

    def roll_if_old(self) -> None:
        """Called each second: a segment that is old enough ends, so that retention can take it."""
        self._may_roll = True
        if self._header is not None and self._clock() - self._header.created_at >= self._max_age_micros:
            self.roll()

    def seal(self) -> None:
        """Mark a clean end and close the file."""
        try:
            if self._header is not None and not self._must_roll:
                self._writer.seal(self._header)
        finally:
            self._writer.close()
