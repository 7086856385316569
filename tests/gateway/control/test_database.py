"""Transactions of the control database, and what is said where it cannot be used."""

from __future__ import annotations

import asyncio
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from gateway.control.database import DATABASE_FILE, ControlDatabase, as_text, control_url
from gateway.control.errors import ControlDatabaseError
from gateway.control.migrations import HEAD
from gateway.control.migrations.upgrade import upgrade
from gateway.control.tables import CHANGES, FILE_STATE, METADATA
from sluice.dev.servers.ports import free_port
from tests.gateway.control.schema import differences

CHANGE = {"kind": "app", "entity_id": 1, "at": 1}

MIGRATE = """
import asyncio, sys
from gateway.control.database import ControlDatabase
async def main():
    database = ControlDatabase(sys.argv[1])
    await database.migrate()
    await database.close()
    print("alembic" in sys.modules)
asyncio.run(main())
"""


def migrate_processes(url: str, count: int) -> list[str]:
    """What each of several programs that start at once says."""
    command = [sys.executable, "-c", MIGRATE, url]
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(count)
    ]
    return [run.communicate(timeout=60)[0].strip() for run in runs]


def test_an_empty_url_is_the_file_in_data_dir(tmp_path: Path) -> None:
    """``control.database_url`` is taken as it is; where it is empty the database is ``control.db`` in ``data_dir``."""
    assert control_url("", tmp_path) == f"sqlite+aiosqlite:///{tmp_path}/control.db"
    assert control_url("postgresql+asyncpg://h/d", tmp_path) == "postgresql+asyncpg://h/d"


async def test_a_write_that_fails_leaves_nothing(database: ControlDatabase) -> None:
    """What is written is committed at the end; where an exception leaves, all of it is rolled back."""
    async with database.write() as connection:
        await connection.execute(insert(CHANGES).values(CHANGE))
    with pytest.raises(ZeroDivisionError):
        await _break_off(database)
    assert await _count(database) == 1


async def _break_off(database: ControlDatabase) -> None:
    async with database.write() as connection:
        await connection.execute(insert(CHANGES).values(CHANGE))
        raise ZeroDivisionError


async def test_a_glance_sees_what_is_committed(database: ControlDatabase) -> None:
    """The same as a transaction that reads, with the values in the text; and it leaves nothing open."""
    query = select(CHANGES.c.kind, CHANGES.c.entity_id, CHANGES.c.at).where(CHANGES.c.kind == "it's")
    assert list(await database.glance(as_text(query))) == []
    for _ in range(3):
        async with database.write() as connection:
            await connection.execute(insert(CHANGES).values({**CHANGE, "kind": "it's"}))
        async with database.read() as connection:
            expected = [tuple(row) for row in await connection.execute(query)]
        assert [tuple(row) for row in await database.glance(as_text(query))] == expected


async def test_glances_leave_no_connection_open(database: ControlDatabase, caplog: pytest.LogCaptureFixture) -> None:
    """Of more at once than the pool keeps connections, each closes the one that is too many."""
    before = set(threading.enumerate())
    assert [*await asyncio.gather(*[database.glance(text("SELECT 1")) for _ in range(9)])] == [[(1,)]] * 9
    await database.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive()
    assert not caplog.records


async def test_a_cancelled_write_leaves_nothing_and_blocks_nobody(database: ControlDatabase) -> None:
    """A writer that is cancelled in the middle is rolled back, and the next one writes at once."""
    inside = asyncio.Event()

    async def write() -> None:
        async with database.write() as connection:
            await connection.execute(insert(CHANGES).values(CHANGE))
            inside.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(write())
        await inside.wait()
        task.cancel()
    async with asyncio.timeout(20), database.write() as connection:
        await connection.execute(insert(CHANGES).values(CHANGE))
    assert await _count(database) == 1


