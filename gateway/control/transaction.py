"""One change: entities written, and remembered for ``changes`` and the audit, all in one database transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.control.audit import Change, write_entries
from gateway.control.batches import execute_batches, in_batches
from gateway.control.checks import check_unique
from gateway.control.dependants import by_kind, find_parts, find_referring, without
from gateway.control.entities import Actor, Entity, EntityKind
from gateway.control.reading import read_entities, read_generation
from gateway.control.rows import Row, entity_row, link_rows
from gateway.control.specs import SPECS, EntityT, Spec
from gateway.control.tables import CHANGES
from sluice.secrets import SecretBox

_LAST_ID = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
"""Where SQLite keeps the largest id that a table ever had."""


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
        (made,) = await self.insert_all(spec, [entity])
        return made

    async def insert_all(self, spec: Spec[EntityT], entities: Sequence[EntityT]) -> list[EntityT]:
        """As ``insert`` each of them, in batches: those that bring an id first, the others in their order."""
        given = [entity for entity in entities if entity.id]
        made = given + await self._with_ids(spec, [entity for entity in entities if not entity.id])
        await execute_batches(self.connection, insert(spec.table), self._rows(spec, made))
        if given:
            await self._give_ids_behind(spec, max(entity.id for entity in given))
        self._changes.extend(Change(spec.kind, None, entity) for entity in made)
        return made

    async def update(self, spec: Spec[EntityT], before: EntityT, after: EntityT) -> None:
        """An entity in its next version, without its links."""
        await self.update_all(spec, [(before, after)])

    async def update_all(self, spec: Spec[EntityT], pairs: Sequence[tuple[EntityT, EntityT]]) -> None:
        """As ``update`` each of them, in batches."""
        statement = update(spec.table).where(spec.table.c.id == bindparam("which"))
        rows = self._rows(spec, [after for _, after in pairs])
        await execute_batches(self.connection, statement, ({"which": row.pop("id"), **row} for row in rows))
        self._changes.extend(Change(spec.kind, before, after) for before, after in pairs)

    async def link(self, spec: Spec[EntityT], before: EntityT | None, after: EntityT) -> None:
        """The links of an entity that is there, to entities that are there."""
        await self.link_all(spec, [(before, after)])

    async def link_all(self, spec: Spec[EntityT], pairs: Sequence[tuple[EntityT | None, EntityT]]) -> None:
        """As ``link`` each of them, in batches."""
        links = spec.links
        if links is None:
            return
        field, owner = links.field, links.table.c[links.owner]
        new = [pair for pair in pairs if pair[0] is None or getattr(pair[0], field) != getattr(pair[1], field)]
        old = ({"which": before.id} for before, _ in new if before is not None)
        await execute_batches(self.connection, delete(links.table).where(owner == bindparam("which")), old)
        rows = (row for _, after in new for row in link_rows(links, after.id, getattr(after, field)))
        await execute_batches(self.connection, insert(links.table), rows)

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
            referring = await self.read(spec, await find_referring(self.connection, spec, ids))
            for batch in in_batches(referring.values()):
                await self._put(spec, [(before, without(spec, before, ids)) for before in batch])
        for kind, entities in reversed(going.items()):
            await self._remove(SPECS[kind], entities)

    async def finish(self) -> int:
        """Remember what was done; the new generation, or 0 where nothing was."""
        if not self._changes:
            return 0
        rows = ({"kind": change.kind, "entity_id": change.entity_id, "at": self.now} for change in self._changes)
        await execute_batches(self.connection, insert(CHANGES), rows)
        await write_entries(self.connection, self.actor, self.now, self._changes)
        return await read_generation(self.connection)

    async def _put(self, spec: Spec[Any], pairs: Iterable[tuple[Entity, Entity]]) -> None:
        following = [
            (before, replace(after, version=before.version + 1, updated_at=max(self.now, before.updated_at)))
            for before, after in pairs
        ]
        await self.update_all(spec, following)
        await self.link_all(spec, following)

    async def _remove(self, spec: Spec[Any], entities: Mapping[int, Entity]) -> None:
        gone = delete(spec.table).where(spec.table.c.id == bindparam("which"))
        await execute_batches(self.connection, gone, ({"which": entity_id} for entity_id in entities))
        self._changes.extend(Change(spec.kind, entity, None) for entity in entities.values())

    def _rows(self, spec: Spec[EntityT], entities: Iterable[EntityT]) -> Iterable[Row]:
        return (entity_row(spec, entity, self._box) for entity in entities)

    async def _with_ids(self, spec: Spec[EntityT], entities: Sequence[EntityT]) -> list[EntityT]:
        """With ids that no entity had, before they are written: secrets are bound to theirs, and names made of them."""
        made: list[EntityT] = []
        for entity_id, entity in zip(await self._new_ids(spec, len(entities)), entities, strict=True):
            names: dict[str, Any] = {
                field: name.format(entity_id) for field, name in spec.named_by_id.items() if not getattr(entity, field)
            }
            named = replace(entity, id=entity_id, **names)
            if names:
                await check_unique(self.connection, spec, named)
            made.append(named)
        return made

    async def _new_ids(self, spec: Spec[Any], count: int) -> Sequence[int]:
        """Nobody else can take them: only one transaction writes."""
        if not count:
            return ()
        if self.connection.dialect.name != "sqlite":
            sequence, numbers = func.pg_get_serial_sequence(spec.table.name, "id"), func.generate_series(1, count)
            return (await self.connection.scalars(select(func.nextval(sequence)).select_from(numbers))).all()
        last = await self.connection.scalar(_LAST_ID, {"name": spec.table.name}) or 0
        largest = await self.connection.scalar(select(func.max(spec.table.c.id))) or 0
        first = max(last, largest) + 1
        return range(first, first + count)

    async def _give_ids_behind(self, spec: Spec[Any], entity_id: int) -> None:
        """PostgreSQL's sequence knows nothing of an id that it did not give; SQLite's does."""
        if self.connection.dialect.name == "sqlite":
            return
        sequence = func.pg_get_serial_sequence(spec.table.name, "id")
        next_id = func.nextval(sequence)  # a transaction that is rolled back leaves a gap, and no id twice
        await self.connection.execute(select(func.setval(sequence, func.greatest(next_id, entity_id))))
