"""The service over journals and over a real Kafka: what it counts, publishes, and alerts of."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import func, select

from collectors.errors import Retryable
from collectors.services.budget_truth import job as job_module
from collectors.services.budget_truth.counting import Position
from collectors.services.budget_truth.job import BudgetTruth
from collectors.services.budget_truth.ledger import BudgetKey, Spent
from collectors.services.budget_truth.metrics import TruthMetrics
from collectors.services.budget_truth.settings import BudgetTruthSettings
from collectors.services.budget_truth.store import TruthStore
from collectors.services.budget_truth.tables import TOTALS
from collectors.settings import ControlSettings, HostSettings
from sluice.clock import now_micros
from sluice.eventlog.connect import topics_of
from sluice.eventlog.interface import Partition, Record
from sluice.eventlog.kafka.config import connection_arguments
from sluice.telemetry import Registry
from tests.collectors.services.budget_truth.serving import (
    SECONDS,
    Served,
    is_spent,
    running,
    served,
    spending,
    total,
    until,
)
from tests.contracts.eventlog_laws import JournalBench, KafkaBench, on_durable_logs

NOW = now_micros()
DAY = 86_400_000_000
START, END = NOW - DAY, NOW + DAY


@on_durable_logs()
async def test_what_was_spent_is_counted_and_published_with_what_it_covers(bench: JournalBench) -> None:
    """Once each, over two workers, what comes later too; after a restart nothing is counted twice and nothing that has
    not changed is published again."""
    serve = served(bench)
    await bench.commit([spending(5), spending(7), spending(2**53, app=8)])
    async with running(serve):
        await until(lambda: is_spent(serve, {"7": 12, "8": 2**53}))
        await bench.commit([spending(1, worker="w1")], worker="w1")
        await until(lambda: is_spent(serve, {"7": 13, "8": 2**53}))
        states = await until(lambda: is_published(serve, "app:7:2025-11-01", 13))
        await until(lambda: has_noted(serve))
    state = states["app:7:2025-11-01"]
    assert total(states, "app:8:2025-11-01") == [("USD", 2**53)]
    assert (state["totals"][0]["requests"], state["covers"]["applied"], state["covers"]["gaps"]) == (3, 4, 0)
    assert state["covers"]["offsets"]
    assert state["period_start"] == "2025-11-01T00:00:00.000000Z"
    topic = bench.topics.budget_state.name
    before = len(await serve.published(topic))
    async with running(serve):
        truth = await until(lambda: owned_by_epoch(serve, 2))
        await bench.commit([spending(100, app=9)])
        await until(lambda: is_published(serve, "app:9:2025-11-01", 100))
    assert truth.covers.applied == 4
    assert len(await serve.published(topic)) == before + 1


async def is_published(serve: Served, key: str, nanos: int) -> Any:
    """All states, when that of a key is so much."""
    states = await serve.states()
    return states if key in states and total(states, key) == [("USD", nanos)] else None


async def has_noted(serve: Served) -> bool:
    """Whether it is noted of every total that it is published: who is stopped before that publishes it again."""
    database = serve.settings.database_in(serve.host.data_dir)
    async with TruthStore(database, topics_of(serve.host).namespace) as store, store.read() as connection:
        return not await connection.scalar(select(func.count()).where(TOTALS.c.revision > TOTALS.c.published))


async def owned_by_epoch(serve: Served, epoch: int) -> Any:
    """The truth, when it has been to the log's end in this ownership."""
    truth = await serve.truth()
    return truth if truth and truth.covers.epoch >= epoch and truth.caught_up_at > NOW else None


async def alert_of(serve: Served, kind: str) -> Any:
    """The alert of a kind, when there is one."""
    return (await serve.alerts()).get(kind)


