"""Counting the log anew, into a database that is thrown away, up to where the running truth is; then comparing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select

from collectors.services.budget_truth.counting import Batch, Counting, Position
from collectors.services.budget_truth.rounds import Rounds
from collectors.services.budget_truth.settings import BudgetTruthSettings
from collectors.services.budget_truth.state import positions_of, totals_of
from collectors.services.budget_truth.store import TruthStore
from collectors.services.budget_truth.tables import STATE
from collectors.services.budget_truth.tally import Sum, TotalKey
from collectors.settings import HostSettings
from schemas.codec import SchemaBook
from sluice.eventlog.interface import Partition

_LEASE_SECONDS = 3_600.0
_NOTHING = Sum()

Progress = Callable[[int, int, str], None]


class Difference(NamedTuple):
    """A total that the log does not come to."""

    key: TotalKey
    running: Sum
    rebuilt: Sum


@dataclass(slots=True)
class Rebuilt:
    """What came of it."""

    totals: int = 0
    applied: int = 0
    not_comparable: int = 0
    """Totals of periods that began before the log does now."""
    differences: list[Difference] = field(default_factory=list)


async def rebuild(
    running: TruthStore, settings: BudgetTruthSettings, host: HostSettings, progress: Progress
) -> Rebuilt:
    """Raises EventLogError, Retryable, Halt."""
    async with running.read() as connection:
        positions, totals = await positions_of(connection), await totals_of(connection)
    with tempfile.TemporaryDirectory(prefix="budget-truth-") as folder:
        fresh_settings = settings.model_copy(update={"database": None})
        async with TruthStore(fresh_settings.database_in(Path(folder)), running.namespace) as fresh:
            await fresh.prepare()
            await fresh.acquire("rebuild", _LEASE_SECONDS)
            applied = await _count(fresh, settings, host, positions, progress)
            async with fresh.read() as connection:
                counted = await totals_of(connection)
                covers_since = int(await connection.scalar(select(STATE.c.covers_since)) or 0)
    return compare(totals, counted, covers_since, applied)


async def _count(
    fresh: TruthStore,
    settings: BudgetTruthSettings,
    host: HostSettings,
    positions: Mapping[Partition, Position],
    progress: Progress,
) -> int:
    rounds = Rounds(host, settings.batch_records)
    counting = Counting(fresh, SchemaBook(has_registry=bool(host.schema_registry.url)), rounds.read_schemas)
    applied = 0

    async def on_batch(batch: Batch) -> None:
        nonlocal applied
        if batch.positions:
            applied += (await counting.apply(batch)).applied
        progress(rounds.done(batch), rounds.span, "offsets")

    try:
        await rounds.fit()
        rounds.end_at({partition: at.next_offset for partition, at in positions.items()})
        await rounds.run(on_batch)
    finally:
        await rounds.close()
    progress(rounds.span, rounds.span, "offsets")
    return applied


def compare(
    running: Mapping[TotalKey, Sum], rebuilt: Mapping[TotalKey, Sum], covers_since: int, applied: int
) -> Rebuilt:
    """Every total of either; those whose period the log has only in part are set aside, unless they agree."""
    found = Rebuilt(applied=applied)
    for key in sorted({*running, *rebuilt}):
        one, other = running.get(key, _NOTHING), rebuilt.get(key, _NOTHING)
        found.totals += 1
        if one == other:
            continue
        if key.period_start < covers_since:
            found.not_comparable += 1
        else:
            found.differences.append(Difference(key, one, other))
    return found
