"""What must hold between entities, looked up in the transaction that writes: nothing changes before its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import String, and_, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.control.entities import Entity, EntityKind, PriceEntity
from gateway.control.errors import DuplicateError, InvalidError, UnknownReferenceError
from gateway.control.reading import among
from gateway.control.specs import SPECS, EntityT, Links, Spec
from gateway.control.tables import PRICES
from sluice.redaction import MASK


async def check_unique(connection: AsyncConnection, spec: Spec[EntityT], entity: EntityT) -> None:
    """Raises DuplicateError where another entity has what must be one's own."""
    columns = spec.table.c
    same = [and_(*(columns[name] == getattr(entity, name) for name in group)) for group in spec.unique]
    query = select(spec.table).where(or_(*same), columns.id != entity.id).limit(1)
    other = (await connection.execute(query)).mappings().first()
    if other is None:
        return
    for group in spec.unique:
        if all(other[name] == getattr(entity, name) for name in group):
            raise DuplicateError(spec.kind, group[-1], shown_value(spec, entity, group))


async def check_price_names(connection: AsyncConnection, entity: Entity) -> None:
    """Raises DuplicateError where another price of the vendor has one of this one's names from the same moment on, as
    its model or among its aliases: only chance would say which holds."""
    if not isinstance(entity, PriceEntity):
        return
    columns, names = PRICES.c, {entity.model_name, *entity.aliases}
    written = {json.dumps(name, ensure_ascii=is_ascii) for name in names for is_ascii in (True, False)}
    has_name = [cast(columns.aliases, String).contains(name, autoescape=True) for name in written]
    query = select(columns.model_name, columns.aliases).where(
        columns.vendor == entity.vendor,
        columns.valid_from == entity.valid_from,
        columns.id != entity.id,
        or_(columns.model_name.in_(entity.aliases), *has_name),
    )
    for other in (await connection.execute(query)).all():
        for taken in names & {other.model_name, *other.aliases}:
            field = "model_name" if taken == entity.model_name else "aliases"
            raise DuplicateError("price", field, f"{entity.vendor}/{taken}")


def shown_value(spec: Spec[EntityT], entity: EntityT, group: tuple[str, ...]) -> object:
    """The value of fields that are unique together, as an error may show it: no hash."""
    if not spec.hidden.isdisjoint(group):
        return MASK
    values = [getattr(entity, name) for name in group]
    return values[0] if len(values) == 1 else "/".join(map(str, values))


async def check_id(connection: AsyncConnection, spec: Spec[EntityT], entity: EntityT) -> None:
    """Raises DuplicateError where the id that a new entity brings is taken."""
    if entity.id and await connection.scalar(select(spec.table.c.id).where(spec.table.c.id == entity.id)):
        raise DuplicateError(spec.kind, "id", entity.id)


async def check_references(
    connection: AsyncConnection, spec: Spec[EntityT], entity: EntityT, before: EntityT | None = None
) -> None:
    """Raises UnknownReferenceError where a field that is not as before names what is not there."""
    named: dict[EntityKind, dict[int, str]] = {}
    for field, kind, entity_id in _references(spec, entity, before):
        named.setdefault(kind, {}).setdefault(entity_id, field)
    for kind, fields in named.items():
        ids = SPECS[kind].table.c.id
        there = set((await connection.scalars(select(ids).where(among(ids, fields)))).all())
        for entity_id, field in fields.items():
            if entity_id not in there:
                raise UnknownReferenceError(field, entity_id)


def _references(spec: Spec[EntityT], entity: EntityT, before: EntityT | None) -> Iterator[tuple[str, EntityKind, int]]:
    def changed(field: str) -> Any:
        value = getattr(entity, field)
        return None if before and value == getattr(before, field) else value

    for field, kind in spec.references.items():
        if changed(field) is not None:
            yield field, kind, changed(field)
    for field, kind in spec.lists.items():
        for entity_id in changed(field) or ():
            if kind == spec.kind and entity_id == entity.id:
                raise InvalidError(field, f"names the {kind} itself")
            yield field, kind, entity_id
    links = spec.links
    if links is not None:
        for value in changed(links.field) or ():
            yield from _linked(links, value)


def _linked(links: Links, value: Any) -> Iterator[tuple[str, EntityKind, int]]:
    for name, kind in links.references.items():
        if getattr(value, name) is not None:
            yield f"{links.field}.{name}", kind, getattr(value, name)
