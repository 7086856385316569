"""Who calls an endpoint: tokens from three places, scopes, and what is left in the query."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from gateway.access.credentials import Credentials
from gateway.outcomes import AccessDenied, AuthFailed
from gateway.plugin_endpoints.access import NOBODY, Caller, authenticate, take_token
from gateway.plugin_endpoints.table import RouteTable
from sluice.sdk import App
from sluice.sdk.errors import ServiceUnavailable
from sluice.sdk.testing import Known, RecordingServices
from tests.gateway.flow import snapshot_of
from tests.gateway.plugin_endpoints.loaded_plugins import endpoint, loaded_plugin
from tests.gateway.plugin_endpoints.serving import TOKENS, settings_of
from tests.gateway.test_exchange import an_exchange

SNAPSHOT = snapshot_of(settings_of([]))


def exchange_with(token: str = "", query: bytes = b"", **values: Any) -> Any:
    """An exchange that sends this as ``Authorization``."""
    headers = [(b"authorization", token.encode("latin-1"))] if token else []
    return an_exchange(headers=headers, query=query, path="/plugins/scripted/a", **values)


async def caller_of(exchange: Any, services: Any = None, **registration: Any) -> Caller:
    """Who that is, to an endpoint registered so."""
    plugin = loaded_plugin(endpoint("/a", **registration))
    plugin.services = services or RecordingServices(Known())
    found = RouteTable({"s": plugin}).find("s", ("a",), "GET")
    assert found
    return await authenticate(exchange, found.endpoint, Credentials(), SNAPSHOT)


@pytest.mark.parametrize("value", ["Bearer api", "bearer api", "BEARER  api ", "api", " api"])
async def test_a_token_is_taken_with_or_without_its_scheme(value: str) -> None:
    """``Authorization`` is the token itself, or ``Bearer`` and the token, in whatever case."""
    exchange = exchange_with(value)
    caller = await caller_of(exchange)
    assert caller.app is not None
    assert (caller.app.id, caller.app.name, caller.app.rate_limit_rpm, caller.scopes) == (1, "tests", 600, ("api",))
    assert (exchange.app.id, exchange.user_id) == (1, 7)


async def test_a_token_in_the_query_is_taken_and_taken_out() -> None:
    """It goes to nobody: neither the plugin nor the record sees it; the rest stays byte for byte."""
    exchange = exchange_with(query=b"a=%20&token=api&b&%74oken=x&c=1+2")
    assert (await caller_of(exchange)).app
    assert exchange.query == b"a=%20&b&c=1+2"


async def test_the_header_goes_before_the_query() -> None:
    """Where both are sent the header proves who it is, and the query loses its token all the same."""
    exchange = exchange_with("Bearer wrong", b"token=api")
    with pytest.raises(AuthFailed, match="not known"):
        await caller_of(exchange)
    assert (exchange.query, exchange.app) == (b"", None)


@pytest.mark.parametrize(
    ("query", "token", "rest"),
    [
        (b"", "", b""),
        (b"tokens=1&xtoken=2", "", b"tokens=1&xtoken=2"),
        (b"token", "", b""),
        (b"token=", "", b""),
        (b"token=a%2Bb+c", "a+b c", b""),
        (b"x&token=1", "1", b"x"),
        (b"&&token=1&&", "1", b"&&&"),
        (b"token=\xff%ff", "\xff�", b""),
    ],
)
def test_tokens_are_found_however_their_name_is_written(query: bytes, token: str, rest: bytes) -> None:
    """Only parameters of that very name, decoded; garbage is no token and no error."""
    assert take_token(query) == (token, rest)


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "missing_credential"),
        ("Bearer ", "missing_credential"),
        ("nobody", "invalid_token"),
        ("Basic api", "invalid_token"),
        ("\xff\xfe", "invalid_token"),
        ("expired", "expired_token"),
    ],
)
async def test_who_proves_nothing_is_401(token: str, code: str) -> None:
    """No token, an unknown one, one that has expired: each by its own code."""
    with pytest.raises(AuthFailed) as refused:
        await caller_of(exchange_with(token))
    assert (refused.value.status, refused.value.code) == (401, code)


@pytest.mark.parametrize(("token", "why"), [("inactive", "not active"), ("elsewhere", "from this address")])
async def test_an_app_that_may_not_be_used_is_403(token: str, why: str) -> None:
    """The app is known, so the record names it."""
    exchange = exchange_with(token, remote_addr="198.51.100.1")
    with pytest.raises(AccessDenied, match=why):
        await caller_of(exchange)
    assert exchange.app is not None


async def test_an_address_of_the_list_is_let_in() -> None:
    """``allowed_ips`` of the app, as for LLMs; the plugin sees the list."""
    caller = await caller_of(exchange_with("elsewhere", remote_addr="192.0.2.9"))
    assert caller.app
    assert caller.app.allowed_ips == ("192.0.2.0/24",)


@pytest.mark.parametrize(
    ("token", "scopes", "missing"),
    [
        ("api", (), None),
        ("admin", (), "api"),
        ("admin", ("admin",), None),
        ("api", ("admin",), "admin"),
        ("api", ("api", "admin"), "admin"),
        ("admin", ("api", "admin"), "api"),
        ("both", ("api", "admin"), None),
        ("both", ("api", "of the plugin's own"), None),
        ("api", ("api", "mcp.read"), "mcp.read"),
    ],
)
async def test_every_scope_that_is_asked_for_is_needed(
    token: str, scopes: tuple[str, ...], missing: str | None
) -> None:
    """All of them; ``api`` where none is named; ``*`` has every one; a refusal names the one that is missing."""
    if missing is None:
        assert (await caller_of(exchange_with(token), scopes=scopes)).app
        return
    with pytest.raises(AccessDenied, match=f"has not the scope {missing!r}") as refused:
        await caller_of(exchange_with(token), scopes=scopes)
    assert (refused.value.status, refused.value.code) == (403, "missing_scope")


@pytest.mark.parametrize("token", ["", *TOKENS, "nobody"])
async def test_without_require_auth_nobody_is_anybody(token: str) -> None:
    """Whatever token is sent: no app, and the query is the plugin's own."""
    exchange = exchange_with(token, b"token=theirs")
    assert await caller_of(exchange, require_auth=False) is NOBODY
    assert (exchange.app, exchange.query) == (None, b"token=theirs")


async def test_the_gateway_services_tell_of_an_app_what_they_know() -> None:
    """Description and metadata are theirs; where they cannot be asked the snapshot's own knowledge is enough."""
    known = RecordingServices(Known(apps=[App(id=1, name="tests", description="by the database", metadata={"a": 1})]))
    caller = await caller_of(exchange_with("api"), known)
    assert caller.app
    assert (caller.app.description, caller.app.metadata) == ("by the database", {"a": 1})

    class Closed(RecordingServices):
        def gateway(self) -> Any:
            raise ServiceUnavailable("closed")

    caller = await caller_of(exchange_with("api"), Closed())
    assert caller.app
    assert (caller.app.name, caller.app.description) == ("tests", "")


def test_tokens_are_nowhere_in_clear() -> None:
    """The snapshot knows them by their hashes."""
    assert hashlib.sha256(b"api").hexdigest() in SNAPSHOT.tokens
