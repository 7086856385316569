"""A job at work: what it carries from where to where, and what came of it.

1 assemble the collectors' pipeline around a source with an end   2 read ahead, and carry
3 watch: show how far it is; give up what cannot go on   4 finish what is in flight   5 save, and report
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from collectors.deliveries import Frame
from collectors.entries import AnyEntry, CollectorEntry
from collectors.errors import Retryable
from collectors.jobs.engine.assembly import Parts, assemble_job
from collectors.jobs.engine.failures import trim
from collectors.jobs.engine.progress import Progress
from collectors.jobs.engine.tally import Tally
from collectors.jobs.engine.watching import Watching
from collectors.jobs.folder import JobFolder
from collectors.jobs.interface import FrameTest, Origin, Ranges, UsageError
from collectors.jobs.pulse import Pulse
from collectors.jobs.report import Report
from collectors.operations.printing import Printer
from collectors.settings import HostSettings
from collectors.sinks.interface import Kept, Sink
from sluice.eventlog.interface import EventLogError, Partition
from sluice.eventlog.ranges import OffsetRange

_CLOSE_SECONDS = 60.0
"""Sinks finish files as they close."""
_SEPARATOR = "/"


@dataclass(slots=True)
class Work:
    """What is to be carried. ``clock`` is monotonic, in seconds."""

    name: str
    """The job's."""
    command: str
    origin: Origin
    ranges: Ranges
    """As they were fixed; a resumed job begins within them where its progress ends."""
    topics: Collection[str]
    entry: AnyEntry | CollectorEntry
    """Of the target: its selection, redaction, batches, retries and limits hold as in life."""
    sink: Sink[Any]
    """Started by whoever opened it."""
    host: HostSettings
    printer: Printer
    folder: JobFolder | None = None
    """``None`` where nothing is to be kept: a dry run."""
    tests: Sequence[FrameTest] = ()
    """Which events were asked for: all must want a row."""
    rate: float = 0.0
    observe: Callable[[Frame], None] | None = None
    """Shown each frame of matched events once in a run; what lies behind a resumed job's progress is shown again."""
    clock: Callable[[], float] = time.monotonic
    is_dry: bool = False


async def carry(work: Work) -> Report:
    """Carry it to its end, and say what came of it; the job's folder is up to date then."""
    run = _Run(work)
    await run.run()
    return run.report


