"""The way of one batch.

1 poll   2 decode   3 select   4 redact   5 batch by count, bytes, age
6 write   7 classify each item   8 fallback or dead letter where due   9 track   10 commit

Steps 3 to 7 are each collector's own: none waits for another. A record ends as delivered, duplicate, passed, filtered,
dead-lettered, or in the fallback, when every collector it was selected for is done with it (``outcomes.py``), and only
then advances its partition: what is committed is the longest finished prefix. Whatever else happens (a sink that is
away, a halt, a log that does not answer) is waited for, while full partitions pause and polling goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from collectors.backpressure import Backpressure
from collectors.burial import Burial, Gate
from collectors.columns import Decoded, Decodes
from collectors.committer import Committer
from collectors.deliveries import Batch, Delivery, Frame, Poison
from collectors.health import Health
from collectors.intake import Intake
from collectors.metrics import Outcome, ServiceMetrics
from collectors.outcomes import End, Outcomes
from collectors.outlet import Outlet
from collectors.schema_wait import SchemaWait, unknown_schema
from collectors.sinks.interface import Verdict
from collectors.tracing import NO_TRACING, Tracing
from collectors.tracker import Tracker
from sluice.eventlog.interface import Partition

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
    """Carries records from a source to the collectors of a service; it is its source's ``RebalanceListener``."""

    intake: Intake
    tracker: Tracker
    backpressure: Backpressure
    decoder: Decodes
    schemas: SchemaWait
    outlets: Sequence[Outlet]
    """In the order in which they are offered a frame."""
    fallback: Outlet | None
    outcomes: Outcomes
    gate: Gate
    """Of what cannot be decoded; what a collector can never store has its own."""
    burial: Burial
    committer: Committer
    health: Health
    metrics: ServiceMetrics
    drain_seconds: float
    clock: Callable[[], float]
    tracing: Tracing = NO_TRACING
    on_finished: Callable[[Delivery, Outcome, int], None] | None = None
    """Told of records whose outcome is known, and how many of them were duplicates; before they count for a commit."""
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _progress: asyncio.Event = field(default_factory=asyncio.Event)
    _group: asyncio.TaskGroup | None = None
    _running: set[asyncio.Task[None]] = field(default_factory=set)

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
            delivery = await self.intake.take(self._poll_seconds())  # 1 poll
            for part in delivery.slices(_SLICE_RECORDS, _SLICE_BYTES):
                self._decode(part)  # 2 decode
                await asyncio.sleep(0)
            self._deliver_due()
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
            self.gate.delivered(frame.producers())
            selected = [outlet.selection.positions(frame) for outlet in self.outlets]  # 3 select
            self._finish(self.outcomes.expect(frame, selected), "filtered")
            for outlet, positions in zip(self.outlets, selected, strict=True):
                outlet.leave_out(frame, positions)
                if positions:
                    self._give(outlet, frame.pick(positions))

    def _give(self, outlet: Outlet, frame: Frame) -> None:
        for batch in outlet.take(frame):  # 4 redact, 5 batch
            self._spawn(self._deliver(outlet, batch))

    def _deliver_due(self, *, all_of_them: bool = False) -> None:
        """Batches that are old enough, or that must not be gathered any longer."""
        hurries = all_of_them or self.intake.is_closing or self._stopping.is_set()
        for outlet in self._everyone:
            for batch in outlet.batching.flush() if hurries else outlet.due():
                self._spawn(self._deliver(outlet, batch))

    @property
    def _everyone(self) -> Iterable[Outlet]:
        return self.outlets if self.fallback is None else (*self.outlets, self.fallback)

    def _poll_seconds(self) -> float:
        seconds = _POLL_SECONDS
        for outlet in self._everyone:
            due = outlet.batching.seconds_until_due()
            if due is not None:
                due = max(_LEAST_SECONDS, due) if outlet.writer.has_room else _CONGESTED_SECONDS
                seconds = min(seconds, due)
        return seconds

    async def _deliver(self, outlet: Outlet, batch: Batch) -> None:
        with self.tracing.batch(self.metrics.service, outlet.name, batch) as span:
            self._prepare(outlet, batch)
            while self._keep_ours(outlet, batch):
                verdict = await outlet.writer.write(batch)  # 6 write, 7 classify
                span.wrote(batch, verdict)
                self._settle(outlet, batch, verdict)
                if verdict.poison:
                    await self._bury_items(outlet, batch, verdict)
                batch.let_go()
                await outlet.writer.wait(batch, verdict.cause)
        outlet.gate.leave(batch)

    def _prepare(self, outlet: Outlet, batch: Batch) -> None:
        began = self.clock()
        outlet.prepare(batch)
        self.metrics.spent("prepare", self.clock() - began)
        self.metrics.gathered(len(batch), batch.frame.delivery.size_bytes())

    def _keep_ours(self, outlet: Outlet, batch: Batch) -> bool:
        """Give up what was revoked meanwhile; whether something is left to do."""
        self._end(outlet, batch.drop_revoked(), "revoked")
        return bool(batch.pending)

    def _settle(self, outlet: Outlet, batch: Batch, verdict: Verdict) -> None:
        """The collector is done with what it handled and with what it passed."""
        others = verdict.poison.keys() | set(verdict.retry)
        settled = [at for at in batch.pending if at not in others]
        if not settled:
            return
        outlet.gate.delivered(batch.frame.producers(settled))
        passed = set(verdict.passed)
        handled = [at for at in settled if at not in passed] if passed else settled
        self._end(outlet, batch.settle(handled), "handled", verdict.duplicates)
        self._end(outlet, batch.settle(verdict.passed), "passed")

    def _end(self, outlet: Outlet, delivery: Delivery, how: End, duplicates: int = 0) -> None:
        """The collector is done with these: some are finished by that, some now need the fallback."""
        if not delivery:
            return
        outlet.in_hand -= len(delivery)
        if how != "handled":
            outlet.set_aside(delivery)
        self.metrics.ended(outlet.name, how, len(delivery) - duplicates)
        self.metrics.ended(outlet.name, "duplicate", duplicates)
        concluded = self.outcomes.end(delivery, how, outlet.role)
        for final, finished in concluded.finished.items():
            self._finish(finished, final, 0 if self.outcomes.remembers else duplicates)  # 9 track
        for frame in concluded.due:
            if self.fallback is not None:
                self._give(self.fallback, frame)  # 8 fall back
        self._progress.set()

    async def _bury_items(self, outlet: Outlet, batch: Batch, verdict: Verdict) -> None:
        poison = batch.poison(verdict.poison)
        poison.collector = outlet.name
        if outlet.gate.admit(batch, poison):
            await self.burial.publish(poison)  # 8 dead letter
            self._end(outlet, batch.settle(list(verdict.poison)), "dead_lettered")
        else:
            batch.first_failed_at = poison.first_failed_at
            await outlet.gate.wait()  # then it is written again: the cause may be gone

    def _give_up(self, poison: Poison) -> None:
        self._spawn(self._bury(poison))

    async def _bury(self, poison: Poison) -> None:
        """Dead-letter what cannot be decoded; while a limit forbids that, see now and then whether it can be."""
        token = poison
        while poison:
            self._finish(poison.drop_revoked(), "revoked")
            if self.gate.admit(token, poison):
                await self.burial.publish(poison)  # 8 dead letter
                self._finish(poison.delivery, "dead_lettered")  # 9 track
                break
            await self.gate.wait()
            poison = await self._decode_again(poison)
        self.gate.leave(token)

    async def _decode_again(self, poison: Poison) -> Poison:
        """What is still poison, now that schemas were looked up again."""
        await self.schemas.look()
        decoded = self.decoder.decode(poison.delivery)
        for fingerprint, unknown in decoded.unknown.items():
            decoded.poison.extend(unknown_schema(fingerprint, unknown))
        self._gather(decoded)
        decoded.poison.first_failed_at = poison.first_failed_at
        return decoded.poison

    def _finish(self, delivery: Delivery, outcome: Outcome, duplicates: int = 0) -> None:
        """Track: these count for what may be committed (not where they were revoked: their lane is closed)."""
        if self.on_finished is not None and delivery:
            self.on_finished(delivery, outcome, duplicates)
        for lane, records in delivery.by_lane():
            lane.finish([record.offset for record in records])
        self.backpressure.release(delivery)
        self.metrics.finished(outcome, len(delivery) - duplicates)
        self.metrics.finished("duplicate", duplicates)
        self._progress.set()

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(_COMMIT_SECONDS)
            await self.committer.commit()  # 10 commit

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        """These are ours: open a lane for each."""
        assigned = tuple(partitions)
        self.tracker.assign(assigned, await self.intake.log_ids(assigned))
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
        self._deliver_due(all_of_them=True)
        while self.tracker.unfinished(partitions) and (left := deadline - self.clock()) > 0:
            if not await self._progresses(min(left, _PROGRESS_SECONDS)) and self.health.is_halted:
                break
            self._deliver_due(all_of_them=True)  # what came to the fallback meanwhile
        await self.committer.commit(partitions)

    async def _progresses(self, seconds: float) -> bool:
        """Whether something finishes within the time."""
        self._progress.clear()
        try:
            async with asyncio.timeout(seconds):
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
