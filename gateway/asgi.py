"""The outermost ASGI callable: the data plane, the bridge and plugins' endpoints go straight to their flows, everything
else to the application beside them (``gateway/managing.py``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from gateway.routes import BRIDGE_PREFIX, parse_bridge_route, parse_route

if TYPE_CHECKING:
    from gateway.plugin_endpoints.flow import PluginEndpoints
    from gateway.proxy import Proxy

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Write(Protocol):
    """Writes a piece of an answer's body, if it is not empty; returns whether the client takes more for now."""

    def __call__(self, piece: bytes, chunk: bytes = b"", /) -> bool:
        """``chunk``, where there is one, is the piece in the chunked coding: it need not be made."""
        ...


CONNECTION = "sluice.connection"
"""Scope key under which the server's protocol puts itself."""
FIRST_VALUES = "sluice.first_values"
"""And that under which it puts the first value of each header, for whoever takes it out."""
ENDPOINTS = b"/plugins/"
"""What the paths of plugins' own endpoints begin with."""


class Gateway:
    """One worker's ASGI application."""

    def __init__(
        self,
        proxy: Proxy,
        application: Application,
        endpoints: PluginEndpoints | None = None,
        bridge: Proxy | None = None,
    ) -> None:
        self._proxy = proxy
        self._application = application
        self._endpoints = endpoints
        self._bridge = bridge

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Dispatch by path: a mount inside FastAPI would cost more than the whole flow, and a coroutine here would be
        one more for each of an exchange's steps to go through."""
        if scope["type"] == "http":
            path = scope["raw_path"].decode("ascii", "replace")
            route = parse_route(path)
            if route is not None:
                return self._proxy.handle(route, scope, receive, send)
            if self._bridge is not None and path.startswith(BRIDGE_PREFIX):
                return self._bridge.handle(parse_bridge_route(path), scope, receive, send)
            if self._endpoints is not None and scope["raw_path"].startswith(ENDPOINTS):
                return self._endpoints.handle(scope, receive, send)
        return self._pass(scope, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)
