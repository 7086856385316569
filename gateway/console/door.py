"""Who may look, and who may change something: a control token, signed in with once, looked up at each request.

**admin** (scope ``admin`` or ``*``) sees and does everything. **read** (scope ``console.read``) sees every figure and
every exchange but for bodies and headers, and changes nothing. A request that changes something needs, beside the
cookie, a header that no other site can send and an origin that is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Request

from gateway.access.addresses import is_within
from gateway.console.sessions import COOKIE
from gateway.control.api.problems import Problem
from gateway.control.api.security import Gate
from gateway.control.entities import Actor
from sluice.clock import now_micros

if TYPE_CHECKING:
    from gateway.console.parts import ConsoleParts
    from gateway.control.api.services import Identity

Role = Literal["read", "admin"]
READ_SCOPE = "console.read"
WRITE_HEADER = "x-sluice-console"
"""Any value: a browser sends such a header to another site only where that site allows it, and this one never does."""
_MANAGES = frozenset(("admin", "*"))


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in."""

    identity: Identity
    role: Role

    @property
    def is_admin(self) -> bool:
        """Whether they may change something, and see bodies."""
        return self.role == "admin"

    @property
    def actor(self) -> Actor:
        """As the audit names them."""
        return Actor(f"{self.identity.name or 'token'} ({self.identity.prefix})", token_id=self.identity.token_id)


class Door:
    """The console's one door."""

    def __init__(self, parts: ConsoleParts) -> None:
        self._parts = parts
        self._gate = Gate(parts.services)

    def sign_in(self, token: str, request: Request) -> tuple[Visitor, str]:
        """Who it is, and the cookie's value. Raises a ``Problem``: 401, 403, or 429 after too many failures."""
        address = self._gate.address_of(request)
        try:
            identity = self._gate.identify(token, address)
        except Problem as problem:
            if problem.status != 401:
                raise
            message = "this token is unknown, expired or revoked; take one that the control API knows"
            raise Problem(401, "invalid_token", message) from None
        return self._visitor(identity, address), self._parts.sessions.seal(token)

    def admit(self, request: Request) -> Visitor:
        """Who asks. Raises a ``Problem``: 401 where nobody is signed in (any more), 403 where they may not look."""
        token = self._parts.sessions.open(request.cookies.get(COOKIE, ""))
        identity = self._parts.services.authenticate(token) if token else None
        if identity is None or (identity.expires_at is not None and identity.expires_at <= now_micros()):
            raise Problem(401, "signed_out", "you are signed out: sign in with a token that is good now")
        return self._visitor(identity, self._gate.address_of(request))

    def _visitor(self, identity: Identity, address: str) -> Visitor:
        if identity.allowed_ips and not is_within(address, identity.allowed_ips):
            message = "the token's app may not be used from this address; see its allowed_ips"
            raise Problem(403, "address_denied", message)
        if not _MANAGES.isdisjoint(identity.scopes):
            return Visitor(identity, "admin")
        if READ_SCOPE in identity.scopes:
            return Visitor(identity, "read")
        message = f"the token may not look at the console: it needs the scope admin, or {READ_SCOPE} to look only"
        raise Problem(403, "insufficient_scope", message)


def parts_of(request: Request) -> ConsoleParts:
    """What the application stands on."""
    found: ConsoleParts = request.app.state.parts
    return found


def door_of(request: Request) -> Door:
    """The application's."""
    found: Door = request.app.state.door
    return found


def admitted(request: Request) -> Visitor:
    """Who asks, whatever their role."""
    return door_of(request).admit(request)


def admitted_admin(request: Request) -> Visitor:
    """Who asks for a change. Raises a ``Problem``: 403 where they may only look, or another site sent them."""
    check_origin(request)
    visitor = door_of(request).admit(request)
    if not visitor.is_admin:
        raise Problem(403, "read_only", "you are signed in to look only; sign in with a token of scope admin")
    return visitor


def check_origin(request: Request) -> None:
    """Refuse what another site made a browser send."""
    origin = request.headers.get("origin")
    is_ours = origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
    is_near = request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
    if not (request.headers.get(WRITE_HEADER) and is_ours and is_near):
        message = f"this did not come from the console's own pages; send {WRITE_HEADER}: 1 from the same origin"
        raise Problem(403, "cross_site", message)


Looking = Annotated[Visitor, Depends(admitted)]
Changing = Annotated[Visitor, Depends(admitted_admin)]