@on_durable_logs()
async def test_numbers_that_never_come_are_an_alert_with_the_numbers(bench: JournalBench) -> None:
    """A gateway reported more than the log has: after the grace the boot and its missing numbers are named, once; and
    garbage in the log is named too while everything else is counted."""
    serve = served(bench)
    await bench.commit([spending(5)])
    names = {"gateway_id": "gw-1", "worker": "0", "boot_id": "boot-1"}
    told = {**names, "closing": True, "last_sequences": {"budget": 3}}
    records = [
        Record(bench.topics.gateway_report.name, b"gw-1", orjson.dumps(told)),
        Record(bench.topics.event("budget").name, b"k", b"garbage that is no event"),
        Record(bench.topics.gateway_report.name, b"gw-1", b"{"),
    ]
    await bench.publisher().publish(records)
    async with running(serve):
        gap = await until(lambda: alert_of(serve, "budget_truth_gap"))
        assert (gap["boot"], gap["numbers"], gap["count"]) == ("gw-1/0/boot-1", "1-3", "3")
        await until(lambda: alert_of(serve, "budget_truth_bad_report"))
        assert await serve.spent() == {"7": 5}
        truth = await serve.truth()
        assert truth is not None
        assert truth.covers.gaps == 3
        assert {row.kind for row in truth.problems} == {"bad_report", "undecodable"}
    alerts = [body for _, body in await serve.published(bench.topics.alert.name)]
    assert [each["kind"] for each in alerts].count("budget_truth_gap") == 1


@on_durable_logs()
async def test_a_ledger_that_differs_for_long_is_an_alert(bench: JournalBench) -> None:
    """The app, the period and both sums are named; a ledger that is only behind for a moment is none; the gauge has
    the difference and falls when it is mended."""
    serve = served(bench)
    await bench.commit([spending(500, start=START, end=END), spending(40, app=8, start=START, end=END)])
    key, other = BudgetKey("app", "7", START), BudgetKey("app", "8", START)
    serve.ledger.books = {key: Spent(500, END), other: Spent(40, END)}
    async with running(serve, has_ledger=True):
        await until(lambda: has_asked(serve, 4))
        assert "budget_truth_difference" not in await serve.alerts()
        serve.ledger.books[key] = Spent(777, END)
        alert = await until(lambda: alert_of(serve, "budget_truth_difference"))
        assert alert["budget"].startswith("app 7, period from ")
        assert (alert["ledger_nanos"], alert["truth_nanos"], alert["difference_nanos"]) == ("777", "500", "277")
        assert dict(serve.metrics.differences.series()) == {("app",): 277}
        serve.ledger.books[key] = Spent(500, END)
        await until(lambda: is_mended(serve))
        cleared = await until(lambda: alert_of(serve, "budget_truth_difference_cleared"))
        assert (cleared["budget"], cleared["ledger_nanos"]) == (alert["budget"], "500")
        await bench.commit([spending(60, start=START, end=END)])  # the ledger never hears of it
        alert = await until(lambda: less_alert(serve))
        assert (alert["ledger_nanos"], alert["truth_nanos"], alert["difference_nanos"]) == ("500", "560", "-60")


