"""What the API shows of itself: the audit, the system, whom a token belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field

from gateway.control.api.views import At, View, at, at_or_none

if TYPE_CHECKING:
    from gateway.control.api.services import Identity, SystemInfo
    from gateway.control.audit import AuditEntry


@dataclass(frozen=True, slots=True)
class SystemState:
    """The system, and how much of everything it has."""

    info: SystemInfo
    generation: int
    counts: dict[str, int]


class AuditEntryView(View):
    """Who changed what."""

    id: int
    at: At
    actor: Annotated[str, Field(examples=["ops (slc_4fQx)"])]
    token_id: int | None
    action: Annotated[str, Field(examples=["update"])]
    kind: Annotated[str, Field(examples=["app"])]
    entity_id: int
    before: Annotated[dict[str, Any] | None, Field(description="null where it was made")]
    after: Annotated[dict[str, Any] | None, Field(description="null where it was deleted")]

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """The view of one."""
        return cls(
            id=entry.id,
            at=at(entry.at),
            actor=entry.actor,
            token_id=entry.token_id,
            action=entry.action,
            kind=entry.kind,
            entity_id=entry.entity_id,
            before=entry.before,
            after=entry.after,
        )


class StatsView(View):
    """How much of everything there is."""

    llms: int
    apps: int
    tokens: int
    prices: int
    plugins: int


class SystemView(View):
    """What the gateway says of itself."""

    service: Annotated[str, Field(examples=["sluice"])]
    version: Annotated[str, Field(examples=["0.1.0"])]
    status: Annotated[str, Field(examples=["running"])]
    gateway_id: Annotated[str, Field(examples=["gateway-1"])]
    started_at: At
    generation: Annotated[int, Field(description="the number of the last change")]
    stats: StatsView

    @classmethod
    def of(cls, state: SystemState) -> Self:
        """The view of it."""
        return cls(
            service="sluice",
            version=state.info.version,
            status="running",
            gateway_id=state.info.gateway_id,
            started_at=at(state.info.started_at),
            generation=state.generation,
            stats=StatsView(**state.counts),
        )


class IdentityView(View):
    """Whom a token belongs to."""

    valid: bool
    app_id: Annotated[int, Field(examples=[2])]
    scopes: Annotated[list[str], Field(examples=[["api"]])]
    expires_at: At | None

    @classmethod
    def of(cls, identity: Identity) -> Self:
        """The view of one."""
        return cls(
            valid=True,
            app_id=identity.app_id,
            scopes=list(identity.scopes),
            expires_at=at_or_none(identity.expires_at),
        )
