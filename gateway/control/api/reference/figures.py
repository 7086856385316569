"""What the reference's answers count and name, read from the control database in one query each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, distinct, func, or_, select

from gateway.control.tables import LLMS, TOKENS
from sluice.clock import now_micros

if TYPE_CHECKING:
    from gateway.control.database import ControlDatabase


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens, those that are good now, those whose time is over, and the apps that have any."""

    total: int
    active: int
    expired: int
    apps: int


async def token_counts(database: ControlDatabase) -> TokenCounts:
    """How many there are. Raises ControlDatabaseError."""
    now, column = now_micros(), TOKENS.c
    lives = and_(column.is_active, or_(column.expires_at.is_(None), column.expires_at > now))
    query = select(
        func.count(),
        func.count().filter(lives),
        func.count().filter(column.expires_at <= now),
        func.count(distinct(column.app_id)),
    ).select_from(TOKENS)
    async with database.read() as connection:
        return TokenCounts(*(await connection.execute(query)).one())


async def llm_names(database: ControlDatabase, ids: Collection[int]) -> dict[int, str]:
    """The names of those that are there still. Raises ControlDatabaseError."""
    async with database.read() as connection:
        found = await connection.execute(select(LLMS.c.id, LLMS.c.name).where(LLMS.c.id.in_(ids)))
        return {row.id: row.name for row in found}
