"""The outermost ASGI callable: the data plane and plugins' endpoints go straight to their flows, everything else to the
FastAPI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from gateway.routes import parse_route

if TYPE_CHECKING:
    from gateway.plugin_endpoints.flow import PluginEndpoints
    from gateway.proxy import Proxy

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

CONNECTION = "sluice.connection"
"""Scope key under which the server's protocol puts itself."""
ENDPOINTS = b"/plugins/"
"""What the paths of plugins' own endpoints begin with."""


class Gateway:
    """One worker's ASGI application."""

    def __init__(self, proxy: Proxy, application: Application, endpoints: PluginEndpoints | None = None) -> None:
        self._proxy = proxy
        self._application = application
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by path: a mount inside FastAPI would cost more than the whole flow."""
        if scope["type"] == "http":
            route = parse_route(scope["raw_path"].decode("ascii", "replace"))
            if route is not None:
                await self._proxy.handle(route, scope, receive, send)
                return
            if self._endpoints is not None and scope["raw_path"].startswith(ENDPOINTS):
                await self._endpoints.handle(scope, receive, send)
                return
        await self._application(scope, receive, send)
