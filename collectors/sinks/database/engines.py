"""Engines of the events database, and the statement that inserts what is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, event, func, inspect, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from collectors.errors import Halt
from collectors.sinks.settings import DatabaseSettings
from schemas.events import Kind
from sluice.eventstore.tables import METADATA, TABLES, create_tables, lacking_indexes

BUSY_SECONDS = 5.0
"""How long SQLite waits for another writer before a batch is written again."""

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",  # readers do not wait for the writer
    "PRAGMA synchronous=FULL",  # a power cut must not take what was acknowledged to the log: one fsync for each batch
)
_LOOK_SECONDS = 0.05
_MAKING_TABLES = 7_310_579_620_174_451  # any number: who makes tables holds PostgreSQL's advisory lock of it
_NO_RIGHT = "42501"  # SQLSTATE
_FILE = "file"
"""With a connection to SQLite: its file's path, and which file that was."""

_log = structlog.get_logger(__name__)


def open_engine(settings: DatabaseSettings, connections: int) -> AsyncEngine:
    """Connects with the first use. Raises ``Halt`` where the driver is not installed."""
    url = make_url(settings.url)
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine.sync_engine, "connect", partial(_configure, Path(url.database or "")))
        return engine
    if password := settings.password.get_secret_value():
        url = url.set(password=password)
    return _postgres_engine(url, settings.timeout, connections)


def _postgres_engine(url: URL, timeout_seconds: float, connections: int) -> AsyncEngine:
    try:
        return create_async_engine(
            url,
            hide_parameters=True,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=timeout_seconds,
            pool_pre_ping=True,  # a server that was restarted costs no batch
            connect_args={
                "timeout": timeout_seconds,
                "command_timeout": timeout_seconds,
                "server_settings": {"application_name": "sluice"},
            },
        )
    except ImportError as error:
        message = "PostgreSQL's driver is not installed"
        raise Halt(message, "pip install 'sluice-gateway[postgres]'") from error


def _configure(path: Path, connection: Any, record: Any) -> None:
    record.info[_FILE] = path, _identity(path)
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def lost_file(connection: AsyncConnection) -> str:
    """The path of SQLite's file where it is not the one that was opened any more: what is written goes nowhere then."""
    path, opened = (
        connection.sync_connection.info.get(_FILE, (None, None)) if connection.sync_connection else (None, None)
    )
    return str(path) if path is not None and _identity(path) != opened else ""


async def prepare(engine: AsyncEngine) -> None:
    """Make the folder, the tables and indexes that are missing. Raises as the database does, and OSError."""
    if engine.dialect.name == "sqlite":
        Path(engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
        async with engine.begin() as connection:
            await _make_until_cancelled(connection)
        return
    try:
        async with engine.begin() as connection:
            # IF NOT EXISTS does not keep two processes from making the same table at once.
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MAKING_TABLES})
            await _make(connection)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", "") != _NO_RIGHT or not await _has_tables(engine):
            raise
        # Somebody else made them, and gave us no more than the right to write.


async def _make_until_cancelled(connection: AsyncConnection) -> None:
    """SQLite's thread goes on with an index to its end, minutes later, and whoever closes the connection waits for it:
    so it is interrupted first. What was made before stays."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    making = asyncio.gather(_make(connection))
    try:
        await asyncio.shield(making)
    except asyncio.CancelledError:
        while not making.done():
            await driver.interrupt()  # again: between two statements there is nothing to interrupt
            await asyncio.wait([making], timeout=_LOOK_SECONDS)
        making.exception()
        raise


async def _make(connection: AsyncConnection) -> None:
    if lacking := await connection.run_sync(lacking_indexes):
        _log.info("the events database gets indexes, and takes no rows meanwhile", indexes=lacking)
    await connection.run_sync(create_tables)
    if lacking:
        _log.info("the events database has its indexes", indexes=lacking)


async def _has_tables(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        return await connection.run_sync(_all_are_there)


def _all_are_there(connection: Connection) -> bool:
    known = inspect(connection)
    return all(known.has_table(table.name) for table in METADATA.sorted_tables)


async def insert_rows(connection: AsyncConnection, kind: Kind, rows: Sequence[dict[str, Any]]) -> int:
    """Insert what is not there; returns how many were."""
    if connection.dialect.name == "sqlite":
        statement = sqlite.insert(TABLES[kind]).on_conflict_do_nothing(index_elements=["event_id"])
        result = await connection.execute(statement, list(rows))
        return len(rows) - int(result.rowcount)
    # In one order, so that two transactions with the same events do not wait for each other.
    ordered = sorted(rows, key=lambda row: str(row["event_id"]))
    arrays = {column.name: [row[column.name] for row in ordered] for column in TABLES[kind].columns}
    result = await connection.execute(_insert_arrays(kind), arrays)
    return len(rows) - int(result.rowcount)


@cache
def _insert_arrays(kind: Kind) -> Any:
    """An array for each column: one statement, whatever the number of rows, where ``VALUES`` may have 32,767 values."""
    table = TABLES[kind]
    columns = [func.unnest(bindparam(each.name, type_=postgresql.ARRAY(each.type))) for each in table.columns]
    statement = postgresql.insert(table).from_select([column.name for column in table.columns], select(*columns))
    return statement.on_conflict_do_nothing(index_elements=["event_id"])
