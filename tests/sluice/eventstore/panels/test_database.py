"""What is particular to the events database: its time limit, cancellation, broken files, and how fast it is."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from sluice.eventstore.panels.database import DatabasePanels
from sluice.eventstore.panels.query import Filter, Measure, PanelQuery
from sluice.eventstore.queries import EventStoreError
from tests.servers import Postgres
from tests.sluice.eventstore.panels.volume import END, SPAN, allowed_seconds, fill_database, slowest_panel
from tests.sluice.eventstore.worlds import PATIENCE_SECONDS

HEAVY = PanelQuery(
    "analytics", END - SPAN, END, (Measure("percentiles", "total_micros", (50,)),), ("exchange_id",), limit=1
)


async def test_hundred_thousand_events_in_sqlite_are_two_seconds_a_panel(tmp_path: Path) -> None:
    """The heaviest panels answer within their bound; forty apps, a week, an axis in Berlin."""
    url = f"sqlite:///{tmp_path / 'events.db'}"
    await fill_database(url.replace(":", "+aiosqlite:", 1), 100_000, kinds=["analytics"])
    store = DatabasePanels(url, PATIENCE_SECONDS)
    assert await slowest_panel(store) < allowed_seconds()
    await store.close()


@pytest.mark.postgres
async def test_hundred_thousand_events_in_postgresql_are_two_seconds_a_panel(
    postgres_server: Postgres, postgres_url: str
) -> None:
    """The same."""
    await fill_database(postgres_url, 100_000, kinds=["analytics"])
    store = DatabasePanels(postgres_url, PATIENCE_SECONDS)
    assert await slowest_panel(store) < allowed_seconds()
    await store.close()


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_two_hundred_thousand_events_of_each_kind_are_answered(tmp_path: Path) -> None:
    """The bound of the database: no panel takes longer than its time limit lets it."""
    url = f"sqlite:///{tmp_path / 'events.db'}"
    await fill_database(url.replace(":", "+aiosqlite:", 1), 200_000)
    store = DatabasePanels(url, PATIENCE_SECONDS)
    assert await slowest_panel(store, of_all=True) < 2 * allowed_seconds()
    await store.close()


async def test_ten_thousand_groups_survive_and_more_are_refused(tmp_path: Path) -> None:
    """The largest of 10,000 apps are found, the others are one; of 10,001 the message says what to do."""
    for apps in (10_000, 10_001):
        url = f"sqlite:///{tmp_path / f'{apps}.db'}"
        await fill_database(url.replace(":", "+aiosqlite:", 1), apps, apps, kinds=["analytics"])
        store = DatabasePanels(url)
        query = PanelQuery(
            "analytics", END - SPAN, END, (Measure("sum", "cost_nanos"), Measure()), ("app_id",), limit=3
        )
        if apps == 10_000:
            answer = await store.figures(query)
            assert answer.groups == 10_000
            assert [series.total[1] for series in answer.series] == [1, 1, 1, 9_997]
        else:
            with pytest.raises(EventStoreError, match="more than 10,000 groups by app_id: add a filter"):
                await store.figures(query)
        await store.close()


async def test_a_question_ends_at_its_time_limit(tmp_path: Path) -> None:
    """What takes longer is an error that says so, and the thread is free again."""
    url = f"sqlite:///{tmp_path / 'events.db'}"
    await fill_database(url.replace(":", "+aiosqlite:", 1), 20_000, kinds=["analytics"])
    store = DatabasePanels(url, 0.02)
    with pytest.raises(EventStoreError, match=r"did not answer within 0\.02 s; ask for a shorter range"):
        await store.figures(HEAVY)
    await store.close()


async def test_a_cancelled_question_ends_its_work(tmp_path: Path) -> None:
    """SQLite's thread, which nobody can cancel, stops when nobody waits for it any more: not at the time limit."""
    url = f"sqlite:///{tmp_path / 'events.db'}"
    await fill_database(url.replace(":", "+aiosqlite:", 1), 50_000, kinds=["analytics"])
    store, before = DatabasePanels(url, 60), threading.active_count()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await store.figures(HEAVY)
    began = time.monotonic()
    while threading.active_count() > before:
        assert time.monotonic() - began < 2
        await asyncio.sleep(0.01)
    await store.close()


async def test_more_questions_than_turns_are_all_answered(tmp_path: Path) -> None:
    """Four are asked at once; whoever waits gets an answer too."""
    url = f"sqlite:///{tmp_path / 'events.db'}"
    await fill_database(url.replace(":", "+aiosqlite:", 1), 1_000, kinds=["analytics"])
    store = DatabasePanels(url)
    query = PanelQuery("analytics", END - SPAN, END, filters=(Filter("app_id", "is", (1,)),))
    answers = await asyncio.gather(*(store.figures(query) for _ in range(25)))
    assert {answer.total for answer in answers} == {(25,)}
    await store.close()


async def test_what_is_no_database_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A file of garbage is an EventStoreError with the setting to check, not a driver's exception."""
    (tmp_path / "events.db").write_bytes(b"not a database" * 100)
    store = DatabasePanels(f"sqlite:///{tmp_path / 'events.db'}")
    with pytest.raises(EventStoreError, match=r"check control\.events\.database_url"):
        await store.figures(PanelQuery("analytics", 0, 1_000))
    await store.close()
