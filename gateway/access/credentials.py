"""From a token to an app."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from gateway.access.addresses import is_within
from gateway.outcomes import AccessDenied, AuthFailed

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.snapshot import App, Llm, Snapshot, Token

_TOKEN_BYTES = 32
_PREFIX_CHARACTERS = 8


def new_token() -> str:
    """256 random bits, with a beginning by which people and scanners of secrets know what it is."""
    return f"slc_{secrets.token_urlsafe(_TOKEN_BYTES)}"


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
        token = self.find(llm.dialect.credential(exchange.headers), snapshot, exchange.occurred_at)
        app = exchange.app = snapshot.apps[token.app_id]
        check_app(app, exchange.remote_addr)
        if "api" not in token.scopes:
            message = "the token is for managing alone; use one with the scope 'api'"
            raise AccessDenied(message)
        if llm.id not in app.llm_ids:
            message = f"app {app.name!r} may not use LLM {llm.slug!r}"
            raise AccessDenied(message)
        return app

    def find(self, credential: str | None, snapshot: Snapshot, at_micros: int) -> Token:
        """The token that this credential is, of an app that exists; raises ``AuthFailed``.

        Looked up by its hash, so the time of a comparison tells nothing of a token.
        """
        if not credential:
            message = "no credential: send your token as 'Authorization: Bearer <token>'"
            raise AuthFailed(message, "missing_credential")
        token = snapshot.tokens.get(hash_token(credential))
        if token is None or token.app_id not in snapshot.apps:
            message = "the token is not known"
            raise AuthFailed(message, "invalid_token")
        if token.expires_at is not None and token.expires_at <= at_micros:
            message = "the token has expired"
            raise AuthFailed(message, "expired_token")
        self._used[token.id] = at_micros
        return token

    def take_used(self) -> dict[int, int]:
        """When tokens were used that were since the last call: id → micros of the epoch."""
        used, self._used = self._used, {}
        return used


def check_app(app: App, address: str) -> None:
    """Whether its tokens count at all, and from this address; raises ``AccessDenied``."""
    if not app.is_active:
        message = f"app {app.name!r} is not active"
        raise AccessDenied(message)
    if app.allowed_ips and not is_within(address, app.allowed_ips):
        message = f"app {app.name!r} may not be used from this address"
        raise AccessDenied(message)
