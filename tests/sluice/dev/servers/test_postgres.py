"""A real PostgreSQL: killed, stopped, restarted, and refused where it cannot be had."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from sluice.dev.servers import MissingPrerequisitesError, PostgresServer, ServerStartError, prerequisites
from sluice.dev.servers import start_postgres as start
from tests.servers import Postgres
from tests.sluice.dev.servers.processes import wait_until_gone

SMALL = {"max_connections": "10", "shared_buffers": "1MB"}


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    """One connection, which the server may be gone from at the end."""
    engine = create_async_engine(url, poolclass=NullPool)
    connection = await engine.connect()
    try:
        yield connection
    finally:
        await connection.invalidate()
        await connection.close()


async def answer(url: str, query: str) -> object:
    """The one value that a query gives over a connection of its own."""
    async with connected(url) as connection:
        return (await connection.exec_driver_sql(query)).scalar()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder that the user ``nobody`` can enter, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def test_postgres_keeps_what_it_committed_through_a_kill(postgres_server: Postgres, postgres_url: str) -> None:
    """Rows committed before kill -9 are there after a restart on the same port; those of an open transaction not."""
    async with connected(postgres_url) as connection, connected(postgres_url) as other:
        await connection.exec_driver_sql("CREATE TABLE words (word TEXT PRIMARY KEY)")
        await connection.exec_driver_sql("INSERT INTO words VALUES ('committed')")
        await connection.commit()
        await other.exec_driver_sql("INSERT INTO words VALUES ('open')")
        await asyncio.to_thread(postgres_server.kill)
        await asyncio.to_thread(postgres_server.restart)
    assert await answer(postgres_url, "SELECT string_agg(word, ',') FROM words") == "committed"


@pytest.mark.postgres
async def test_stop_does_not_wait_for_clients(request: pytest.FixtureRequest) -> None:
    """A connection that stays open is cut off; the server shuts down in order, so that no recovery is needed."""
    server: PostgresServer = request.getfixturevalue("postgres_server")
    async with connected(server.url) as connection:
        await connection.exec_driver_sql("SELECT 1")
        await asyncio.to_thread(server.stop)
        log = server.log_path.read_text()
        await asyncio.to_thread(server.restart)
    assert "received fast shutdown request" in log
    assert log.rstrip().endswith("database system is shut down")
    assert "automatic recovery in progress" not in server.log_path.read_text()[len(log) :]


async def test_only_its_own_password_opens_it(postgres_server: Postgres) -> None:
    """Every user of the machine can reach the port, so a connection without the password is refused."""
    url = make_url(postgres_server.url).set(password="guess")
    with pytest.raises(DBAPIError, match="password authentication failed"):
        await answer(url.render_as_string(hide_password=False), "SELECT 1")
    assert str(make_url(postgres_server.url).password) not in postgres_server.address


async def test_it_is_as_quick_as_a_kill_allows(postgres_server: Postgres) -> None:
    """Nothing waits for the disk, while a commit still reaches the kernel before it is acknowledged."""
    assert await answer(postgres_server.url, "SHOW fsync") == "off"
    assert await answer(postgres_server.url, "SHOW synchronous_commit") == "on"


@pytest.mark.postgres
async def test_a_folder_of_its_own_keeps_data_and_password(data_dir: Path, request: pytest.FixtureRequest) -> None:
    """A second start over it finds what the first committed; half a folder, left by a kill, is made anew."""
    request.getfixturevalue("postgres_server")  # skips where there is none
    (data_dir / "data.unfinished").mkdir()
    (data_dir / "data.unfinished" / "PG_VERSION").write_text("left by a kill")
    first = await asyncio.to_thread(start, data_dir=data_dir, settings=SMALL, survives_power_cut=True)
    with first:
        async with connected(first.url) as connection:
            await connection.exec_driver_sql("CREATE TABLE kept AS SELECT 42 AS number")
            await connection.commit()
        assert await answer(first.url, "SHOW fsync") == "on"
        with pytest.raises(ServerStartError, match=r"another server might be running|lock file .* already exists"):
            await asyncio.to_thread(start, data_dir=data_dir, settings=SMALL)
    assert (data_dir / "password").stat().st_mode & 0o777 == 0o600
    second = await asyncio.to_thread(start, data_dir=data_dir, settings=SMALL)
    with second:
        assert make_url(second.url).password == make_url(first.url).password
        assert await answer(second.url, "SELECT number FROM kept") == 42


@pytest.mark.postgres
def test_all_its_processes_die_with_their_owner(data_dir: Path, request: pytest.FixtureRequest) -> None:
    """Its processes have sessions of their own, out of a group's signal: after kill -9 of the owner none is left."""
    request.getfixturevalue("postgres_server")
    script = (
        "import pathlib, sys, time\n"
        "from sluice.dev.servers import start_postgres\n"
        f"server = start_postgres(data_dir=pathlib.Path(sys.argv[1]), settings={SMALL})\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, data_dir], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        processes = descendants(int(owner.stdout.readline()))
        os.kill(owner.pid, signal.SIGKILL)
    assert len(processes) > 3
    for process in processes:
        wait_until_gone(process)


@pytest.mark.postgres
def test_a_setting_that_it_refuses_is_said_with_its_log(request: pytest.FixtureRequest, data_dir: Path) -> None:
    """The error has PostgreSQL's own words."""
    request.getfixturevalue("postgres_server")
    with pytest.raises(ServerStartError, match=r'"max_connections".*"many"'):
        start(data_dir=data_dir, settings={"max_connections": "many"})


@pytest.mark.postgres
def test_a_data_folder_that_cannot_be_made_is_said_with_its_log(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    """The error has the words of initdb."""
    request.getfixturevalue("postgres_server")
    monkeypatch.setattr("sluice.dev.servers.postgres._INITDB", ("--encoding=klingon",))
    with pytest.raises(ServerStartError, match=r"(?s)data folder could not be made.*klingon"):
        start(data_dir=data_dir)
    assert not (data_dir / "data").exists()


def test_where_it_is_not_installed_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before a folder is made."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(prerequisites, "_DEBIAN_POSTGRES", tmp_path)
    with pytest.raises(MissingPrerequisitesError, match="apt-get install postgresql"):
        start(cache_dir=tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []


def descendants(pid: int) -> list[int]:
    """A process and all that it brought about."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(process for child in children for process in descendants(int(child)))]
