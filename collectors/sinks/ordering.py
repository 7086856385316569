"""Writes each partition in the order of the log, so that an offset alone tells what is there already.

The pipeline writes several batches at once, and what failed comes later than what followed it. Here a document is
written only when everything before it in its partition is written or finished otherwise: what is durable is always a
prefix, a place need only know where it ends, and whatever comes from below that end is a duplicate. A document whose
predecessor is still on its way waits for it a little, and is then postponed.

What blocks (files, requests) runs in threads. A thread ends its work although the write that began it was cancelled;
what it found is taken over when it ends, so that a cancelled write leaves nothing half known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import structlog

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable, Waiting
from collectors.sinks.interface import Verdict
from collectors.tracker import Lane
from schemas.events import Kind
from sluice.eventlog.interface import Partition

_PATIENCE_SECONDS = 1.0
_LOOK_SECONDS = 0.02

_log = structlog.get_logger(__name__)

Cause = Retryable | Halt


_OFFSET = attrgetter("offset")
_APPENDED_AT = attrgetter("appended_at_ms")


class Placed(NamedTuple):
    """A document, and where its record lies in the log."""

    lane: Lane
    kind: Kind
    topic: str
    offset: int
    appended_at_ms: int
    size_bytes: int
    """Of the record."""
    body: Any


def placed(frame: Frame, bodies: Sequence[Any]) -> list[Placed]:
    """The documents of a frame with their places."""
    records, lanes = frame.delivery.records, frame.delivery.lanes
    topics, offsets = [record.topic for record in records], [record.offset for record in records]
    times, sizes = [record.timestamp for record in records], [len(record.value or b"") for record in records]
    rows = zip(lanes, repeat(frame.kind, len(lanes)), topics, offsets, times, sizes, bodies, strict=True)
    return list(map(Placed._make, rows))


@dataclass(slots=True)
class Position:
    """How far one partition is written."""

    next_offset: int = 0
    """Everything below is there, or is not for this sink."""
    newest_ms: int | None = None
    """The latest append time among it; ``None`` where it is not known."""


class Store(Protocol):
    """Where one partition's documents go. Called from threads, one call at a time; raises ``Retryable`` or ``Halt``."""

    def open(self, first: Placed) -> Position:
        """Find out what is there, also what others wrote meanwhile; ``first`` is what is to be written next."""
        ...

    def append(self, documents: Sequence[Placed]) -> int:
        """Make these durable, or the first so many of them; returns how many. In the order of their offsets."""
        ...

    def begin_epoch(self) -> Position:
        """The log begins anew: its offsets mean other records than before."""
        ...

    def tend(self) -> None:
        """Called every now and then: whatever is due."""
        ...

    def close(self) -> None:
        """Finish, as far as it can be done at once."""
        ...


Found = tuple[Any, Cause | None]


