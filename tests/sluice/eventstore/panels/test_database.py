"""What is particular to the events database: its time limit, cancellation, broken files, and how fast it is."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from sluice.eventstore.dashboards.definitions import Dashboard, Panel, load_dashboards
from sluice.eventstore.panels.cells import Pass
from sluice.eventstore.panels.database import DatabasePanels
from sluice.eventstore.panels.fields import fields_of
from sluice.eventstore.panels.query import Filter, Measure, PanelQuery
from sluice.eventstore.panels.sql import SQLITE, statement_of
from sluice.eventstore.queries import EventStoreError
from sluice.eventstore.tables import create_tables
from tests.servers import Postgres
from tests.sluice.eventstore.panels.volume import END, SPAN, Spent, allowed_seconds, fill_database, pages
from tests.sluice.eventstore.worlds import PATIENCE_SECONDS

HEAVY = PanelQuery(
    "analytics", END - SPAN, END, (Measure("percentiles", "total_micros", (50,)),), ("exchange_id",), limit=1
)


async def fill_hundred_thousand(url: str) -> None:
    """So many requests, and some of the other events."""
    await fill_database(url, 100_000, kinds=["analytics"])
    await fill_database(url, 10_000, kinds=["proxy_log", "budget"])


async def test_a_hundred_thousand_events_in_sqlite_are_two_seconds_of_one_core_a_page(tmp_path: Path) -> None:
    """Each page of figures; forty apps, a week, an axis in Berlin. All of the work is this process's, so its processor
    time is what a page takes on one core however busy the machine is."""
    url = f"sqlite:///{tmp_path / 'events.db'}"
    await fill_hundred_thousand(url.replace(":", "+aiosqlite:", 1))
    store = DatabasePanels(url, PATIENCE_SECONDS)
    found = await pages(store, by="cpu_seconds")
    assert [each for each in found if each.cpu_seconds > 2] == []
    await store.close()


@pytest.mark.postgres
async def test_a_hundred_thousand_events_in_postgresql_are_two_seconds_a_page(
    postgres_server: Postgres, postgres_url: str
) -> None:
    """The same."""
    await fill_hundred_thousand(postgres_url)
    store = DatabasePanels(postgres_url, PATIENCE_SECONDS)
    found = await pages(store)
    assert [each for each in found if each.seconds > allowed_seconds()] == []
    await store.close()


async def slow_pages(url: str) -> list[Spent]:
    """Of two hundred thousand events of each kind: the pages that take longer than they may."""
    await fill_database(url, 200_000)
    store = DatabasePanels(url, PATIENCE_SECONDS)
    found = await pages(store)
    await store.close()
    return [each for each in found if each.seconds > allowed_seconds()]


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_two_hundred_thousand_exchanges_in_sqlite_are_two_seconds_a_page(tmp_path: Path) -> None:
    """The bound of the database."""
    assert await slow_pages(f"sqlite+aiosqlite:///{tmp_path / 'events.db'}") == []


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.timeout(300)
async def test_two_hundred_thousand_exchanges_in_postgresql_are_two_seconds_a_page(
    postgres_server: Postgres, postgres_url: str
) -> None:
    """The same."""
    assert await slow_pages(postgres_url) == []


def test_dashboards_are_answered_from_an_index_of_sqlite_alone(tmp_path: Path) -> None:
    """No panel reads a row: bodies and raw usage, which may be long, stand between the figures of one."""
    engine = create_engine(f"sqlite:///{tmp_path / 'events.db'}")
    with engine.begin() as connection:
        create_tables(connection)
        for dashboard in load_dashboards():
            for panel in dashboard.panels:
                if panel.query.kind != "plugin_step":  # that one reads the steps of the newest exchanges
                    plan = _plan(connection, _pass_of(dashboard, panel))
                    place = f"{dashboard.name}.{panel.name}: FIGURES of sluice/eventstore/tables.py lacks what it reads"
                    assert "USING COVERING INDEX ix_" in plan, (place, plan)
                    assert "_figures (occurred_at>? AND occurred_at<?)" in plan, (place, plan)
    engine.dispose()


def _pass_of(dashboard: Dashboard, panel: Panel) -> Pass:
    """All that a panel reads, with a choice made of each variable."""
    known = fields_of(panel.query.kind)
    chosen = [Filter(each.field, "not", (None,)) for each in dashboard.variables if each.field in known]
    query = panel.query.made(END - SPAN, END, "UTC", chosen)
    has_currency = "currency" in known
    return Pass(query.kind, query.start, query.end, query.filters, query.measures, query.split_by, has_currency, most=9)


def _plan(connection: Connection, asked: Pass) -> str:
    """How SQLite goes about it."""
    compiled = statement_of(asked, SQLITE).compile(connection, compile_kwargs={"literal_binds": True})
    return "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))


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
        assert time.monotonic() - began < 30
        await asyncio.sleep(0.01)
    await store.close()


async def test_more_questions_than_turns_are_all_answered(tmp_path: Path) -> None:
    """Four are asked at once; whoever waits gets an answer too."""
    url = f"sqlite:///{tmp_path / 'events.db'}"
    await fill_database(url.replace(":", "+aiosqlite:", 1), 1_000, kinds=["analytics"])
    store = DatabasePanels(url)
    queries = [PanelQuery("analytics", END - SPAN, END, filters=(Filter("app_id", "is", (app,)),)) for app in range(25)]
    answers = await asyncio.gather(*map(store.figures, queries))
    assert {answer.total for answer in answers} == {(25,)}
    await store.close()


async def test_what_is_no_database_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A file of garbage is an EventStoreError with the setting to check, not a driver's exception."""
    (tmp_path / "events.db").write_bytes(b"not a database" * 100)
    store = DatabasePanels(f"sqlite:///{tmp_path / 'events.db'}")
    with pytest.raises(EventStoreError, match=r"check control\.events\.database_url"):
        await store.figures(PanelQuery("analytics", 0, 1_000))
    await store.close()
