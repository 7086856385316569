"""From a worker's plane to what the control API stands on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.control.api.reference.renderer import ReferenceRenderer
from gateway.control.api.renderer import CleanRenderer
from gateway.control.api.services import ControlServices, Identity, SystemInfo
from gateway.control.budget_status import BudgetBooks
from gateway.control.event_store import open_events
from gateway.outcomes import AuthFailed
from gateway.version import program_version
from sluice.clock import now_micros

if TYPE_CHECKING:
    from gateway.control.api.renderer import Renderer
    from gateway.control.plane import ControlPlane
    from gateway.control.store import ControlStore
    from gateway.settings import Settings


@asynccontextmanager
async def open_services(settings: Settings, plane: ControlPlane, started_at: int) -> AsyncIterator[ControlServices]:
    """What the API of a worker stands on that began at ``started_at``; connections to where events are read end with
    it."""
    # In a thread: a worker opens this while it serves exchanges.
    events = await asyncio.to_thread(open_events, settings.control.events, settings.data_dir)

    async def refresh() -> None:
        await plane.refresher.refresh()

    def authenticate(credential: str) -> Identity | None:
        return identity_of(credential, plane)

    try:
        yield ControlServices(
            store=plane.store,
            refresh=refresh,
            authenticate=authenticate,
            plugins=plane.plugins,
            budgets=BudgetBooks(plane.store.database),
            events=events,
            settings=settings,
            info=SystemInfo(version=program_version(), gateway_id=settings.gateway.id, started_at=started_at),
            renderer=_renderer(settings, plane.store),
        )
    finally:
        await events.close()


def identity_of(credential: str, plane: ControlPlane) -> Identity | None:
    """Whose token this is, by the present snapshot; ``None`` where it counts for nothing."""
    snapshot = plane.snapshots.get()
    try:
        token = plane.credentials.find(credential, snapshot, now_micros())
    except AuthFailed:
        return None
    app = snapshot.apps[token.app_id]
    if not app.is_active:
        return None
    return Identity(
        token_id=token.id,
        app_id=app.id,
        name=token.name,
        prefix=token.prefix,
        scopes=tuple(token.scopes),
        expires_at=token.expires_at,
        allowed_ips=app.allowed_ips,
    )


def _renderer(settings: Settings, store: ControlStore) -> Renderer:
    return ReferenceRenderer(store, settings) if settings.control.dialect == "reference" else CleanRenderer()
