"""The way of one comparison.

1 what may be asked   2 what groups have acknowledged   3 what sinks hold   4 what gateways reported   5 read the log
6 reports and log   7 log and sinks, by numbers   8 dead letters   9 look at what differs   10 what nobody published

In this order: what was acknowledged (2) before a sink is asked (3) must be in it, and what is in it then must be in the
log that is read afterwards (5). So nothing that is only under way is a difference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from collectors.errors import Halt, Retryable
from collectors.jobs.interface import Origin, Ranges
from collectors.jobs.origins import open_origin
from collectors.retention.floors import Floors, floors_of
from collectors.services.reconcile.boots import Boots
from collectors.services.reconcile.claims import check
from collectors.services.reconcile.comparing import Side, Surplus, compare
from collectors.services.reconcile.extent import Extent, extent_of
from collectors.services.reconcile.holding import Held, hold
from collectors.services.reconcile.letters import Letters, read_letters
from collectors.services.reconcile.looking import Doubt, Look
from collectors.services.reconcile.reading import EventReader
from collectors.services.reconcile.reports import Reports, read_reports, summary
from collectors.services.reconcile.results import Comparison, Findings
from collectors.services.reconcile.scan import Demand, Scan
from collectors.services.reconcile.stores import Span, Store
from collectors.services.reconcile.targets import Target, targets_of
from collectors.settings import HostSettings, Settings
from schemas.events import KINDS, Kind
from sluice.clock import now_micros
from sluice.eventlog.connect import open_survey, topics_of
from sluice.eventlog.interface import EventLogError, Partition
from sluice.eventlog.ranges import OffsetRange

Progress = Callable[[int, int, str], None]
_UNDER_WAY_MS = 30_000
"""A report may be in the log a little before the events that it counts: a gap that is so young is looked at again."""
_LOOKS, LOOK_SECONDS = 3, 1.0
_STEPS = 1_000


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be compared."""

    span: Span
    sinks: tuple[str, ...] = ()
    """By name; all where none is named."""
    kinds: tuple[Kind, ...] = KINDS
    limit: int = 100
    """So many differences of each comparison are listed."""
    expects_all: bool = False
    """What is not acknowledged yet is expected too."""


class UnknownSinkError(ValueError):
    """A sink that is not there, or cannot be asked."""


@dataclass(slots=True)
class _Work:
    """What one comparison gathers."""

    question: Question
    origin: Origin
    reader: EventReader
    extent: Extent
    boots: Boots = field(default_factory=Boots)
    stores: dict[Hashable, Store] = field(default_factory=dict)
    held: dict[Hashable, Held | Exception] = field(default_factory=dict)
    sides: list[Side] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)


