"""What the database of budget truth says, all of one moment: for whoever publishes, shows or compares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.services.budget_truth.boots import Boot, BootId, page_of, seen_on
from collectors.services.budget_truth.counting import Position, boot_of, sum_of
from collectors.services.budget_truth.tables import BOOTS, LEDGER, OFFSETS, PAGES, PROBLEMS, STATE, TOTALS
from collectors.services.budget_truth.tally import Sum, TotalKey
from sluice.clock import iso_micros, now_micros
from sluice.eventlog.interface import Partition
from sluice.intervals import Intervals

_TOP = case((BOOTS.c.last > BOOTS.c.reported, BOOTS.c.last), else_=BOOTS.c.reported)
MISSING = _TOP - BOOTS.c.seen - BOOTS.c.uncovered
"""How many numbers of a boot have not come, but for those that are excused."""
TOP = _TOP
_MAX_PAGES_SHOWN = 500
_RANGES_SHOWN = 10


@dataclass(slots=True)
class Covers:
    """How much of the log the totals are made of."""

    epoch: int
    applied: int
    gaps: int
    """How many sequence numbers are missing."""
    uncovered: int
    """How many the log no longer had."""
    as_of: int
    covers_since: int
    positions: dict[Partition, Position]

    def as_dict(self) -> dict[str, Any]:
        """For records and scripts: offsets are the next ones, by partition."""
        return {
            "offsets": {f"{each.topic}/{each.partition}": at.next_offset for each, at in self.positions.items()},
            "applied": self.applied, "gaps": self.gaps, "uncovered": self.uncovered,
            "since": iso_micros(self.covers_since) if self.covers_since else None, "as_of": iso_micros(self.as_of),
        }  # fmt: skip


@dataclass(slots=True)
class Gap:
    """The missing numbers of one boot."""

    boot: Boot
    missing: Intervals
    is_cut: bool = False

    @property
    def numbers(self) -> str:
        """The first few ranges."""
        shown = str(Intervals(self.missing.ranges[:_RANGES_SHOWN]))
        return shown + (" …" if self.is_cut or len(self.missing.ranges) > _RANGES_SHOWN else "")


@dataclass(slots=True)
class Truth:
    """All of it."""

    owner: str
    expires_at: int
    caught_up_at: int
    covers: Covers
    totals: dict[TotalKey, Sum] = field(default_factory=dict)
    boots: int = 0
    gaps: list[Gap] = field(default_factory=list)
    problems: list[Any] = field(default_factory=list)
    differences: list[Any] = field(default_factory=list)
    """Rows of the ledger's table."""


async def covers_of(connection: AsyncConnection) -> Covers:
    """As of this transaction."""
    row = (await connection.execute(select(STATE))).one()
    sums = select(func.coalesce(func.sum(MISSING), 0), func.coalesce(func.sum(BOOTS.c.uncovered), 0))
    missing, uncovered = (await connection.execute(sums)).one()
    return Covers(
        row.epoch, row.applied, int(missing), int(uncovered), now_micros(), row.covers_since,
        await positions_of(connection),
    )  # fmt: skip


async def positions_of(connection: AsyncConnection) -> dict[Partition, Position]:
    """How far each partition is applied."""
    rows = await connection.execute(select(OFFSETS).order_by(OFFSETS.c.partition, OFFSETS.c.number))
    return {
        Partition(row.partition, row.number): Position(
            row.next_offset, row.first_offset, Intervals.parse(row.lost), row.log_id
        )
        for row in rows
    }


async def totals_of(connection: AsyncConnection, ended_after: int = 0) -> dict[TotalKey, Sum]:
    """Every total of the periods that ended after a moment, by their names."""
    wanted = select(TOTALS).where(TOTALS.c.period_end > ended_after).order_by(TOTALS.c.key)
    rows = await connection.execute(wanted)
    return {
        TotalKey(row.scope, row.scope_id, row.period_id, row.period_start, row.period_end, row.currency): sum_of(row)
        for row in rows
    }


async def gaps_of(connection: AsyncConnection, limit: int) -> list[Gap]:
    """Boots of which numbers are missing, longest waiting first."""
    query = select(BOOTS).where(MISSING > 0).order_by(BOOTS.c.gap_since, BOOTS.c.key).limit(limit)
    return [await gap_of(connection, boot_of(row)) for row in (await connection.execute(query)).all()]


async def gap_of(connection: AsyncConnection, boot: Boot) -> Gap:
    """Which numbers those are; of a boot that is full of holes the first."""
    first = max(boot.through, boot.excused) + 1
    query = select(PAGES).where(PAGES.c.key == boot.id.key, PAGES.c.page >= page_of(first)).order_by(PAGES.c.page)
    rows = (await connection.execute(query.limit(_MAX_PAGES_SHOWN))).all()
    seen = Intervals()
    for row in rows:
        seen |= seen_on(row.page, row.digests)
    is_cut = len(rows) == _MAX_PAGES_SHOWN
    top = seen.last if is_cut else boot.top
    return Gap(boot, seen.missing(first, top), is_cut)


async def truth_of(connection: AsyncConnection, gaps: int = 100) -> Truth:
    """Everything, with so many boots that have gaps."""
    row = (await connection.execute(select(STATE))).one()
    return Truth(
        row.owner, row.expires_at, row.caught_up_at, await covers_of(connection),
        await totals_of(connection),
        int(await connection.scalar(select(func.count()).select_from(BOOTS)) or 0),
        await gaps_of(connection, gaps),
        list(await connection.execute(select(PROBLEMS).order_by(PROBLEMS.c.kind))),
        list(await connection.execute(select(LEDGER).order_by(LEDGER.c.key))),
    )  # fmt: skip


async def seen_of(connection: AsyncConnection) -> dict[BootId, Boot]:
    """Every boot."""
    return {(boot := boot_of(row)).id: boot for row in await connection.execute(select(BOOTS))}
