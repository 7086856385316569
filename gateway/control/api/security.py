"""Who may manage: a token of scope ``admin`` (or ``*``), from an address that its app allows.

Tokens are 256 random bits, so guessing is hopeless; failed attempts are bounded for their noise. A token that is right
is let in however many wrong ones came from its neighbourhood: else anybody near could lock the operator out.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from gateway.access.addresses import client_of, is_within, parse_network
from gateway.control.api.problems import Problem
from sluice.clock import now_micros

if TYPE_CHECKING:
    from starlette.requests import Request

    from gateway.control.api.services import ControlServices, Identity

_MANAGES = frozenset(("admin", "*"))
_MAX_TOKEN_CHARACTERS = 512
_MAX_NETWORKS = 4096
_PREFIX_BITS = {4: 16, 6: 48}
_CHALLENGE = {"www-authenticate": 'Bearer realm="sluice"'}


class FailedAttempts:
    """A bucket for each network (an IPv4 /16, an IPv6 /48): ``burst`` failures at once, ``per_second`` after them."""

    def __init__(
        self, burst: int = 20, per_second: float = 1.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst = burst
        self._per_second = per_second
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, address: str) -> int:
        """Count a failure; 0 where it was within bounds, else the seconds until the next one is."""
        network, now = _network(address), self._monotonic()
        left, at = self._buckets.pop(network, (float(self._burst), now))
        left = min(self._burst, left + (now - at) * self._per_second)
        within = left >= 1
        self._buckets[network] = (left - within, now)
        if len(self._buckets) > _MAX_NETWORKS:
            self._buckets.popitem(last=False)
        return 0 if within else max(1, round((1 - left) / self._per_second))


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    return str(ip_network(f"{address.partition('%')[0]}/{_PREFIX_BITS[parsed.version]}", strict=False))


class Gate:
    """The one door of the API."""

    def __init__(self, services: ControlServices) -> None:
        self._authenticate = services.authenticate
        self._proxies = tuple(parse_network(block) for block in services.settings.gateway.trusted_proxies)
        self._failures = FailedAttempts()

    def admit(self, request: Request) -> Identity:
        """The identity behind a request that may manage. Raises a ``Problem``: 401, 403 or 429."""
        address = self.address_of(request)
        identity = self.identify(_bearer(request), address)
        if identity.allowed_ips and not is_within(address, identity.allowed_ips):
            message = "the token's app may not be used from this address; see its allowed_ips"
            raise Problem(403, "address_denied", message)
        if _MANAGES.isdisjoint(identity.scopes):
            message = "the token may not manage: it needs the scope admin (or *)"
            raise Problem(403, "insufficient_scope", message)
        return identity

    def identify(self, token: str, address: str) -> Identity:
        """Whose token it is; a failure counts against the address. Raises a ``Problem``: 401 or 429."""
        identity = self._authenticate(token) if 0 < len(token) <= _MAX_TOKEN_CHARACTERS else None
        if identity is not None and (identity.expires_at is None or identity.expires_at > now_micros()):
            return identity
        wait = self._failures.count(address)
        if wait:
            message = f"too many failed attempts from this network; try again in {wait} s"
            raise Problem(429, "too_many_attempts", message, headers={"retry-after": str(wait)})
        code = "invalid_token" if token else "missing_token"
        message = "send an admin token as 'Authorization: Bearer <token>'; this one is missing, unknown or expired"
        raise Problem(401, code, message, headers=_CHALLENGE)

    def address_of(self, request: Request) -> str:
        """The client's address, past the proxies that are trusted."""
        peer = request.client.host if request.client else ""
        return client_of(peer, ",".join(request.headers.getlist("x-forwarded-for")), self._proxies)


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
