"""From a token to an app: who is not known, not linked or too late is refused, and nothing of a token is told."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.credentials import Credentials, hash_token, is_scope, new_token, prefix_of
from gateway.exchange import Exchange
from gateway.outcomes import AccessDenied, AuthFailed
from gateway.snapshot import App, Snapshot
from sluice.clock import at_micros
from tests.gateway.flow import STRANGER, TOKEN
from tests.gateway.test_exchange import a_snapshot, an_exchange

BEARER = b"Bearer " + TOKEN.encode()


def called_with(authorization: bytes | None, **values: Any) -> tuple[Exchange, App]:
    """The exchange and the app of a client with this header."""
    snapshot, llm = a_snapshot(**values)
    headers = [] if authorization is None else [(b"authorization", authorization)]
    exchange = an_exchange(headers=headers)
    return exchange, Credentials().authenticate(exchange, llm, snapshot)


def denial(*, app: dict[str, Any] | None = None, **token: Any) -> tuple[AccessDenied, Exchange]:
    """Why the known app is not let in, where it or its token has other values."""
    snapshot, llm = a_snapshot(
        apps=[{"id": 1, "name": "tests", "llms": ["demo"], **(app or {})}],
        tokens=[{"app": 1, "sha256": hash_token(TOKEN), **token}],
    )
    exchange = an_exchange(headers=[(b"authorization", BEARER)])
    with pytest.raises(AccessDenied) as caught:
        Credentials().authenticate(exchange, llm, snapshot)
    return caught.value, exchange


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
        Credentials().authenticate(exchange, llm, snapshot)
    assert exchange.app is None


@pytest.mark.parametrize(("seconds", "is_good"), [(-1, False), (0, False), (1, True)])
def test_a_token_ends_at_its_moment(seconds: int, is_good: bool) -> None:
    """At the very moment it is no longer good; an app that is not let in is not known to the exchange."""
    at = an_exchange().occurred_at + seconds * 1_000_000
    tokens = [{"app": 1, "sha256": hash_token(TOKEN), "expires_at": at_micros(at)}]
    header = BEARER
    if is_good:
        assert called_with(header, tokens=tokens)[1].id == 1
    else:
        assert refusal(header, tokens=tokens).code == "expired_token"


def test_an_app_that_is_not_linked_is_known_and_denied() -> None:
    """403 and not 401: the exchange knows the app, so that its operator sees who tried."""
    snapshot, llm = a_snapshot()
    exchange = an_exchange(headers=[(b"authorization", f"Bearer {STRANGER}".encode())])
    with pytest.raises(AccessDenied) as caught:
        Credentials().authenticate(exchange, llm, snapshot)
    assert caught.value.message == "app 'stranger' may not use LLM 'demo'"
    assert exchange.app
    assert exchange.app.id == 2


@pytest.mark.parametrize("scopes", [["api"], ["*"], ["admin", "api"]])
def test_a_token_for_llms_calls_them(scopes: list[str]) -> None:
    """``*`` is every scope."""
    tokens = [{"app": 1, "sha256": hash_token(TOKEN), "scopes": scopes}]
    assert called_with(BEARER, tokens=tokens)[1].id == 1


@pytest.mark.parametrize("scopes", [["admin"], []])
def test_a_token_for_managing_calls_no_llm(scopes: list[str]) -> None:
    """It is known, and denied; the exchange knows whose it is."""
    error, exchange = denial(scopes=scopes)
    assert "scope 'api'" in error.message
    assert exchange.app


def test_an_app_that_is_not_active_is_known_and_told_so() -> None:
    """403 and not 401: its operator sees who tried."""
    error, exchange = denial(app={"is_active": False})
    assert error.message == "app 'tests' is not active"
    assert exchange.app


@pytest.mark.parametrize(("block", "is_good"), [("192.0.2.0/24", True), ("192.0.2.7", True), ("10.0.0.0/8", False)])
def test_an_app_is_used_from_where_it_may_be(block: str, is_good: bool) -> None:
    """From other addresses its tokens are good for nothing; the address is not told back."""
    apps = [{"id": 1, "name": "tests", "llms": ["demo"], "allowed_ips": ["2001:db8::/32", block]}]
    if is_good:
        assert called_with(BEARER, apps=apps, tokens=[{"app": 1, "sha256": hash_token(TOKEN)}])[1].id == 1
    else:
        error, _ = denial(app={"allowed_ips": [block]})
        assert error.message == "app 'tests' may not be used from this address"


def test_a_token_without_its_app_is_unknown() -> None:
    """Of an app that was deleted a moment ago: nobody can be charged."""
    snapshot, llm = a_snapshot()
    exchange = an_exchange(headers=[(b"authorization", BEARER)])
    with pytest.raises(AuthFailed) as caught:
        Credentials().authenticate(exchange, llm, replace(snapshot, apps=Snapshot().apps))
    assert caught.value.code == "invalid_token"


def test_when_a_token_was_used_is_remembered_until_it_is_taken() -> None:
    """The last time of each; also by an app that is then denied. What proves nothing was not used."""
    snapshot, llm = a_snapshot()
    credentials = Credentials()
    for token, at in ((TOKEN, 5), (TOKEN, 9), (STRANGER, 7), ("wrong", 8)):
        exchange = an_exchange(headers=[(b"authorization", f"Bearer {token}".encode())], occurred_at=at)
        with suppress(AuthFailed, AccessDenied):
            credentials.authenticate(exchange, llm, snapshot)
    ids = {token: snapshot.tokens[hash_token(token)].id for token in (TOKEN, STRANGER)}
    assert credentials.take_used() == {ids[TOKEN]: 9, ids[STRANGER]: 7}
    assert credentials.take_used() == {}


def test_tokens_are_random_and_known_by_their_beginning() -> None:
    """256 bits; what may be shown of one is its first eight characters."""
    made = {new_token() for _ in range(50)}
    assert len(made) == 50
    assert all(each.startswith("slc_") and len(each) == 47 and prefix_of(each) == each[:8] for each in made)


@pytest.mark.parametrize(
    ("scope", "is_one"),
    [
        ("api", True), ("admin", True), ("*", True), ("mcp.read", True), ("billing:write", True), ("a.b.c", True),
        ("amin", False), ("", False), ("mcp.", False), (".read", False), ("A.b", False), ("a b.c", False),
        ("a.b\n", False),
    ],
)  # fmt: skip
def test_a_scope_is_one_of_ours_or_an_endpoint_s(scope: str, is_one: bool) -> None:
    """A misspelt one of ours is none: it would grant nothing, in silence."""
    assert is_scope(scope) == is_one
