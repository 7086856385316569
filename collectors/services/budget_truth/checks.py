"""What is looked at now and then: numbers that do not come, and a ledger that does not agree."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select, update

from collectors.services.budget_truth.counting import boot_of, row_of
from collectors.services.budget_truth.findings import Findings
from collectors.services.budget_truth.ledger import ENDED_MICROS, Books, BudgetKey, Compared, Comparison
from collectors.services.budget_truth.metrics import TruthMetrics
from collectors.services.budget_truth.settings import BudgetTruthSettings
from collectors.services.budget_truth.state import MISSING, TOP, Gap, gaps_of, totals_of
from collectors.services.budget_truth.store import TruthStore, parts
from collectors.services.budget_truth.tables import BOOTS, LEDGER, STATE
from sluice.clock import now_micros

_MAX_GAPS = 1_000


class GapCheck:
    """Of one owner."""

    def __init__(self, store: TruthStore, settings: BudgetTruthSettings, findings: Findings) -> None:
        self._store = store
        self._grace_micros = int(settings.gap_grace * 1_000_000)
        self._findings = findings

    async def run(self, caught_up_at: int) -> int:
        """Alert of what is missing for long although the log was read to its end since; how many numbers those are."""
        now = now_micros()
        async with self._store.write() as connection:
            whole = update(BOOTS).where(MISSING <= 0, BOOTS.c.gap_since > 0)
            filled = [
                boot_of(row)
                for row in await connection.execute(select(BOOTS).where(MISSING <= 0, BOOTS.c.gap_told > 0))
            ]
            await connection.execute(whole.values(gap_at=0, gap_since=0, gap_told=0))
            gaps = [gap for gap in await gaps_of(connection, _MAX_GAPS) if gap.missing]
            due = [gap for gap in gaps if self._is_due(gap, now, caught_up_at)]
            told = [gap for gap in due if gap.boot.gap_told != gap.boot.missing]
            for gap in told:
                gap.boot.gap_told = gap.boot.missing
            await self._store.put(connection, BOOTS, [row_of(gap.boot) for gap in gaps])
        for boot in filled:
            self._findings.filled(str(boot.id))
        for gap in told:
            self._findings.gap(str(gap.boot.id), gap.numbers, gap.boot.missing)
        return sum(gap.boot.missing for gap in due)

    def _is_due(self, gap: Gap, now: int, caught_up_at: int) -> bool:
        boot = gap.boot
        if boot.gap_at != gap.missing.first or not boot.gap_since:
            boot.gap_at, boot.gap_since, boot.gap_told = gap.missing.first, now, 0
        return now - boot.gap_since >= self._grace_micros and caught_up_at >= boot.gap_since

    async def excuse(self) -> None:
        """What is missing now is what the log no longer had: it will not come, and is no gap."""
        async with self._store.write() as connection:
            behind = update(BOOTS).where(BOOTS.c.seen < TOP)
            await connection.execute(behind.values(excused=TOP, uncovered=TOP - BOOTS.c.seen))


class LedgerCheck:
    """Of one owner; ``books`` were asked for before the log was read to its end."""

    def __init__(
        self, store: TruthStore, settings: BudgetTruthSettings, findings: Findings, metrics: TruthMetrics
    ) -> None:
        self._store = store
        self._findings = findings
        self._metrics = metrics
        self._comparison = Comparison(settings.checks, settings.tolerance_nanos)
        self._told: dict[BudgetKey, int] = {}
        self._scopes: set[str] = set()

    async def begin(self) -> None:
        """With what earlier processes knew."""
        async with self._store.read() as connection:
            await self._comparison.load(connection, select(LEDGER))
            for row in await connection.execute(select(LEDGER).where(LEDGER.c.difference_nanos != "0")):
                self._told[BudgetKey(row.scope, row.scope_id, row.period_start)] = int(row.difference_nanos)

    async def run(self, books: Books) -> Sequence[Compared]:
        """Compare, remember, and alert of what stayed."""
        async with self._store.read() as connection:
            totals = await totals_of(connection, now_micros() - 2 * ENDED_MICROS)
            covers_since = int(await connection.scalar(select(STATE.c.covers_since)) or 0)
        compared = self._comparison.compare(books, totals, covers_since)
        await self._save(compared)
        sums: dict[str, int] = dict.fromkeys(self._scopes, 0)
        for each in compared:
            sums[each.key.scope] = sums.get(each.key.scope, 0) + abs(each.difference_nanos)
            self._tell(each)
        self._told = {each.key: self._told[each.key] for each in compared if each.key in self._told}
        self._scopes = set(sums)
        for scope, nanos in sums.items():
            self._metrics.differences.set(nanos, scope)
        return compared

    def _tell(self, each: Compared) -> None:
        """Once, again when it has doubled or turned, and once when it is gone: where exchanges go on it is another at
        each check."""
        told, now = self._told.get(each.key, 0), each.difference_nanos
        if not now:
            if self._told.pop(each.key, 0):
                self._findings.agrees(str(each.key), each.ledger_nanos)
        elif told * now <= 0 or abs(now) >= 2 * abs(told):
            self._told[each.key] = now
            self._findings.difference(
                str(each.key), each.ledger_nanos, each.truth_nanos, each.baseline_nanos, each.difference_nanos
            )

    async def _save(self, compared: Sequence[Compared]) -> None:
        keys = {each.key.key for each in compared}
        async with self._store.write() as connection:
            known = set(await connection.scalars(select(LEDGER.c.key)))
            for some in parts(sorted(known - keys)):
                await connection.execute(delete(LEDGER).where(LEDGER.c.key.in_(some)))
            await self._store.put(connection, LEDGER, [ledger_row(each) for each in compared])


def ledger_row(compared: Compared) -> dict[str, object]:
    """For the database."""
    return {
        "key": compared.key.key, **compared.key._asdict(), "period_end": compared.period_end,
        "checks": min(compared.checks, 1 << 30), "baseline_nanos": str(compared.baseline_nanos),
        "truth_nanos": str(compared.truth_nanos), "ledger_nanos": str(compared.ledger_nanos),
        "difference_nanos": str(compared.difference_nanos),
    }  # fmt: skip
