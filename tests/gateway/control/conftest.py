"""A control database for each test, on SQLite and on a real PostgreSQL, and a store on it."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.control.database import DATABASE_FILE, ControlDatabase, control_url
from gateway.control.migrations.upgrade import upgrade
from gateway.control.store import ControlStore
from gateway.control.tables import METADATA
from sluice.secrets import SecretBox, new_key
from tests.servers import Postgres

BOTH = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database's URL; whoever asks for it runs on both."""
    if request.param == "sqlite":
        return control_url("", tmp_path)
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[ControlDatabase]:
    """A migrated database without a row; whoever asks for it runs on both."""
    database = ControlDatabase(migrated_url)
    if not database.is_sqlite:
        async with database.write() as connection:
            await connection.execute(text(f"TRUNCATE {', '.join(METADATA.tables)} RESTART IDENTITY CASCADE"))
    yield database
    await database.close()


@pytest.fixture(params=BOTH)
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where such a database is. Migrating takes a tenth of a second: each is migrated once in a run."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / DATABASE_FILE)
        return control_url("", tmp_path)
    url: str = request.getfixturevalue("migrated_postgres")
    return url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database that nobody has open: to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    asyncio.run(_migrate(control_url("", folder)))
    return folder / DATABASE_FILE


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: Postgres) -> str:
    """A migrated database, one for all tests of the run: each empties it."""
    name = f"control{secrets.token_hex(5)}"
    asyncio.run(_create(postgres_server.url, name))
    url = postgres_server.database_url(name)
    asyncio.run(_migrate(url))
    return url


async def _create(server_url: str, name: str) -> None:
    engine = create_async_engine(server_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {name}")


async def _migrate(url: str) -> None:
    """Step by step, so that all tests stand on what the steps lead to."""
    database = ControlDatabase(url)
    async with database.write() as connection:
        await connection.run_sync(lambda sync: upgrade(sync, None))
    await database.close()


@pytest.fixture
def box() -> SecretBox:
    """What vendor keys are encrypted with."""
    return SecretBox([new_key()])


@pytest.fixture
def store(database: ControlDatabase, box: SecretBox) -> ControlStore:
    """A store without entities."""
    return ControlStore(database, box)
