"""The database of budget truth: one owner at a time, and every change fenced by the owner's epoch.

The clock decides only who may try to take over. What decides who may write is the epoch: each transaction begins by
finding its own in the state's row, and holds that row until it commits. An owner that was stopped for an hour finds
another's there, and changes nothing. So who may try is also whoever saw an owner say nothing for a whole lease by its
own monotonic clock: a clock that was set back locks nobody out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Self

from sqlalchemy import ColumnElement, Table, and_, false, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.errors import Halt, Retryable
from collectors.services.budget_truth.settings import MAX_LEASE_SECONDS
from collectors.services.budget_truth.tables import STATE, STATE_ID, are_there, are_up_to_date, create
from collectors.sinks.database.causes import cause_of
from collectors.sinks.database.engines import open_engine
from collectors.sinks.settings import DatabaseSettings
from sluice.clock import now_micros

_CONNECTIONS = 2
_MAKING_TABLES = 7_310_579_620_174_452
"""Any number but the events database's: who makes tables holds PostgreSQL's advisory lock of it."""
_AT_ONCE = 400
"""Rows of a statement: SQLite's bound is of values."""


class FencedError(Exception):
    """Somebody else owns the truth now: what was about to be written is not."""


class TruthStore:
    """Everything raises Retryable or Halt where the database does not do what it should."""

    def __init__(self, settings: DatabaseSettings, namespace: str) -> None:
        self.namespace = namespace
        self._engine = open_engine(settings, _CONNECTIONS)
        self.epoch = 0
        """Ours; 0 owns nothing."""
        self.lease_micros = 30_000_000
        self._heard = (0, 0)
        """Epoch and end of lease of another owner, as they were last seen."""
        self._heard_at = monotonic()

    @property
    def where(self) -> str:
        """For people: without a password."""
        return self._engine.url.render_as_string(hide_password=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def prepare(self) -> None:
        """Make what is missing, one process at a time. Raises Halt where the database counts another namespace."""
        with _translated():
            if self._is_sqlite:
                Path(self._engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
            async with self._engine.begin() as connection:
                if self._is_sqlite:
                    await connection.execute(text("BEGIN IMMEDIATE"))
                else:
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MAKING_TABLES})
                await connection.run_sync(create, self.namespace)
                found = await connection.scalar(select(STATE.c.namespace))
        if found != self.namespace:
            raise Halt(
                f"{self.where} counts the log of namespace {found!r}, not of {self.namespace!r}",
                "give budget_truth.database another url",
            )

    async def is_there(self) -> bool:
        """Whether there is anything to be read; makes nothing. Raises Halt where an earlier version made it."""
        if self._is_sqlite and not Path(self._engine.url.database or "").exists():
            return False
        async with self.read() as connection:
            if not await connection.run_sync(are_there):
                return False
            is_current = await connection.run_sync(are_up_to_date)
        if not is_current:
            raise Halt(
                f"{self.where} is of an earlier version",
                "`sluice collect` of this version brings it up to date when it starts",
            )
        return True

    async def acquire(self, owner: str, lease_seconds: float) -> bool:
        """Become the owner, where none is heard of; a new epoch begins."""
        now = now_micros()
        self.lease_micros = int(lease_seconds * 1_000_000)
        far = now + 2 * int(MAX_LEASE_SECONDS * 1_000_000)  # by a clock that was wrong
        free = or_(STATE.c.expires_at <= now, STATE.c.expires_at > far, self._is_silent(lease_seconds))
        values = {"owner": owner, "epoch": STATE.c.epoch + 1, "expires_at": now + self.lease_micros}
        with _translated():
            async with self._engine.begin() as connection:
                taken = await connection.execute(update(STATE).where(STATE.c.id == STATE_ID, free).values(**values))
                epoch, expires_at = (await connection.execute(select(STATE.c.epoch, STATE.c.expires_at))).one()
        if taken.rowcount == 1:
            self.epoch = epoch
        elif (epoch, expires_at) != self._heard:
            self._heard, self._heard_at = (epoch, expires_at), monotonic()
        return taken.rowcount == 1

    def _is_silent(self, lease_seconds: float) -> ColumnElement[bool]:
        """Whether an owner is still as it was seen a whole lease ago."""
        if monotonic() - self._heard_at <= lease_seconds:
            return false()
        epoch, expires_at = self._heard
        return and_(STATE.c.epoch == epoch, STATE.c.expires_at == expires_at)

    async def release(self) -> None:
        """Let the next one in at once; nothing where we own nothing."""
        epoch, self.epoch = self.epoch, 0
        with _translated():
            async with self._engine.begin() as connection:
                ours = (STATE.c.id == STATE_ID, STATE.c.epoch == epoch)
                await connection.execute(update(STATE).where(*ours).values(expires_at=0))

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction of the owner's. Raises FencedError, and nothing of it is kept, where that is somebody else."""
        now = now_micros()
        with _translated():
            async with self._engine.begin() as connection:
                ours = (STATE.c.id == STATE_ID, STATE.c.epoch == self.epoch)
                renewed = update(STATE).where(*ours).values(expires_at=now + self.lease_micros)
                if (await connection.execute(renewed)).rowcount != 1:
                    raise FencedError
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """All of one moment."""
        with _translated():
            async with self._engine.connect() as connection:
                if self._is_sqlite:
                    await connection.execute(text("BEGIN"))
                else:
                    await connection.execution_options(isolation_level="REPEATABLE READ")
                yield connection
                await connection.rollback()

    @asynccontextmanager
    async def unfenced(self) -> AsyncIterator[AsyncConnection]:
        """A transaction of anybody's, for what can be no wrong: asking the owner to do something again."""
        with _translated():
            async with self._engine.begin() as connection:
                yield connection

    async def put(self, connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert, or replace by the primary key."""
        if not rows:
            return
        keys = [column.name for column in table.primary_key]
        insert = sqlite.insert(table) if self._is_sqlite else postgresql.insert(table)
        changed = {name: insert.excluded[name] for name in rows[0] if name not in keys}
        await connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))

    @property
    def _is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    async def close(self) -> None:
        """Let go of connections."""
        await self._engine.dispose()


def parts(items: Sequence[Any]) -> list[Sequence[Any]]:
    """As many at once as a statement takes."""
    return [items[at : at + _AT_ONCE] for at in range(0, len(items), _AT_ONCE)]


class _translated:  # noqa: N801 - reads as what it does
    """What the database, its driver or the system raise, as what to do about it."""

    def __enter__(self) -> None:
        """Nothing to do before."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, SQLAlchemyError | OSError):
            return
        cause = cause_of(error)
        message = str(cause).replace("events database", "database of budget truth")
        if isinstance(cause, Halt):
            raise Halt(message, "see budget_truth.database") from error
        raise Retryable(message) from error
