"""Engines of both databases: which URLs are taken, what JSON columns keep, whose fault an error is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from gateway.control.engines import checked_url, from_json, is_busy, is_unavailable, open_engines, to_json
from gateway.control.errors import ControlDatabaseError


class PostgresError(Exception):
    """As drivers of PostgreSQL raise it."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://u:hunter2@h/d",
        "postgresql://u:hunter2@h/d",
        "sqlite:///x.db",
        "http://[",
        "postgresql+asyncpg://u:hunter2@h:x/d",
        "",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///file:x?uri=true",
    ],
)
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    """A URL without one of the two drivers is refused by the setting's name, and its password is not shown."""
    with pytest.raises(ControlDatabaseError, match=r"control\.database_url: must begin with") as refused:
        checked_url(url)
    assert "hunter2" not in str(refused.value)


def test_json_is_exact() -> None:
    """Stored JSON keeps integers of any size; a list becomes a tuple; what JSON has not is refused."""
    for value in ({"n": 1 << 200, "x": [1, {"y": None}], "ü": "\u2028"}, {}, None, "text"):
        assert from_json(to_json(value)) == value
    assert from_json(to_json([])) == ()
    assert from_json(to_json(["a", 1]).encode()) == ("a", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"x": float("nan")})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError("", {}, sqlite3.OperationalError("locked")), True),
        (DBAPIError("", {}, PostgresError("55P03")), True),
        (DBAPIError("", {}, PostgresError("57P01")), True),
        (DBAPIError("", {}, PostgresError("42501")), True),
        (DBAPIError("", {}, PostgresError("22001"), connection_invalidated=True), True),
        (DBAPIError("", {}, PostgresError("22001")), False),
        (ProgrammingError("", {}, PostgresError("42P01")), False),
        (IntegrityError("", {}, PostgresError("23505")), False),
        (ValueError(), False),
    ],
)
def test_whose_fault_an_error_is(error: Exception, expected: bool) -> None:
    """A database that cannot be used is told from a statement that is wrong, on both."""
    assert is_unavailable(error) is expected


def test_being_busy_is_not_being_broken() -> None:
    """SQLite's codes for a file that another process writes to are all of being busy; no other error is."""
    found = []
    for code in (5, 261, 517, 1, 14):
        cause = sqlite3.OperationalError("x")
        cause.sqlite_errorcode = code
        found.append(is_busy(OperationalError("", {}, cause)))
    assert found == [True, True, True, False, False]
    assert not is_busy(OperationalError("", {}, PostgresError("55P03")))


def test_postgres_has_one_engine() -> None:
    """Reads and writes of PostgreSQL share their connections; SQLite's writer has one of its own, which never waits."""
    reader, writer = open_engines(make_url("postgresql+asyncpg://h/d"))
    assert reader is writer
    reader, writer = open_engines(make_url("sqlite+aiosqlite:///x.db"))
    assert reader is not writer


async def test_nothing_that_was_begun_outlives_its_use(tmp_path: Path) -> None:
    """A connection goes back to its pool without a transaction, whoever began it; where there is none, nobody asks
    SQLite to end it."""
    for engine in open_engines(make_url(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")):
        asked: list[str] = []
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.set_trace_callback(asked.append)
            await driver.execute("BEGIN")
            assert driver.in_transaction
        assert not driver.in_transaction
        assert asked == ["BEGIN", "ROLLBACK"]
        async with engine.connect() as connection:
            assert (await connection.get_raw_connection()).driver_connection is driver
        assert asked == ["BEGIN", "ROLLBACK"]
        await engine.dispose()
