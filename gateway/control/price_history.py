"""Prices as they once were: the audit keeps every row before and after each change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from gateway.control.entities import PriceEntity
from gateway.control.tables import AUDIT

if TYPE_CHECKING:
    from gateway.control.database import ControlDatabase

_FIELDS = frozenset(field.name for field in fields(PriceEntity))


async def past_prices(database: ControlDatabase) -> list[PriceEntity]:
    """Every state of every row, the oldest first. Raises ControlDatabaseError."""
    query = select(AUDIT.c.before, AUDIT.c.after).where(AUDIT.c.kind == "price").order_by(AUDIT.c.id)
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
    return [_entity(state) for row in rows for state in row if state]


def _entity(state: Mapping[str, Any]) -> PriceEntity:
    values = {name: value for name, value in state.items() if name in _FIELDS}
    for name in ("tiers", "aliases"):
        values[name] = tuple(values.get(name, ()))
    return PriceEntity(**values)
