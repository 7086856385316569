"""The steps that make the tables: run on an empty database they make what the code expects."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

import gateway.control.migrations
from gateway.control.database import ControlDatabase
from gateway.control.errors import ControlDatabaseError
from gateway.control.migrations import HEAD
from gateway.control.migrations.upgrade import upgrade
from gateway.control.tables import METADATA
from tests.gateway.control.schema import differences


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(gateway.control.migrations.__file__).parent))
    return ScriptDirectory.from_config(config)


def test_the_head_is_the_newest_revision() -> None:
    """``HEAD``, by which a database is taken without Alembic, is the one head of the revisions, in one line."""
    assert _scripts().get_heads() == [HEAD]
    assert next(script.revision for script in _scripts().walk_revisions()) == HEAD


async def test_the_tables_are_those_of_the_code(database: ControlDatabase) -> None:
    """A migrated database has every table, column, key and index of ``tables.py``, and no others."""
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []


def test_sqlite_s_tables_are_the_code_s_to_the_letter(migrated_sqlite: Path) -> None:
    """What a comparison of schemas does not see, AUTOINCREMENT and cascades, is in the tables' own text."""
    with closing(sqlite3.connect(migrated_sqlite)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    kept = {name: _words(sql) for name, sql in rows}
    for name, table in METADATA.tables.items():
        assert kept[name] == _words(str(CreateTable(table).compile(dialect=sqlite.dialect()))), name


def _words(sql: str) -> list[str]:
    """A statement's lines, in any order: constraints may be written in any."""
    return sorted(line.strip().rstrip(",") for line in sql.splitlines() if line.strip())


async def test_a_step_that_fails_leaves_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that breaks off is rolled back whole, tables included, and can be run again."""
    database = ControlDatabase(database_url)
    with pytest.raises(ZeroDivisionError):
        await _break_off(database)
    async with database.read() as connection:
        assert await connection.run_sync(lambda sync: sync.dialect.get_table_names(sync)) == []
    await database.migrate()
    await database.close()


async def _break_off(database: ControlDatabase) -> None:
    async with database.write() as connection:
        await connection.run_sync(lambda sync: upgrade(sync, None))
        raise ZeroDivisionError


async def test_what_is_newer_is_refused(database: ControlDatabase) -> None:
    """A revision that is none of ours is named, with the remedy."""
    async with database.write() as connection:
        with pytest.raises(ControlDatabaseError, match=r"revision 0999.*restore a backup"):
            await connection.run_sync(lambda sync: upgrade(sync, "0999"))