class OrderedPartition:
    """One partition's documents on their way to its store. Used from one loop."""

    def __init__(self, store: Store, threads: ThreadPoolExecutor) -> None:
        self.store = store
        self._threads = threads
        self._lane: Lane | None = None
        self._openings = 0
        self._position = Position()
        self._before: Position | None = None
        """How far the log was written that this one took the place of: it may have been a part of it."""
        self._old: set[int] = set()
        """Offsets of that part: nobody waits for them."""
        self._pool: dict[int, Placed] = {}
        """What was offered and is not durable yet, by its offset."""
        self._left: set[int] = set()
        """Offsets of it whose write has ended without them."""
        self._unseen: set[int] = set()
        """Offsets that became durable so: the next write of one is its first answer, not a duplicate."""
        self._running: asyncio.Future[Found] | None = None
        self._is_closed = False

    async def write(self, documents: Sequence[Placed]) -> Verdict:
        """As a sink's ``write``, for documents of this partition and of one lane."""
        verdict = Verdict()
        lane = documents[0].lane
        offsets = list(map(_OFFSET, documents))
        cause = await self._adopt(lane, documents, documents[offsets.index(min(offsets))])
        if cause is not None:
            verdict.postpone(range(len(documents)), cause)
            return verdict
        opening = self._openings
        fresh = self._fresh(documents)
        verdict.duplicates = len(documents) - len(fresh)
        if not fresh:
            return verdict
        verdict.duplicates += self._offer([documents[at] for at in fresh], [offsets[at] for at in fresh])
        offered = [offsets[at] for at in fresh if offsets[at] >= self._position.next_offset]
        try:
            cause = await self._until_durable(opening, lane, offered)
        finally:
            self._left.update(self._pool.keys() & set(offered))  # the pool keeps them: others may wait for them
        if cause is not None:
            left = [at for at in fresh if offsets[at] >= self._position.next_offset]
            verdict.postpone(left, cause)
        return verdict

    async def _adopt(self, lane: Lane, documents: Sequence[Placed], first: Placed) -> Cause | None:
        """See what is there when a partition is first ours, when it comes back, and after a failure."""
        while lane.live and not self._is_closed:
            if self._running is not None:
                await asyncio.wait({self._running})
            elif self._lane is not lane:
                if cause := await self._run(partial(self.store.open, first), lambda found: self._opened(lane, found)):
                    return cause
            elif first.offset < self._position.next_offset and self._is_another_log(documents):
                _log.warning("the log begins anew", topic=first.topic, partition=lane.partition.topic, at=first.offset)
                before = Position(self._position.next_offset, self._position.newest_ms)
                if cause := await self._run(self.store.begin_epoch, lambda found: self._opened(lane, found)):
                    return cause
                self._before = before
            else:
                return None
        return Waiting("the sink was closed" if self._is_closed else "the partition was revoked")

    def _opened(self, lane: Lane, position: Position) -> None:
        self._lane, self._position = None if self._is_closed else lane, position
        self._openings += 1
        for known in (self._pool, self._left, self._unseen, self._old):
            known.clear()

    def _is_another_log(self, documents: Sequence[Placed]) -> bool:
        """A record from below that was appended after all that is there is none of it: the log was made anew."""
        position = self._position
        return position.newest_ms is not None and any(
            document.offset < position.next_offset and document.appended_at_ms > position.newest_ms
            for document in documents
        )

    def _fresh(self, documents: Sequence[Placed]) -> Sequence[int]:
        """The positions of all but what the log before had: a restored copy still has that, and it is there already."""
        before = self._before
        if before is None or before.newest_ms is None:
            return range(len(documents))
        fresh = [
            at
            for at, document in enumerate(documents)
            if document.offset >= before.next_offset or document.appended_at_ms > before.newest_ms
        ]
        old = set(range(len(documents))).difference(fresh)
        self._old.update(documents[at].offset for at in old)
        return fresh

    def _offer(self, documents: Sequence[Placed], offsets: Sequence[int]) -> int:
        """Take in what is new; returns how many are not."""
        if min(offsets) >= self._position.next_offset:
            self._pool.update(zip(offsets, documents, strict=True))
            self._left.difference_update(offsets)
            return 0
        duplicates = 0
        for document in documents:
            if document.offset >= self._position.next_offset:
                self._pool[document.offset] = document
                self._left.discard(document.offset)
            elif document.offset in self._unseen:
                self._unseen.discard(document.offset)
            else:
                duplicates += 1
        return duplicates

    async def _until_durable(self, opening: int, lane: Lane, offered: Sequence[int]) -> Cause | None:
        """Return when all are durable, or why not; with a new opening nothing is known of what was offered before."""
        last, loop = max(offered, default=-1), asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE_SECONDS
        while self._is_open(opening) and last >= self._position.next_offset:
            if self._running is not None:
                await asyncio.wait({self._running})
            elif ready := self._ready(lane):
                if cause := await self._run(partial(self.store.append, ready), self._appended(ready)):
                    return cause
            elif loop.time() < deadline:
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                return Waiting(f"waits for offset {self._hole(lane)} of {lane.partition.topic}, which is on its way")
        return None if last < self._position.next_offset else Waiting("a write before it failed")

    def _is_open(self, opening: int) -> bool:
        return self._lane is not None and self._openings == opening

    def _hole(self, lane: Lane) -> int | None:
        """The first offset that is on its way and not here."""
        topic = next(iter(self._pool.values())).topic
        known = self._pool.keys() | self._old if self._old else self._pool.keys()
        return lane.first_unfinished(topic, self._position.next_offset, known)

    def _ready(self, lane: Lane) -> list[Placed]:
        """What has nothing before it that is still on its way."""
        hole = self._hole(lane)
        return [self._pool[offset] for offset in sorted(self._pool) if hole is None or offset < hole]

    def _appended(self, documents: Sequence[Placed]) -> Callable[[int], None]:
        def settle(count: int) -> None:
            durable = documents[:count]
            self._position.next_offset = durable[-1].offset + 1
            newest = max(map(_APPENDED_AT, durable))
            self._position.newest_ms = max(self._position.newest_ms or 0, newest)
            offsets = set(map(_OFFSET, durable))
            if len(offsets) == len(self._pool):  # the usual case: nothing came meanwhile
                self._pool.clear()
            for offset in offsets & self._pool.keys():
                del self._pool[offset]
            self._unseen |= self._left & offsets
            self._left -= offsets

        return settle

    async def _run(self, work: Callable[[], Any], apply: Callable[[Any], None]) -> Cause | None:
        """Do it in a thread and take over what it found, even if nobody waits for it any more."""
        run = self._running = asyncio.get_running_loop().run_in_executor(self._threads, _guarded, work)
        run.add_done_callback(lambda ended: self._ended(ended, apply))
        await asyncio.wait({run})
        return run.result()[1]

    def _ended(self, run: asyncio.Future[Found], apply: Callable[[Any], None]) -> None:
        self._running = None
        found, cause = run.result()
        if cause is None:
            apply(found)
        else:
            self._lane = None  # nothing is known for sure: look again before the next write

    async def tend(self) -> None:
        """Let the store do what is due, unless it is busy."""
        if self._running is None:
            lane = self._lane
            await self._run(self.store.tend, lambda _: None)
            if self._lane is None and lane is not None:
                _log.warning("a file could not be finished yet", partition=lane.partition.topic)

    async def close(self) -> None:
        """Wait for what runs and finish; writes that are still under way end without having begun anything else."""
        self._is_closed, self._lane = True, None
        while self._running is not None:
            await asyncio.wait({self._running})
        await self._run(self.store.close, lambda _: None)


