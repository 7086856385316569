"""Makes the entities that ``sluice.yaml`` manages equal to what stands in it, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic
from uuid import uuid4

from sqlalchemy import bindparam, insert, select, update

from gateway.control.batches import ROWS, execute_batches
from gateway.control.checks import shown_value
from gateway.control.entities import Entities
from gateway.control.errors import FileConflictError
from gateway.control.specs import SPECS, EntityT, Spec
from gateway.control.tables import FILE_STATE
from gateway.control.transaction import Transaction
from gateway.control.values import changed_entity, new_entity


@dataclass(frozen=True, slots=True)
class Plan(Generic[EntityT]):
    """What is to be done for one kind."""

    spec: Spec[EntityT]
    new: list[EntityT]
    changed: list[tuple[EntityT, EntityT]]
    gone: dict[int, EntityT]


async def apply_file(transaction: Transaction, wanted: Entities, sha256: str) -> bool:
    """Whether anything was done: nothing is where the same file was written here last.

    Names may wander from one entity to another: they are all freed first. What is gone goes last, so that a token
    which moved to another app is not taken along by its old one.
    """
    if not await _is_news(transaction, sha256):
        return False
    plans = [await _plan(transaction, spec, getattr(wanted, spec.plural)) for spec in SPECS.values()]
    for plan in plans:
        await _free_names(transaction, plan)
    written = [(plan.spec, await _write(transaction, plan)) for plan in plans]
    for spec, pairs in written:  # when all are there that they may name
        await transaction.link_all(spec, pairs)
    await transaction.delete({plan.spec.kind: plan.gone for plan in plans})
    return True


async def _is_news(transaction: Transaction, sha256: str) -> bool:
    """Whether it is another file than the last; remembered as the last."""
    connection = transaction.connection
    last = await connection.scalar(select(FILE_STATE.c.sha256))
    row = {"sha256": sha256, "at": transaction.now}
    if last is None:
        await connection.execute(insert(FILE_STATE).values(id=1, **row))
    elif last != sha256:
        await connection.execute(update(FILE_STATE).values(row))
    return last != sha256


async def _plan(transaction: Transaction, spec: Spec[EntityT], wanted: dict[int, EntityT]) -> Plan[EntityT]:
    columns = spec.table.c
    current = await transaction.read(spec, select(columns.id).where(columns.managed_by == "file"))
    await _refuse_conflicts(transaction, spec, wanted.values())
    ids = {getattr(entity, spec.file_key): entity.id for entity in current.values()}
    plan: Plan[EntityT] = Plan(spec, [], [], dict(current))
    for at, entity in enumerate(wanted.values()):
        if at % ROWS == 0:
            await asyncio.sleep(0)  # exchanges go on
        entity_id = entity.id if spec.file_has_ids else ids.get(getattr(entity, spec.file_key), 0)
        values = _values(spec, entity)
        before = plan.gone.pop(entity_id, None)
        if before is None:
            given = {"id": entity_id} if entity_id else {}
            plan.new.append(new_entity(spec, values | given, "file", transaction.now))
            continue
        after = changed_entity(spec, before, values, transaction.now)
        if after is not before:
            plan.changed.append((before, after))
    return plan


def _values(spec: Spec[EntityT], entity: EntityT) -> dict[str, Any]:
    """What the file says of it."""
    return {name: getattr(entity, name) for name in spec.fields_in_file}


async def _refuse_conflicts(transaction: Transaction, spec: Spec[EntityT], wanted: Iterable[EntityT]) -> None:
    """Raises FileConflictError where one made over the API has an id or a name that the file gives."""
    groups = [("id",), *spec.unique] if spec.file_has_ids else spec.unique
    columns = spec.table.c
    names = sorted({"id", *(name for group in groups for name in group)})
    rows = await transaction.connection.execute(
        select(*(columns[name] for name in names)).where(columns.managed_by != "file")
    )
    taken = {(group, tuple(row[name] for name in group)): row["id"] for row in rows.mappings() for group in groups}
    for entity in wanted if taken else ():
        for group in groups:
            values = tuple(getattr(entity, name) for name in group)
            if (group, values) in taken:
                shown = shown_value(spec, entity, group)
                raise FileConflictError(spec.kind, spec.name_in_file(entity), group[-1], shown, taken[group, values])


async def _free_names(transaction: Transaction, plan: Plan[EntityT]) -> None:
    """So that whoever is given a name next finds it free: what leaves it has another until then, or the end."""
    leaving = [*plan.gone, *(before.id for before, _ in plan.changed)]
    firsts = sorted({group[0] for group in plan.spec.unique})
    columns = plan.spec.table.c
    statement = update(plan.spec.table).where(columns.id == bindparam("leaving"))
    statement = statement.values({name: bindparam(f"free_{name}") for name in firsts})
    rows = ({"leaving": id_, **{f"free_{name}": uuid4().hex for name in firsts}} for id_ in leaving)
    await execute_batches(transaction.connection, statement, rows)


async def _write(transaction: Transaction, plan: Plan[EntityT]) -> list[tuple[EntityT | None, EntityT]]:
    """New and changed entities without their links, each with what it was before."""
    await transaction.update_all(plan.spec, plan.changed)
    made = await transaction.insert_all(plan.spec, plan.new)
    return [*plan.changed, *((None, entity) for entity in made)]
