"""The ledger of budgets, in the control database: ``grants.py`` has its rules, write transactions come one by one."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, tuple_, update

from gateway.access.ledger import SCOPES, LedgerUnavailableError, Recalls, Slice, SliceAnswer
from gateway.control.database import as_text
from gateway.control.errors import ControlDatabaseError
from gateway.control.grants import Books, Part, answer_of
from gateway.control.tables import BUDGETS, SLICES
from sluice.clock import now_micros

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.engine import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.access.shared_table import Key
    from gateway.control.database import ControlDatabase

BEAT_MICROS = 10_000_000
"""So often a host is noted to live."""
ALIVE_MICROS = 60_000_000
"""Who was not heard of for so long is asked for nothing; what it holds is shown as stranded."""
HOST_SCOPE: Final = "host"
"""The scope of the one row a host has that is no budget: when it was heard of, when something of it was recalled."""
_KINDS = {name: kind for kind, name in SCOPES.items()}

Alert = Callable[..., None]
"""Called with a name and fields, behind the commit."""


class ControlLedger:
    """``Ledger`` over the control database; one for each worker."""

    def __init__(self, database: ControlDatabase, slice_fraction: float, alert: Alert) -> None:
        self._database = database
        dialect = "sqlite" if database.is_sqlite else "postgresql"  # the other one is not loaded: 2 MiB of each worker
        self._insert = importlib.import_module(f"sqlalchemy.dialects.{dialect}").insert
        self._slice_fraction = slice_fraction
        self._alert = alert
        self._beats: dict[str, int] = {}
        self._recalls_seen: dict[str, int] = {}

    async def report(self, host: str, slices: Sequence[Slice]) -> list[SliceAnswer]:
        """See ``Ledger``. Alerts are given when the report is committed."""
        keys = [told.key for told in slices]
        async with self._asked(), self._database.write() as connection:
            books = await self._open_books(connection, keys)
            answers = [books.settle(host, told) for told in slices]
            await self._save(connection, books, host, slices)
        for alert in books.alerts:
            self._alert("budget threshold reached", **alert)
        return answers

    async def slices_of(self, host: str) -> list[tuple[Key, int, SliceAnswer]]:
        """See ``Ledger``."""
        query = select(SLICES).where(
            SLICES.c.host == host, SLICES.c.scope != HOST_SCOPE, SLICES.c.period_end > now_micros()
        )
        async with self._asked(), self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [(key_of(row), row.period_end, answer_of(part_of(row), 0)) for row in rows]

    async def recalls(self, host: str) -> Recalls:
        """See ``Ledger``. Cheap where nothing was recalled since it was asked last: a row for each host is read."""
        now = now_micros()
        is_due = now - self._beats.get(host, 0) >= BEAT_MICROS
        async with self._asked():
            if is_due:
                async with self._database.write() as connection:
                    await self._note_host(connection, host, {"reported_at": now})
                self._beats[host] = now
            hosts = await self._database.glance(_HOSTS)
            recall_at = max((recalled for name, _, recalled in hosts if name == host), default=0)
            has_company = any(name != host and reported > now - ALIVE_MICROS for name, reported, _ in hosts)
            if recall_at <= self._recalls_seen.get(host, 0) and not is_due:
                return Recalls((), has_company)
            query = select(SLICES).where(
                SLICES.c.host == host,
                SLICES.c.scope != HOST_SCOPE,
                SLICES.c.recall_at > 0,
                SLICES.c.period_end > now,
            )
            async with self._database.read() as connection:  # what was recalled since the glance is found again
                found = tuple([key_of(row) for row in await connection.execute(query)])
        self._recalls_seen[host] = recall_at
        return Recalls(found, has_company)

    async def _open_books(self, connection: AsyncConnection, keys: Sequence[Key]) -> Books:
        now = now_micros()
        wanted = [tuple(_columns(key).values()) for key in keys]
        parts: dict[Key, dict[str, Part]] = {}
        for row in await connection.execute(select(SLICES).where(_of(SLICES).in_(wanted))):
            parts.setdefault(key_of(row), {})[row.host] = part_of(row)
        budgets = {
            key_of(row): (row.limit_nanos, row.alerted_percent)
            for row in await connection.execute(select(BUDGETS).where(_of(BUDGETS).in_(wanted)))
        }
        alive = await alive_hosts(connection, now)
        return Books(now, parts, budgets, alive, self._slice_fraction)

    async def _save(self, connection: AsyncConnection, books: Books, host: str, slices: Sequence[Slice]) -> None:
        rows = [_slice_row(told.key, books.parts[told.key][host]) for told in slices]
        await self._put(connection, SLICES, rows)
        budgets = [
            {**_columns(told.key), "period_end": told.period_end, "limit_nanos": limit, "alerted_percent": alerted}
            for told in slices
            for limit, alerted in (books.budgets.get(told.key, (0, 0)),)
            if limit
        ]
        await self._put(connection, BUDGETS, budgets)
        for key, hosts in books.recalled.items():
            for other in hosts:
                recall = update(SLICES).where(*_is(key), SLICES.c.host == other, SLICES.c.recall_at == 0)
                await connection.execute(recall.values(recall_at=books.now))
                await self._note_host(connection, other, {"recall_at": books.now})
        if books.now - self._beats.get(host, 0) >= BEAT_MICROS:
            await self._note_host(connection, host, {"reported_at": books.now})
            self._beats[host] = books.now

    async def _note_host(self, connection: AsyncConnection, host: str, values: Mapping[str, int]) -> None:
        row = {**_slice_row((0, 0, 0, 0), Part(host, 0)), "scope": HOST_SCOPE, **values}
        statement = self._insert(SLICES).values(row)
        await connection.execute(
            statement.on_conflict_do_update(index_elements=list(SLICES.primary_key), set_=dict(values))
        )

    async def _put(self, connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        keys = {column.name for column in table.primary_key}
        statement = self._insert(table)
        changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
        await connection.execute(
            statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed), list(rows)
        )

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[None]:
        try:
            yield
        except ControlDatabaseError as error:
            raise LedgerUnavailableError(str(error)) from error


async def alive_hosts(connection: AsyncConnection, now: int) -> frozenset[str]:
    """Hosts that were heard of within a minute."""
    query = select(SLICES.c.host).where(SLICES.c.scope == HOST_SCOPE, SLICES.c.reported_at > now - ALIVE_MICROS)
    return frozenset(await connection.scalars(query))


def part_of(row: Row[Any]) -> Part:
    """What a row of ``budget_slices`` says."""
    return Part(
        row.host, row.period_end, row.granted_nanos, row.returned_nanos, row.spent_nanos, row.written_off_nanos,
        row.requests_count, row.prompt_tokens, row.response_tokens, row.recall_at, row.reported_at,
    )  # fmt: skip


def _slice_row(key: Key, part: Part) -> dict[str, Any]:
    return {
        **_columns(key),
        "host": part.host,
        "period_end": part.period_end,
        "granted_nanos": part.granted,
        "returned_nanos": part.returned,
        "spent_nanos": part.spent,
        "written_off_nanos": part.written_off,
        "requests_count": part.requests,
        "prompt_tokens": part.prompt_tokens,
        "response_tokens": part.response_tokens,
        "recall_at": part.recall_at,
        "reported_at": part.reported_at,
    }


def _columns(key: Key) -> dict[str, Any]:
    kind, app_id, llm_id, start = key
    return {"scope": SCOPES.get(kind, HOST_SCOPE), "app_id": app_id, "llm_id": llm_id, "period_start": start}


def _of(table: Table) -> Any:
    return tuple_(table.c.scope, table.c.app_id, table.c.llm_id, table.c.period_start)


def _is(key: Key) -> list[Any]:
    return [SLICES.c[name] == value for name, value in _columns(key).items()]


_HOSTS = as_text(select(SLICES.c.host, SLICES.c.reported_at, SLICES.c.recall_at).where(*_is((0, 0, 0, 0))))
"""Made once: where other hosts live it is asked fifty times a second."""


def key_of(row: Row[Any]) -> Key:
    """Which budget a row is of."""
    return _KINDS[row.scope], row.app_id, row.llm_id, row.period_start
