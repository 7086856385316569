"""The SQL over analytics events: by index, with parameters, exact at the edges of 64 bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Select, create_engine, insert
from sqlalchemy.dialects import postgresql, sqlite

from sluice.eventstore.figures import BY_CURRENCY, BY_DAY, BY_LLM, BY_MODEL, BY_OUTCOME, Grouping
from sluice.eventstore.scope import Scope
from sluice.eventstore.statements import count_statement, group_of, group_statement, page_statement
from sluice.eventstore.tables import TABLES, create_tables
from tests.schemas.samples import analytics, common

SCOPE = Scope.of_app(7, 1_000_000, 2_000_000)
DAY = 86_400_000_000
_NAMED: Any = sqlite.dialect(paramstyle="named")
_POSTGRES: Any = postgresql.dialect
LONGS = st.integers(-(2**63), 2**63 - 1)


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """An empty database in memory."""
    engine = create_engine("sqlite://")
    with engine.connect() as made:
        create_tables(made)
        made.commit()
        yield made
    engine.dispose()


def add(connection: Connection, number: int, **given: Any) -> None:
    """An event; its lists are JSON text."""
    row = {**common(), **analytics(), "app_id": 7, "sequence": 1, "labels": "[]", "attempts": "[]", **given}
    connection.execute(insert(TABLES["analytics"]), {"event_id": f"e{number}", **row})


def plan(connection: Connection, statement: Select[Any]) -> str:
    """How SQLite goes about it."""
    compiled = statement.compile(dialect=_NAMED)
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", compiled.params)
    return "\n".join(row[3] for row in rows)


def test_an_app_s_page_is_found_and_skipped_in_the_index(connection: Connection) -> None:
    """By app and time, in order, without a look at rows that are not shown."""
    found = plan(connection, page_statement(SCOPE, 900_000, 50))
    covering = "COVERING INDEX ix_analytics_app_id (app_id=? AND occurred_at>? AND occurred_at<?)"
    assert f"SEARCH analytics USING {covering}" in found
    assert "SCAN analytics" not in found
    assert covering in plan(connection, count_statement(SCOPE))
    assert found.count("TEMP B-TREE FOR ORDER BY") == 1  # of the rows that are shown; the ids need none


@pytest.mark.parametrize("grouping", [BY_OUTCOME, BY_DAY, BY_LLM, BY_MODEL])
def test_an_app_s_figures_are_found_by_app_and_time(connection: Connection, grouping: Grouping) -> None:
    """No other app's events are read."""
    found = plan(connection, group_statement(SCOPE, grouping))
    assert "USING INDEX ix_analytics_app_id (app_id=? AND occurred_at>? AND occurred_at<?)" in found
    assert "SCAN analytics" not in found


def test_an_llm_s_events_are_found_by_its_index(connection: Connection) -> None:
    """Without those of other LLMs, and without a look at any row."""
    assert "COVERING INDEX ix_analytics_llm_id (llm_id=?)" in plan(
        connection, group_statement(Scope(llm_id=1), BY_CURRENCY)
    )


@pytest.mark.parametrize("dialect", [_NAMED, _POSTGRES()], ids=["sqlite", "postgresql"])
def test_what_is_asked_for_is_only_in_parameters(dialect: Any) -> None:
    """No value is part of the text."""
    scope = Scope.of_app(712_345_678, 345_678_000, 456_789_000)
    for statement in (count_statement(scope), page_statement(scope, 567_890, 678), group_statement(scope, BY_MODEL)):
        text = str(statement.compile(dialect=dialect))
        for value in ("712345678", "345678000", "456789000", "567890", "678"):
            assert value not in text


@given(st.lists(LONGS, min_size=1, max_size=20))
@settings(deadline=None, max_examples=30)
def test_sums_are_exact_beyond_64_bits(connection: Connection, values: list[int]) -> None:
    """Negative ones, and where SQLite's own SUM overflows."""
    for number, value in enumerate(values):
        add(connection, number, **dict.fromkeys(BY_OUTCOME.summed, value))
    rows = connection.execute(group_statement(Scope.of_app(7, None, None), BY_OUTCOME)).all()
    connection.rollback()
    (group,) = (group_of(row, BY_OUTCOME) for row in rows)
    assert group.sums == dict.fromkeys(BY_OUTCOME.summed, sum(values))
    assert (group.requests, group.priced) == (len(values), len(values))


@given(st.integers(-(10**15), 10**16))
@settings(deadline=None, max_examples=30)
def test_a_day_begins_at_midnight_utc(connection: Connection, moment: int) -> None:
    """Before 1970 too."""
    add(connection, 0, occurred_at=moment, cost_nanos=None)
    (row,) = connection.execute(group_statement(Scope.of_app(7, None, None), BY_DAY)).all()
    connection.rollback()
    group = group_of(row, BY_DAY)
    assert group.key == (moment // DAY, "")
    assert (group.priced, group.sums["cost_nanos"]) == (0, 0)
