"""The control database: the two kinds of transaction, and what goes wrong with them.

Writes are serialised, on SQLite by its one writer (``BEGIN IMMEDIATE``), on PostgreSQL by an advisory lock that each
write transaction takes first: so what is read in one cannot change before its end, and ``changes.generation`` grows in
the order of commits. A read transaction sees one moment.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from gateway.control.engines import checked_url, is_busy, is_unavailable, open_engines
from gateway.control.errors import ControlDatabaseError
from gateway.control.migrations import HEAD
from gateway.control.tables import METADATA

if TYPE_CHECKING:
    from sqlalchemy import Select, TextClause
    from sqlalchemy.engine import Connection

DATABASE_FILE = "control.db"

_LOCK_SECONDS = 5.0
"""How long a write waits for the writes of other processes."""
_LOOK_SECONDS = 0.005
"""How often it looks, about, whether SQLite's file is free: asleep in SQLite it could not be cancelled."""
_ADVISORY_LOCK = 0x51_0C_E0_01
"""Any number that nobody else takes in this database."""
_TAKE_LOCK = text(
    f"SELECT set_config('lock_timeout', '{_LOCK_SECONDS:g}s', true), pg_advisory_xact_lock({_ADVISORY_LOCK})"
)


def control_url(database_url: str, data_dir: Path) -> str:
    """What ``control.database_url`` means: itself, or where it is empty ``control.db`` in ``data_dir``."""
    return database_url or f"sqlite+aiosqlite:///{data_dir / DATABASE_FILE}"


class ControlDatabase:
    """One database; safe to use from many tasks of one loop. Nothing is connected before the first transaction."""

    def __init__(self, url: str) -> None:
        self._url = checked_url(url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._reader, self._writer = open_engines(self._url)
        self._writing = asyncio.Lock()

    @property
    def name(self) -> str:
        """The URL as it may be shown: without the password."""
        return self._url.render_as_string(hide_password=True)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that reads and sees one moment. Raises ControlDatabaseError."""
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        async with self._transaction(self._reader, options) as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """The only transaction that writes, of all processes; never begin one inside another.

        It is committed at the end, or rolled back where an exception leaves. Raises ControlDatabaseError, also where
        others write for longer than 5 seconds.
        """
        async with self._writing, self._transaction(self._writer, {}) as connection:
            if not self.is_sqlite:
                await connection.execute(_TAKE_LOCK)
            yield connection

    async def glance(self, query: TextClause) -> Sequence[Sequence[Any]]:
        """The rows of a query that is asked again and again, by itself. Raises ControlDatabaseError.

        A transaction takes nine calls in SQLite's thread, and with each the loop waits for the interpreter that the
        thread has, and the other way round; this takes one.
        """
        if not self.is_sqlite:
            async with self.read() as connection:
                return (await connection.execute(query)).all()
        with self._translated(connecting=True):
            pooled = await self._reader.raw_connection()
            try:
                driver: Any = pooled.driver_connection
                return [*await driver.execute_fetchall(query.text)]
            finally:  # one more than the pool keeps is closed, in its thread; else nothing here waits
                await greenlet_spawn(pooled.close)

    async def migrate(self) -> None:
        """Bring the tables to this program's revision; of several that start at once one does it.

        Raises ControlDatabaseError where a newer program wrote the database.
        """
        async with self.read() as connection:
            if await connection.run_sync(_revision) == HEAD:
                return
        async with self.write() as connection:
            await connection.run_sync(_upgrade)

    async def close(self) -> None:
        """Close the connections."""
        await self._reader.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine, options: dict[str, Any]) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            with self._translated(connecting=True):
                connection = await _begin(stack, engine, options)
            with self._translated():
                yield connection
                await connection.commit()

    @contextmanager
    def _translated(self, *, connecting: bool = False) -> Iterator[None]:
        """The one place where what the drivers raise becomes ours."""
        try:
            yield
        except Exception as error:
            if not (connecting or is_unavailable(error)):
                raise
            cause = getattr(error, "orig", None) or error  # SQLAlchemy's own text holds the statement and its values
            message = (
                f"the control database {self.name} cannot be used ({type(cause).__name__}: {cause}); "
                "check that it runs, and control.database_url"
            )
            raise ControlDatabaseError(message) from None


def as_text(query: Select[Any]) -> TextClause:
    """The SQL of a query with all its values in it, for ``glance``: made once, where the query is."""
    return text(str(query.compile(compile_kwargs={"literal_binds": True})))


async def _begin(stack: AsyncExitStack, engine: AsyncEngine, options: dict[str, Any]) -> AsyncConnection:
    """A connection in its transaction; the stack closes it, and rolls back what is not committed."""
    deadline = asyncio.get_running_loop().time() + _LOCK_SECONDS
    while True:
        try:
            async with AsyncExitStack() as attempt:
                connection = await attempt.enter_async_context(engine.connect())
                if options:
                    await connection.execution_options(**options)
                await connection.begin()
                stack.push_async_exit(attempt.pop_all())
                return connection
        except OperationalError as error:
            if not is_busy(error) or asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(_LOOK_SECONDS * (0.5 + random.random()))


def _revision(connection: Connection) -> str | None:
    """What ``alembic_version`` says, without Alembic; ``None`` where nothing was ever migrated."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def _upgrade(connection: Connection) -> None:
    revision = _revision(connection)
    if revision == HEAD:  # another process was faster
        return
    if revision is None and not inspect(connection).get_table_names():
        _make(connection)
        return
    from gateway.control.migrations.upgrade import upgrade  # noqa: PLC0415 - Alembic is loaded where it has work

    upgrade(connection, revision)


def _make(connection: Connection) -> None:
    """All tables of an empty database at once, which is what all steps lead to; Alembic takes it up from there."""
    METADATA.create_all(connection, checkfirst=False)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
