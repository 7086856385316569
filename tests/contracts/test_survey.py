"""What operators are told of topics and groups is true, on journals and on a real Kafka."""

from __future__ import annotations

from sluice.clock import now_micros
from sluice.eventlog.interface import Record
from sluice.eventlog.journal.survey import JournalSurveyor
from sluice.eventlog.kafka.survey import KafkaSurveyor
from sluice.eventlog.settings import JournalSettings
from sluice.eventlog.survey import Surveyor
from tests.contracts.eventlog_laws import (
    JournalBench,
    KafkaBench,
    exchanges,
    flat,
    next_offsets,
    on_durable_logs,
    poll_until,
)

DAY_MS = 86_400_000


def surveyor_of(bench: JournalBench) -> Surveyor:
    """As ``open_survey`` makes it."""
    if isinstance(bench, KafkaBench):
        return KafkaSurveyor(bench._kafka, bench.topics)
    return JournalSurveyor(bench._folder, bench.topics, JournalSettings())


@on_durable_logs()
async def test_topics_are_all_there_and_counted(bench: JournalBench) -> None:
    """Every topic of this version with its purpose; records of each kind, side records too; nothing differs."""
    surveyor = surveyor_of(bench)
    await surveyor.create()
    await bench.commit(exchanges(7))
    await bench.publisher().publish([Record(bench.topics.alert.name, b"s", b"{}")] * 2)
    survey = await surveyor.topics()
    assert [each.name for each in survey.topics] == [topic.name for topic in bench.topics.all()]
    records = {each.name: each.records for each in survey.topics if each.records}
    schemas = {bench.topics.schema.name} if isinstance(bench, KafkaBench) else set()
    assert {name: count for name, count in records.items() if name not in schemas} == {
        **dict.fromkeys(bench.events, 7), bench.topics.alert.name: 2,
    }  # fmt: skip
    assert survey.problems == []
    assert [each.differences for each in survey.topics if each.differences] == []
    assert all(each.retention_ms for each in survey.topics if each.exists and each.name in bench.events)
    assert await surveyor.create() == []


@on_durable_logs()
async def test_lag_is_what_a_group_has_not_committed(bench: JournalBench) -> None:
    """To the record, with the age of the oldest of them; a group that has everything has none; others do not count."""
    begun_ms = now_micros() // 1_000 - 1
    await bench.commit(exchanges(10))
    source = await bench.started("behind")
    ahead = await bench.started("ahead")
    await ahead.commit(next_offsets(await poll_until(ahead, 30)))
    found = await poll_until(source, 30)
    half = {partition: records[: len(records) // 2] for partition, records in found.items() if len(records) > 1}
    await source.commit(next_offsets(half))
    committed = len(flat(half))
    lags = [lag for lag in await surveyor_of(bench).lag() if lag.group.endswith(("behind", "ahead"))]
    behind = [lag for lag in lags if lag.group.endswith("behind")]
    assert sum(lag.records for lag in behind) == 30 - committed
    for lag in behind:
        assert (lag.oldest_at_ms is not None) == (lag.records > 0)
        if lag.oldest_at_ms is not None:
            assert begun_ms <= lag.oldest_at_ms <= now_micros() // 1_000
            assert 0 < (lag.seconds_to_loss(now_micros() // 1_000) or 0) <= 40 * DAY_MS
    assert sum(lag.records for lag in lags if lag.group.endswith("ahead")) == 0
    [name] = {lag.group for lag in behind}
    assert {lag.group for lag in await surveyor_of(bench).lag(name)} == {name}
    assert await surveyor_of(bench).lag("nobody") == []
