"""Reads entities with their links in as few queries as there are tables, however many there are."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.control.database import ControlDatabase, as_text
from gateway.control.entities import Changes, Entities
from gateway.control.errors import ChangesLostError
from gateway.control.rows import RowReader
from gateway.control.specs import SPECS, EntityT, Spec
from gateway.control.tables import CHANGES
from sluice.secrets import SecretBox

_ROWS_AT_ONCE = 500
"""Between so many the event loop goes on with its exchanges: some 5 ms."""

MAX_ID = (1 << 53) - 1
"""What every reader of JSON keeps exactly."""
_MAX_IDS = 10_000
"""Both databases take some 32,767 parameters in a statement."""

_NEWEST = select(func.max(CHANGES.c.generation))
_NEWEST_AS_TEXT = as_text(_NEWEST)

Ids = Collection[int] | Select[tuple[int]] | None
"""Which entities: these, those that a query finds, or all."""


async def read_all(connection: AsyncConnection, box: SecretBox) -> Entities:
    """Everything. Within one read transaction it is of one generation."""
    found = {spec.plural: await read_entities(connection, spec, box) for spec in SPECS.values()}
    return Entities(generation=await read_generation(connection), **found)


async def read_generation(connection: AsyncConnection) -> int:
    """The number of the last change; 0 before the first."""
    return await connection.scalar(_NEWEST) or 0


async def glance_at_generation(database: ControlDatabase) -> int:
    """The same, for who asks each second."""
    ((newest,),) = await database.glance(_NEWEST_AS_TEXT)
    return newest or 0


async def read_changes(connection: AsyncConnection, box: SecretBox, generation: int) -> Changes | None:
    """What changed since, and nothing else is read; ``None``: nothing. Raises ChangesLostError."""
    # Each by itself is a look at one end of an index, together they would be a walk through the table.
    first, last = (select(end(CHANGES.c.generation)).scalar_subquery() for end in (func.min, func.max))
    oldest, newest = (await connection.execute(select(first, last))).one()
    if (newest or 0) == generation:
        return None
    if newest is None or newest < generation or oldest > generation + 1:
        raise ChangesLostError(generation)
    found: dict[str, dict[int, Any]] = {}
    kinds = await connection.scalars(select(CHANGES.c.kind).where(CHANGES.c.generation > generation).distinct())
    for kind in set(kinds.all()) & SPECS.keys():  # a newer program may have others
        found[SPECS[kind].plural] = await _changed(connection, SPECS[kind], box, generation)
    return Changes(generation=newest, **found)


async def _changed(
    connection: AsyncConnection, spec: Spec[EntityT], box: SecretBox, generation: int
) -> dict[int, EntityT | None]:
    changed = select(CHANGES.c.entity_id).where(CHANGES.c.generation > generation, CHANGES.c.kind == spec.kind)
    gone: dict[int, EntityT | None] = dict.fromkeys((await connection.scalars(changed.distinct())).all())
    return gone | await read_entities(connection, spec, box, changed)


async def read_entities(
    connection: AsyncConnection, spec: Spec[EntityT], box: SecretBox, ids: Ids = None, *, is_lenient: bool = False
) -> dict[int, EntityT]:
    """The entities by id, in the order of their ids.

    Raises SecretError where a secret's key is not there; where it is lenient, ``rows.UNREADABLE`` stands for it.
    """
    reader = RowReader(spec, box, is_lenient=is_lenient)
    links = await _read_links(connection, spec, reader, ids)
    query = select(*spec.columns.values()).where(among(spec.table.c.id, ids)).order_by(spec.table.c.id)
    found: dict[int, EntityT] = {}
    async with connection.stream(query) as result:
        async for rows in result.partitions(_ROWS_AT_ONCE):
            wanted = rows if not isinstance(ids, Collection) else [row for row in rows if row[0] in ids]
            found.update((row[0], reader.entity(row, links.get(row[0], ()))) for row in wanted)
            await asyncio.sleep(0)
    return found


async def _read_links(
    connection: AsyncConnection, spec: Spec[EntityT], reader: RowReader[EntityT], ids: Ids
) -> dict[int, list[Any]]:
    links = spec.links
    found: dict[int, list[Any]] = defaultdict(list)
    if links is None:
        return found
    owner = links.table.c[links.owner]
    query = select(owner, *(links.table.c[name] for name in links.names)).where(among(owner, ids))
    async with connection.stream(query.order_by(owner, links.table.c[links.order])) as result:
        async for rows in result.partitions(_ROWS_AT_ONCE):
            for row in rows:
                found[row[0]].append(reader.link(row[1:]))
            await asyncio.sleep(0)
    return found


def among(column: Column[Any], ids: Ids) -> ColumnElement[bool]:
    """That a column has one of the ids; always, where they are too many to be named: look again at what comes."""
    if ids is None or (isinstance(ids, Collection) and len(ids) > _MAX_IDS):
        return true()
    return column.in_(ids if isinstance(ids, Select) else [named for named in ids if 0 < named <= MAX_ID])
