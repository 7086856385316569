"""What retention has deleted from a store, a replay must not bring back unless somebody says so.

What is too old for ``retention`` of ``collectors.yaml`` was deleted by age. Where it deletes by bytes, or a lifecycle
policy of the cluster deletes, nobody wrote down what went: it is taken to be whatever is older than all that is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from collectors.entries import AnyEntry, ElasticsearchEntry
from collectors.jobs.interface import Origin, Ranges, UsageError
from collectors.jobs.report import Report
from collectors.jobs.targets import TargetError
from collectors.retention.indices import IndexStore
from collectors.retention.opening import open_store
from collectors.retention.rows import RowStore
from collectors.retention.settings import Limit
from collectors.settings import HostSettings, Settings
from schemas.events import Kind
from sluice.clock import iso_micros, now_micros
from sluice.eventstore.names import Period

DAY_MICROS = 86_400_000_000
_MICROS = 1_000_000
_SHOWN_DAYS = 5


@dataclass(frozen=True, slots=True)
class Gone:
    """Events of a kind that occurred before a moment are not in the store any more."""

    before: int
    """In microseconds."""
    why: str


@dataclass(slots=True)
class Guard:
    """Of one store: it counts the events that a replay would bring back."""

    store: str
    gone: Mapping[Kind, Gone] = field(default_factory=dict)
    counts: dict[Kind, Counter[int]] = field(default_factory=dict)
    """By day since the epoch."""

    def add(self, kind: Kind, rows: pl.DataFrame) -> None:
        """Count what of these rows, which are all meant for the store, it had and deleted."""
        if (gone := self.gone.get(kind)) is None:
            return
        days = rows["occurred_at"].filter(rows["occurred_at"] < gone.before) // DAY_MICROS
        if len(days):
            found = days.value_counts().iter_rows()
            self.counts.setdefault(kind, Counter()).update(dict(found))

    @property
    def events(self) -> int:
        """How many would come back."""
        return sum(counts.total() for counts in self.counts.values())

    def refusal(self) -> str:
        """What would come back, and what to do; empty where nothing would."""
        if not self.events:
            return ""
        lines = [f"{self.store}: {self._line(kind, counts)}" for kind, counts in sorted(self.counts.items())]
        return "\n".join([*lines, "leave them out with --from and --by occurred, or bring them back with --yes"])

    def _line(self, kind: Kind, counts: Counter[int]) -> str:
        days = [f"{_date(day)}: {count}" for day, count in sorted(counts.items())]
        shown = days if len(days) <= _SHOWN_DAYS else [*days[: _SHOWN_DAYS - 1], "…", days[-1]]
        gone = self.gone[kind]
        return (
            f"{counts.total()} events of {kind} from {len(counts)} days ({', '.join(shown)}) would be there again that "
            f"were deleted: {gone.why}"
        )

    async def is_concerned(self, origin: Origin, ranges: Ranges) -> bool:
        """Whether anything of a range is old enough to be worth counting: records appended before the latest moment
        that is gone. What was appended later and occurred before it is late, and retention's to delete again."""
        if not self.gone:
            return False
        before = max(gone.before for gone in self.gone.values())
        first = await origin.offsets_at(ranges, before // 1_000)
        return any(first[partition] > wanted.first for partition, wanted in ranges.items() if not wanted.is_empty)


def refuse(guard: Guard, counted: Report) -> None:
    """After a run that showed the guard everything. UsageError where deleted events would come back; TargetError where
    that run was stopped or could not read on: then nobody knows, and nothing may be written."""
    if refusal := guard.refusal():
        raise UsageError(refusal)
    if counted.state != "counted":
        causes = "; ".join(counted.problems) or "it was stopped"
        raise TargetError(
            f"whether deleted events would come back to {guard.store} was not counted to the end: {causes}; nothing "
            "was written; begin again"
        )


async def open_guard(
    entry: AnyEntry, settings: Settings, host: HostSettings, folder: Path, kinds: Sequence[Kind], now: int | None = None
) -> Guard:
    """Of the store that an entry writes to; ``folder`` is where its relative paths begin. Raises Retryable, Halt."""
    retention = settings.retention
    limits = retention.stores.get(entry.name) if retention is not None else None
    by_kind = {kind: limits.of(kind) if limits is not None else None for kind in kinds}
    if isinstance(entry, ElasticsearchEntry) and entry.config.data_streams:
        return Guard(entry.name)  # retention does not touch them, and what their lifecycle deleted has no days
    present = now_micros() if now is None else now
    gone = {kind: found for kind, limit in by_kind.items() if (found := _by_age(entry, kind, limit, present))}
    unknown = [kind for kind, limit in by_kind.items() if _deletes_unseen(entry, limit)]
    if unknown:
        await _add_older(gone, unknown, entry, settings, host, folder)
    return Guard(entry.name, gone)


def _by_age(entry: AnyEntry, kind: Kind, limit: Limit | None, now: int) -> Gone | None:
    if limit is None or limit.max_age is None:
        return None
    before = now - int(limit.max_age * _MICROS)
    if isinstance(entry, ElasticsearchEntry):
        before = _begin(before, entry.config.indices.periods()[kind])
    days = limit.max_age / (DAY_MICROS / _MICROS)
    return Gone(before, f"retention.stores.{entry.name}.{kind}.max_age is {days:g} days")


def _deletes_unseen(entry: AnyEntry, limit: Limit | None) -> bool:
    has_policy = isinstance(entry, ElasticsearchEntry) and bool(entry.config.lifecycle_policy)
    return has_policy or (limit is not None and limit.max_bytes is not None)


async def _add_older(
    gone: dict[Kind, Gone],
    kinds: Sequence[Kind],
    entry: AnyEntry,
    settings: Settings,
    host: HostSettings,
    folder: Path,
) -> None:
    store = open_store(entry.name, settings, host, folder)
    try:
        for kind in kinds:
            oldest = await store.oldest(kind) if isinstance(store, IndexStore | RowStore) else None
            if oldest is not None and (kind not in gone or gone[kind].before < oldest):
                gone[kind] = Gone(oldest, f"they are older than all that is there, which begins {iso_micros(oldest)}")
    finally:
        await store.close()


def _begin(micros: int, period: Period) -> int:
    """Of the day, month or year: before that, whole indices are old."""
    at = datetime.fromtimestamp(micros // _MICROS, UTC).replace(hour=0, minute=0, second=0)
    if period != "day":
        at = at.replace(day=1)
    if period == "year":
        at = at.replace(month=1)
    return int(at.timestamp()) * _MICROS


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_MICROS // _MICROS, UTC).date().isoformat()