@dataclass(slots=True)
class _Run:
    """One process's part of a job."""

    work: Work
    tally: Tally = field(init=False)
    report: Report = field(init=False)
    _next: dict[Partition, int] = field(init=False)
    _seconds_before: float = field(init=False)
    _began_at: float = field(init=False)

    def __post_init__(self) -> None:
        work, before = self.work, self.work.folder.progress() if self.work.folder else None
        before = before or {}
        self.tally = Tally(before.get("counts"))
        self.report = Report(work.command, work.name)
        self._next = {_partition(name): offset for name, offset in before.get("next", {}).items()}
        self._seconds_before = before.get("seconds", 0.0)
        self._began_at = work.clock()

    async def run(self) -> None:
        work = self.work
        if work.folder is not None:
            trim(work.folder.failures, self._next)
        left = _left(work.ranges, self._next)
        parts = assemble_job(work, left, self.tally, self._store)  # 1
        progress = Progress(work.ranges, f"{work.command} {work.name}", work.printer, work.clock)
        pulse = Pulse(work.folder.path if work.folder else None, work.clock)

        def show() -> None:
            progress.show(self._next, self.tally.finished_records)
            pulse.beat(progress.done(self._next), progress.total, lambda: self.tally.counts)

        watching = Watching(parts, self.tally, show, work.clock)
        with _signals(watching.stop):
            await self._carry(parts, watching)  # 2, 3, 4
        if watching.is_complete:
            progress.end()
        await self._conclude(parts, watching)  # 5

    async def _carry(self, parts: Parts, watching: Watching) -> None:
        if not any(not wanted.is_empty for wanted in parts.ranges.values()):
            watching.is_complete = True
            return
        async with _told_apart(), asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(parts.source.run())]
            if isinstance(self.work.sink, Kept):
                beside.append(tasks.create_task(self.work.sink.keep()))
            await parts.source.start(parts.pipeline)
            carrying = tasks.create_task(parts.pipeline.run())
            await watching.run(carrying)
            for task in beside:
                task.cancel()
        await parts.committer.commit()

    async def _store(self, next_offsets: Mapping[Partition, int]) -> None:
        """The source's commit: counts and next offsets at once, or neither."""
        self.tally.settle(next_offsets)
        self._next.update(next_offsets)
        if self.work.folder is not None:
            await asyncio.to_thread(self.work.folder.save_progress, self._progress())

    def _progress(self) -> dict[str, Any]:
        return {
            "next": {_name(partition): offset for partition, offset in sorted(self._next.items())},
            "counts": self.tally.as_dict(),
            "seconds": round(self._seconds, 3),
        }

    @property
    def _seconds(self) -> float:
        return self._seconds_before + self.work.clock() - self._began_at

    async def _conclude(self, parts: Parts, watching: Watching) -> None:
        report = self.report
        self.tally.report_to(report)
        report.seconds = self._seconds
        report.state = "stopped" if not watching.is_complete else "counted" if self.work.is_dry else "complete"
        report.notes += parts.notes
        report.problems += watching.problems
        if self.work.is_dry:
            report.written = report.already_there = report.passed = 0
        folder = self.work.folder
        if folder is not None:
            if report.failed:
                report.problems.append(f"{report.failed} records could not be written; each is in {folder.failures}")
            if report.state == "stopped":
                report.problems.append(f"it is not done; sluice {self.work.command} --resume {folder.name} goes on")
            await asyncio.to_thread(folder.save_report, report.as_dict())


@asynccontextmanager
async def opened(sink: Sink[Any]) -> AsyncIterator[None]:
    """The sink while it is used; where it finishes something as it closes, that is waited for."""
    try:
        yield
    finally:
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await sink.close()
        except TimeoutError as error:
            message = f"the target did not finish what it had begun within {_CLOSE_SECONDS:g} s; go on with --resume"
            raise Retryable(message) from error


@asynccontextmanager
async def _told_apart() -> AsyncIterator[None]:
    """What was asked for and cannot be, or cannot be kept, is raised as itself: commands say it, and no group."""
    try:
        yield
    except ExceptionGroup as group:
        known, others = group.split((UsageError, EventLogError))
        if known is None or others is not None:
            raise
        raise _first_of(known) from group


def _first_of(group: ExceptionGroup[Exception]) -> Exception:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, ExceptionGroup) else first


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """The first SIGINT or SIGTERM finishes what is in flight; the next ends the process as ever."""
    loop = asyncio.get_running_loop()
    both = (signal.SIGINT, signal.SIGTERM)

    def first() -> None:
        for each in both:
            loop.remove_signal_handler(each)
        stop()

    for each in both:
        loop.add_signal_handler(each, first)
    try:
        yield
    finally:
        for each in both:
            loop.remove_signal_handler(each)


def _left(ranges: Ranges, next_offsets: Mapping[Partition, int]) -> dict[Partition, OffsetRange]:
    return {
        partition: OffsetRange(max(wanted.first, next_offsets.get(partition, 0)), wanted.end)
        for partition, wanted in ranges.items()
    }


def _name(partition: Partition) -> str:
    return f"{partition.topic}{_SEPARATOR}{partition.partition}"


def _partition(name: str) -> Partition:
    """As ``_name`` made it; names of journals may have slashes."""
    topic, found, number = name.rpartition(_SEPARATOR)
    if not found or not number.isdecimal():
        raise UsageError(f"progress: {name!r} is no partition; begin the job anew under another name")
    return Partition(topic, int(number))
