"""The way of one batch.

1 poll   2 decode   3 select   4 (redact is not in this version)   5 batch by count, bytes, age
6 write   7 classify each item   8 dead letter where due   9 track   10 commit

A record ends as delivered, duplicate, passed, filtered or dead-lettered, and only then advances its partition: what is
committed is the longest finished prefix. Whatever else happens (a sink that is away, a halt, a log that does not
answer) is waited for, while full partitions pause and polling goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog

from collectors.backoff import Backoff
from collectors.backpressure import Backpressure
from collectors.batching import Batching
from collectors.columns import Decoded, Decoder
from collectors.committer import Committer
from collectors.dead_letters import DeadLetterLimits, DeadLetters
from collectors.deliveries import Batch, Delivery, Poison
from collectors.errors import Halt
from collectors.health import Health
from collectors.intake import Intake
from collectors.metrics import Outcome, ServiceMetrics
from collectors.schema_wait import SchemaWait, unknown_schema
from collectors.sinks.interface import Sink, Verdict
from collectors.tracker import Tracker
from collectors.writer import Writer, prepare
from schemas.events import Kind
from sluice.eventlog.interface import EventLogError, Partition

DEAD_LETTERS = "dead letters"
LIMITS = "dead letter limits"
"""Where troubles are kept in ``Health``."""

_POLL_SECONDS = 0.5
_CONGESTED_SECONDS = 0.1
_LEAST_SECONDS = 0.001
_PROGRESS_SECONDS = 1.0
_COMMIT_SECONDS = 1.0
_REVOKE_SECONDS = 20.0  # a third of the rebalance timeout: what is not finished by then comes again elsewhere
_SLICE_RECORDS = 2_000
_SLICE_BYTES = 4 << 20  # with the above: at most 50 ms of decoding before the loop may do something else

_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Pipeline:
    """Carries records from a source to a sink, once; it is its source's ``RebalanceListener``."""

    kinds: frozenset[Kind]
    intake: Intake
    tracker: Tracker
    backpressure: Backpressure
    decoder: Decoder
    schemas: SchemaWait
    batching: Batching
    sink: Sink[Any]
    writer: Writer
    letters: DeadLetters
    limits: DeadLetterLimits
    committer: Committer
    health: Health
    metrics: ServiceMetrics
    backoff: Backoff
    halt_seconds: float
    drain_seconds: float
    clock: Callable[[], float]
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _progress: asyncio.Event = field(default_factory=asyncio.Event)
    _group: asyncio.TaskGroup | None = None
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _refused: set[int] = field(default_factory=set)

    async def run(self) -> None:
        """Carry records until ``stop``, then finish what is in flight within ``drain_seconds``.

        Ends only so, when cancelled, or with an ExceptionGroup where something of ours is broken.
        """
        try:
            async with asyncio.TaskGroup() as self._group:
                taking = self._spawn(self._take_in())
                self._spawn(self._commit_regularly())
                self._spawn(self.schemas.run(self._decode, self._give_up))
                await self._stopping.wait()
                await asyncio.wait({taking}, timeout=2 * _POLL_SECONDS)
                taking.cancel()
                await self._drain(None, self.drain_seconds)
                for task in self._running:
                    task.cancel()
        finally:
            self._group = None

    def stop(self) -> None:
        """Take nothing more in, finish, commit, and let ``run`` return."""
        self._stopping.set()

    async def _take_in(self) -> None:
        while not self._stopping.is_set():
            delivery = await self.intake.take(self._poll_seconds())  # 1
            for part in delivery.slices(_SLICE_RECORDS, _SLICE_BYTES):
                self._decode(part)  # 2
                await asyncio.sleep(0)
            for batch in self._due():
                self._spawn(self._deliver(batch))
            await asyncio.sleep(0)

    def _decode(self, delivery: Delivery) -> None:
        began, failures = self.clock(), self.decoder.column_failures
        decoded = self.decoder.decode(delivery)
        self.metrics.decoded(self.clock() - began, self.decoder.column_failures - failures)
        if decoded.poison:
            self._give_up(decoded.poison)
        for fingerprint, unknown in decoded.unknown.items():
            self.schemas.hold(fingerprint, unknown)
        self._gather(decoded)

    def _gather(self, decoded: Decoded) -> None:
        for frame in decoded.frames:
            if frame.kind not in self.kinds:  # 3
                self._finish(frame.delivery, "filtered")
                continue
            for batch in self.batching.add(frame):  # 5
                self._spawn(self._deliver(batch))

    def _due(self) -> list[Batch]:
        """Batches that are old enough; while the sink is busy they rather grow than queue."""
        if self.intake.is_closing or self._stopping.is_set():
            return self.batching.flush()
        return self.batching.due() if self.writer.concurrency.has_room else []

    def _poll_seconds(self) -> float:
        due = self.batching.seconds_until_due()
        if due is None:
            return _POLL_SECONDS
        if not self.writer.concurrency.has_room:
            return _CONGESTED_SECONDS
        return min(_POLL_SECONDS, max(_LEAST_SECONDS, due))

    async def _deliver(self, batch: Batch) -> None:
        self._prepare(batch)
        while self._keep_ours(batch):
            verdict = await self.writer.write(batch)  # 6, 7
            unsettled = verdict.poison.keys() | set(verdict.retry)
            self._settle(batch, [at for at in batch.pending if at not in unsettled], verdict)  # 9
            if verdict.poison:
                await self._bury_items(batch, batch.poison(verdict.poison), list(verdict.poison))  # 8, 9
            await self.writer.wait(batch, verdict.cause)
        self._accept(batch)

    def _prepare(self, batch: Batch) -> None:
        """Serialise once; retries reuse the bytes."""
        began = self.clock()
        prepared = prepare(self.sink, batch.frame)
        batch.documents, batch.unwritable = prepared.documents, prepared.poison
        self.metrics.spent("prepare", self.clock() - began)
        self.metrics.gathered(len(batch), batch.frame.delivery.size_bytes())

    def _keep_ours(self, batch: Batch) -> bool:
        """Give up what was revoked meanwhile; whether something is left to do."""
        self._finish(batch.drop_revoked(), "revoked")
        return bool(batch.pending)

    def _settle(self, batch: Batch, delivered: list[int], verdict: Verdict) -> None:
        if delivered:
            self.limits.delivered(batch.producers(delivered))
            self._finish(batch.settle(delivered), "delivered", verdict.duplicates, verdict.passed)

    async def _bury_items(self, batch: Batch, poison: Poison, positions: list[int]) -> None:
        if self._admit(batch, poison):
            await self._publish(poison)
            self._finish(batch.settle(positions), "dead_lettered")
        else:
            await asyncio.sleep(self.halt_seconds)  # then it is written again: the cause may be gone

    def _give_up(self, poison: Poison) -> None:
        self._spawn(self._bury(poison))

    async def _bury(self, poison: Poison) -> None:
        """Dead-letter what cannot be decoded; while a limit forbids that, see now and then whether it can be."""
        token = poison
        while poison:
            self._finish(poison.drop_revoked(), "revoked")
            if self._admit(token, poison):
                await self._publish(poison)  # 8
                self._finish(poison.delivery, "dead_lettered")  # 9
                break
            await asyncio.sleep(self.halt_seconds)
            poison = await self._decode_again(poison)
        self._accept(token)

    async def _decode_again(self, poison: Poison) -> Poison:
        """What is still poison, now that schemas were looked up again."""
        await self.schemas.look()
        decoded = self.decoder.decode(poison.delivery)
        for fingerprint, unknown in decoded.unknown.items():
            decoded.poison.extend(unknown_schema(fingerprint, unknown))
        self._gather(decoded)
        decoded.poison.first_failed_at = poison.first_failed_at
        return decoded.poison

    def _admit(self, holder: object, poison: Poison) -> bool:
        """Whether the limits let these be dead letters; else the service is halted until the holder is done."""
        try:
            self.limits.admit(poison)
        except Halt as halt:
            self._refused.add(id(holder))
            self.health.halt(LIMITS, halt)
            return False
        return True

    def _accept(self, holder: object) -> None:
        self._refused.discard(id(holder))
        if not self._refused:
            self.health.clear(LIMITS)

    async def _publish(self, poison: Poison) -> None:
        """Return when the log has these as dead letters; until it does, nothing passes."""
        began, failures = self.clock(), 0
        while True:
            try:
                await self.letters.publish(poison)
            except EventLogError as error:
                failures += 1
                self.health.halt(DEAD_LETTERS, Halt(str(error), "make the dead-letter topics writable"))
                await asyncio.sleep(self.backoff.seconds(failures))
            else:
                break
        self.health.clear(DEAD_LETTERS)
        self.metrics.buried([error.reason for error in poison.errors])
        self.metrics.spent("dead_letter", self.clock() - began)

    def _finish(self, delivery: Delivery, outcome: Outcome, duplicates: int = 0, passed: int = 0) -> None:
        """Track: these count for what may be committed (not where they were revoked: their lane is closed)."""
        for lane, records in delivery.by_lane():
            lane.finish([record.offset for record in records])
        self.backpressure.release(delivery)
        self.metrics.finished(outcome, len(delivery) - duplicates - passed)
        self.metrics.finished("duplicate", duplicates)
        self.metrics.finished("passed", passed)
        self._progress.set()

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(_COMMIT_SECONDS)
            await self.committer.commit()  # 10

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        """These are ours: open a lane for each."""
        assigned = tuple(partitions)
        self.tracker.assign(assigned)
        self.intake.open(assigned)
        self.metrics.rebalanced("assigned")

    async def on_revoked(self, partitions: Iterable[Partition]) -> None:
        """Drain first, fence second: take nothing more in, finish within a bound, commit, then close the lanes."""
        revoked = tuple(partitions)
        self.intake.close(revoked)
        self.metrics.rebalanced("revoked")
        try:
            if self._group is not None:
                await self._drain(revoked, _REVOKE_SECONDS)
        except Exception:  # noqa: BLE001 - the log swallows it: the fence must come whatever happened
            _log.exception("drain before a rebalance failed")
        finally:
            self.tracker.revoke(revoked)

    async def _drain(self, partitions: tuple[Partition, ...] | None, seconds: float) -> None:
        """Wait until what is in flight is finished, unless a halt makes that hopeless, and commit it."""
        deadline = self.clock() + seconds
        for batch in self.batching.flush():
            self._spawn(self._deliver(batch))
        while self.tracker.unfinished(partitions) and self.clock() < deadline:
            if not await self._progresses() and self.health.is_halted:
                break
        await self.committer.commit(partitions)

    async def _progresses(self) -> bool:
        """Whether something finishes within a while."""
        self._progress.clear()
        try:
            async with asyncio.timeout(_PROGRESS_SECONDS):
                return await self._progress.wait()
        except TimeoutError:
            return False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that ends with ``run``, at the latest."""
        if self._group is None:
            work.close()
            message = "the pipeline does not run"
            raise RuntimeError(message)
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task
