"""A log and a sink in memory that fail as they are told, and that see at once when something is acknowledged early."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable
from collectors.sinks.interface import Prepared, Verdict
from schemas.topics import DLQ_SUFFIX
from sluice.eventlog.interface import (
    EventLogError,
    Partition,
    PartitionLag,
    PolledRecord,
    RebalanceListener,
    Record,
    StoredRecord,
)
from tests.collectors.events import event_id_of


@dataclass
class FakeSink:
    """Documents are event ids. ``script`` decides each write before anything is durable; by default all goes well."""

    script: Callable[[Sequence[str]], Awaitable[Verdict]] | None = None
    durable: dict[str, int] = field(default_factory=dict)
    """Event id → how often it was written, second writes known by their id."""
    start_errors: deque[Exception] = field(default_factory=deque)
    check_errors: deque[Exception] = field(default_factory=deque)
    writes: list[list[str]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    unencodable: set[str] = field(default_factory=set)
    closed: bool = False

    async def start(self) -> None:
        if self.start_errors:
            raise self.start_errors.popleft()

    async def check(self) -> None:
        if self.check_errors:
            raise self.check_errors.popleft()

    def prepare(self, frame: Frame) -> Prepared[str]:
        ids = frame.rows["event_id"].to_list()
        if self.unencodable.intersection(ids):
            message = "cannot be a document"
            raise ValueError(message)
        return Prepared(ids)

    async def write(self, documents: Sequence[str]) -> Verdict:
        self.writes.append(list(documents))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            verdict = Verdict() if self.script is None else await self.script(documents)
        finally:
            self.in_flight -= 1
        unwritten = verdict.poison.keys() | set(verdict.retry)
        for at, document in enumerate(documents):
            if at not in unwritten:
                verdict.duplicates += document in self.durable
                self.durable[document] = self.durable.get(document, 0) + 1
        return verdict

    async def close(self) -> None:
        self.closed = True


def postponed(count: int, cause: Retryable | Halt) -> Verdict:
    """Nothing of a write went through."""
    verdict = Verdict()
    verdict.postpone(range(count), cause)
    return verdict


class FakeLog:
    """Partitions, committed offsets, and whatever was published beside them."""

    def __init__(self, sink: FakeSink) -> None:
        self.sink = sink
        self.partitions: dict[Partition, list[StoredRecord]] = defaultdict(list)
        self.committed: dict[Partition, int] = {}
        self.published: list[Record] = []
        self.publish_errors: deque[EventLogError] = deque()
        self.schemas: list[bytes] = []
        self.early: list[str] = []
        """What was acknowledged before it was in the sink or in the dead letters."""
        self.unhandled: set[str] = set()
        """Event ids that may be acknowledged although nobody wrote them: those of other kinds."""
        self.buried: set[tuple[bytes, bytes]] = set()
        self.arrived = asyncio.Event()

    def append(self, partition: Partition, records: Iterable[StoredRecord]) -> None:
        lane = self.partitions[partition]
        for record in records:
            record.partition, record.offset = partition.partition, len(lane)
            lane.append(record)
        self.arrived.set()

    @property
    def dead_letters(self) -> list[Record]:
        return [record for record in self.published if record.topic.endswith(DLQ_SUFFIX)]

    @property
    def alerts(self) -> list[Record]:
        return [record for record in self.published if record.topic.endswith(".alert.v1")]

    def is_settled(self, record: StoredRecord) -> bool:
        """Whether a record may be acknowledged."""
        event_id = event_id_of(record) if record.headers else ""
        if event_id in self.sink.durable or event_id in self.unhandled:
            return True
        return (str(record.partition).encode(), str(record.offset).encode()) in self.buried

    def note_commit(self, partition: Partition, next_offset: int) -> None:
        first = self.committed.get(partition, 0)
        for record in self.partitions[partition][first:next_offset]:
            if not self.is_settled(record):
                self.early.append(f"{partition}:{record.offset}")
        assert next_offset >= first, "a commit went backwards"
        self.committed[partition] = next_offset

    @property
    def is_done(self) -> bool:
        """Whether everything is acknowledged."""
        return all(self.committed.get(name, 0) == len(lane) for name, lane in self.partitions.items())

    async def publish(self, records: Sequence[Record]) -> None:
        await asyncio.sleep(0.001)
        if self.publish_errors:
            raise self.publish_errors.popleft()
        self.published += records
        for record in records:
            if record.topic.endswith(DLQ_SUFFIX):
                headers = dict(record.headers)
                self.buried.add((headers["dlq.partition"], headers["dlq.offset"]))

    async def close(self) -> None:
        """As a publisher."""


class FakeSource:
    """One member of a group on a ``FakeLog``."""

    def __init__(self, log: FakeLog) -> None:
        self.log = log
        self.positions: dict[Partition, int] = {}
        self.paused: set[Partition] = set()
        self.polls = 0
        self.start_errors: deque[EventLogError] = deque()
        self.poll_errors: deque[EventLogError] = deque()
        self.commit_results: deque[bool | Exception | float] = deque()
        """What commits do: an answer, an error, or seconds to hang."""
        self.commits: list[dict[Partition, int]] = []
        self.silent = False
        self.closed = False
        self.reported_lag: dict[Partition, PartitionLag] | None = None
        self.listener: RebalanceListener | None = None

    async def start(self, listener: RebalanceListener) -> None:
        if self.start_errors:
            raise self.start_errors.popleft()
        self.listener = listener
        await self.assign(self.log.partitions)

    async def assign(self, partitions: Iterable[Partition]) -> None:
        assert self.listener is not None
        names = list(partitions)
        for name in names:
            self.positions[name] = self.log.committed.get(name, 0)
        await self.listener.on_assigned(names)

    async def revoke(self, partitions: Iterable[Partition]) -> None:
        assert self.listener is not None
        names = list(partitions)
        await self.listener.on_revoked(names)
        for name in names:
            self.positions.pop(name, None)

    async def poll(self, timeout_seconds: float, max_records: int) -> Mapping[Partition, Sequence[PolledRecord]]:
        self.polls += 1
        if self.poll_errors:
            raise self.poll_errors.popleft()
        found = self._ready(max_records)
        if not found:
            self.log.arrived.clear()
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self.log.arrived.wait()
            except TimeoutError:
                return {}
            found = self._ready(max_records)
        return found

    def _ready(self, max_records: int) -> dict[Partition, Sequence[PolledRecord]]:
        found: dict[Partition, Sequence[PolledRecord]] = {}
        for name, position in self.positions.items():
            if name in self.paused or self.silent:
                continue
            records = self.log.partitions[name][position : position + max_records]
            if records:
                found[name] = records
                self.positions[name] = position + len(records)
                max_records -= len(records)
        return found

    async def commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        self.commits.append(dict(next_offsets))
        answer = self.commit_results.popleft() if self.commit_results else True
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, bool):
            await asyncio.sleep(answer)
        elif not answer:
            return False
        for partition, offset in next_offsets.items():
            self.log.note_commit(partition, offset)
        return True

    def pause(self, partitions: Iterable[Partition]) -> None:
        self.paused.update(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        self.paused.difference_update(partitions)

    async def lag(self) -> Mapping[Partition, PartitionLag]:
        if self.reported_lag is not None:
            return self.reported_lag
        return {
            name: PartitionLag(len(self.log.partitions[name]) - self.log.committed.get(name, 0))
            for name in self.positions
        }

    async def read_schemas(self) -> Sequence[bytes]:
        return list(self.log.schemas)

    async def close(self) -> None:
        self.closed = True


async def until(condition: Callable[[], Any], seconds: float = 600.0, step: float = 0.01) -> None:
    """Wait for a condition on the loop's clock; fails after ``seconds`` of it."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "the condition never came true"
        await asyncio.sleep(step)
