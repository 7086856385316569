"""What a replay does for ``--rebuild`` when its last record is carried: compare, swap, or take a swap back.

What the log has is read from it a second time, without the replay's own counts: whatever went wrong on the way in, or
was forgotten by a process that was killed, is a difference here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from collectors.deliveries import Frame
from collectors.errors import CollectorError, Halt
from collectors.jobs.engine.wanted import occurred_within
from collectors.jobs.engine.work import Work, carry
from collectors.jobs.interface import FrameTest, Ranges, UsageError
from collectors.jobs.rebuild.interface import Rebuild, Span, Swapped, Swapping
from collectors.jobs.rebuild.wholeness import Coverage, why_partial
from collectors.jobs.replay.dry import NoSink
from collectors.jobs.report import Report
from collectors.jobs.sums import Sums, id_hashes
from sluice.eventlog.interface import EventLogError, Partition
from sluice.eventlog.ranges import OffsetRange

_FIGURES = ("occurred_at", "cost_nanos", "currency")
_MOST_AT_ONCE = 50_000_000
"""Events of a day whose ids are held to find those that the log has twice: 40 bytes each."""


@dataclass(frozen=True, slots=True)
class RebuildOptions:
    """As they were given."""

    rebuild: bool = False
    swap: bool = False
    delete_old: bool = False
    undo: bool = False
    yes: bool = False
    """Whether documents that the log does not have may go with what is replaced."""

    def refuse_what_cannot_be(self, *, is_resumed: bool, is_dry: bool) -> None:
        """UsageError where one has no effect without another."""
        if self.swap and not (self.rebuild or is_resumed):
            raise UsageError("--swap: there is nothing to swap without --rebuild; or --resume a job that rebuilt")
        if self.delete_old and not self.swap:
            raise UsageError("--delete-old: nothing is replaced without --swap")
        if self.undo and (self.swap or not is_resumed):
            raise UsageError("--undo takes back the swap of a job: name that with --resume, without --swap")
        if self.rebuild and is_dry:
            raise UsageError("--rebuild: a dry run writes nothing; leave one of them out")


@dataclass(slots=True)
class Proof:
    """The log's sums for one job, and what was appended since it began."""

    work: Work
    """As the job was carried; its sink is the rebuild's."""
    there: Ranges
    """Of the same partitions, as they were fixed."""
    sums: Sums = field(default_factory=Sums)
    _ends: dict[Partition, int] = field(init=False)

    def __post_init__(self) -> None:
        self._ends = {partition: wanted.end for partition, wanted in self.work.ranges.items()}

    async def read(self) -> Sums:
        """All that was asked for."""
        await self._count(self.work.ranges, self.work.tests, lambda frame: self.sums.add(frame.kind, frame.rows))
        return self.sums

    async def catch_up(self, spans: Sequence[Span]) -> Sums:
        """See ``CatchUp``. Raises Halt where something cannot be written."""
        present = await self.work.origin.ranges(self.work.topics)
        tail = {each: OffsetRange(self._ends.get(each, found.first), found.end) for each, found in present.items()}
        tail = {each: wanted for each, wanted in tail.items() if not wanted.is_empty}
        if tail:
            late = replace(
                self.work, ranges=tail, tests=(*self.work.tests, of_spans(spans)), folder=None, rate=0.0,
                observe=lambda frame: self.sums.add(frame.kind, frame.rows),
            )  # fmt: skip
            _refuse_failure(await carry(late), "complete")
            self._ends.update({each: wanted.end for each, wanted in tail.items()})
        return self.sums

    async def distinct(self, span: Span) -> Sums:
        """See ``Distinct``. Raises Halt where the day is too large for it."""
        frames, count = list[pl.DataFrame](), 0

        def note(frame: Frame) -> None:
            nonlocal count
            count += frame.rows.height
            if count <= _MOST_AT_ONCE:
                frames.append(
                    frame.rows.select(["event_id", *(each for each in _FIGURES if each in frame.rows.columns)])
                )

        ranges = {
            each: OffsetRange(self.work.ranges[each].first if each in self.work.ranges else self.there[each].first, end)
            for each, end in self._ends.items()
        }
        await self._count(ranges, (*self.work.tests, of_spans((span,))), note)
        if count > _MOST_AT_ONCE:
            raise Halt(
                f"the log has some of {count} events of {span.kind} twice, which are too many to look at together",
                "rebuild a shorter period: indices by day instead of by month",
            )
        once = Sums()
        if frames:
            rows = pl.concat(frames)
            once.add(span.kind, rows.filter(id_hashes(rows["event_id"]).is_first_distinct()))
        return once

    async def _count(self, ranges: Ranges, tests: Sequence[FrameTest], note: Callable[[Frame], None]) -> None:
        counting = replace(
            self.work, sink=NoSink(), ranges=ranges, tests=tests, folder=None, rate=0.0, is_dry=True, observe=note
        )
        _refuse_failure(await carry(counting), "counted")


