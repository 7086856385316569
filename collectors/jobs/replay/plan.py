"""What a replay was asked for, as its job's folder keeps it: whoever resumes it does the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from collectors.jobs.choosing import OCCURRED, Chosen, Moments, event_topics, ranges_as_list, ranges_of, tests_of
from collectors.jobs.folder import JobFolder
from collectors.jobs.interface import UsageError
from collectors.jobs.options import JobOptions, RangeOptions
from collectors.jobs.rebuild.job import RebuildOptions
from collectors.jobs.rebuild.wholeness import Coverage
from collectors.jobs.resuming import Fixed
from collectors.settings import HostSettings
from schemas.topics import Topics
from sluice.eventlog.interface import Partition

COMMAND = "replay"
_OPTION_OF = {"since": "--from", "until": "--to", "where": "--filter", "topics": "--topic", "partitions": "--partition"}


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What was asked for."""

    wanted: RangeOptions = field(default_factory=RangeOptions)
    how: JobOptions = field(default_factory=JobOptions)
    sink: str = ""
    to_topic: str = ""
    rebuild: RebuildOptions = field(default_factory=RebuildOptions)
    archive: str = ""
    """A folder, or ``s3://bucket/prefix``; empty: the log is read."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay does."""

    wanted: RangeOptions
    sink: str
    to_topic: str
    rate: float
    chosen: Chosen
    moments: Moments
    """As they were when it began: a resumed job must not move them."""
    rebuilds: Mapping[str, Any] | None = None
    """Of a rebuild: what the log had when it began."""
    archive: str = ""
    fixed: Fixed | None = None
    """``None`` of an archive, which is never made anew."""

    def coverage(self) -> Coverage:
        """What of the log a rebuild has read; only where ``rebuilds`` is something."""
        facts = self.rebuilds or {"there": [], "lost": []}
        is_occurred = self.wanted.by == OCCURRED
        since, until = (None if ms is None else ms * 1_000 for ms in (self.moments.from_ms, self.moments.to_ms))
        return Coverage(
            topics=dict(zip(self.chosen.kinds, self.chosen.topics, strict=True)),
            asked=self.chosen.ranges,
            there=ranges_of(facts["there"]),
            lost={Partition(topic, number): count for topic, number, count in facts["lost"]},
            leaves_out=("--filter",) if self.wanted.where else (),
            occurred_from=since if is_occurred else None,
            occurred_to=until if is_occurred else None,
        )

    def as_dict(self) -> dict[str, Any]:
        """For ``plan.json``."""
        return {
            "command": COMMAND, "wanted": self.wanted.as_dict(), "sink": self.sink, "to_topic": self.to_topic,
            "rate": self.rate, "moments": asdict(self.moments), "topics": list(self.chosen.topics),
            "ranges": ranges_as_list(self.chosen.ranges), "rebuild": self.rebuilds, "archive": self.archive,
            **(self.fixed or Fixed()).as_dict(),
        }  # fmt: skip

    @classmethod
    def of(cls, facts: dict[str, Any], topics: Topics) -> Plan:
        """As ``as_dict`` made it."""
        wanted, moments = RangeOptions.of(facts["wanted"]), Moments(**facts["moments"])
        names = event_topics(facts["topics"], topics)
        kinds = tuple(topics.events()[name] for name in names)
        chosen = Chosen(names, kinds, ranges_of(facts["ranges"]), tests_of(wanted, moments, kinds))
        where = (facts["sink"], facts["to_topic"])
        archive, fixed = facts.get("archive", ""), Fixed.read(facts)
        return cls(wanted, *where, facts["rate"], chosen, moments, facts["rebuild"], archive, fixed)


def check(options: ReplayOptions, topics: Topics) -> None:
    """What contradicts itself, or needs ``--yes``, whatever the log has; raises UsageError."""
    options.rebuild.refuse_what_cannot_be(is_resumed=False, is_dry=options.how.dry_run)
    _refuse_swap(options.archive, options)
    if options.rebuild.rebuild and not options.sink:
        raise UsageError("--rebuild: say of what, with --sink NAME (an entry of collectors.yaml)")
    if (options.sink and options.to_topic) or not (options.sink or options.to_topic or options.how.dry_run):
        raise UsageError("say where to: --sink NAME (an entry of collectors.yaml), or --to-topic TOPIC; one of them")
    if options.to_topic:
        _check_topic(options, topics)
    if options.to_topic in topics.events() and not options.how.yes:
        raise UsageError(
            f"--to-topic: every collector of {options.to_topic} would be given these events again, and what is no "
            "exact sink would show them twice; if that is meant, add --yes"
        )


def _check_topic(options: ReplayOptions, topics: Topics) -> None:
    """Topics of ours are read by something that takes one kind of record; raises UsageError."""
    name, ours = options.to_topic, {topic.name for topic in topics.all()}
    if name in topics.events():
        if set(event_topics(options.wanted.topics, topics)) != {name}:
            raise UsageError(f"--to-topic: {name} is read as {topics.events()[name]} alone; add --topic {name}")
    elif name in ours:
        raise UsageError(f"--to-topic: what reads {name} takes no events; name a topic of your own")
    elif f"{topics.namespace}.{name}.v1" in ours:
        raise UsageError(f"--to-topic is a topic's whole name: did you mean {topics.namespace}.{name}.v1?")


def _refuse_swap(archive: str, options: ReplayOptions) -> None:
    if archive and options.rebuild.swap:
        raise UsageError(
            f"--swap: a rebuild from the log alone may take the index's place: {archive} ends before it, and what is "
            "newer would be gone"
        )


def resumed(host: HostSettings, options: ReplayOptions) -> JobFolder:
    """The job to go on with, with nothing asked for that its plan does not say. UsageError names the option."""
    options.rebuild.refuse_what_cannot_be(is_resumed=True, is_dry=options.how.dry_run)
    if options.how.job or options.how.dry_run:
        raise UsageError("--resume goes on with a job as it was asked for; leave --job and --dry-run out")
    folder = JobFolder.resume(host.data_dir, options.how.resume)
    try:
        _check_same(folder, options)
    except BaseException:
        folder.close()
        raise
    return folder


def _check_same(folder: JobFolder, options: ReplayOptions) -> None:
    if (command := folder.plan.get("command")) != COMMAND:
        raise UsageError(f"--resume: {folder.name!r} is a job of sluice {command}; go on with it by that")
    asked = options.rebuild
    if (asked.rebuild or asked.swap or asked.undo) and not folder.plan.get("rebuild"):
        raise UsageError(f"--resume: {folder.name!r} was begun without --rebuild; begin another job with it")
    _refuse_swap(folder.plan.get("archive", ""), options)
    given = _comparable(options.wanted, options.sink, options.to_topic, options.archive)
    nothing = _comparable(RangeOptions(), "", "", "")
    plan = folder.plan
    known = _comparable(RangeOptions.of(plan["wanted"]), plan["sink"], plan["to_topic"], plan.get("archive", ""))
    for name, value in given.items():
        if value not in (nothing[name], known[name]):
            option = _OPTION_OF.get(name, "--" + name.replace("_", "-"))
            raise UsageError(
                f"--resume: {folder.name!r} was begun with another {option} ({known[name]!r}); leave it out, or begin "
                "another job"
            )


def _comparable(wanted: RangeOptions, sink: str, to_topic: str, archive: str) -> dict[str, Any]:
    """All that says what is written; how fast may be another each time."""
    return {**wanted.as_dict(), "sink": sink, "to_topic": to_topic, "archive": archive}