def _guarded(work: Callable[[], Any]) -> Found:
    try:
        return work(), None
    except (Retryable, Halt) as cause:
        return None, cause
    except Exception as error:  # noqa: BLE001 - a sink's write does not raise
        _log.exception("a store broke")
        return None, Retryable(f"the store raised {type(error).__name__}")


OpenStore = Callable[[Kind, str, Partition], Store]


class OrderedWrites:
    """The writes of a sink, partition by partition. ``threads``: how many of them at once."""

    def __init__(self, open_store: OpenStore, threads: int, name: str) -> None:
        self._open_store = open_store
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._partitions: dict[tuple[Kind, str, Partition], OrderedPartition] = {}

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Do something else that blocks; raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def write(self, documents: Sequence[Placed]) -> Verdict:
        """As a sink's ``write``."""
        keys = [document[:3] for document in documents]
        if len(set(keys)) == 1:
            return await self._partition(keys[0]).write(documents)
        groups: dict[tuple[Lane, Kind, str], list[int]] = {}
        for at, key in enumerate(keys):
            groups.setdefault(key, []).append(at)
        async with asyncio.TaskGroup() as tasks:
            writes = [
                (positions, tasks.create_task(self._partition(key).write([documents[at] for at in positions])))
                for key, positions in groups.items()
            ]
        verdict = Verdict()
        for positions, task in writes:
            part = task.result()
            verdict.duplicates += part.duplicates
            if part.cause is not None:
                verdict.postpone([positions[at] for at in part.retry], part.cause)
        verdict.retry.sort()
        return verdict

    def _partition(self, key: tuple[Lane, Kind, str]) -> OrderedPartition:
        lane, kind, topic = key
        name = (kind, topic, lane.partition)
        found = self._partitions.get(name)
        if found is None:
            found = self._partitions[name] = OrderedPartition(self._open_store(*name), self._threads)
        return found

    async def tend(self) -> None:
        """Let every store do what is due."""
        for partition in list(self._partitions.values()):
            await partition.tend()

    async def close(self) -> None:
        """Finish every partition."""
        partitions = list(self._partitions.values())
        self._partitions = {}
        async with asyncio.TaskGroup() as tasks:
            for partition in partitions:
                tasks.create_task(partition.close())