def of_spans(spans: Sequence[Span]) -> FrameTest:
    """The rows that belong to one of them."""

    def test(frame: Frame) -> Sequence[int]:
        wanted = [occurred_within(span.start, span.end)(frame) for span in spans if span.kind == frame.kind]
        if any(len(each) == len(frame.delivery) for each in wanted):
            return range(len(frame.delivery))
        return sorted({at for each in wanted for at in each})

    return test


def _refuse_failure(report: Report, state: str) -> None:
    if report.state != state:
        raise Halt(
            f"the log could not be read: {'; '.join(report.problems) or report.state}", "try again with --resume"
        )


async def carried_and_swapped(work: Work, rebuild: Rebuild, options: RebuildOptions, coverage: Coverage) -> Report:
    """The whole job; what came of it is in its folder. Raises UsageError; ``undo`` also Retryable and Halt."""
    if options.undo:
        report = Report(work.command, work.name, state="complete")
        _add(report, await rebuild.undo(), "nothing of this job is in a place to take back")
        return report
    report = await carry(work)
    try:
        await conclude(work, report, rebuild, options, coverage)
    except (CollectorError, EventLogError) as error:
        again = " --swap" if options.swap else ""
        report.problems.append(f"{error}; go on with sluice {work.command} --resume {work.name}{again}")
    if work.folder is not None:
        await asyncio.to_thread(work.folder.save_report, report.as_dict())
    return report


async def conclude(work: Work, report: Report, rebuild: Rebuild, options: RebuildOptions, coverage: Coverage) -> None:
    """After the last record: what came of the rebuild goes into the report. Raises Retryable, Halt, EventLogError."""
    if report.state != "complete":
        return
    if report.failed:
        report.problems.append("nothing is swapped in while records could not be written")
        return
    proof = Proof(work, coverage.there)
    sums = await proof.read()
    report.details["log"] = sums.as_dict()
    if not options.swap:
        report.problems += await rebuild.verify(sums, proof.distinct, work.printer.progress)
        return
    swapping = Swapping(
        sums, proof.catch_up, proof.distinct, lambda span: why_partial(span, coverage, work.origin),
        delete_old=options.delete_old, drop_surplus=options.yes, progress=work.printer.progress,
    )  # fmt: skip
    _add(report, await rebuild.swap(swapping), "nothing was rebuilt")


def _add(report: Report, results: Sequence[Swapped], nothing: str) -> None:
    report.details["places"] = [each.as_dict() for each in results]
    for each in results:
        if each.state == "refused":
            report.problems.append(f"{each.place} is as it was: {each.reason}")
        else:
            kept = f"; what was there is {each.kept}" if each.kept else ""
            report.notes.append(f"{each.place}: {each.state}{kept}")
    if not results:
        report.notes.append(nothing)