class Reconciling:
    """Compares, as often as it is asked. ``clock`` is in microseconds; a gap that is young is looked at again after
    ``look_seconds``."""

    def __init__(
        self,
        settings: Settings,
        host: HostSettings,
        *,
        progress: Progress = lambda _done, _total, _what: None,
        clock: Callable[[], int] = now_micros,
        open_log: Callable[[HostSettings], Origin] = open_origin,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._settings = settings
        self._host = host
        self._progress = progress
        self._clock = clock
        self._open_log = open_log
        self._look_seconds = look_seconds
        self._topics = topics_of(host)

    async def run(self, question: Question) -> Findings:
        """Raises UnknownSinkError, and EventLogError where the log cannot be read; a sink that cannot be asked is a
        problem of its own comparison."""
        targets = self._targets(question)  # 1
        origin = self._open_log(self._host)
        work: _Work | None = None
        try:
            work = await self._begin(question, origin)
            work.findings.incomparable = targets_of(self._settings, self._host)[1]
            committed = await self._committed(question, targets)  # 2
            await self._hold(work, targets, committed)  # 3
            reports = await read_reports(origin, self._topics, work.extent.begin_ms, work.boots)  # 4
            scan = Scan(work.extent.spans, [side.demand for side in work.sides], work.boots)
            ranges = await self._read(work, scan)  # 5
            await self._check(work, scan, reports, ranges)  # 6
            doubts = [compare(side, scan) for side in work.sides]  # 7
            letters = await self._letters(work, doubts)  # 8
            look = Look(work.reader, scan, letters, question.limit)
            await look.settle(doubts, lambda done, total: self._progress(done, total, "second look"))  # 9
            await self._surplus(work, scan, doubts)  # 10
            return work.findings
        finally:
            for store in work.stores.values() if work else ():
                await store.close()
            await origin.close()

    def _targets(self, question: Question) -> list[Target]:
        targets, others = targets_of(self._settings, self._host)
        reasons = {other.sink: other.reason for other in others}
        for name in question.sinks:
            if name in reasons:
                message = f"{name} cannot be compared: {reasons[name]}"
                raise UnknownSinkError(message)
            if name not in {target.name for target in targets}:
                known = ", ".join(target.name for target in targets) or "none"
                message = f"no sink {name!r} that can be compared; there are: {known}"
                raise UnknownSinkError(message)
        return [target for target in targets if not question.sinks or target.name in question.sinks]

    async def _begin(self, question: Question, origin: Origin) -> _Work:
        floors: Floors = await floors_of(self._host)
        has_registry = bool(self._host.schema_registry.url)
        reader = EventReader(origin, self._topics, question.kinds, has_registry=has_registry)
        extent = await extent_of(origin, self._topics, question.kinds, question.span, floors, self._clock() // 1_000)
        return _Work(question, origin, reader, extent)

    async def _committed(
        self, question: Question, targets: Sequence[Target]
    ) -> Mapping[str, Mapping[Partition, int] | None]:
        """Next offsets by group."""
        groups = dict.fromkeys(target.group for target in targets)
        if question.expects_all:
            return dict.fromkeys(groups)
        nothing: dict[str, tuple[str, ...]] = dict.fromkeys(groups, ())
        surveyor = open_survey(self._host, self._host.data_dir, nothing)
        return {group: {lag.partition: lag.next_offset or 0 for lag in await surveyor.lag(group)} for group in groups}

    async def _hold(
        self, work: _Work, targets: Sequence[Target], committed: Mapping[str, Mapping[Partition, int] | None]
    ) -> None:
        for target in targets:
            for kind in work.question.kinds:
                if kind in target.kinds:
                    demand = Demand(target, kind, work.extent.spans[kind], committed[target.group])
                    await self._hold_one(work, demand)

    async def _hold_one(self, work: _Work, demand: Demand) -> None:
        target, kind = demand.target, demand.kind
        comparison = Comparison(target.name, kind, demand.span.start)
        work.findings.comparisons.append(comparison)
        place = (target.place(kind), kind)
        try:
            store = work.stores[place] if place in work.stores else work.stores.setdefault(place, target.open())
            if place not in work.held:
                what = f"{target.name} {kind}"
                work.held[place] = await self._held(work, store, demand, what)
            held = work.held[place]
            if isinstance(held, Exception):
                raise held
            before = Span(work.question.span.start, demand.span.start)
            comparison.beyond_log = await store.count(kind, before) if before.start < before.end else 0
        except (Retryable, Halt) as cause:
            comparison.give_up(cause)
            return
        demand.cutoff = await self._cutoff(target.name, kind, held)
        work.sides.append(Side(comparison, demand, store, held))

    async def _held(self, work: _Work, store: Store, demand: Demand, what: str) -> Held | Exception:
        try:
            return await hold(
                store, demand.kind, demand.span, work.boots, lambda done, total: self._progress(done, total, what)
            )
        except (Retryable, Halt) as cause:
            return cause

    async def _cutoff(self, name: str, kind: Kind, held: Held) -> int:
        """Exchanges before this moment retention may have deleted; microseconds."""
        limits = None if self._settings.retention is None else self._settings.retention.stores.get(name)
        limit = None if limits is None else limits.of(kind)
        if limit is None:
            return 0
        now = self._clock()
        aged = 0 if limit.max_age is None else now - int(limit.max_age * 1_000_000)
        if limit.max_bytes is None or held.oldest is None:
            return aged
        floor = (await floors_of(self._host)).get(kind)
        return max(aged, min(held.oldest, now - int((floor or 0) * 1_000_000)))

    async def _read(self, work: _Work, scan: Scan, behind: Ranges | None = None) -> Ranges:
        """From the beginning of the extent, or from where an earlier reading ended."""
        everything = await work.reader.ranges()
        begin_ms = work.extent.begin_ms
        firsts = await work.origin.offsets_at(everything, begin_ms) if begin_ms else {}
        if behind is not None:
            firsts = {each: behind[each].end for each in everything if each in behind}
        ranges = {each: OffsetRange(firsts.get(each, found.first), found.end) for each, found in everything.items()}
        done = dict.fromkeys(ranges, 0.0)
        async for partition, frame in work.reader.frames(ranges):
            scan.add(partition, frame)
            wanted, offset = ranges[partition], frame.delivery.records[-1].offset + 1
            done[partition] = (offset - wanted.first) / max(1, wanted.end - wanted.first)
            self._progress(int(_STEPS * sum(done.values()) / len(done)), _STEPS, "log")
        self._progress(_STEPS, _STEPS, "log")
        return ranges

    async def _check(self, work: _Work, scan: Scan, reports: Reports, ranges: Ranges) -> None:
        def checked() -> None:
            undecodable = work.reader.undecodable
            work.findings.checks = [
                check(kind, reports, scan, work.boots, undecodable[kind], work.question.limit)
                for kind in work.question.kinds
            ]

        checked()
        for _ in range(_LOOKS):
            newest = max((each.reported_at_ms for each in reports.boots.values()), default=0)
            is_young = newest > self._clock() // 1_000 - _UNDER_WAY_MS
            if all(each.is_equal for each in work.findings.checks) or not is_young:
                break
            await asyncio.sleep(self._look_seconds)
            ranges = await self._read(work, scan, ranges)
            checked()
        work.findings.notes += summary(reports)

    async def _letters(self, work: _Work, doubts: Sequence[Doubt]) -> Letters:
        if not any(doubt.wanted.height for doubt in doubts):
            return Letters()
        return await read_letters(work.origin, self._topics, work.question.kinds, work.extent.begin_ms)

    async def _surplus(self, work: _Work, scan: Scan, doubts: Sequence[Doubt]) -> None:
        surplus = Surplus(work.boots, work.question.limit)
        for side, doubt in zip(work.sides, doubts, strict=True):
            if not side.comparison.problem:
                try:
                    await surplus.find(side, doubt, scan)
                except (Retryable, Halt) as cause:
                    side.comparison.give_up(cause)


__all__ = ["EventLogError", "Question", "Reconciling", "UnknownSinkError"]
