"""The way of a replay.

1 settings   2 the plan: what was asked for, its ranges fixed; of a resumed job what it was asked for
3 the target   4 guard: nothing comes back that retention deleted   5 the job's folder   6 carry   7 report
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from collectors.jobs.choosing import Moments, choose, event_topics, ranges_as_list
from collectors.jobs.engine.work import Work, carry, opened
from collectors.jobs.folder import JOBS_FOLDER, JobFolder, checked_name, new_job_name
from collectors.jobs.guard import Guard, open_guard, refuse
from collectors.jobs.interface import WRONG, Origin
from collectors.jobs.origins import open_origin
from collectors.jobs.rebuild.interface import Rebuild
from collectors.jobs.rebuild.job import carried_and_swapped
from collectors.jobs.rebuild.opening import open_rebuild
from collectors.jobs.replay.dry import NoSink
from collectors.jobs.replay.plan import COMMAND, Plan, ReplayOptions, check, resumed
from collectors.jobs.replay.target import Place, entry_of, sink_of
from collectors.jobs.report import Report
from collectors.jobs.resuming import Fixed, still_there
from collectors.jobs.targets import TargetError, start_target
from collectors.operations.printing import Printer
from collectors.operations.running import settings_of
from collectors.services.archive.origin import open_archive, passed_by
from collectors.settings import HostSettings, Settings
from schemas.topics import Topics
from sluice.eventlog.connect import topics_of

if TYPE_CHECKING:
    from collectors.entries import AnyEntry


async def replay(config: Path, collectors: Path, options: ReplayOptions, printer: Printer) -> int:
    """``sluice replay``: its exit code."""
    host = settings_of(config, HostSettings)  # 1
    async with AsyncExitStack() as closing:
        folder = closing.enter_context(resumed(host, options)) if options.how.resume else None
        origin = _origin(host, collectors, folder.plan.get("archive", "") if folder else options.archive, options)
        closing.push_async_callback(origin.close)
        plan = await _plan(origin, topics_of(host), folder, options)  # 2
        place = Place(host, collectors, origin, folder.name if folder else _name(options), options.how.dry_run)
        try:
            report = await _carried(plan, place, folder, options, printer, closing)
        except TargetError as error:
            printer.note(str(error))
            return WRONG
    report.notes += [*plan.chosen.notes, *passed_by(origin)]
    report.show(printer)  # 7
    return report.exit_code


def _origin(host: HostSettings, collectors: Path, archive: str, options: ReplayOptions) -> Origin:
    """The log, or what was archived of it; how a bucket is asked is in the collectors' file."""
    if not archive:
        return open_origin(host)
    settings = settings_of(collectors, Settings) if collectors.exists() else None
    return open_archive(archive, settings, passes_by=options.how.yes)


async def _carried(
    plan: Plan,
    place: Place,
    folder: JobFolder | None,
    options: ReplayOptions,
    printer: Printer,
    closing: AsyncExitStack,
) -> Report:
    """Steps 3 to 6."""
    entry = entry_of(plan, place)
    rebuild = await _rebuild(plan, entry, place, closing)
    sink = rebuild.sink if rebuild else await sink_of(plan, entry, place)  # 3
    await closing.enter_async_context(opened(sink))
    work = Work(
        name=place.job, command=COMMAND, origin=place.origin, ranges=plan.chosen.ranges, topics=plan.chosen.topics,
        entry=entry, sink=sink, host=place.host, printer=printer, tests=plan.chosen.tests, rate=plan.rate,
        is_dry=place.is_dry,
    )  # fmt: skip
    guard = await _guard(plan, place, entry)  # 4
    if place.is_dry:
        return await _counted(work, guard)
    if guard is not None and folder is None and not options.how.yes:
        await _refuse_resurrection(work, guard)
    if folder is None:
        folder = closing.enter_context(JobFolder.begin(place.host.data_dir, place.job, plan.as_dict()))  # 5
    work.folder = folder
    if rebuild is None:
        return await carry(work)  # 6
    await rebuild.prepare()
    return await carried_and_swapped(work, rebuild, options.rebuild, plan.coverage())


def _name(options: ReplayOptions) -> str:
    return checked_name(options.how.job) if options.how.job else new_job_name(COMMAND)


async def _plan(origin: Origin, topics: Topics, folder: JobFolder | None, options: ReplayOptions) -> Plan:
    if folder is None:
        check(options, topics)
        moments = Moments.of(options.wanted)
        there = await _there(origin, topics, options) if options.rebuild.rebuild else None
        chosen = await choose(origin, topics, options.wanted, moments, yes=options.how.yes)
        where = (options.sink, options.to_topic)
        fixed = None if options.archive else await Fixed.of(origin, chosen.ranges)
        return Plan(options.wanted, *where, options.how.rate, chosen, moments, there, options.archive, fixed)
    plan = Plan.of(folder.plan, topics)
    plan = replace(plan, rate=options.how.rate or plan.rate)
    progress: dict[str, Any] = folder.progress() or {}
    ranges, notes = await still_there(origin, plan.chosen, progress.get("next", {}), plan.fixed, yes=options.how.yes)
    return replace(plan, chosen=replace(plan.chosen, ranges=ranges, notes=notes))


async def _there(origin: Origin, topics: Topics, options: ReplayOptions) -> Mapping[str, Any]:
    """Asked before the ranges are fixed: what comes in between is read, and is not said to be there."""
    there = await origin.ranges(event_topics(options.wanted.topics, topics))
    lost = await origin.lost(there)
    return {"there": ranges_as_list(there), "lost": [[*each, count] for each, count in sorted(lost.items())]}


async def _rebuild(plan: Plan, entry: Any, place: Place, closing: AsyncExitStack) -> Rebuild | None:
    """Opened and ready; raises UsageError and TargetError."""
    if plan.rebuilds is None:
        return None
    folder = place.host.data_dir / JOBS_FOLDER / place.job
    rebuild = open_rebuild(entry, folder, place.job, plan.chosen.kinds)
    closing.push_async_callback(rebuild.close)
    await start_target(rebuild.sink, f"--sink {plan.sink}")
    return rebuild


async def _guard(plan: Plan, place: Place, entry: Any) -> Guard | None:
    """``None`` where nothing that was deleted can come back."""
    if not plan.sink:
        return None
    wanted = cast("AnyEntry", entry)
    guard = await open_guard(wanted, place.settings(), place.host, place.folder, plan.chosen.kinds)
    return guard if await guard.is_concerned(place.origin, plan.chosen.ranges) else None


async def _counted(work: Work, guard: Guard | None) -> Report:
    """A dry run says too what it would be refused for."""
    if guard is not None:
        work.observe = lambda frame: guard.add(frame.kind, frame.rows)
    report = await carry(work)
    if guard is not None and guard.refusal():
        report.notes.append(guard.refusal())
    return report


async def _refuse_resurrection(work: Work, guard: Guard) -> None:
    """Counted before anything is written; raises UsageError."""
    counting = replace(
        work, sink=NoSink(), is_dry=True, rate=0.0, observe=lambda frame: guard.add(frame.kind, frame.rows)
    )
    refuse(guard, await carry(counting))
