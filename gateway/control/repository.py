"""The entities of one kind: read, made, changed and deleted, one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic

from sqlalchemy import ColumnElement, func, select

from gateway.control.checks import check_id, check_price_names, check_references, check_unique
from gateway.control.database import ControlDatabase
from gateway.control.entities import Actor, ManagedBy, Page
from gateway.control.errors import FileManagedError, InvalidError, NotFoundError, StaleVersionError
from gateway.control.reading import among, read_entities
from gateway.control.specs import EntityT, Spec
from gateway.control.transaction import Transaction
from gateway.control.values import changed_entity, check_value, new_entity
from sluice.secrets import SecretBox

FILE_ACTOR = "file"
"""The name of the actor whose entities are managed by ``sluice.yaml``."""
MAX_PAGE = 1_000_000_000
MAX_LIMIT = 1_000

Begin = Callable[[Actor], AbstractAsyncContextManager[Transaction]]


class Repository(Generic[EntityT]):
    """One kind. A change is committed, with its ``changes`` and audit rows, when its method returns.

    Every method may raise ControlDatabaseError, and SecretError where a vendor key cannot be decrypted.
    """

    def __init__(
        self, spec: Spec[EntityT], database: ControlDatabase, begin: Begin, box: Callable[[], SecretBox]
    ) -> None:
        self._spec = spec
        self._database = database
        self._begin = begin
        self._box = box

    async def get(self, id: int) -> EntityT:  # noqa: A002 - what everybody calls it
        """The entity. Raises NotFoundError."""
        async with self._database.read() as connection:
            found = await read_entities(connection, self._spec, self._box(), [id])
        return self._one(found, id)

    async def find(self, *, page: int = 1, limit: int = 20, **equals: object) -> Page[EntityT]:
        """The entities whose fields have these values, by id, the newest last; pages count from 1.

        Raises InvalidError for a field that cannot be looked for, and for what no such field can be.
        """
        check_page(page, limit)
        where = [self._equal(name, value) for name, value in equals.items()]
        ids = select(self._spec.table.c.id).where(*where)
        part = ids.order_by(self._spec.table.c.id).limit(limit).offset((page - 1) * limit)
        async with self._database.read() as connection:
            total = await connection.scalar(select(func.count()).select_from(ids.subquery()))
            found = await read_entities(connection, self._spec, self._box(), part)
        return Page(list(found.values()), total or 0)

    async def linked_to(self, id: int, limit: int) -> list[EntityT]:  # noqa: A002 - what everybody calls it
        """Those that link to what has this id (apps to an LLM, LLMs to a plugin), by their ids, at most so many."""
        links = self._spec.links
        if links is None:
            return []
        owner, linked = links.table.c[links.owner], links.table.c[links.names[0]]
        ids = select(owner).where(among(linked, [id])).distinct().order_by(owner).limit(limit)
        async with self._database.read() as connection:
            return list((await read_entities(connection, self._spec, self._box(), ids)).values())

    async def create(self, values: Mapping[str, Any], actor: Actor) -> EntityT:
        """A new entity; what is not given is as the entity's class has it.

        Raises InvalidError, DuplicateError, UnknownReferenceError.
        """
        managed_by: ManagedBy = "file" if _is_file(actor) else "api"
        async with self._begin(actor) as transaction:
            entity = new_entity(self._spec, values, managed_by, transaction.now)
            await check_id(transaction.connection, self._spec, entity)
            await check_unique(transaction.connection, self._spec, entity)
            await check_price_names(transaction.connection, entity)
            await check_references(transaction.connection, self._spec, entity)
            created = await transaction.insert(self._spec, entity)
            await transaction.link(self._spec, None, created)
            return created

    async def update(
        self,
        id: int,  # noqa: A002 - what everybody calls it
        values: Mapping[str, Any],
        actor: Actor,
        if_version: int | None = None,
    ) -> EntityT:
        """The entity with other values, in its next version; in the one it has where they change nothing.

        Raises NotFoundError, FileManagedError, StaleVersionError, InvalidError, DuplicateError, UnknownReferenceError.
        """
        async with self._begin(actor) as transaction:
            before = await self._changeable(transaction, id, if_version)
            after = changed_entity(self._spec, before, values, transaction.now)
            if after is before:
                return before
            await check_unique(transaction.connection, self._spec, after)
            await check_price_names(transaction.connection, after)
            await check_references(transaction.connection, self._spec, after, before)
            await transaction.update(self._spec, before, after)
            await transaction.link(self._spec, before, after)
            return after

    async def delete(self, id: int, actor: Actor, if_version: int | None = None) -> None:  # noqa: A002 - as above
        """The entity goes; an app's tokens with it, and every link to it.

        Raises NotFoundError, FileManagedError, StaleVersionError.
        """
        async with self._begin(actor) as transaction:
            before = await self._changeable(transaction, id, if_version)
            await transaction.delete({self._spec.kind: {id: before}})

    async def _changeable(self, transaction: Transaction, entity_id: int, if_version: int | None) -> EntityT:
        before = self._one(await transaction.read(self._spec, [entity_id]), entity_id)
        if before.managed_by == "file" and not _is_file(transaction.actor):
            raise FileManagedError(self._spec.kind, entity_id, self._spec.name_in_file(before))
        if if_version is not None and if_version != before.version:
            raise StaleVersionError(before.version)
        return before

    def _one(self, found: Mapping[int, EntityT], entity_id: int) -> EntityT:
        if entity_id not in found:
            raise NotFoundError(self._spec.kind, entity_id)
        return found[entity_id]

    def _equal(self, name: str, value: object) -> ColumnElement[bool]:
        column = self._spec.columns.get(name)
        if column is None or name in self._spec.secrets or name in self._spec.tuples or name in {"metadata", "config"}:
            raise InvalidError(name, "cannot be looked for")
        if value is None:
            return column.is_(None)
        is_equal: ColumnElement[bool] = column == check_value(name, column, value)
        return is_equal


def _is_file(actor: Actor) -> bool:
    """Nobody with a token is, whatever the token is called."""
    return actor.name == FILE_ACTOR and actor.token_id is None


def check_page(page: int, limit: int) -> None:
    """Raises InvalidError where there can be no such page."""
    if not 1 <= page <= MAX_PAGE:
        raise InvalidError("page", f"must be from 1 to {MAX_PAGE}")
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidError("limit", f"must be from 1 to {MAX_LIMIT}")
