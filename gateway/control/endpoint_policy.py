"""Where LLMs made over the API may be: what must not be reached through a gateway is refused before it is stored.

An allow-list (``control.allowed_endpoints``) names hosts or patterns. Without one every public address is allowed.
Loopback, private, link-local and other special ranges, among them the metadata services of clouds, need
``control.allow_private_endpoints``. A name is resolved and every one of its addresses must pass; what it resolves to
later is checked when a connection is made (``gateway/upstreams/public_addresses.py``). Redirects are never followed.
"""

from __future__ import annotations

import asyncio
import socket
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.entity_settings import LlmSettings
from gateway.upstreams.public_addresses import is_public

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gateway.settings import ControlSettings

    Resolve = Callable[[str], Awaitable[Sequence[str]]]

_RESOLVE_SECONDS = 2.0
_METADATA = frozenset(("metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"))
_REMEDY = "; set control.allow_private_endpoints to allow it"


class EndpointRefused(Exception):  # noqa: N818 - it is an answer, not an error
    """An endpoint that an LLM may not have; the message says why, and what would allow it."""


class EndpointPolicy:
    """The rules of the settings."""

    def __init__(self, settings: ControlSettings, resolve: Resolve | None = None) -> None:
        self._patterns = tuple(_plain(pattern) for pattern in settings.allowed_endpoints)
        self._allows_private = settings.allow_private_endpoints
        self._resolve = resolve or _resolve

    async def check(self, endpoint: str) -> str:
        """The endpoint as it is kept. Raises EndpointRefused."""
        try:
            url = LlmSettings.base_url_is_http(endpoint)
            host = _plain(urlsplit(url).hostname or "")
        except ValueError as error:
            raise EndpointRefused(str(error)) from None
        if "[" in url and _address(host) is None:
            message = "has no address in its brackets; write one of IPv6, or a name without brackets"
            raise EndpointRefused(message)
        if "@" in urlsplit(url).netloc:
            message = "has credentials in its URL; give the key as api_key"
            raise EndpointRefused(message)
        if self._patterns and not any(fnmatchcase(host, pattern) for pattern in self._patterns):
            message = f"its host is none of control.allowed_endpoints: {', '.join(self._patterns)}"
            raise EndpointRefused(message)
        if not self._allows_private:
            await self._check_addresses(host)
        return url

    async def _check_addresses(self, host: str) -> None:
        if host == "localhost" or host.endswith(".localhost") or host in _METADATA:
            message = f"{host[:64]} is not public{_REMEDY}"
            raise EndpointRefused(message)
        literal = _address(host)
        if literal is not None:
            _refuse_unless_public(literal)
            return
        for found in await self._addresses(host):
            parsed = _address(found)
            if parsed is not None:
                _refuse_unless_public(parsed)

    async def _addresses(self, host: str) -> Sequence[str]:
        """None where the name does not resolve now: it may later, and a private one needs a resolver that says so."""
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                return await self._resolve(host)
        except (OSError, TimeoutError, UnicodeError):
            return ()


async def _resolve(host: str) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """A literal address, also in the old ways of writing one that resolvers take: ``127.1``, ``0x7f000001``."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host)) if host.isascii() and host else None
    except (OSError, ValueError):
        return None


def _refuse_unless_public(address: IPv4Address | IPv6Address) -> None:
    if not is_public(address):
        message = f"{address} is no public address{_REMEDY}"
        raise EndpointRefused(message)
