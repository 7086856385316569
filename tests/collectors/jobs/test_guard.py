"""What retention has deleted does not come back by a replay unless somebody says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from collectors.jobs.guard import Gone, Guard, open_guard, refuse
from collectors.jobs.report import Report, State
from collectors.jobs.targets import TargetError
from collectors.settings import HostSettings, Settings
from collectors.sinks.database.sink import DatabaseSink
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from schemas.events import KINDS
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import NOW_MICROS, partition_of
from tests.collectors.jobs.bench import origin_of
from tests.collectors.retention.stored import DAY_MICROS, NOW, frame_of, micros, store
from tests.servers import Elasticsearch


def rows(*days_ago: float) -> pl.DataFrame:
    """Of events that occurred then."""
    return pl.DataFrame({"occurred_at": [micros(days) for days in days_ago]}, schema={"occurred_at": pl.Int64})


async def guard_of(retention: Any, folder: Path, path: str = "sink://elasticsearch", **config: Any) -> Guard:
    """Of an entry with such limits."""
    settings = Settings.model_validate(
        {
            "data_collection_plugins": [{"name": "here", "path": path, "config": config}],
            "retention": {"stores": {"here": retention}} if retention else None,
        }
    )
    [entry] = settings.data_collection_plugins
    host = HostSettings.model_validate({"data_dir": str(folder)})
    return await open_guard(entry, settings, host, folder, KINDS, NOW)


async def test_what_is_older_than_the_limit_is_counted_by_day(tmp_path: Path) -> None:
    """A whole day is gone when it ended before the limit, as retention deletes it; other kinds have no limit."""
    guard = await guard_of({"analytics": {"max_age": "30d"}}, tmp_path)
    guard.add("analytics", rows(0, 29, 30, 30.4))
    assert guard.refusal() == ""
    guard.add("analytics", rows(30.6, 31, 31, 40))
    guard.add("budget", rows(400))
    assert guard.events == 4
    text = guard.refusal()
    assert "here: 4 events of analytics from 2 days (2024-08-25: 1, 2024-09-03: 3)" in text.replace("\n", " ")
    assert "retention.stores.here.analytics.max_age is 30 days" in text
    assert "--yes" in text


async def test_many_days_are_told_by_the_first_and_the_last() -> None:
    """Nobody reads four hundred of them."""
    guard = Guard("here", {"budget": Gone(NOW, "so it is")})
    guard.add("budget", rows(*range(1, 401)))
    assert "400 events of budget from 400 days" in guard.refusal()
    assert "…" in guard.refusal()
    assert len(guard.refusal()) < 400


@pytest.mark.parametrize(
    ("pattern", "gone", "there"),
    [("a-{YYYY.MM}", 45, 30), ("a-{YYYY}", 279, 277), ("a", 30.6, 30.4)],
)
async def test_an_index_of_many_days_is_gone_when_its_last_is(
    pattern: str, gone: float, there: float, tmp_path: Path
) -> None:
    """Months and years go whole: noon of 4 October 2024 less 30 days is in September, so August is gone."""
    guard = await guard_of({"analytics": {"max_age": "30d"}}, tmp_path, indices={"analytics": pattern})
    guard.add("analytics", rows(there))
    assert guard.events == 0
    guard.add("analytics", rows(gone))
    assert guard.events == 1


async def test_rows_go_by_the_moment(tmp_path: Path) -> None:
    """A database has no days."""
    guard = await guard_of(
        {"analytics": {"max_age": "30d"}}, tmp_path, "sink://database", url=f"sqlite:///{tmp_path}/e"
    )
    guard.add("analytics", rows(29.9, 30.1))
    assert guard.events == 1


async def test_where_nothing_is_deleted_nothing_can_come_back(tmp_path: Path) -> None:
    """No limits, or a data stream, which retention does not touch: nothing is asked of the store."""
    for guard in (
        await guard_of(None, tmp_path),
        await guard_of({"budget": {"max_age": "30d"}}, tmp_path, data_streams=True),
    ):
        assert guard.gone == {}
        assert not await guard.is_concerned(origin_of(1), {partition_of(): OffsetRange(0, 1)})


async def test_only_old_records_are_worth_counting() -> None:
    """By when they were appended; an empty range has none."""
    origin, ranges = origin_of(3), {partition_of(): OffsetRange(0, 3)}
    assert not await Guard("here", {"analytics": Gone(NOW_MICROS, "")}).is_concerned(origin, ranges)
    guard = Guard("here", {"analytics": Gone(NOW_MICROS + 1_500_000, "")})
    assert await guard.is_concerned(origin, ranges)
    assert not await guard.is_concerned(origin, {partition_of(): OffsetRange(2, 3)})
    assert not await guard.is_concerned(origin, {partition_of(): OffsetRange(0, 0)})


async def test_what_went_by_bytes_is_whatever_is_older_than_all_that_is_there(tmp_path: Path) -> None:
    """Of a database by its oldest row, and only where a limit is by bytes; an empty one has lost nothing."""
    url = f"sqlite:///{tmp_path}/events.db"
    limits = {"analytics": {"max_bytes": "1GB"}, "budget": {"max_bytes": "1GB"}, "proxy_log": {"max_age": "90d"}}
    guard = await guard_of(limits, tmp_path, "sink://database", url=url)
    assert set(guard.gone) == {"proxy_log"}, "there is no table yet"
    sink = DatabaseSink(await _entry_config(url))
    await sink.start()
    await store(sink, frame_of("analytics", 10, 20))
    await sink.close()
    guard = await guard_of(limits, tmp_path, "sink://database", url=url)
    assert set(guard.gone) == {"proxy_log", "analytics"}
    guard.add("analytics", rows(19, 20, 21))
    assert guard.events == 1
    assert "older than all that is there" in guard.refusal()


async def _entry_config(url: str) -> Any:
    settings = Settings.model_validate(
        {"data_collection_plugins": [{"name": "here", "path": "sink://database", "config": {"url": url}}]}
    )
    return settings.data_collection_plugins[0].config


async def test_of_a_cluster_by_its_oldest_index(
    elasticsearch_server: Elasticsearch, unique_name: str, tmp_path: Path
) -> None:
    """Where the cluster's own policy deletes, too."""
    names = {"analytics": f"{unique_name}-a", "proxy_logs": f"{unique_name}-p", "budget": f"{unique_name}-b"}
    config: Any = {"elasticsearch_url": elasticsearch_server.url, "indices": names, "oldest_days": 3650}
    settings = Settings.model_validate(
        {"data_collection_plugins": [{"name": "here", "path": "sink://elasticsearch", "config": config}]}
    )
    sink = ElasticsearchSink(settings.data_collection_plugins[0].config, ("analytics",))  # type: ignore[arg-type]
    await sink.start()
    try:
        await store(sink, frame_of("analytics", 10, 20))
        by_bytes = await guard_of({"analytics": {"max_bytes": "1GB"}}, tmp_path, **config)
        by_policy = await guard_of(None, tmp_path, lifecycle_policy="mine", **config)
        by_age = await guard_of({"analytics": {"max_age": "90d"}}, tmp_path, **config)
        for guard, events in ((by_bytes, 1), (by_policy, 1), (by_age, 0)):
            guard.add("analytics", rows(19, 20, 20.4, 20.6))
            assert guard.events == events
        assert set(by_policy.gone) == {"analytics"}, "of the others there is nothing to tell by"
    finally:
        for each in (10, 20):
            day = NOW - each * DAY_MICROS
            await sink._http.request("DELETE", f"{unique_name}-a-{_dotted(day)}")
        await sink.close()


def _dotted(at: int) -> str:
    return str(pl.Series([at]).cast(pl.Datetime("us")).dt.strftime("%Y.%m.%d")[0])


@pytest.mark.parametrize("state", ["stopped", "running"])
def test_what_was_not_counted_to_the_end_is_no_leave(state: State) -> None:
    """Whoever stops the counting, or whatever ends it, has not said that nothing comes back: nothing is written."""
    guard = Guard("here", {"analytics": Gone(NOW, "old")})
    with pytest.raises(TargetError, match=r"not counted to the end.*nothing was written"):
        refuse(guard, Report("replay", "job", state))
    refuse(guard, Report("replay", "job", "counted"))
