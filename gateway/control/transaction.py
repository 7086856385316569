"""One change: entities written, and remembered for ``changes`` and the audit, all in one database transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.control.audit import Change, write_entries
from gateway.control.checks import check_unique
from gateway.control.dependants import by_kind, find_parts, find_referring, without
from gateway.control.entities import Actor, Entity, EntityKind
from gateway.control.reading import read_entities, read_generation
from gateway.control.rows import entity_row, link_rows, secret_row
from gateway.control.specs import SPECS, EntityT, Spec
from gateway.control.tables import CHANGES
from sluice.secrets import SecretBox


class Transaction:
    """Writes what it is given: whoever gives it has checked the values, and that names and ids are free."""

    def __init__(self, connection: AsyncConnection, box: SecretBox, actor: Actor, now: int) -> None:
        self.connection = connection
        self.actor = actor
        self.now = now
        self._box = box
        self._changes: list[Change] = []

    async def read(
        self, spec: Spec[EntityT], ids: Collection[int] | Select[tuple[int]] | None = None
    ) -> dict[int, EntityT]:
        """Entities as they are now; all of the kind where no ids are given.

        A secret whose key is lost keeps nobody from changing the entity, or setting the secret again.
        """
        return await read_entities(self.connection, spec, self._box, ids, is_lenient=True)

    async def insert(self, spec: Spec[EntityT], entity: EntityT) -> EntityT:
        """A new entity without its links, with an id from the database where it has none.

        Raises DuplicateError where the name that it gets from its id is taken.
        """
        row = entity_row(spec, entity, self._box)
        inserted = await self.connection.execute(insert(spec.table).values(row))
        if entity.id:
            await self._give_ids_behind(spec, entity.id)
        else:
            entity = await self._complete(spec, replace(entity, id=(inserted.inserted_primary_key or (0,))[0]))
        self._changes.append(Change(spec.kind, None, entity))
        return entity

    async def update(self, spec: Spec[EntityT], before: EntityT, after: EntityT) -> None:
        """An entity in its next version, without its links."""
        row = entity_row(spec, after, self._box)
        await self.connection.execute(update(spec.table).where(spec.table.c.id == after.id).values(row))
        self._changes.append(Change(spec.kind, before, after))

    async def link(self, spec: Spec[EntityT], before: EntityT | None, after: EntityT) -> None:
        """The links of an entity that is there, to entities that are there."""
        links = spec.links
        if links is None or (before and getattr(before, links.field) == getattr(after, links.field)):
            return
        if before:
            await self.connection.execute(delete(links.table).where(links.table.c[links.owner] == after.id))
        rows = link_rows(links, after.id, getattr(after, links.field))
        if rows:
            await self.connection.execute(insert(links.table), rows)

    async def delete(self, doomed: Mapping[EntityKind, Mapping[int, Entity]]) -> None:
        """Entities as they were, with all that cannot be without them; what refers to them does so no longer."""
        going = {kind: dict(doomed.get(kind, {})) for kind in SPECS}
        ids = by_kind()
        for kind in SPECS:  # parts come behind their wholes
            ids[kind] |= going[kind].keys()
            parts = await find_parts(self.connection, SPECS[kind], ids)
            going[kind] |= await self.read(SPECS[kind], parts)
            ids[kind] |= parts
        for spec in SPECS.values():
            for before in (await self.read(spec, await find_referring(self.connection, spec, ids))).values():
                await self._put(spec, before, without(spec, before, ids))
        for kind, entities in reversed(going.items()):
            await self._remove(SPECS[kind], entities)

    async def finish(self) -> int:
        """Remember what was done; the new generation, or 0 where nothing was."""
        if not self._changes:
            return 0
        rows = [{"kind": change.kind, "entity_id": change.entity_id, "at": self.now} for change in self._changes]
        await self.connection.execute(insert(CHANGES), rows)
        await write_entries(self.connection, self.actor, self.now, self._changes)
        return await read_generation(self.connection)

    async def _put(self, spec: Spec[Any], before: Entity, after: Entity) -> None:
        following = replace(after, version=before.version + 1, updated_at=max(self.now, before.updated_at))
        await self.update(spec, before, following)
        await self.link(spec, before, following)

    async def _remove(self, spec: Spec[Any], entities: Mapping[int, Entity]) -> None:
        if not entities:
            return
        gone = delete(spec.table).where(spec.table.c.id == bindparam("gone"))
        await self.connection.execute(gone, [{"gone": entity_id} for entity_id in entities])
        self._changes.extend(Change(spec.kind, entity, None) for entity in entities.values())

    async def _complete(self, spec: Spec[EntityT], entity: EntityT) -> EntityT:
        """With what is made of the id that the row has only now: names, and secrets, which are bound to their row."""
        names: dict[str, Any] = {
            field: name.format(entity.id) for field, name in spec.named_by_id.items() if not getattr(entity, field)
        }
        named = replace(entity, **names)
        if names:
            await check_unique(self.connection, spec, named)
        row = {**names, **secret_row(spec, named, self._box)}
        if row:
            await self.connection.execute(update(spec.table).where(spec.table.c.id == entity.id).values(row))
        return named

    async def _give_ids_behind(self, spec: Spec[Any], entity_id: int) -> None:
        """PostgreSQL's sequence knows nothing of an id that it did not give; SQLite's does."""
        if self.connection.dialect.name == "sqlite":
            return
        sequence = func.pg_get_serial_sequence(spec.table.name, "id")
        next_id = func.nextval(sequence)  # a transaction that is rolled back leaves a gap, and no id twice
        await self.connection.execute(select(func.setval(sequence, func.greatest(next_id, entity_id))))
