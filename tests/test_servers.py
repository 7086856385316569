"""How a run of the tests has its real servers: by an inner run of pytest, on PostgreSQL, which is the quickest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import Postgres, YourPostgres

ROOT = Path(__file__).parents[1]
SETTINGS = "[pytest]\nasyncio_mode = auto\nmarkers =\n    kafka: .\n    elasticsearch: .\n    postgres: .\n"
NOT_INSTALLED = "from sluice.dev.servers import prerequisites\nprerequisites._postgres_folders = lambda: iter(())\n"
TWO_TESTS = """
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
import pytest

@pytest.mark.parametrize("number", [1, 2])
async def test_empty(postgres_url, number):
    engine = create_async_engine(postgres_url)  # whose pool is still connected when the test ends
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE things (id INTEGER)"))
    await engine.dispose(close=False)
"""


def run_inner(folder: Path, test: str, **variables: str) -> str:
    """What an inner run prints."""
    (folder / "pytest.ini").write_text(SETTINGS)
    (folder / "test_inner.py").write_text(test)
    # Without the plugins of schemathesis and hypothesis it starts in 0.7 s instead of 2.
    variables = {"PYTHONPATH": str(ROOT), "CI": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables}
    environment = {**os.environ, **variables}  # noqa: TID251 - handed on
    plugins = [part for name in ("pytest_asyncio.plugin", "tests.servers", "no:cacheprovider") for part in ("-p", name)]
    command = [sys.executable, "-m", "pytest", *plugins, "-ra", str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


def test_without_the_server_tests_skip_and_say_what_to_install(tmp_path: Path) -> None:
    """On a developer's machine; the closing table counts them."""
    printed = run_inner(tmp_path, NOT_INSTALLED + TWO_TESTS)
    assert "2 skipped" in printed
    assert "apt-get install postgresql" in printed
    assert "postgres       2 skipped                not started: no `postgres` and `initdb`" in printed


def test_without_the_server_tests_fail_in_ci(tmp_path: Path) -> None:
    """Where a skip would be a test that nobody runs."""
    printed = run_inner(tmp_path, NOT_INSTALLED + TWO_TESTS, CI="true")
    assert "2 errors" in printed
    assert "apt-get install postgresql" in printed


def test_each_test_has_a_fresh_database(tmp_path: Path, postgres_server: Postgres) -> None:
    """On a server of one's own here: the same table is made twice, and both databases are gone afterwards."""
    printed = run_inner(tmp_path, TWO_TESTS, POSTGRES_URL=postgres_server.url)
    assert "2 passed" in printed
    assert f"postgres       2 passed                 your own at {postgres_server.address}" in printed


def test_a_server_of_one_s_own_is_named_without_its_password() -> None:
    """Its address is shown in every run; its databases are reached by the driver that we have."""
    server = YourPostgres("postgres://me:hunter2@db.example/postgres?ssl=require")
    assert server.address == "db.example:5432"
    assert server.database_url("t1") == "postgresql+asyncpg://me:hunter2@db.example/t1?ssl=require"
    with pytest.raises(pytest.skip.Exception):
        server.kill()
