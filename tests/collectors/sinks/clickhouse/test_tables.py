"""The tables hold every field of every event."""

from __future__ import annotations

import orjson
import pytest

from collectors.documents import row_lines
from collectors.frames import COLUMNS
from collectors.sinks.clickhouse.tables import add_columns, columns_of, create_table, insert_rows, missing_columns
from schemas.events import KINDS, Kind
from tests.contracts.sink_laws import LogPart


@pytest.mark.parametrize("kind", KINDS)
def test_rows_and_columns_agree(kind: Kind) -> None:
    """A field without a column would halt every insert, a column without a field would be empty for ever."""
    [line] = row_lines(kind, LogPart().frame(kind, 1).rows)
    assert list(orjson.loads(line)) == list(columns_of(kind))
    assert set(COLUMNS[kind]) <= set(columns_of(kind))


def test_types_keep_what_events_hold() -> None:
    """Integers exact, times to the microsecond, absent is null, lists of records are tuples by name."""
    columns = columns_of("analytics")
    assert columns["cost_nanos"] == "Nullable(Int64)"
    assert columns["occurred_at"] == "DateTime64(6, 'UTC')"
    assert columns["labels"] == "Array(String)"
    assert columns["attempts"].startswith("Array(Tuple(llm_id Nullable(Int64), llm_slug String")
    assert columns_of("budget")["charges"].endswith(
        "period_start DateTime64(6, 'UTC'), period_end DateTime64(6, 'UTC')))"
    )
    assert columns_of("proxy_log")["request_body"] == "Nullable(String)"


def test_a_table_is_one_row_for_each_event() -> None:
    """Replaced by its id, a partition for each day, and it remembers tokens though it is not replicated."""
    statement = create_table("db", "t", "analytics")
    assert "ENGINE = ReplacingMergeTree PARTITION BY toYYYYMMDD(occurred_at) ORDER BY event_id" in statement
    assert "non_replicated_deduplication_window = 10000" in statement
    assert statement.startswith("CREATE TABLE IF NOT EXISTS `db`.`t` (")


def test_what_an_older_table_lacks_is_added() -> None:
    """Nothing else is touched; further columns of somebody else are no matter."""
    present = set(columns_of("budget")) - {"charges", "kind"} | {"theirs"}
    missing = missing_columns("budget", present)
    assert list(missing) == ["kind", "charges"]
    statement = add_columns("db", "t", missing)
    assert statement.count("ADD COLUMN IF NOT EXISTS") == 2
    assert "DROP" not in statement
    assert insert_rows("db", "t", "budget").endswith(") FORMAT JSONEachRow")
