"""What the doctor says of stores, and what it makes in them: tables, indexes and templates of ours, nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collectors.doctor_stores import check_database, check_store
from collectors.entries import DatabaseEntry, ElasticsearchEntry, StdoutEntry
from collectors.sinks.settings import DatabaseSettings
from sluice.command_line.findings import Finding
from sluice.dev.servers.ports import free_port
from tests.collectors.scripted_elasticsearch import Reply, ScriptedElasticsearch

NAME = "db: the events database"


def check(path: Path) -> Finding:
    """Of a SQLite file."""
    return check_database(NAME, DatabaseSettings(url=f"sqlite:///{path}"))


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """A file that is not there is made by the first start, not by a question."""
    finding = check(tmp_path / "events.db")
    assert finding.ok
    assert list(tmp_path.iterdir()) == []


def test_missing_tables_and_indexes_are_named_and_made(tmp_path: Path) -> None:
    """All of an empty database, one index of an older one."""
    path = tmp_path / "events.db"
    path.touch()
    finding = check(path)
    assert not finding.ok
    assert finding.why
    assert finding.fix is not None
    finding.fix.apply()
    assert check(path).ok
    with sqlite3.connect(path) as connection:
        wanted = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL LIMIT 1"
        [(name,)] = connection.execute(wanted).fetchall()
        connection.execute(f"DROP INDEX {name}")
    connection.close()
    finding = check(path)
    assert (finding.ok, name in finding.what) == (False, True)
    assert finding.fix is not None
    assert name in finding.fix.what
    finding.fix.apply()
    assert check(path).ok


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4_000])
def test_what_is_no_database_is_bad_without_a_fix(tmp_path: Path, content: bytes) -> None:
    """Making tables over somebody's file would be no mending."""
    path = tmp_path / "events.db"
    path.write_bytes(content)
    finding = check(path)
    assert (finding.ok, finding.fix) == (False, None)
    assert path.read_bytes() == content


def test_a_database_s_password_is_not_shown() -> None:
    """The address of a PostgreSQL that does not answer has one in it."""
    pytest.importorskip("asyncpg")
    url = f"postgresql://user:hush@127.0.0.1:{free_port()}/events"
    finding = check_database(NAME, DatabaseSettings(url=url))
    assert not finding.ok
    assert "hush" not in repr(finding)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedElasticsearch]:
    """A scripted server for one test."""
    scripted = ScriptedElasticsearch()
    await scripted.start()
    yield scripted
    await scripted.close()


async def check_elasticsearch(url: str, **more: bool) -> Finding:
    """Beside the server's event loop, as the command has one of its own."""
    config = {"elasticsearch_url": url, **more}
    entry = ElasticsearchEntry.model_validate({"name": "es", "path": "sink://elasticsearch", "config": config})
    [finding] = await asyncio.to_thread(lambda: list(check_store(entry)))
    return finding


async def test_missing_templates_are_named_and_installed(server: ScriptedElasticsearch) -> None:
    """Looking installs nothing; the fix installs what is missing, and then nothing is."""
    finding = await check_elasticsearch(server.url)
    assert not finding.ok
    assert "microgateway" in finding.what
    assert server.templates == {}
    assert finding.fix is not None
    assert "installed" in await asyncio.to_thread(finding.fix.apply)
    assert server.templates
    assert (await check_elasticsearch(server.url)).ok


async def test_an_older_template_is_outdated_and_a_newer_one_is_not(server: ScriptedElasticsearch) -> None:
    """Forward only: a newer one was made by a newer collector, and is left alone."""
    finding = await check_elasticsearch(server.url)
    assert finding.fix is not None
    await asyncio.to_thread(finding.fix.apply)
    path = next(iter(server.templates))
    server.templates[path]["_meta"] = {"version": 1_000_000}
    assert (await check_elasticsearch(server.url)).ok
    server.templates[path]["_meta"] = {"version": 0}
    outdated = await check_elasticsearch(server.url)
    assert not outdated.ok
    assert path.rpartition("/")[2] in outdated.what


async def test_templates_of_somebody_else_are_not_looked_for(server: ScriptedElasticsearch) -> None:
    """Where ``use_index_templates`` is off, their absence is wanted."""
    assert (await check_elasticsearch(server.url, use_index_templates=False)).ok


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_a_server_that_refuses_is_bad(server: ScriptedElasticsearch, status: int) -> None:
    """With why it matters and what to do; there is nothing to install then."""
    server.guard = lambda *_: Reply(status, b"{}")
    finding = await check_elasticsearch(server.url)
    assert (finding.ok, finding.fix) == (False, None)
    assert finding.why
    assert finding.remedy


async def test_a_server_that_is_away_is_bad() -> None:
    """Nobody listens there."""
    finding = await check_elasticsearch(f"http://127.0.0.1:{free_port()}")
    assert (finding.ok, finding.fix) == (False, None)


def test_other_sinks_have_nothing_to_be_made() -> None:
    """Their stores make themselves, or are somebody else's."""
    assert list(check_store(StdoutEntry.model_validate({"name": "out", "path": "sink://stdout"}))) == []
    entry = DatabaseEntry.model_validate({"name": "db", "path": "sink://database"})
    assert len(list(check_store(entry))) == 1
