"""From a token to an app."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gateway.outcomes import AccessDenied, AuthFailed

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.snapshot import App, Llm, Snapshot


def hash_token(token: str) -> str:
    """SHA-256 in hex: tokens are 256 random bits, so a slow hash would protect nothing and cost every request."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def authenticate(exchange: Exchange, llm: Llm, snapshot: Snapshot) -> App:
    """The app whose token this is, linked to this LLM. Raises ``AuthFailed`` or ``AccessDenied``.

    Tokens are looked up by their hash, so the time of a comparison tells nothing of a token.
    """
    credential = llm.dialect.credential(exchange.headers)
    if not credential:
        message = "no credential: send your token as 'Authorization: Bearer <token>'"
        raise AuthFailed(message, "missing_credential")
    token = snapshot.tokens.get(hash_token(credential))
    if token is None:
        message = "the token is not known"
        raise AuthFailed(message, "invalid_token")
    if token.expires_at is not None and token.expires_at <= exchange.occurred_at:
        message = "the token has expired"
        raise AuthFailed(message, "expired_token")
    exchange.app = token.app
    if llm.id not in token.app.llm_ids:
        message = f"app {token.app.name!r} may not use LLM {llm.slug!r}"
        raise AccessDenied(message)
    return token.app
