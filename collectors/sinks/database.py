"""``sink://database``: the events database; a row for each event, inserted once by its id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from collectors.deliveries import Frame
from collectors.documents import table_rows
from collectors.errors import Halt, Retryable, Unprocessable, without_values
from collectors.sinks.interface import Prepared, Verdict
from collectors.sinks.settings import DatabaseSettings
from schemas.events import Kind
from sluice.eventstore.tables import TABLES, create_tables

if TYPE_CHECKING:
    from collectors.entries import DatabaseEntry
    from collectors.sinks.registry import SinkOpening

_BUSY_SECONDS = 5.0
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",  # readers do not wait for the writer
    "PRAGMA synchronous=NORMAL",  # with WAL: durable against our death; the log keeps what a power cut takes
)
_HALTS = ("unable to open", "readonly", "read-only", "malformed", "not a database", "no such column", "no such table")


class Row(NamedTuple):
    """One row and the table it goes to."""

    kind: Kind
    values: dict[str, Any]


class DatabaseSink:
    """Rows in SQLite, a transaction for each batch."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._url = settings.url
        self._engine: AsyncEngine = create_async_engine(settings.url, connect_args={"timeout": _BUSY_SECONDS})
        event.listen(self._engine.sync_engine, "connect", _configure)

    async def start(self) -> None:
        """Make the file and its tables."""
        database = make_url(self._url).database or ""
        try:
            Path(database).parent.mkdir(parents=True, exist_ok=True)
            async with self._engine.begin() as connection:
                await connection.run_sync(create_tables)
        except (SQLAlchemyError, OSError) as error:
            raise _cause(error) from error

    async def check(self) -> None:
        """Open the file."""
        try:
            async with self._engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except (SQLAlchemyError, OSError) as error:
            raise _cause(error) from error

    def prepare(self, frame: Frame) -> Prepared[Row]:
        """A row for every event."""
        return Prepared([Row(frame.kind, values) for values in table_rows(frame.kind, frame.rows)])

    async def write(self, documents: Sequence[Row]) -> Verdict:
        """All in one transaction; where one row is at fault, each in its own."""
        verdict = Verdict()
        try:
            verdict.duplicates = await self._insert(documents)
        except (IntegrityError, DataError):
            return await self._write_singly(documents)
        except (SQLAlchemyError, OSError) as error:
            verdict.postpone(range(len(documents)), _cause(error))
        return verdict

    async def _write_singly(self, documents: Sequence[Row]) -> Verdict:
        verdict = Verdict()
        for position, document in enumerate(documents):
            try:
                verdict.duplicates += await self._insert((document,))
            except (IntegrityError, DataError) as error:
                verdict.poison[position] = Unprocessable("row_refused", without_values(str(error.orig)))
            except (SQLAlchemyError, OSError) as error:
                verdict.postpone((position,), _cause(error))
        return verdict

    async def _insert(self, documents: Sequence[Row]) -> int:
        """Insert what is not there; returns how many were."""
        statement = insert(TABLES[documents[0].kind]).on_conflict_do_nothing(index_elements=["event_id"])
        async with self._engine.begin() as connection:
            result = await connection.execute(statement, [document.values for document in documents])
            return len(documents) - int(result.rowcount)

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()


def _configure(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _cause(error: SQLAlchemyError | OSError) -> Retryable | Halt:
    """Locks and full disks pass; a file that is not ours to write does not."""
    text = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    message = f"events database: {without_values(text)}"
    if isinstance(error, PermissionError) or any(known in text.lower() for known in _HALTS):
        return Halt(message, "check the path and the rights of the events database")
    return Retryable(message)


def open_sink(entry: DatabaseEntry, _: SinkOpening) -> DatabaseSink:
    """The sink of an entry."""
    return DatabaseSink(entry.config)