async def test_who_loses_the_truth_says_why_each_time_and_shows_no_old_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure after hours of counting is logged as the first one was; what is found by nobody any more is shown by
    no gauge, so that an alert that looks at it ends."""
    metrics, lives = TruthMetrics(Registry()), 0

    async def own(self: BudgetTruth, _store: object) -> None:
        nonlocal lives
        lives += 1
        metrics.gaps.set(3)
        metrics.differences.set(5, "app")
        raise Retryable("the database went away")

    monkeypatch.setattr(BudgetTruth, "_own", own)
    monkeypatch.setattr(job_module, "_WAIT_SECONDS", (0.01,))
    job = BudgetTruth(BudgetTruthSettings(lease=1), ControlSettings(), HostSettings(data_dir=tmp_path), metrics)
    with structlog.testing.capture_logs() as lines:
        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(job.run())
            while lives < 3:  # noqa: ASYNC110 - of a service that tells nobody
                await asyncio.sleep(0.01)
            task.cancel()
    assert [line["log_level"] for line in lines if line["event"] == "budget truth waits"][:2] == ["error", "error"]
    assert [*metrics.gaps.series(), *metrics.differences.series()] == []
    assert metrics.owner.value() == 0


async def has_asked(serve: Served, times: int) -> bool:
    """Whether the ledger was asked so often."""
    return bool(serve.ledger.asked >= times)


async def is_mended(serve: Served) -> bool:
    """Whether the gauge is back."""
    return dict(serve.metrics.differences.series()) == {("app",): 0}


async def less_alert(serve: Served) -> Any:
    """Of a ledger that has less."""
    alert = await alert_of(serve, "budget_truth_difference")
    return alert if alert and alert["difference_nanos"].startswith("-") else None


@on_durable_logs()
async def test_what_retention_took_is_said_and_the_rest_is_counted(bench: JournalBench) -> None:
    """The service was away, and the log deleted what it had not read: an alert names the offsets, and it goes on."""
    serve = served(bench)
    await bench.commit([spending(5)])
    async with running(serve):
        await until(lambda: is_spent(serve, {"7": 5}))
    await bench.commit([spending(1) for _ in range(30)])
    reader = bench.ranges()
    ranges = await reader.ranges([bench.topics.event("budget").name])
    for partition, there in ranges.items():
        if partition.topic in {bench.topics.event("budget").name, "gateway-1/w0"}:
            await bench.lose_before(partition, there.end)
    await bench.commit([spending(1_000)])
    async with running(serve):
        alert = await until(lambda: alert_of(serve, "budget_truth_lost"))
        assert "offsets" in alert["example"]
        await until(lambda: is_spent(serve, {"7": 1_005}))
        truth = await until(lambda: owned_by_epoch(serve, 2))
        assert any(at.lost for at in truth.covers.positions.values())
        assert truth.covers.covers_since > 0
        assert (truth.covers.gaps, truth.covers.uncovered) == (0, 30)
    assert "budget_truth_gap" not in await serve.alerts()


@on_durable_logs()
async def test_a_log_that_was_made_anew_and_is_longer_is_read_from_its_beginning(bench: JournalBench) -> None:
    """While the service was away, so that its end says nothing: the id does, and the alert names both. Every event of
    both logs counts once, and what is stored then is of the log that is there."""
    serve = served(bench)
    await bench.commit([spending(5) for _ in range(4)])
    async with running(serve):
        await until(lambda: is_spent(serve, {"7": 20}))
    before = await positions_of_budget(serve, bench)
    worker = await made_anew(bench)
    await bench.commit([spending(100, worker="another life") for _ in range(40)], worker)
    reader, topic = bench.ranges(), bench.topics.event("budget").name
    ranges = await reader.ranges([topic])
    assert all(at.next_offset <= ranges[each].end for each, at in before.items()), "an end tells"
    async with running(serve):
        await until(lambda: is_spent(serve, {"7": 4_020}))
        alert = await until(lambda: alert_of(serve, "budget_truth_rewound"))
    after, ids = await positions_of_budget(serve, bench), await reader.log_ids(before)
    assert {each: at.log_id for each, at in after.items()} == ids
    assert any(f"its id is {ids[each]}, and was {at.log_id}" in alert["example"] for each, at in before.items())
    assert not any(ids[each] == at.log_id for each, at in before.items())


async def positions_of_budget(serve: Served, bench: JournalBench) -> dict[Partition, Position]:
    """Of the partitions that have budget events: the topic's, or the first worker's journal."""
    truth = await serve.truth()
    assert truth is not None
    names = {bench.topics.event("budget").name, "gateway-1/w0"}
    return {each: at for each, at in truth.covers.positions.items() if each.topic in names}


async def made_anew(bench: JournalBench) -> str:
    """The topic, or the first worker's journal; which worker can write to it."""
    if not isinstance(bench, KafkaBench):
        await bench._journals["w0"].close()
        shutil.rmtree(bench._journals["w0"].directory)
        del bench._logs["w0"]
        return "w0"
    topic, settings = bench.topics.event("budget").name, bench._kafka.kafka
    admin = AIOKafkaAdminClient(**connection_arguments(settings))
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with asyncio.timeout(SECONDS):
            new = [NewTopic(topic, settings.partitions, 1)]
            while (await admin.create_topics(new)).topic_errors[0][1]:  # noqa: ASYNC110 - the old one is still there
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
    return "w1"
