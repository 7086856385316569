"""The journal of one worker: what arrives in the same loop turn is written together, and whoever waits is told.

With ``journal.sync: none`` a group is written on the loop (microseconds, to the page cache); with ``full`` write and
fsync happen in a thread, one group at a time, and what arrives meanwhile forms the next group.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from schemas.events import Kind
from sluice.clock import now_micros
from sluice.eventlog.drafts import Draft, encode_drafts
from sluice.eventlog.interface import CommitFailedError, CommitTimeoutError, EventLogError
from sluice.eventlog.journal.appender import Append, Appender, WrittenGroup
from sluice.eventlog.journal.counters import JournalCounters
from sluice.eventlog.journal.disk import Disk
from sluice.eventlog.journal.identity import ensure_identity
from sluice.eventlog.journal.lock import LOCK_FILE, FileLock
from sluice.eventlog.journal.recovery import event_ids_since, recover_journal
from sluice.eventlog.journal.retention import GroupDetached, Retention, detached_alert
from sluice.eventlog.journal.room import Room

if TYPE_CHECKING:
    from schemas.codec import EncodedEvent
    from schemas.topics import Topics
    from sluice.eventlog.interface import Boot, Record
    from sluice.eventlog.journal.entries import WrittenRecord
    from sluice.eventlog.settings import JournalSettings

MAX_GROUP = 256
"""Appends in one write: bounds its memory at the largest exchanges, and one write is far below 2 GiB."""

Listener = Callable[[Sequence["WrittenRecord"]], None]

logger = structlog.get_logger(__name__)


class Journal:
    """One worker's journal, open and locked. Used from one loop; before it serves also from a thread."""

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
        """Take the lock (JournalBusyError) and cut the torn end; nothing may be written before ``begin``."""
        self.directory = directory
        self.counters = JournalCounters()
        self.room = Room(settings)
        self._topics = topics
        self._disk = disk or Disk()
        self._clock = clock
        self._timeout = settings.commit_timeout_seconds
        remedy = "one process writes to a journal: stop that one, or use another data_dir or gateway.id"
        self._lock = FileLock(directory / LOCK_FILE, remedy)
        try:
            ensure_identity(directory)
            found = recover_journal(directory)
        except BaseException:
            self._lock.release()
            raise
        self.counters.cut_bytes, self.counters.damaged = found.cut_bytes, found.damaged
        self.last_boot: tuple[Boot, dict[Kind, int]] | None = (found.boot, found.sequences) if found.boot else None
        """Who wrote last, and the last sequence numbers it gave."""
        self.closed_cleanly = found.closed_cleanly
        """Whether that boot closed the journal itself."""
        self._appender = Appender(
            directory, settings, topics, found, disk=self._disk, clock=clock, counters=self.counters
        )
        self._retention = Retention(directory, settings, embedded=embedded)
        self._listeners: list[Listener] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """That of ``submit``, once it was called: asyncio asks the system each time what process this is."""
        self._waiting: list[Append] = []
        self._is_scheduled = False
        self._is_closed = False
        self._executor = ThreadPoolExecutor(1, "journal") if settings.sync == "full" else None
        self._writing: list[Append] = []
        """The group in the thread."""
        self._writing_since = 0.0
        self._work: asyncio.Future[WrittenGroup] | None = None
        self._watch: asyncio.TimerHandle | None = None

    @property
    def sequences(self) -> Mapping[Kind, int]:
        """The last sequence numbers given by the boot that was begun."""
        return self._appender.sequences

    @property
    def next_offset(self) -> int:
        """The offset behind everything that is durable."""
        return self._appender.next_offset

    @property
    def total_records(self) -> int:
        """Records ever written to this journal."""
        return self._appender.total_records

    def mark(self) -> tuple[int, int]:
        """Segment number and bytes in it: what is appended from now on lies behind."""
        return self._appender.mark

    def begin(self, boot: Boot) -> None:
        """Open a new segment for ``boot``, which goes on counting where it is the last boot; else from 0."""
        try:
            self._appender.begin(boot)
        except OSError as error:
            message = f"{self.directory}: no segment can be begun: {error}"
            raise CommitFailedError(message) from error
        self._measure()

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` with the records of each group that became durable, in the order of their offsets.

        Not while a group is being written, of which it might never hear (RuntimeError).
        """
        if self._writing:
            message = "subscribe() comes before the first write, or between two"
            raise RuntimeError(message)
        self._listeners.append(listener)
        self._appender.keeps_copies = True

    def event_ids_since(self, mark: tuple[int, int]) -> Iterator[str]:
        """The ids of the events that lie behind ``mark``."""
        return event_ids_since(self.directory, mark)

    def write_now(self, events: Sequence[EncodedEvent]) -> None:
        """Write one exchange's events and return when they are durable. Raises CommitFailedError."""
        self._write_alone(Append(events))

    def write_records_now(self, records: Sequence[Record]) -> None:
        """Write side records and return when they are durable. Raises CommitFailedError."""
        self._write_alone(Append((), records))

    def _write_alone(self, append: Append) -> None:
        if self._is_closed or self._writing:
            message = "the journal is closed" if self._is_closed else "another write is going on"
            raise CommitFailedError(message)
        try:
            written = self._appender.write([append])
        except OSError as error:
            raise CommitFailedError(str(error)) from error
        self._account(written)
        (end,) = written.ends
        if isinstance(end, CommitFailedError):
            raise end

    async def append(self, events: Sequence[EncodedEvent]) -> int:
        """Make one exchange's events durable; returns the next offset behind them.

        Raises CommitFailedError (they are not in the journal) or CommitTimeoutError (they may still get there); of a
        draft what its builder does (they are not).
        """
        return await self.submit(events)

    async def append_records(self, records: Sequence[Record]) -> int:
        """Make side records durable, all or none; returns and raises as ``append``."""
        return await self.submit((), records)

    def submit(self, events: Sequence[EncodedEvent], records: Sequence[Record] = ()) -> asyncio.Future[int]:
        """``append`` for callers that do not wait: the future must be looked at."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        if self._is_closed:
            done.set_exception(CommitFailedError("the journal is closed"))
            return done
        self._queue(loop, Append(events, records, done, loop.time() if self._executor else 0.0))
        return done

    def _queue(self, loop: asyncio.AbstractEventLoop, append: Append) -> None:
        self._waiting.append(append)
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what waits: here, or, where writes wait for the device, in the thread unless that is busy."""
        self._is_scheduled = False
        while self._waiting and not self._writing:
            group, self._waiting = _encode_drafts_of(self._waiting[:MAX_GROUP]), self._waiting[MAX_GROUP:]
            if not group:
                continue
            if self._executor is not None:
                self._write_in_thread(self._executor, group)
                return
            started = time.monotonic()
            try:
                written = self._appender.write(group)
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
                _fail(group, CommitFailedError, str(error))
            else:
                self._settle(group, written)
            if time.monotonic() - started > self._timeout:
                self.counters.late_batches += 1

    def _write_in_thread(self, executor: ThreadPoolExecutor, group: list[Append]) -> None:
        loop = asyncio.get_running_loop()
        self._writing, self._writing_since = group, loop.time()
        self._work = loop.run_in_executor(executor, self._appender.write, group)
        self._work.add_done_callback(partial(self._thread_is_done, group))
        self._watch = loop.call_later(self._timeout, self._look_for_late)

    def _thread_is_done(self, group: list[Append], work: asyncio.Future[WrittenGroup]) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._writing = []
        self.room.is_stuck = False
        error = work.exception()
        if error is not None:
            _fail(group, CommitFailedError, str(error))
        else:
            self._settle(group, work.result())
        self._flush()

    def _look_for_late(self) -> None:
        """The thread has been busy for the timeout: tell the group in it, and those that waited as long for it."""
        loop = asyncio.get_running_loop()
        due = loop.time() - self._timeout
        if not self.room.is_stuck:
            self.room.is_stuck = True
            self.counters.late_batches += 1
            _fail(self._writing, CommitTimeoutError, f"the disk did not answer within {self._timeout} s")
        late = [append for append in self._waiting if append.arrived <= due]
        self._waiting = [append for append in self._waiting if append.arrived > due]
        _fail(late, CommitFailedError, "the disk does not answer: not written")
        wait = self._waiting[0].arrived - due if self._waiting else self._timeout
        self._watch = loop.call_later(wait, self._look_for_late)

    def _settle(self, group: list[Append], written: WrittenGroup) -> None:
        """Tell those who wait, in order; then the listeners."""
        for at, append in enumerate(group):
            done, end = append.done, written.ends[at]
            if done is None or done.done():  # told that it was late, or its client left
                continue
            if isinstance(end, CommitFailedError):
                done.set_exception(end)
            else:
                done.set_result(end)
        self._account(written)

    def _account(self, written: WrittenGroup) -> None:
        self.room.use(written.size)
        if written.copy is not None and written.copy.records:
            for listener in self._listeners:
                listener(written.copy.records)

    def housekeep(self) -> list[GroupDetached]:
        """Each second: roll an old segment, unlink what may go, measure the room; returns the groups detached now."""
        if self.room.is_stuck or self._is_closed:
            return []
        detached: list[GroupDetached] = []
        try:
            if not self._writing:
                self._appender.roll_if_old()
            detached = self._retention.sweep(self._clock())
            self._alert(detached)
        except (OSError, EventLogError) as error:
            self.counters.housekeeping_failures += 1
            logger.warning("journal housekeeping failed", directory=str(self.directory), error=str(error))
        self.counters.segments_removed = self._retention.removed
        self._measure()
        return detached

    def _alert(self, detached: Sequence[GroupDetached]) -> None:
        """A side record for each group, in the journal that it lost."""
        if not detached:
            return
        self.counters.groups_detached += len(detached)
        if not self._appender.is_begun:
            if self.last_boot is None:
                return
            self.begin(self.last_boot[0])  # adopted and already complete: nobody else will say it
        now = self._clock()
        alerts = [detached_alert(group, self.directory, self._topics, now) for group in detached]
        if self._writing:
            loop = asyncio.get_running_loop()
            self._queue(loop, Append((), alerts, None, loop.time()))
        else:
            self.write_records_now(alerts)

    def _measure(self) -> None:
        try:
            self.room.measure(self._retention.used_bytes(), self._disk.free_bytes(self.directory))
        except OSError as error:
            self.counters.housekeeping_failures += 1
            logger.warning("journal not measured", directory=str(self.directory), error=str(error))

    async def close(self) -> None:
        """Write what waits, seal, release the lock. A disk that does not answer keeps the lock while it may write."""
        if self._is_closed:
            return
        self._is_closed = True
        self._flush()
        if self._executor is None:
            self._seal()
        elif await self._thread_is_idle():
            sealing = asyncio.get_running_loop().run_in_executor(self._executor, self._seal)
            await asyncio.wait({sealing}, timeout=self._timeout)
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    async def _thread_is_idle(self) -> bool:
        deadline = asyncio.get_running_loop().time() + self._timeout
        while self._writing and self._work is not None:
            left = deadline - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait({self._work}, timeout=max(left, 0.0))
            if not done:
                logger.error("journal not sealed: the disk does not answer", directory=str(self.directory))
                return False
        return True

    def _seal(self) -> None:
        try:
            self._appender.seal()
        except OSError as error:
            logger.warning("journal not sealed", directory=str(self.directory), error=str(error))
        finally:
            self._lock.release()


def _encode_drafts_of(group: list[Append]) -> list[Append]:
    """The group, its drafts replaced by their events; without what cannot be encoded, whose waiter is told."""
    drafts: list[Draft] = []
    for append in group:
        draft = append.events
        if isinstance(draft, Draft):
            drafts.append(draft)
    if not drafts:
        return group
    encode_drafts(drafts)
    encoded: list[Append] = []
    for append in group:
        draft = append.events
        if isinstance(draft, Draft):
            if draft.encoded is None:
                if draft.error is not None and append.done is not None and not append.done.done():
                    append.done.set_exception(draft.error)
                continue
            append.events = draft.encoded
        encoded.append(append)
    return encoded


def _fail(group: Sequence[Append], error: type[EventLogError], reason: str) -> None:
    for append in group:
        if append.done is not None and not append.done.done():
            append.done.set_exception(error(reason))