async def test_who_gives_up_waiting_leaves_no_lock(database: ControlDatabase, migrated_url: str) -> None:
    """A writer that is cancelled while it waits for another process's write takes no lock later on, again and again."""
    other = ControlDatabase(migrated_url)
    for _ in range(5):
        async with other.write() as connection:
            await connection.execute(insert(CHANGES).values(CHANGE))
            with pytest.raises(TimeoutError):
                await _write_within(database, 0.02)
        await _write_within(database, 20)
        await _write_within(other, 20)
    assert await _count(database) == 15
    await other.close()


async def _write_within(database: ControlDatabase, seconds: float) -> None:
    async with asyncio.timeout(seconds), database.write() as connection:
        await connection.execute(insert(CHANGES).values(CHANGE))


async def test_a_read_sees_one_moment(database: ControlDatabase, migrated_url: str) -> None:
    """What others commit during a read transaction is not seen in it."""
    other = ControlDatabase(migrated_url)
    async with database.read() as reading:
        before = await reading.scalar(select(func.count()).select_from(CHANGES))
        async with other.write() as connection:
            await connection.execute(insert(CHANGES).values(CHANGE))
        assert await reading.scalar(select(func.count()).select_from(CHANGES)) == before
    assert await _count(database) == 1
    await other.close()


async def test_writes_wait_for_each_other(database: ControlDatabase, migrated_url: str) -> None:
    """No two write transactions are open at once, in one process or in several: what each reads stays true."""
    databases = [database, ControlDatabase(migrated_url), ControlDatabase(migrated_url)]
    open_writes = 0

    async def write(mine: ControlDatabase) -> None:
        nonlocal open_writes
        async with mine.write() as connection:
            open_writes += 1
            assert open_writes == 1
            await connection.execute(insert(CHANGES).values(CHANGE))
            await connection.scalar(select(func.max(CHANGES.c.generation)))
            open_writes -= 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(30):
            tasks.create_task(write(databases[number % 3]))
    assert await _count(database) == 30
    for other in databases[1:]:
        await other.close()


async def test_a_read_cannot_write(database: ControlDatabase) -> None:
    """Both databases refuse to write in a read transaction, as a standby does in any: it cannot be used so."""
    with pytest.raises(ControlDatabaseError, match=r"read-?only"):
        await _write_in_a_read(database)
    assert await _count(database) == 0


async def _write_in_a_read(database: ControlDatabase) -> None:
    async with database.read() as connection:
        await connection.execute(insert(CHANGES).values(CHANGE))


async def test_a_broken_rule_is_no_unreachable_database(database: ControlDatabase) -> None:
    """What a statement did wrong stays what it is; SQLite holds foreign keys too."""
    links = METADATA.tables["app_llms"]
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await connection.execute(insert(links).values(app_id=1, llm_id=1, monthly_budget_nanos=0))


