"""Taking back what a dead host holds of budgets: by hand, and audited, since nobody can know that a host is dead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from gateway.control.errors import InvalidError
from gateway.control.ledger import HOST_SCOPE, alive_hosts, key_of, part_of
from gateway.control.tables import AUDIT, SLICES
from sluice.clock import now_micros

if TYPE_CHECKING:
    from gateway.access.shared_table import Key
    from gateway.control.database import ControlDatabase
    from gateway.control.entities import Actor


@dataclass(frozen=True, slots=True)
class WrittenOff:
    """What was taken back from a host, of one budget in one period."""

    key: Key
    nanos: int


@dataclass(frozen=True, slots=True)
class HostHoldings:
    """What a host holds of budgets whose period is not over."""

    host: str
    idle_nanos: int
    is_alive: bool


async def holdings(database: ControlDatabase) -> list[HostHoldings]:
    """Every host that holds something it has not spent, by name. Raises ControlDatabaseError."""
    now = now_micros()
    idle: dict[str, int] = {}
    async with database.read() as connection:
        query = select(SLICES).where(SLICES.c.scope != HOST_SCOPE, SLICES.c.period_end > now)
        for row in await connection.execute(query):
            idle[row.host] = idle.get(row.host, 0) + part_of(row).idle
        alive = await alive_hosts(connection, now)
    return [HostHoldings(host, nanos, host in alive) for host, nanos in sorted(idle.items()) if nanos]


async def write_off(
    database: ControlDatabase, host: str, actor: Actor, *, even_if_alive: bool = False
) -> list[WrittenOff]:
    """Take back all that a host holds and has not reported as spent; others may be granted it at once.

    What it spent without reporting it is then spent beyond the budget. A host that comes back learns of it before it
    admits anything. Raises InvalidError where it was heard of within a minute, and ControlDatabaseError.
    """
    now = now_micros()
    async with database.write() as connection:
        if host in await alive_hosts(connection, now) and not even_if_alive:
            raise InvalidError(
                "host", "was heard of within the last minute; stop it, or say that you mean it (--force)"
            )
        query = select(SLICES).where(SLICES.c.host == host, SLICES.c.scope != HOST_SCOPE)
        found = []
        for row in (await connection.execute(query)).all():
            part = part_of(row)
            if not part.idle:
                continue
            found.append(WrittenOff(key_of(row), part.idle))
            this = [column == row._mapping[column.name] for column in SLICES.primary_key]  # noqa: SLF001 - its public name
            await connection.execute(
                update(SLICES).where(*this).values(written_off_nanos=part.written_off + part.idle, recall_at=0)
            )
        if found:
            await connection.execute(insert(AUDIT).values(_audit(host, actor, found, now)))
    return found


def _audit(host: str, actor: Actor, found: list[WrittenOff], now: int) -> dict[str, object]:
    return {
        "at": now,
        "actor": actor.name,
        "token_id": actor.token_id,
        "action": "write_off",
        "kind": "budget",
        "entity_id": 0,
        "before": None,
        "after": {"host": host, "slices": [{"key": list(each.key), "nanos": each.nanos} for each in found]},
    }
