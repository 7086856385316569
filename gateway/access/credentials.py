"""From a credential to an app: by its token, or by what an ``auth`` plugin found."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from gateway.access.addresses import is_within
from gateway.outcomes import AccessDenied, AuthFailed

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.snapshot import App, Llm, Snapshot, Token
    from sluice.plugin_host.authentication import Identity

_TOKEN_BYTES = 32
_PREFIX_CHARACTERS = 8
_SCOPE_OF_ENDPOINTS = re.compile(r"[a-z][a-z0-9_-]*(?:[.:][a-z0-9_-]+)+")
_MAX_ID_DIGITS = 18
"""So that an id fits into 64 bits; a longer number is text."""


def new_token() -> str:
    """256 random bits, with a beginning by which people and scanners of secrets know what it is."""
    return f"slc_{secrets.token_urlsafe(_TOKEN_BYTES)}"


def is_scope(scope: str) -> bool:
    """``api`` calls LLMs, ``admin`` manages, ``*`` may everything; one with a point or a colon (``mcp.read``) is for
    the endpoints of plugins that ask for it."""
    return scope in {"api", "admin", "*"} or _SCOPE_OF_ENDPOINTS.fullmatch(scope) is not None


def prefix_of(token: str) -> str:
    """What may be shown of a token."""
    return token[:_PREFIX_CHARACTERS]


def hash_token(token: str) -> str:
    """SHA-256 in hex: tokens are 256 random bits, so a slow hash would protect nothing and cost every request."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Credentials:
    """Proves apps by their tokens. Remembers when each token was last used, until ``take_used`` asks for it."""

    def __init__(self) -> None:
        self._used: dict[int, int] = {}

    def authenticate(self, exchange: Exchange, llm: Llm, snapshot: Snapshot) -> App:
        """The app whose token this is, linked to this LLM. Raises ``AuthFailed`` or ``AccessDenied``."""
        credential = llm.dialect.credential(exchange.headers, exchange.query)
        token, app = self._prove(credential, snapshot, exchange.occurred_at)
        exchange.app, exchange.user_id = app, app.user_id
        check_app(app, exchange.remote_addr)
        scopes = token.scopes
        if "api" not in scopes:
            message = "the token is for managing alone; use one with the scope 'api'"
            raise AccessDenied(message)
        check_link(app, llm)
        exchange.may_manage = "admin" in scopes
        return app

    def accept(self, exchange: Exchange, llm: Llm, snapshot: Snapshot, identity: Identity) -> App:
        """The app that an ``auth`` plugin proved, held to the same rules. Raises as ``authenticate``."""
        app = snapshot.apps.get(identity.app_id) if identity.app_id is not None else None
        if app is None:
            message = "whose credential this is was proved, but no app of the gateway belongs to it"
            raise AuthFailed(message, "auth_app_unknown")
        exchange.app = app
        take_person(exchange, identity, app)
        check_app(app, exchange.remote_addr)
        check_link(app, llm)
        return app

    def find(self, credential: str | None, snapshot: Snapshot, at_micros: int) -> Token:
        """The token that this credential is, of an app that exists; raises ``AuthFailed``.

        Looked up by its hash, so the time of a comparison tells nothing of a token.
        """
        return self._prove(credential, snapshot, at_micros)[0]

    def _prove(self, credential: str | None, snapshot: Snapshot, at_micros: int) -> tuple[Token, App]:
        if not credential:
            message = "no credential: send your token as 'Authorization: Bearer <token>'"
            raise AuthFailed(message, "missing_credential")
        token = snapshot.tokens.get(hash_token(credential))
        app = snapshot.apps.get(token.app_id) if token is not None else None
        if token is None or app is None:
            message = "the token is not known"
            raise AuthFailed(message, "invalid_token")
        if token.expires_at is not None and token.expires_at <= at_micros:
            message = "the token has expired"
            raise AuthFailed(message, "expired_token")
        self._used[token.id] = at_micros
        return token, app

    def take_used(self) -> dict[int, int]:
        """When tokens were used that were since the last call: id → micros of the epoch."""
        used, self._used = self._used, {}
        return used


def take_person(exchange: Exchange, identity: Identity, app: App) -> None:
    """Who a plugin says that it is: a number where its text is one, the app's own person where it says nothing."""
    person = exchange.user = identity.user_id
    if not person:
        exchange.user_id = app.user_id
    elif person.isascii() and person.isdigit() and len(person) <= _MAX_ID_DIGITS:
        exchange.user_id = int(person)
    claims = dict(identity.claims)
    if identity.username:
        claims.setdefault("username", identity.username)
    exchange.claims = claims


def check_app(app: App, address: str) -> None:
    """Whether its tokens count at all, and from this address; raises ``AccessDenied``."""
    if not app.is_active:
        message = f"app {app.name!r} is not active"
        raise AccessDenied(message)
    if app.allowed_ips and not is_within(address, app.allowed_ips):
        message = f"app {app.name!r} may not be used from this address"
        raise AccessDenied(message)


def check_link(app: App, llm: Llm) -> None:
    """Whether it may use this LLM; raises ``AccessDenied``."""
    if llm.id not in app.llm_ids:
        message = f"app {app.name!r} may not use LLM {llm.slug!r}"
        raise AccessDenied(message)