async def test_sqlite_is_durable_enough_and_private(tmp_path: Path) -> None:
    """The file has a write-ahead log and foreign keys, is made with its folder, and is its owner's alone."""
    database = ControlDatabase(control_url("", tmp_path / "new" / "folder"))
    await database.migrate()
    async with database.read() as connection:
        found = [await connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys")]
        found += [await connection.scalar(text(f"PRAGMA {name}")) for name in ("synchronous", "busy_timeout")]
    assert found == ["wal", 1, 1, 5000]
    for path in (tmp_path / "new" / "folder").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    await database.close()


async def test_an_unreachable_database_is_named_without_its_password() -> None:
    """A refused connection is a ControlDatabaseError that names the setting, shows the host and hides the password."""
    database = ControlDatabase(f"postgresql+asyncpg://sluice:hunter2@127.0.0.1:{free_port()}/control")
    with pytest.raises(ControlDatabaseError, match=r"control\.database_url") as refused:
        async with database.read():
            pass
    assert "127.0.0.1" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    await database.close()


@pytest.mark.postgres
async def test_a_connection_that_is_cut_is_an_error_once(postgres_url: str) -> None:
    """A connection cut within a transaction is a ControlDatabaseError; one cut between two is not noticed."""
    database, other = ControlDatabase(postgres_url), ControlDatabase(postgres_url)
    async with database.write():
        pass
    await _cut_others(other)
    async with database.write():
        pass
    with pytest.raises(ControlDatabaseError, match=r"control\.database_url"):
        await _write_and_be_cut(database, other)
    async with database.write():
        pass
    await other.close()
    await database.close()


async def _write_and_be_cut(database: ControlDatabase, other: ControlDatabase) -> None:
    async with database.write() as connection:
        await _cut_others(other)
        await connection.execute(text("SELECT 1"))


async def _cut_others(database: ControlDatabase) -> None:
    statement = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with database.read() as connection:
        await connection.execute(statement)


@pytest.mark.postgres
async def test_a_database_that_is_not_there_is_said(postgres_url: str) -> None:
    """A name that the server does not know is a ControlDatabaseError that repeats it."""
    database = ControlDatabase(f"{postgres_url}_missing")
    with pytest.raises(ControlDatabaseError, match=r"_missing.*does not exist"):
        await database.migrate()
    await database.close()


async def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    """A file of something else is a ControlDatabaseError, and stays as it was."""
    path = tmp_path / "control.db"
    path.write_bytes(b"this is no database at all" * 100)
    database = ControlDatabase(control_url("", tmp_path))
    with pytest.raises(ControlDatabaseError, match="file is not a database"):
        await database.migrate()
    await database.close()
    assert path.read_bytes() == b"this is no database at all" * 100


async def test_a_write_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another process keeps the lock a write gives up, and says that the database cannot be used."""
    monkeypatch.setattr("gateway.control.database._LOCK_SECONDS", 0.05)
    first, second = ControlDatabase(control_url("", tmp_path)), ControlDatabase(control_url("", tmp_path))
    await first.migrate()
    async with first.write() as connection:
        await connection.execute(insert(CHANGES).values(CHANGE))
        with pytest.raises(ControlDatabaseError, match="locked"):
            async with second.write():
                pass
    async with second.write():
        pass
    await first.close()
    await second.close()


def test_several_that_start_at_once_make_the_tables_once(database_url: str) -> None:
    """Four programs on one empty database all come up, and none of them loads Alembic."""
    assert migrate_processes(database_url, 4) == ["False"] * 4
    assert migrate_processes(database_url, 1) == ["False"]


async def test_what_is_made_at_once_is_what_the_steps_lead_to(database_url: str) -> None:
    """Tables, columns, keys and indexes as in ``tables.py``, at the newest revision, which Alembic finds there."""
    database = ControlDatabase(database_url)
    await database.migrate()
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
    async with database.write() as connection:
        await connection.run_sync(lambda sync: upgrade(sync, HEAD))
    await database.close()


async def test_a_database_of_a_newer_program_is_refused(database_url: str) -> None:
    """A revision that this program does not know is not touched; the message names both revisions."""
    database = ControlDatabase(database_url)
    await database.migrate()
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ControlDatabaseError, match=f"revision 9999.*{HEAD}"):
        await database.migrate()
    await database.close()


async def _count(database: ControlDatabase) -> int:
    async with database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(CHANGES)) or 0


async def test_a_file_that_is_gone_keeps_no_change(migrated_sqlite: Path, tmp_path: Path) -> None:
    """Its connections would go on, to a file that nobody finds again: each use is refused, none is made in its place;
    what is put there instead is used from the next transaction on."""
    path = tmp_path / DATABASE_FILE
    shutil.copy(migrated_sqlite, path)
    database = ControlDatabase(control_url("", tmp_path))
    async with database.write() as connection:
        await connection.execute(insert(FILE_STATE).values(id=1, sha256="kept", at=0))
    async with database.read() as connection:
        await connection.execute(select(FILE_STATE))
    for file in tmp_path.glob(f"{DATABASE_FILE}*"):
        file.unlink()
    for transaction in (database.write, database.read):
        with pytest.raises(ControlDatabaseError, match="file is gone"):
            async with transaction():
                pass
    assert not path.exists()
    shutil.copy(migrated_sqlite, path)
    for transaction in (database.write, database.read):
        async with transaction() as connection:
            assert (await connection.scalars(select(FILE_STATE.c.sha256))).all() == []
    await database.close()
