"""What a deletion takes with it, and what it changes: tokens go with their app, links go with either of their ends."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.control.entities import Entity, EntityKind
from gateway.control.reading import among
from gateway.control.specs import SPECS, Spec

Ids = dict[EntityKind, set[int]]


async def find_parts(connection: AsyncConnection, spec: Spec[Any], doomed: Ids) -> set[int]:
    """The entities of a kind that cannot be without those that are deleted, beside the ones that are themselves."""
    found: set[int] = set()
    for field, kind in spec.references.items():
        found |= await _naming(connection, spec.table.c.id, spec.columns[field], doomed[kind])
    return found - doomed[spec.kind]


async def find_referring(connection: AsyncConnection, spec: Spec[Any], doomed: Ids) -> set[int]:
    """The entities of a kind that stay, and link to those that are deleted or name them in a list."""
    found: set[int] = set()
    if spec.links is not None:
        columns = spec.links.table.c
        for name, kind in spec.links.references.items():
            found |= await _naming(connection, columns[spec.links.owner], columns[name], doomed[kind])
    for field, kind in spec.lists.items():
        if doomed[kind]:
            rows = await connection.execute(select(spec.table.c.id, spec.columns[field]))
            found |= {owner for owner, named in rows if not doomed[kind].isdisjoint(named)}
    return found - doomed[spec.kind]


def without(spec: Spec[Any], entity: Entity, doomed: Ids) -> Entity:
    """The entity, linking to none of them and naming none."""
    left: dict[str, Any] = {
        field: tuple(named for named in getattr(entity, field) if named not in doomed[kind])
        for field, kind in spec.lists.items()
    }
    if spec.links is not None:
        kinds = spec.links.references.items()
        left[spec.links.field] = tuple(
            value
            for value in getattr(entity, spec.links.field)
            if not any(getattr(value, name) in doomed[kind] for name, kind in kinds)
        )
    return replace(entity, **left)


def by_kind() -> Ids:
    """No ids of any kind."""
    return {kind: set() for kind in SPECS}


async def _naming(
    connection: AsyncConnection, owner: Column[Any], column: Column[Any], ids: Collection[int]
) -> set[int]:
    if not ids:
        return set()
    rows = await connection.execute(select(owner, column).where(among(column, ids)))
    return {found for found, named in rows if named in ids}
