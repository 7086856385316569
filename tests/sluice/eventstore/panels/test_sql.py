"""The SQL of panels: whatever a reader sends is a parameter."""

from __future__ import annotations

from array import array

import pytest
from sqlalchemy import make_url

from sluice.eventstore.panels.buckets import buckets_of
from sluice.eventstore.panels.cells import Part, Pass
from sluice.eventstore.panels.query import Filter, Measure
from sluice.eventstore.panels.sql import POSTGRESQL, SQLITE, Dialect, cell_of, search_statement, statement_of

SQLITE_NAMES = make_url("sqlite+aiosqlite://").get_dialect()()
POSTGRESQL_NAMES = make_url("postgresql+asyncpg://").get_dialect()()
EVIL = "'; DROP TABLE analytics; --"


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL])
def test_values_are_parameters(dialect: Dialect) -> None:
    """No filter, group or cursor is a part of a statement's text."""
    filters = tuple(Filter("model_name", operator, (EVIL,)) for operator in ("is", "in", "not", "contains"))
    filters += (Filter("labels", "is", (f"a:{EVIL}",)),)
    where = Measure("count", where=filters)
    asked = Pass(
        "analytics", 0, 1, filters, (where,), ("model_name", "vendor"), chosen=((EVIL, None), (EVIL, EVIL)), most=5
    )
    found = search_statement("analytics", filters, (0, 1), (5, EVIL), 10, dialect)
    for statement in (statement_of(asked, dialect), found):
        for compiled in (statement.compile(dialect=SQLITE_NAMES), statement.compile(dialect=POSTGRESQL_NAMES)):
            assert "DROP" not in str(compiled)
            assert any("DROP" in str(value) for value in compiled.params.values())


def test_a_row_is_a_cell() -> None:
    """Halves are put together, percentiles are those of the numbers, "other" has no key but its currency."""
    measures = (Measure("sum", "cost_nanos"), Measure(), Measure("percentiles", "total_micros", (50, 100)))
    asked = Pass("analytics", 0, 1, (), measures, ("app_id",), by_currency=True)
    cell = cell_of([1, 3, None, "USD", 2, 1 << 31, 5, 7, "10,9,8,100"], asked)
    assert (cell.is_other, cell.bucket, cell.key) == (True, 3, ("USD",))
    assert cell.parts == (Part(2, (1 << 63) + 5), Part(7), Part(numbers=(array("q", [8, 9, 10, 100]),)))
    assert cell_of([0, 0, 7, "USD", 0, None, None, 0, None], asked).parts[2] == Part()


def test_buckets_are_one_expression_for_each_run() -> None:
    """A year of days in Berlin is a case of five, not of 365."""
    year = buckets_of(1_767_222_000_000_000, 1_798_758_000_000_000, "1d", "Europe/Berlin")
    asked = Pass("analytics", 0, 1, (), (Measure(),), buckets=year, most=5)
    assert str(statement_of(asked, SQLITE)).count("WHEN") == 4
