"""Tests of ``sluice.plugin_host.kv_schema``: a database is made once, for nobody else to read."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from sluice.plugin_host.kv_schema import connect


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database lies; its folder is not there yet."""
    return tmp_path / "data" / "plugins.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """To a new one."""
    with closing(connect(path, 0.2)) as made:
        yield made


def _add(connection: sqlite3.Connection, plugin_id: int, key: bytes, size: int) -> None:
    connection.execute("INSERT INTO kv VALUES (NULL, ?, ?, 9, ?, x'')", (plugin_id, key, size))


def _usage(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    return connection.execute("SELECT * FROM usage ORDER BY plugin_id").fetchall()


def test_the_files_are_for_nobody_else_to_read(connection: sqlite3.Connection, path: Path) -> None:
    """Plugins keep secrets there: the database, its log and its index have mode 600."""
    _add(connection, 1, b"a", 1)
    files = list(path.parent.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


def test_bytes_are_counted_whatever_changes_them(connection: sqlite3.Connection) -> None:
    """Row by row and plugin by plugin; what is rolled back is not counted."""
    _add(connection, 1, b"a", 10)
    _add(connection, 1, b"b", 20)
    _add(connection, 2, b"a", 40)
    connection.execute("UPDATE kv SET size = 5 WHERE key = ?", (b"a",))
    assert _usage(connection) == [(1, 25), (2, 5)]
    connection.execute("BEGIN")
    connection.execute("DELETE FROM kv")
    assert _usage(connection) == [(1, 0), (2, 0)]
    connection.execute("ROLLBACK")
    connection.execute("DELETE FROM kv WHERE key = ?", (b"b",))
    assert _usage(connection) == [(1, 5), (2, 5)]


def test_what_is_there_stays(connection: sqlite3.Connection, path: Path) -> None:
    """Opening a database that has been made changes nothing."""
    _add(connection, 1, b"a", 10)
    with closing(connect(path, 0.2)) as again:
        assert _usage(again) == [(1, 10)]


def test_a_database_is_made_once_by_many_at_once(path: Path) -> None:
    """Workers start together: all of them get one, and it is whole."""

    def make(_: int) -> int:
        with closing(connect(path, 5)) as made:
            return int(made.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").fetchone()[0])

    with closing(connect(path, 5)), ThreadPoolExecutor(8) as threads:
        assert list(threads.map(make, range(32))) == [3] * 32


def test_a_database_of_a_later_version_is_left_alone(connection: sqlite3.Connection, path: Path) -> None:
    """It is refused by name, not changed."""
    connection.execute("PRAGMA user_version = 7")
    with pytest.raises(sqlite3.DatabaseError, match="of version 7"):
        connect(path, 0.2)
    assert connection.execute("PRAGMA user_version").fetchone() == (7,)


def test_a_folder_that_cannot_be_made_is_an_error_of_sqlites(tmp_path: Path) -> None:
    """One kind of error for whoever opens it."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(sqlite3.OperationalError, match="unable to open: File exists"):
        connect(tmp_path / "file" / "plugins.db", 0.2)
