"""HTTP clients of plugins, over connections that they share; loaded by who hands one out."""

from __future__ import annotations

import asyncio
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Self

import httpx

TOTAL_SECONDS = 30.0
CONNECT_SECONDS = 10.0
MAX_CONNECTIONS = 100
MAX_IDLE_CONNECTIONS = 30
"""Of all hosts together, which is how httpx counts: ten for each of three."""
IDLE_SECONDS = 90.0

_TIMEOUT = httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS)


def open_pool() -> httpx.AsyncClient:
    """Who owns the connections."""
    limits = httpx.Limits(
        max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_IDLE_CONNECTIONS, keepalive_expiry=IDLE_SECONDS
    )
    return httpx.AsyncClient(timeout=_TIMEOUT, limits=limits, cookies=_no_cookies())


def borrow(owner: httpx.AsyncClient) -> PluginClient:
    """A client over the owner's connections, with headers and hooks of its own; cookies are kept by none."""
    return PluginClient(timeout=_TIMEOUT, transport=_Shared(owner), cookies=_no_cookies())


class PluginClient(httpx.AsyncClient):
    """A client whose requests take at most ``TOTAL_SECONDS`` in all, unless they say otherwise of themselves.

    ``async with`` and ``aclose`` leave it open: a hook that ends with them has another exchange beside it.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def aclose(self) -> None:
        """Of no effect; the pool is closed by its process."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """As httpx's. Raises ``httpx.ReadTimeout`` also where an answer comes, but too slowly.

        Of a streamed answer the time is up to its headers; then each piece has ``TOTAL_SECONDS``.
        """
        if request.extensions.get("timeout") != _TIMEOUT.as_dict():
            return await super().send(request, **options)
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await super().send(request, **options)
        except TimeoutError as error:
            message = f"no whole answer within {TOTAL_SECONDS:g} s"
            raise httpx.ReadTimeout(message, request=request) from error


class _Shared(httpx.AsyncBaseTransport):
    """The pool as one plugin's transport: it sends over it and cannot close it."""

    def __init__(self, owner: httpx.AsyncClient) -> None:
        self._owner = owner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._owner.send(request, stream=True, auth=None, follow_redirects=False)


def _no_cookies() -> CookieJar:
    """What one plugin is given by a host is not sent in the name of another."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))
