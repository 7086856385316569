"""The control API and the console of a worker, made when somebody first asks for them.

Most workers are never asked, and what the two stand on would be a seventh of an idle worker's memory: 16 of 116 MiB.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, TypeAlias

from gateway.control.event_store import open_events
from sluice.clock import now_micros

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from gateway.control.api.services import ControlServices
    from gateway.control.plane import ControlPlane
    from gateway.settings import Settings

    MakeApplication: TypeAlias = Callable[[ControlServices, ASGIApp | None], ASGIApp]

_PLACES = frozenset(("/", "/health/detailed", "/console"))
_BELOW = ("/api/v1/", "/console/")
_TOLD = frozenset(("/health", "/ready"))
"""Probes in which the reference's dialect tells of plugins too."""


class Managing:
    """What serves managing beside ``plain``, the application without it, which answers probes and strangers.

    ``make`` makes the whole application of its services and its console; it is called in a thread, so that no exchange
    waits. The console's event streams end with ``stop``. Call ``check`` before it serves, and ``close`` when no request
    is under way any more, or each is being cancelled.
    """

    def __init__(
        self, settings: Settings, plane: ControlPlane, plain: ASGIApp, make: MakeApplication, stop: asyncio.Event
    ) -> None:
        self._settings = settings
        self._plane = plane
        self._plain = plain
        self._make = make
        self._stop = stop
        self._began_at = now_micros()
        self._places = _PLACES if settings.control.dialect == "clean" else _PLACES | _TOLD
        self._made: ASGIApp | None = None
        self._making = asyncio.Lock()
        self._opened = AsyncExitStack()

    async def check(self) -> None:
        """Find out before a port is served whether a named store of events can be asked. Raises EventStoreError."""
        events = self._settings.control.events
        if events.elasticsearch_url or events.database_url:
            await open_events(events, self._settings.data_dir).close()

    async def close(self) -> None:
        """Let go of what was opened for it, also of what is only just being opened."""
        async with self._making:
            await self._opened.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; the first that manages waits until there is something to serve it."""
        path = scope.get("path", "")  # what is no request may have none
        is_managing = path in self._places or path.startswith(_BELOW)
        served = (self._made or await self._make_once()) if is_managing else self._plain
        await served(scope, receive, send)

    async def _make_once(self) -> ASGIApp:
        async with self._making:
            if self._made is None:
                async with AsyncExitStack() as opening:
                    self._made = await self._open(opening)
                    self._opened = opening.pop_all()
                gc.freeze()  # it lives as long as the process, as what was there when the worker began to serve
        return self._made

    async def _open(self, stack: AsyncExitStack) -> ASGIApp:
        open_services = await asyncio.to_thread(_import_services)
        services = await stack.enter_async_context(open_services(self._settings, self._plane, self._began_at))
        console = None
        if self._settings.console.enabled:
            open_console = await asyncio.to_thread(_import_console)
            console = await stack.enter_async_context(open_console(services, self._plane, self._stop))
        return await asyncio.to_thread(self._make, services, console)


# Half a second of imports, for who manages; in threads, which take turns with the loop.


def _import_services() -> Callable[[Settings, ControlPlane, int], AbstractAsyncContextManager[ControlServices]]:
    from gateway.control.serving import open_services  # noqa: PLC0415 - see above

    return open_services


def _import_console() -> Callable[[ControlServices, ControlPlane, asyncio.Event], AbstractAsyncContextManager[ASGIApp]]:
    from gateway.console.opening import open_console  # noqa: PLC0415 - see above

    return open_console
