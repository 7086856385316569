"""From a token to an app: who is not known, not linked or too late is refused, and nothing of a token is told."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.credentials import authenticate, hash_token
from gateway.exchange import Exchange
from gateway.outcomes import AccessDenied, AuthFailed
from gateway.snapshot import App
from sluice.clock import at_micros
from tests.gateway.flow import STRANGER, TOKEN
from tests.gateway.test_exchange import a_snapshot, an_exchange


def called_with(authorization: bytes | None, **values: Any) -> tuple[Exchange, App]:
    """The exchange and the app of a client with this header."""
    snapshot, llm = a_snapshot(**values)
    headers = [] if authorization is None else [(b"authorization", authorization)]
    exchange = an_exchange(headers=headers)
    return exchange, authenticate(exchange, llm, snapshot)


def refusal(authorization: bytes | None, **values: Any) -> AuthFailed:
    """Why a client with this header is not known."""
    with pytest.raises(AuthFailed) as caught:
        called_with(authorization, **values)
    return caught.value


def test_a_token_is_kept_as_its_sha256() -> None:
    """In hex, of its UTF-8."""
    assert hash_token("ü") == hashlib.sha256("ü".encode()).hexdigest()


@settings(deadline=None)
@given(st.text())
def test_any_text_has_a_hash(text: str) -> None:
    """Half a surrogate too: a client's bytes decide what is hashed."""
    assert len(hash_token(text)) == 64


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER  "])
def test_a_known_token_is_its_app(scheme: bytes) -> None:
    """Which the exchange then knows."""
    exchange, app = called_with(scheme + TOKEN.encode())
    assert exchange.app is app
    assert (app.id, app.user_id, app.name) == (1, 7, "tests")


@pytest.mark.parametrize(
    "value", [None, b"", b"Bearer", b"Bearer ", b"Bearer  \t", b"Basic " + TOKEN.encode(), TOKEN.encode()]
)
def test_no_credential_is_told_where_to_put_one(value: bytes | None) -> None:
    """With a code of its own."""
    error = refusal(value)
    assert error.code == "missing_credential"
    assert "Authorization: Bearer" in error.message


@pytest.mark.parametrize(
    "token",
    [b"wrong", TOKEN.encode() + b"x", TOKEN.upper().encode(), b"\xff\xfe", b"x" * 100_000, hash_token(TOKEN).encode()],
)
def test_an_unknown_token_is_refused_without_being_told(token: bytes) -> None:
    """The message holds nothing of it; its hash is no token either."""
    error = refusal(b"Bearer " + token)
    assert error.code == "invalid_token"
    assert error.message == "the token is not known"


def test_the_first_credential_counts() -> None:
    """A second header cannot help a first one that proves nothing."""
    snapshot, llm = a_snapshot()
    exchange = an_exchange(
        headers=[(b"authorization", b"Bearer wrong"), (b"authorization", f"Bearer {TOKEN}".encode())]
    )
    with pytest.raises(AuthFailed):
        authenticate(exchange, llm, snapshot)
    assert exchange.app is None


@pytest.mark.parametrize(("seconds", "is_good"), [(-1, False), (0, False), (1, True)])
def test_a_token_ends_at_its_moment(seconds: int, is_good: bool) -> None:
    """At the very moment it is no longer good; an app that is not let in is not known to the exchange."""
    at = an_exchange().occurred_at + seconds * 1_000_000
    tokens = [{"app": 1, "sha256": hash_token(TOKEN), "expires_at": at_micros(at)}]
    header = b"Bearer " + TOKEN.encode()
    if is_good:
        assert called_with(header, tokens=tokens)[1].id == 1
    else:
        assert refusal(header, tokens=tokens).code == "expired_token"


def test_an_app_that_is_not_linked_is_known_and_denied() -> None:
    """403 and not 401: the exchange knows the app, so that its operator sees who tried."""
    snapshot, llm = a_snapshot()
    exchange = an_exchange(headers=[(b"authorization", f"Bearer {STRANGER}".encode())])
    with pytest.raises(AccessDenied) as caught:
        authenticate(exchange, llm, snapshot)
    assert caught.value.message == "app 'stranger' may not use LLM 'demo'"
    assert exchange.app
    assert exchange.app.id == 2
