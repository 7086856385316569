"""The tables: made once, whoever comes first, and their keys hold the longest names that are let in."""

from __future__ import annotations

from sqlalchemy import String, create_engine, func, select

from collectors.services.budget_truth.boots import BootId
from collectors.services.budget_truth.counting import total_key
from collectors.services.budget_truth.tables import BOOTS, METADATA, PAGES, STATE, TOTALS, are_there, create
from collectors.services.budget_truth.tally import TotalKey


def test_they_are_made_once_with_one_state() -> None:
    """Twice is once; the first namespace stays."""
    with create_engine("sqlite://").begin() as connection:
        assert not are_there(connection)
        create(connection, "one")
        create(connection, "two")
        assert are_there(connection)
        assert connection.scalar(select(func.count()).select_from(STATE)) == 1
        assert connection.scalar(select(STATE.c.namespace)) == "one"


def test_the_longest_names_fit_their_keys() -> None:
    """PostgreSQL refuses what is longer than its column."""
    boot = BootId("g" * 255, "w" * 255, "b" * 255).key
    total = total_key(TotalKey("s" * 200, "i" * 200, "p" * 200, -(2**63), 2**63 - 1, "c" * 16))
    for table, key in ((BOOTS, boot), (PAGES, boot), (TOTALS, total)):
        kind = table.c.key.type
        assert isinstance(kind, String)
        assert len(key) <= (kind.length or 0)


def test_all_tables_are_ours_by_name() -> None:
    """They may share a database with others'."""
    assert all(name.startswith("budget_truth_") for name in METADATA.tables)
