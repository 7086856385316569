"""The journal of one worker: appended to by its loop, durable before anyone is told so.

What arrives in one turn of the loop is one group and one write. Without ``sync`` the write is a copy into the page
cache, done where we stand (a thread would cost more than it); with it a thread writes and syncs, one group at a time,
and what arrives meanwhile is the next group. Numbers are given at the write, so a write that failed has given none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import structlog

from schemas.codec import EncodedEvent
from schemas.events import Kind
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.eventlog.interface import Boot, CommitFailedError, CommitTimeoutError, Record
from sluice.eventlog.journal.counters import JournalCounters
from sluice.eventlog.journal.disk import Disk
from sluice.eventlog.journal.entries import (
    DamagedEntryError,
    WrittenRecord,
    decode_entry,
    encode_events,
    encode_record,
)
from sluice.eventlog.journal.frames import frame
from sluice.eventlog.journal.header import BadHeaderError, SegmentHeader, event_topics
from sluice.eventlog.journal.lock import LOCK_FILE, FileLock
from sluice.eventlog.journal.offsets import offset_of
from sluice.eventlog.journal.recovery import no_sequences, recover_journal
from sluice.eventlog.journal.retention import GroupDetached, Retention, detached_alert
from sluice.eventlog.journal.room import Room
from sluice.eventlog.journal.segment import SegmentReader, segment_numbers, segment_path
from sluice.eventlog.journal.writer import SegmentWriter
from sluice.eventlog.settings import JournalSettings

Listener = Callable[[Sequence[WrittenRecord]], None]

_BUSY_REMEDY = "stop it, or give this gateway another gateway.id or data_dir"

logger = structlog.get_logger(__name__)


class _Waiting(NamedTuple):
    """Something to append, and who waits for it."""

    events: Sequence[EncodedEvent]
    records: Sequence[Record]
    done: asyncio.Future[int] | None
    """``None`` before anyone is served."""


class _Group(NamedTuple):
    """What is written together, and the state of the counts behind it."""

    waiting: list[_Waiting]
    frames: list[bytes]
    payloads: list[bytes]
    next_record: int
    sequences: dict[Kind, int]


class Journal:
    """Opened by one process, begun for one boot, appended to from one loop. Raises JournalBusyError when made."""

    def __init__(
        self,
        directory: Path,
        settings: JournalSettings,
        topics: Topics,
        *,
        embedded: bool,
        disk: Disk | None = None,
        clock: Callable[[], int] = now_micros,
    ) -> None:
        self.directory = directory
        self.counters = JournalCounters()
        self.room = Room(settings)
        self._settings = settings
        self._topics = topics
        self._disk = disk or Disk()
        self._clock = clock
        self._lock = FileLock(directory / LOCK_FILE, _BUSY_REMEDY)
        try:
            found = recover_journal(directory)
        except BaseException:
            self._lock.release()
            raise
        self.last_boot = None if found.boot is None else (found.boot, dict(found.sequences))
        """Who wrote last, and the sequence numbers given; ``None`` where that is not known."""
        self.closed_cleanly = found.closed_cleanly
        self.counters.cut_bytes, self.counters.damaged = found.cut_bytes, found.damaged
        self._number = found.number
        self._total_records = found.total_records
        self._sequences = no_sequences()
        self._records = 0
        self._header: SegmentHeader | None = None
        self._writer = SegmentWriter(directory, self._disk, sync=settings.sync == "full")
        self._retention = Retention(directory, settings, embedded=embedded)
        self._listeners: list[Listener] = []
        self._pending: list[_Waiting] = []
        self._is_scheduled = False
        self._writing: asyncio.Future[None] | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._is_closed = False

    # who writes

    def begin(self, boot: Boot) -> None:
        """Open a segment of ``boot``'s; go on counting where it is the one that wrote last. Raises ``OSError``."""
        if self._header is not None:
            self._writer.seal(self._header)
            self.last_boot = (self._header.boot, dict(self._sequences))
        last = self.last_boot
        self._sequences = dict(last[1]) if last is not None and last[0] == boot else no_sequences()
        self._start_segment(boot)
        self._measure()

    @property
    def sequences(self) -> Mapping[Kind, int]:
        """The last numbers given, by kind of event."""
        return self._sequences

    @property
    def next_offset(self) -> int:
        """The offset behind everything written."""
        return offset_of(self._number, self._records)

    @property
    def total_records(self) -> int:
        """Records ever written to this journal."""
        return self._total_records

    def mark(self) -> tuple[int, int]:
        """Segment number, and bytes in it: whatever is appended from now on lies behind."""
        return self._number, self._writer.length

    def subscribe(self, listener: Listener) -> None:
        """Hand every durable batch to ``listener`` too, in the order of offsets. It must be quick and never raise."""
        self._listeners.append(listener)

    # appending

    async def append(self, events: Sequence[EncodedEvent]) -> int:
        """Make an exchange's events durable, all or none; the offset behind them.

        Raises CommitFailedError, or CommitTimeoutError after ``journal.commit_timeout_seconds``.
        """
        return await self._enqueue(events, ())

    def append_soon(self, events: Sequence[EncodedEvent]) -> asyncio.Future[int]:
        """``append`` for those who do not wait now."""
        return self._enqueue(events, ())

    async def append_records(self, records: Sequence[Record]) -> int:
        """Make side records durable; the offset behind them. Raises as ``append`` does."""
        return await self._enqueue((), records)

    def _enqueue(self, events: Sequence[EncodedEvent], records: Sequence[Record]) -> asyncio.Future[int]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        if self._is_closed or self._header is None:
            done.set_exception(CommitFailedError("the journal is closed"))
            return done
        self._pending.append(_Waiting(events, records, done))
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._flush)
        return done

    def write_now(self, events: Sequence[EncodedEvent]) -> None:
        """Append before anyone is served (recovery); raises ``OSError``."""
        self._write_now(_Waiting(events, (), None))

    def write_records_now(self, records: Sequence[Record]) -> None:
        """Append side records before anyone is served; raises ``OSError``."""
        self._write_now(_Waiting((), records, None))

    def _write_now(self, waiting: _Waiting) -> None:
        group = self._encode([waiting])
        self._write(group.frames)
        self._take(group)

    # a group

    def _flush(self) -> None:
        """Write what waits; called by the loop."""
        self._is_scheduled = False
        if self._writing is not None or not self._pending:
            return
        waiting, self._pending = self._pending, []
        self._roll_if_due()
        group = self._encode(waiting)
        if self._settings.sync == "full":
            self._write_in_thread(group)
            return
        started = time.monotonic()
        try:
            self._write(group.frames)
        except OSError as error:
            self._fail(group, error)
        else:
            self._settle(group)
        if time.monotonic() - started > self._settings.commit_timeout_seconds:
            self.counters.late_batches += 1

    def _encode(self, waiting: list[_Waiting]) -> _Group:
        header = self._open_header
        sequences, next_record = dict(self._sequences), self._records
        now_ms, seed = self._clock() // 1000, header.seed
        payloads: list[bytes] = []
        for events, records, _ in waiting:
            if events:
                payloads.append(encode_events(events, sequences, next_record, now_ms))
                next_record += len(events)
            for record in records:
                payloads.append(encode_record(record, next_record, now_ms))
                next_record += 1
        return _Group(waiting, [frame(seed, payload) for payload in payloads], payloads, next_record, sequences)

    def _write(self, frames: list[bytes]) -> None:
        self._writer.write(frames)

    def _write_in_thread(self, group: _Group) -> None:
        loop = asyncio.get_running_loop()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "journal")
        self._writing = loop.run_in_executor(self._executor, self._write, group.frames)
        late = loop.call_later(self._settings.commit_timeout_seconds, self._give_up_waiting, group)

        def written(future: asyncio.Future[None]) -> None:
            late.cancel()
            self._writing = None
            self.room.is_stuck = False
            error = future.exception()
            if error is None:
                self._settle(group)
            else:
                self._fail(group, error)
            if self._pending:
                self._flush()

        self._writing.add_done_callback(written)

    def _give_up_waiting(self, group: _Group) -> None:
        """The disk does not answer: whether these are written is not known; nothing is admitted until it does."""
        self.room.is_stuck = True
        self.counters.late_batches += 1
        seconds = self._settings.commit_timeout_seconds
        for waiting in (*group.waiting, *self._pending):
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_exception(CommitTimeoutError(f"the journal was not written within {seconds:g} s"))

    def _settle(self, group: _Group) -> None:
        first = self._records
        self._take(group)
        number = self._number
        for waiting in group.waiting:
            first += len(waiting.events) + len(waiting.records)
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_result(offset_of(number, first))

    def _take(self, group: _Group) -> None:
        """The group is durable: count it, and tell the listeners."""
        size = sum(map(len, group.frames))
        written = group.next_record - self._records
        self._records, self._sequences = group.next_record, group.sequences
        self._total_records += written
        self.room.use(size)
        counters = self.counters
        counters.batches += 1
        counters.records += written
        counters.bytes += size
        if self._listeners:
            topics, number = self._open_header.topics, self._number
            records = [record for payload in group.payloads for record in decode_entry(payload, topics, number)]
            for listener in self._listeners:
                listener(records)

    def _fail(self, group: _Group, error: BaseException) -> None:
        self.counters.failed_batches += 1
        logger.error("journal write failed", directory=str(self.directory), error=str(error))
        for waiting in group.waiting:
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_exception(CommitFailedError(f"the journal could not be written: {error}"))

    # segments

    @property
    def _open_header(self) -> SegmentHeader:
        if self._header is None:
            message = "begin() comes first"
            raise RuntimeError(message)
        return self._header

    def _start_segment(self, boot: Boot) -> None:
        header = SegmentHeader(
            number=self._number + 1,
            boot=boot,
            sequences=dict(self._sequences),
            records_before=self._total_records,
            created_at=self._clock(),
            topics=event_topics(self._topics),
        )
        self._writer.start(header)
        self._number, self._records, self._header = header.number, 0, header
        self.counters.segments_created += 1

    def _roll_if_due(self) -> None:
        """Go over to a new segment where this one is full; where that fails the old one goes on."""
        if self._writer.length >= self._settings.segment_max_bytes:
            self._roll()

    def _roll(self) -> None:
        try:
            self._start_segment(self._open_header.boot)
        except OSError as error:
            self.counters.housekeeping_failures += 1
            logger.warning("no new segment", directory=str(self.directory), error=str(error))

    # each second

    def housekeep(self) -> list[GroupDetached]:
        """Roll by age, delete what may go, measure the room; returns groups that had to be detached.

        Called by the owner each second, from the loop; what fails is counted and tried again.
        """
        detached: list[GroupDetached] = []
        try:
            if self._writing is None and self._header is not None:
                self._roll_by_age(self._header)
            detached = self._retention.sweep(self._clock())
            self._measure()
        except OSError as error:
            self.counters.housekeeping_failures += 1
            logger.warning("journal housekeeping failed", directory=str(self.directory), error=str(error))
        self.counters.segments_removed = self._retention.removed
        self.counters.groups_detached += len(detached)
        self._alert(detached)
        return detached

    def _roll_by_age(self, header: SegmentHeader) -> None:
        """A segment without records grows old in peace."""
        age_micros = self._clock() - header.created_at
        if self._records and age_micros > self._settings.segment_max_age_seconds * 1_000_000:
            self._roll()

    def _alert(self, detached: list[GroupDetached]) -> None:
        now = self._clock()
        alerts = [detached_alert(found, self.directory, self._topics, now) for found in detached]
        if alerts and self._header is not None and self._writing is None:
            try:
                self.write_records_now(alerts)
            except OSError as error:
                self.counters.housekeeping_failures += 1
                logger.warning("alert not written", error=str(error))

    def _measure(self) -> None:
        self.room.measure(self._retention.used_bytes(), self._disk.free_bytes(self.directory))

    # reading back

    def event_ids_since(self, mark: tuple[int, int]) -> Iterator[str]:
        """Ids of the events that lie behind a mark; for recovery, before anyone is served."""
        number, position = mark
        for found in segment_numbers(self.directory):
            if found >= number:
                yield from self._event_ids(found, position if found == number else 0)

    def _event_ids(self, number: int, position: int) -> Iterator[str]:
        try:
            segment = SegmentReader(segment_path(self.directory, number))
        except (BadHeaderError, FileNotFoundError):
            return
        try:
            segment.seek(position)
            while (payload := segment.next_entry(final=True)) is not None:
                try:
                    records = decode_entry(payload, segment.header.topics, number)
                except DamagedEntryError:
                    continue
                yield from (record.event_id.decode("ascii", "replace") for record in records if record.event_id)
        finally:
            segment.close()

    # the end

    async def close(self) -> None:
        """Write what waits, seal, let go of the lock. Twice is once; bounded by ``journal.commit_timeout_seconds``."""
        if self._is_closed:
            return
        self._flush()
        await self._wait_for_writes()
        self._is_closed = True
        for waiting in self._pending:
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_exception(CommitFailedError("the journal is closed"))
        try:
            if self._header is not None and self._writing is None:
                self._writer.seal(self._header)
        except OSError as error:
            logger.warning("journal not sealed", directory=str(self.directory), error=str(error))
        finally:
            self._writer.close()
            if self._executor is not None:
                self._executor.shutdown(wait=False)
            self._lock.release()

    async def _wait_for_writes(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.commit_timeout_seconds
        while self._writing is not None and loop.time() < deadline:
            await asyncio.wait((self._writing,), timeout=deadline - loop.time())
            await asyncio.sleep(0)  # its callback comes first, and may have begun another
