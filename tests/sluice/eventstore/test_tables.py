"""The events database: a column for every field of an event, exact, and written once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Boolean, Engine, LargeBinary, Text, create_engine, insert, inspect, select
from sqlalchemy.exc import IntegrityError

from schemas.avro_schema import event_schema
from schemas.events import KINDS, Kind
from sluice.eventstore.tables import FIGURES, METADATA, TABLE_NAMES, TABLES, create_tables, list_fields

EXTREMES = {BigInteger: 2**63 - 1, Boolean: True, Text: "ü\n\0" * 100, LargeBinary: bytes(range(256))}


@pytest.fixture(scope="module")
def engine() -> Engine:
    """A database in memory with all tables."""
    made = create_engine("sqlite://")
    for _ in range(2):
        with made.begin() as connection:
            create_tables(connection)
    return made


def row_of(kind: Kind, event_id: str, **given: Any) -> dict[str, Any]:
    """A row with something extreme in every column."""
    row = {column.name: EXTREMES[type(column.type)] for column in TABLES[kind].columns}
    return {**row, "event_id": event_id, **given}


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_has_the_events_fields_in_their_order(kind: Kind) -> None:
    """Each with what it means as a comment; only what may be absent in the event may be NULL."""
    fields = event_schema(kind)["fields"]
    columns = list(TABLES[kind].columns)
    assert [column.name for column in columns] == [field["name"] for field in fields]
    for column, field in zip(columns, fields, strict=True):
        assert column.comment == field["doc"]
        assert column.nullable == isinstance(field["type"], list)


@pytest.mark.parametrize("kind", KINDS)
def test_money_and_time_are_exact_integers(kind: Kind) -> None:
    """Nanos, micros and counts in 64 bits; no column is a float or a date."""
    kinds = {type(column.type) for column in TABLES[kind].columns}
    assert kinds <= {BigInteger, Boolean, Text, LargeBinary}
    for column in TABLES[kind].columns:
        if column.name.endswith(("_nanos", "_micros", "_at", "sequence")):
            assert type(column.type) is BigInteger


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_comes_back_as_it_was(kind: Kind, engine: Engine) -> None:
    """At the edge of its type, in every column."""
    row = row_of(kind, "extreme")
    with engine.begin() as connection:
        connection.execute(insert(TABLES[kind]), row)
        found = connection.execute(select(TABLES[kind]).where(TABLES[kind].c.event_id == "extreme")).mappings().one()
    assert dict(found) == row


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_there_once(kind: Kind, engine: Engine) -> None:
    """Its id is the key: that is how a second write is known."""
    assert [column.name for column in TABLES[kind].primary_key] == ["event_id"]
    with engine.begin() as connection:
        connection.execute(insert(TABLES[kind]), row_of(kind, "twice"))
    with engine.begin() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(TABLES[kind]), row_of(kind, "twice", sequence=2))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_for_has_an_index(kind: Kind, engine: Engine) -> None:
    """The exchange; the time that deletion goes by, with what dashboards read; what the analytics of an app and an LLM
    read."""
    further = {("app_id", "occurred_at", "event_id"), ("llm_id", "currency", "total_tokens", "cost_nanos")}
    assert indexes(engine, kind) == {
        *(("exchange_id",), ("occurred_at", *FIGURES[kind])),
        *(further if kind == "analytics" else ()),
    }


def indexes(engine: Engine, kind: Kind) -> set[tuple[str | None, ...]]:
    """The columns of each."""
    return {tuple(index["column_names"]) for index in inspect(engine).get_indexes(TABLE_NAMES[kind])}


def test_a_database_of_an_earlier_version_gets_the_indexes_it_lacks() -> None:
    """With the events that are in it, and loses the one that a wider one replaces; a further start changes nothing."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        create_tables(connection)
        for name in ("ix_analytics_app_id", "ix_analytics_llm_id", "ix_analytics_figures"):
            connection.exec_driver_sql(f"DROP INDEX {name}")
        connection.exec_driver_sql("CREATE INDEX ix_analytics_occurred_at ON analytics (occurred_at)")
        connection.execute(insert(TABLES["analytics"]), row_of("analytics", "old"))
    before = indexes(engine, "analytics")
    for _ in range(2):
        with engine.begin() as connection:
            create_tables(connection)
        assert len(indexes(engine, "analytics") - before) == 3
        assert before - indexes(engine, "analytics") == {("occurred_at",)}  # the wider one begins with it
        with engine.begin() as connection:
            assert connection.execute(select(TABLES["analytics"].c.event_id)).scalars().all() == ["old"]


def test_many_processes_make_the_tables_at_once(tmp_path: Path) -> None:
    """As collectors that start together do: each waits for the others, and none fails."""
    ready = threading.Barrier(6)

    def start() -> None:
        engine = create_engine(f"sqlite:///{tmp_path / 'events.db'}", connect_args={"timeout": 30})
        ready.wait()
        with engine.begin() as connection:
            create_tables(connection)
        engine.dispose()

    with ThreadPoolExecutor(6) as threads:
        for future in [threads.submit(start) for _ in range(6)]:
            future.result()


def test_lists_are_the_columns_that_hold_json() -> None:
    """Exactly the arrays of each event, and each is text."""
    assert {kind: list_fields(kind) for kind in KINDS} == {
        "proxy_log": ("labels", "request_headers", "response_headers", "plugins"),
        "analytics": ("labels", "attempts"),
        "budget": ("labels", "charges"),
    }
    assert all(type(TABLES[kind].c[name].type) is Text for kind in KINDS for name in list_fields(kind))


def test_the_tables_are_the_seeds() -> None:
    """Their names are what others query."""
    assert sorted(METADATA.tables) == ["analytics", "budget_usage", "proxy_logs"]
    assert {kind: table.name for kind, table in TABLES.items()} == TABLE_NAMES


@given(st.integers(-(2**63), 2**63 - 1), st.none() | st.integers(-(2**63), 2**63 - 1))
@settings(deadline=None, max_examples=30)
def test_any_amount_is_kept_to_the_nano(engine: Engine, nanos: int, app_id: int | None) -> None:
    """Negative ones (corrections) and absent ones too."""
    table = TABLES["budget"]
    with engine.connect() as connection:
        connection.execute(insert(table), row_of("budget", "amount", cost_nanos=nanos, app_id=app_id))
        found = connection.execute(select(table.c.cost_nanos, table.c.app_id).where(table.c.event_id == "amount")).one()
        connection.rollback()
    assert tuple(found) == (nanos, app_id)
