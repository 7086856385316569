"""Who changed what: an entry for every entity that a change touched, before and after, secrets masked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.control.batches import execute_batches
from gateway.control.entities import Actor, Attachment, Entity, EntityKind, LlmLink, Page
from gateway.control.specs import SPECS
from gateway.control.tables import AUDIT
from sluice.redaction import MASK, is_credential_header, mask_url

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One entity, touched by one change. ``before`` is ``None`` where it was made, ``after`` where it was deleted."""

    id: int
    at: int
    actor: str
    token_id: int | None
    action: str
    """``create``, ``update``, ``delete`` or ``reencrypt``."""
    kind: str
    entity_id: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Change:
    """An entity before and after; at least one of them is there."""

    kind: EntityKind
    before: Entity | None
    after: Entity | None

    @property
    def entity_id(self) -> int:
        """Whose change it is."""
        return self.after.id if self.after else self.before.id if self.before else 0

    @property
    def action(self) -> str:
        """What was done."""
        if self.before is None:
            return "create"
        return "delete" if self.after is None else "update"


async def write_entries(connection: AsyncConnection, actor: Actor, at: int, changes: Sequence[Change]) -> None:
    """One entry a change, by this actor at this moment."""
    who = {"at": at, "actor": actor.name, "token_id": actor.token_id}
    rows = (
        {
            **who,
            "action": change.action,
            "kind": change.kind,
            "entity_id": change.entity_id,
            "before": masked(change.kind, change.before),
            "after": masked(change.kind, change.after),
        }
        for change in changes
    )
    await execute_batches(connection, insert(AUDIT), rows)


async def write_note(
    connection: AsyncConnection, actor: Actor, at: int, action: str, kind: EntityKind, after: dict[str, Any]
) -> None:
    """An entry on a whole kind rather than on one entity: its id is 0."""
    who = {"at": at, "actor": actor.name, "token_id": actor.token_id}
    await connection.execute(insert(AUDIT).values(action=action, kind=kind, entity_id=0, after=after, **who))


async def read_entries(
    connection: AsyncConnection, page: int, limit: int, kind: str | None, entity_id: int | None
) -> Page[AuditEntry]:
    """A page of entries, the newest first; of one kind or one entity where they are given."""
    wanted = [AUDIT.c.kind == kind] if kind is not None else []
    wanted += [AUDIT.c.entity_id == entity_id] if entity_id is not None else []
    total = await connection.scalar(select(func.count()).select_from(AUDIT).where(*wanted))
    newest = select(AUDIT).where(*wanted).order_by(AUDIT.c.id.desc()).limit(limit).offset((page - 1) * limit)
    rows = (await connection.execute(newest)).mappings()
    return Page([AuditEntry(**row) for row in rows], total or 0)


def masked(kind: EntityKind, entity: Entity | None) -> dict[str, Any] | None:
    """The entity as the audit shows it: a secret is ``***`` where there is one, a hash is not there at all.

    In ``config`` and ``metadata`` a secret is known by its name, in a URL by its place.
    """
    if entity is None:
        return None
    spec = SPECS[kind]
    shown: dict[str, Any] = _masked({name: held for name, held in _held(entity).items() if name not in spec.hidden})
    return shown | {name: MASK for name in spec.secrets if shown[name]}


def _masked(value: Any) -> Any:
    match value:
        case dict():
            return {name: MASK if held and names_secret(name) else _masked(held) for name, held in value.items()}
        case list() | tuple():
            return [_masked(item) for item in value]
        case str() if "://" in value:
            return mask_url(value)
        case Attachment() | LlmLink():
            return _masked(_held(value))
    return value


def _held(value: Any) -> dict[str, Any]:
    """What a dataclass holds, not copied: of 100,000 entities ``asdict`` takes half of the time of a change."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


@lru_cache(4096)
def names_secret(name: str) -> bool:
    """Whether what has this name is a secret; also in camel case."""
    return is_credential_header(_WORD_START.sub("-", name).lower().encode())
