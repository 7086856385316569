"""The comparison beside the collectors: metrics each turn, an alert when a difference stays, one when it goes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from collectors.metrics import CollectorMetrics
from collectors.operations.log import Log
from collectors.services.reconcile.reconciling import Question, Reconciling
from collectors.services.reconcile.results import Comparison, Findings, Item, LogCheck
from collectors.services.reconcile.service import SERVICE, Reconciler, Watch, keep_reconciling
from collectors.services.reconcile.settings import ReconcileSettings
from collectors.settings import HostSettings, Settings
from sluice.eventlog.connect import topics_of
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.lock import FileLock, JournalBusyError
from sluice.eventlog.places import LOCKS_FOLDER
from sluice.intervals import Intervals
from tests.collectors.fakes import until
from tests.collectors.services.reconcile.holdings import BOOT
from tests.collectors.virtual_time import virtual_time

SETTINGS = Settings(reconcile=ReconcileSettings(every=10.0, window=100.0, grace=30.0))
Sent = list[tuple[str, Mapping[str, str]]]


def found(missing: int = 0, surplus: int = 0, gaps: int = 0, problem: str = "") -> Findings:
    """What a turn finds of one sink."""
    item = Item("missing", "rows", "budget", BOOT, Intervals.of([7]), "x-b", "ok")
    comparison = Comparison(
        "rows", "budget", missing=missing, surplus=surplus, problem=problem, items=[item] if missing else []
    )
    gap = Item("gap", "", "budget", BOOT, Intervals([(3, 4)]))
    return Findings([LogCheck("budget", missing=gaps, items=[gap] if gaps else [])], [comparison])


def watch(grace: float = 30.0) -> tuple[Watch, Sent]:
    """One, and what it sends."""
    sent: Sent = []
    return Watch(grace, lambda kind, _message, facts: sent.append((kind, facts))), sent


def test_a_difference_is_an_alert_when_it_stays() -> None:
    """Once, with the ids; and once when it is gone."""
    watching, sent = watch()
    for now in (0, 10, 29):
        watching.take(found(missing=1), now)
    assert sent == []
    for now in (30, 40):
        watching.take(found(missing=2), now)
    [(kind, facts)] = sent
    assert kind == "reconcile_difference"
    assert (facts["sink"], facts["event_kind"], facts["missing"]) == ("rows", "budget", "2")
    assert "missing x-b" in facts["events"]
    watching.take(found(), 50)
    watching.take(found(), 60)
    assert [kind for kind, _ in sent] == ["reconcile_difference", "reconcile_cleared"]


def test_a_difference_that_grows_is_told_again() -> None:
    """When the larger one has stayed for as long; one that shrinks, or grows for a moment, is not."""
    watching, sent = watch()
    for now, missing in ((0, 1), (30, 1), (40, 9), (50, 1), (70, 9), (99, 9)):
        watching.take(found(missing=missing), now)
    assert [facts["missing"] for _, facts in sent] == ["1"]
    watching.take(found(missing=9), 100)
    watching.take(found(missing=9), 200)
    assert [facts["missing"] for _, facts in sent] == ["1", "9"]


def test_what_goes_within_grace_is_nothing() -> None:
    """Neither said when it came nor when it went; and it begins anew."""
    watching, sent = watch()
    for now, missing in ((0, 1), (20, 0), (40, 1), (69, 1)):
        watching.take(found(missing=missing), now)
    assert sent == []


def test_a_store_that_is_away_clears_nothing() -> None:
    """What could not be compared stays as it stood."""
    watching, sent = watch()
    watching.take(found(surplus=1), 0)
    watching.take(found(problem="away"), 20)
    watching.take(found(surplus=1), 40)
    watching.take(found(problem="away"), 50)
    assert [kind for kind, _ in sent] == ["reconcile_difference"]


def test_gaps_of_the_log_are_alerts_too() -> None:
    """With the numbers."""
    watching, sent = watch(grace=0.0)
    watching.take(found(gaps=2), 0)
    [(_, facts)] = sent
    assert (facts["sink"], facts["missing"]) == ("", "2")
    assert "gap 3-4" in facts["events"]


async def test_a_turn_sets_metrics_and_asks_for_the_window(tmp_path: Path) -> None:
    """Figures by sink and kind; a sink that is away is counted and keeps its figures."""
    asked: list[Question] = []
    answers = [found(missing=3, surplus=1, gaps=2), found(problem="away")]

    async def compare(question: Question) -> Findings:
        asked.append(question)
        return answers.pop(0)

    metrics = CollectorMetrics()
    host = HostSettings(data_dir=tmp_path)
    reconciler = Reconciler(SETTINGS, host, metrics, lambda *_: None, compare=compare, clock=lambda: 500_000_123)
    await reconciler.turn()
    await reconciler.turn()
    assert asked[0].span == (400_000_000, 500_000_000)
    for gauge, value in ((metrics.reconcile_missing, 3), (metrics.reconcile_surplus, 1)):
        assert dict(gauge.series()) == {("rows", "budget"): value}
    assert dict(metrics.reconcile_failures.series()) == {("rows",): 1}


async def test_one_process_of_a_host_at_a_time(tmp_path: Path) -> None:
    """Another waits for its next turn."""
    lock = FileLock(tmp_path / LOCKS_FOLDER / "reconcile.lock", "taken")
    with pytest.raises(JournalBusyError):
        await Reconciler(SETTINGS, HostSettings(data_dir=tmp_path), CollectorMetrics(), lambda *_: None).turn()
    lock.release()


@pytest.mark.parametrize("error", [EventLogError("away"), ValueError("ours"), JournalBusyError(Path("x"), "7", "wait")])
async def test_nothing_ends_it(error: Exception, tmp_path: Path) -> None:
    """A log that is away, or a fault of ours, costs a turn."""
    turns = asyncio.Event()
    count = 0

    async def compare(_question: Question) -> Findings:
        nonlocal count
        count += 1
        if count == 3:
            turns.set()
        raise error

    settings = Settings(reconcile=ReconcileSettings(every=0.001, window=100.0, grace=30.0))
    reconciler = Reconciler(
        settings, HostSettings(data_dir=tmp_path), CollectorMetrics(), lambda *_: None, compare=compare
    )
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(reconciler.run())
        await turns.wait()
        task.cancel()


@virtual_time
async def test_a_log_that_is_away_for_a_moment_does_not_cost_a_turn(tmp_path: Path) -> None:
    """After a turn that failed the next one is a minute away, whatever ``every`` is."""
    loop, times = asyncio.get_running_loop(), list[float]()

    async def compare(_question: Question) -> Findings:
        times.append(loop.time())
        if len(times) == 1:
            raise EventLogError("no coordinator yet")
        return found()

    settings = Settings(reconcile=ReconcileSettings(every=300.0))
    reconciler = Reconciler(
        settings, HostSettings(data_dir=tmp_path), CollectorMetrics(), lambda *_: None, compare=compare
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(reconciler.run())
        await until(lambda: len(times) == 3)
        task.cancel()
    assert [round(after - before) for before, after in itertools.pairwise(times)] == [60, 300]


async def test_alerts_are_published_and_figures_end_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``sluice collect`` runs it, on a journal: what differs is in the alert topic, with the kind of the alert and
    that of the event; and when nothing is compared any more, no gauge says that something differs."""

    async def compare(self: Reconciling, _question: Question) -> Findings:
        return found(missing=2)

    monkeypatch.setattr(Reconciling, "run", compare)
    metrics, host = CollectorMetrics(), HostSettings(data_dir=tmp_path)
    settings = Settings(reconcile=ReconcileSettings(every=0.01, window=100.0, grace=0.01))
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(keep_reconciling(settings, host, metrics))
        while not (alerts := await published_alerts(host)):  # noqa: ASYNC110 - another task's
            await asyncio.sleep(0.02)
        assert dict(metrics.reconcile_missing.series()) == {("rows", "budget"): 2}
        task.cancel()
    assert [(each["kind"], each["event_kind"], each["missing"]) for each in alerts] == [
        ("reconcile_difference", "budget", "2")
    ]
    assert [*metrics.reconcile_missing.series(), *metrics.reconcile_gaps.series()] == []


async def published_alerts(host: HostSettings) -> list[Any]:
    """All that the log has."""
    topic = topics_of(host).alert.name
    async with Log(host) as log:
        ranges = await log.ranges([topic])
        return [
            orjson.loads(record.value or b"") async for _, records in log.read(ranges, [topic]) for record in records
        ]


async def test_without_every_nothing_runs(tmp_path: Path) -> None:
    """It ends at once, and touches nothing."""
    host = HostSettings(data_dir=tmp_path)
    metrics: Any = CollectorMetrics()
    await keep_reconciling(Settings(), host, metrics)
    await keep_reconciling(Settings(reconcile=ReconcileSettings()), host, metrics)
    assert list(tmp_path.iterdir()) == []
    assert SERVICE == "reconcile"
