"""Gaps are told when they have stayed although the log was read to its end, once, and no sooner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from collectors.services.budget_truth import checks as checks_module
from collectors.services.budget_truth.checks import GapCheck, LedgerCheck
from collectors.services.budget_truth.ledger import BudgetKey, Spent
from collectors.services.budget_truth.metrics import TruthMetrics
from collectors.services.budget_truth.settings import BudgetTruthSettings
from sluice.clock import now_micros
from sluice.telemetry import Registry
from tests.collectors.services.budget_truth.making import START, Bench, database_of, event, owned, report

MINUTE = 60_000_000


class Told:
    """Remembers gaps and differences."""

    def __init__(self) -> None:
        self.gaps: list[tuple[str, int]] = []
        self.boots_filled: list[str] = []
        self.differences: list[int] = []
        """What stayed; 0 is that it is gone."""

    def gap(self, _boot: str, numbers: str, count: int) -> None:
        self.gaps.append((numbers, count))

    def filled(self, boot: str) -> None:
        self.boots_filled.append(boot)

    def difference(self, *facts: Any) -> None:
        self.differences.append(facts[-1])

    def agrees(self, _budget: str, _ledger_nanos: int) -> None:
        self.differences.append(0)


class Checked:
    """A check whose clock is turned by minutes."""

    def __init__(self, bench: Bench, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench, self.told, self.minutes = bench, told, 0
        settings = BudgetTruthSettings(gap_grace=300)
        self.check = GapCheck(bench.store, settings, told)  # type: ignore[arg-type]
        self._start = now_micros()
        monkeypatch.setattr(checks_module, "now_micros", self.now)

    def now(self) -> int:
        return self._start + self.minutes * MINUTE

    async def after(self, minutes: int, *, caught_up: bool = True) -> int:
        """How many numbers are missing for long, so much later."""
        self.minutes += minutes
        self.bench.counting.forget()
        return await self.check.run(self.now() if caught_up else 0)


@asynccontextmanager
async def checking(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Checked]:
    """Over a truth of its own."""
    async with owned(database_of(folder)) as bench:
        yield Checked(bench, Told(), monkeypatch)


async def test_a_gap_is_told_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the grace, with its numbers; when more is missing, with those; when it is filled, that, once."""
    async with checking(tmp_path, monkeypatch) as checked:
        feed = checked.bench.feed
        await feed(event(1), event(4), report(6))
        assert await checked.after(0) == 0
        assert await checked.after(4) == 0
        assert (await checked.after(1), checked.told.gaps) == (4, [("2-3,5-6", 4)])
        assert (await checked.after(9), len(checked.told.gaps)) == (4, 1)
        await feed(report(7))
        assert (await checked.after(1), checked.told.gaps[-1]) == (5, ("2-3,5-7", 5))
        await feed(event(2), event(3), event(5), event(6), event(7))
        assert checked.told.boots_filled == []
        assert (await checked.after(60), len(checked.told.gaps)) == (0, 2)
        assert (await checked.after(60), len(checked.told.boots_filled)) == (0, 1)
        assert (await checked.bench.truth()).covers.gaps == 0


async def test_what_moves_on_is_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that are missing at each look, but never the same ones, are only under way."""
    async with checking(tmp_path, monkeypatch) as checked:
        for at in range(1, 20, 2):
            await checked.bench.feed(event(at + 1), event(max(1, at - 2)))
            assert await checked.after(4) == 0
        assert checked.told.gaps == []


async def test_who_is_behind_does_not_know_of_gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the log was not read to its end what is missing may lie in it."""
    async with checking(tmp_path, monkeypatch) as checked:
        await checked.bench.feed(event(3))
        await checked.after(0)
        assert await checked.after(60, caught_up=False) == 0
        assert await checked.after(0) == 2


async def test_what_is_excused_hides_no_later_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers from before the log's beginning are counted as uncovered; those that are missing later are a gap."""
    async with checking(tmp_path, monkeypatch) as checked:
        await checked.bench.feed(event(5), report(6))
        await checked.check.excuse()
        await checked.after(0)
        await checked.bench.feed(event(9))
        await checked.after(0)
        assert (await checked.after(5), checked.told.gaps) == (2, [("7-8", 2)])
        covers = (await checked.bench.truth()).covers
        assert (covers.gaps, covers.uncovered) == (2, 5)


async def test_a_difference_that_moves_with_traffic_is_not_told_at_each_check(tmp_path: Path) -> None:
    """Once, again when it has doubled or turned, and once when it is gone; a process that begins anew knows what was
    told before it."""
    told, later = Told(), now_micros() + 1_000 * MINUTE
    async with owned(database_of(tmp_path)) as bench:
        check = await ledger_check(bench, told)
        for nanos in (100, 150, 199, 200):
            await check.run({BudgetKey("app", "7", START): Spent(nanos, later)})
        assert told.differences == [100, 200]
        check = await ledger_check(bench, told)
        for nanos in (210, 0, 0):
            await check.run({BudgetKey("app", "7", START): Spent(nanos, later)})
        assert told.differences == [100, 200, 0]


async def ledger_check(bench: Bench, told: Told) -> LedgerCheck:
    """As the next owner begins it; one look is enough for it."""
    settings = BudgetTruthSettings(checks=1)
    check = LedgerCheck(bench.store, settings, told, TruthMetrics(Registry()))  # type: ignore[arg-type]
    await check.begin()
    return check
