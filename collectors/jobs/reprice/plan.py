"""What a job that prices again was asked for, as its folder keeps it: whoever resumes it does the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from collectors.jobs.choosing import Moments, choose, ranges_as_list
from collectors.jobs.filtering import Filter
from collectors.jobs.folder import JobFolder
from collectors.jobs.interface import FrameTest, Origin, UsageError
from collectors.jobs.options import JobOptions, RangeOptions, differences
from collectors.jobs.rebuild.job import RebuildOptions
from collectors.jobs.replay.plan import Plan
from collectors.jobs.reprice.event_ids import version_in_ids
from collectors.jobs.reprice.prices import names_itself
from collectors.jobs.resuming import Fixed, still_there
from collectors.settings import HostSettings
from schemas.events import Kind
from schemas.topics import Topics

COMMAND = "reprice"
KINDS: tuple[Kind, ...] = ("analytics",)


@dataclass(frozen=True, slots=True)
class RepriceOptions:
    """What was asked for; ``prices`` is empty where the gateway's own file has them."""

    version: str
    prices: str = ""
    wanted: RangeOptions = field(default_factory=RangeOptions)
    how: JobOptions = field(default_factory=JobOptions)
    sink: str = ""
    rebuild: RebuildOptions = field(default_factory=RebuildOptions)
    corrections: bool = False
    estimated: bool = False
    csv: Path | None = None

    @property
    def writes(self) -> bool:
        """Whether more than a report is made."""
        return self.rebuild.rebuild or self.corrections

    def as_dict(self) -> dict[str, Any]:
        """What of it a resumed job may not change."""
        return {
            "version": self.version, "prices": self.prices, "sink": self.sink, "rebuild": self.rebuild.rebuild,
            "corrections": self.corrections, "estimated": self.estimated, "rate": self.how.rate,
            **{f"wanted.{name}": value for name, value in self.wanted.as_dict().items()},
        }  # fmt: skip

    def check(self) -> None:
        """What contradicts itself, whatever the log has; raises UsageError."""
        if self.version or not names_itself(self.prices):
            version_in_ids(self.version)
        self.rebuild.refuse_what_cannot_be(is_resumed=False, is_dry=self.how.dry_run)
        if self.rebuild.rebuild and not self.sink:
            raise UsageError("--rebuild: say of what, with --sink NAME (an entry of collectors.yaml)")
        if self.sink and not self.rebuild.rebuild:
            raise UsageError(
                "--sink: documents that are there keep their price; add --rebuild, and --swap to exchange them"
            )
        if self.how.job and not (self.writes or self.how.dry_run):
            raise UsageError("--job: a report alone is no job; add --rebuild or --corrections, or leave it out")


@dataclass(frozen=True, slots=True)
class RepricePlan:
    """What it does: the way of a replay that leaves nothing out, and what is priced again of it."""

    replay: Plan
    """Of all analytics of the range: a day that is exchanged must be a whole one."""
    options: RepriceOptions
    checksum: str
    """Of the price list."""

    @property
    def wants(self) -> FrameTest | None:
        """Which events are priced again; ``None`` is all."""
        where = self.options.wanted.where
        return Filter(where, KINDS).positions if where else None

    def as_dict(self) -> dict[str, Any]:
        """For ``plan.json``."""
        return {**self.replay.as_dict(), "command": COMMAND, "reprice": self.options.as_dict(), "prices": self.checksum}


async def made_plan(origin: Origin, topics: Topics, options: RepriceOptions, checksum: str) -> RepricePlan:
    """The range, fixed now. Raises UsageError, EventLogError."""
    wanted = replace(options.wanted, topics=(topics.event("analytics").name,), where="")
    if options.wanted.where:
        Filter(options.wanted.where, KINDS)  # before the log is asked: it is the sooner answer
    there = await origin.ranges(wanted.topics)
    lost = await origin.lost(there)
    rebuilds = {"there": ranges_as_list(there), "lost": [[*each, count] for each, count in sorted(lost.items())]}
    moments = Moments.of(wanted)
    chosen = await choose(origin, topics, wanted, moments, yes=options.how.yes)
    fixed = await Fixed.of(origin, chosen.ranges)
    plan = Plan(wanted, options.sink, "", options.how.rate, chosen, moments, rebuilds, fixed=fixed)
    return RepricePlan(plan, options, checksum)


async def resumed_plan(
    origin: Origin, topics: Topics, folder: JobFolder, options: RepriceOptions, checksum: str
) -> RepricePlan:
    """As the job was begun, without what was deleted since. Raises UsageError, EventLogError."""
    replayed = Plan.of(folder.plan, topics)
    progress: Mapping[str, Any] = (folder.progress() or {}) if options.rebuild.rebuild else {}
    ranges, notes = await still_there(
        origin, replayed.chosen, progress.get("next", {}), replayed.fixed, yes=options.how.yes
    )
    chosen = replace(replayed.chosen, ranges=ranges, notes=notes)
    return RepricePlan(replace(replayed, chosen=chosen), options, checksum)


def resumed_options(folder: JobFolder, options: RepriceOptions) -> RepriceOptions:
    """Those of the job, with what may be given anew; raises UsageError where others are."""
    if folder.plan.get("command") != COMMAND:
        raise UsageError(
            f"--resume: {folder.name!r} is a job of sluice {folder.plan.get('command')}; go on with it by that"
        )
    if options.how.job or options.how.dry_run:
        raise UsageError("--resume goes on with a job as it was asked for; leave --job and --dry-run out")
    planned, nothing = folder.plan["reprice"], RepriceOptions("").as_dict()
    if others := differences(planned, options.as_dict(), nothing):
        name = others[0].removeprefix("wanted.")
        raise UsageError(
            f"--resume: {folder.name!r} was begun with another {name} ({planned[others[0]]!r}); leave it out"
        )
    wanted = RangeOptions.of(
        {name.removeprefix("wanted."): value for name, value in planned.items() if name.startswith("wanted.")}
    )
    rebuild = replace(options.rebuild, rebuild=planned["rebuild"])
    if (rebuild.swap or rebuild.undo) and not rebuild.rebuild:
        raise UsageError(f"--resume: {folder.name!r} was begun without --rebuild; begin another job with it")
    rebuild.refuse_what_cannot_be(is_resumed=True, is_dry=False)
    how = replace(options.how, rate=planned["rate"])
    return replace(
        options, version=planned["version"], prices=planned["prices"], wanted=wanted, how=how, sink=planned["sink"],
        rebuild=rebuild, corrections=planned["corrections"], estimated=planned["estimated"],
    )  # fmt: skip


def resumed_folder(host: HostSettings, options: RepriceOptions) -> JobFolder:
    """The job to go on with; raises UsageError."""
    return JobFolder.resume(host.data_dir, options.how.resume)
