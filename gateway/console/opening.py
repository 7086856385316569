"""From a worker's plane to its console."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.console.application import build_console
from gateway.console.asking import Asking
from gateway.console.collectors import Collectors
from gateway.console.live import LiveFeed
from gateway.console.names import Names
from gateway.console.parts import ConsoleParts
from gateway.console.sessions import Sessions
from gateway.control.event_store import open_events
from gateway.control.keys import open_secret_box
from gateway.snapshot import PresentPrices

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.control.api.services import ControlServices
    from gateway.control.plane import ControlPlane


@asynccontextmanager
async def open_console(services: ControlServices, plane: ControlPlane, stop: asyncio.Event) -> AsyncIterator[FastAPI]:
    """The application, over connections of its own; event streams end with ``stop``."""
    settings = services.settings
    own = settings.console
    # In threads: a worker opens this while it serves exchanges.
    events = await asyncio.to_thread(open_events, settings.control.events, settings.data_dir)
    collectors = Collectors(own.collectors, own.collectors_token.get_secret_value())
    parts = ConsoleParts(
        services=services,
        events=events,
        asking=Asking(own.max_queries),
        sessions=Sessions(open_secret_box(settings.control, settings.data_dir), own.session_hours),
        live=LiveFeed(stop),
        collectors=collectors,
        names=Names(plane.snapshots.get),
        price_of=PresentPrices(plane.snapshots).by_id,
    )
    try:
        yield await asyncio.to_thread(build_console, parts)
    finally:
        await collectors.close()
        await events.close()
