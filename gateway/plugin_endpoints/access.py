"""Step 3: who calls an endpoint.

A token is sent as ``Authorization: Bearer …``, as the bare value of ``Authorization``, or as ``?token=…`` for clients
that cannot set headers, which a browser's ``EventSource`` is. A query ends up in logs, so the last one is taken out of
what the plugin and the record see. Scopes are the token's own; an endpoint that names none wants ``api``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus

from gateway.access.credentials import check_app
from gateway.headers import header
from gateway.outcomes import AccessDenied
from sluice.sdk.errors import ServiceError
from sluice.sdk.records import App as AppRecord

if TYPE_CHECKING:
    from gateway.access.credentials import Credentials
    from gateway.exchange import Exchange
    from gateway.plugin_endpoints.table import Endpoint
    from gateway.snapshot import App, Snapshot
    from gateway.upstreams.client import Headers
    from sluice.sdk.services import Services

_BEARER = "bearer"
_QUERY_NAME = "token"
_DEFAULT_SCOPES = ("api",)
_EVERYTHING = frozenset("*")
"""A token that has it has the others by name too, and those are what plugins know."""


class Caller(NamedTuple):
    """Who calls, as far as the endpoint asked."""

    app: AppRecord | None = None
    scopes: tuple[str, ...] = ()


NOBODY = Caller()


async def authenticate(exchange: Exchange, endpoint: Endpoint, credentials: Credentials, snapshot: Snapshot) -> Caller:
    """The app whose token came along. Raises ``AuthFailed`` or ``AccessDenied``; asks nothing without
    ``require_auth``, whatever was sent."""
    registration = endpoint.registration
    if not registration.require_auth:
        return NOBODY
    in_query, exchange.query = take_token(exchange.query)
    token = credentials.find(_in_header(exchange.headers) or in_query, snapshot, exchange.occurred_at)
    app = exchange.app = snapshot.apps[token.app_id]
    exchange.user_id = app.user_id
    check_app(app, exchange.remote_addr)
    for scope in registration.scopes or _DEFAULT_SCOPES:
        if scope not in token.scopes and "*" not in token.scopes:
            message = f"the token has not the scope {scope!r}, which this endpoint needs"
            raise AccessDenied(message, "missing_scope")
    return Caller(await _record_of(app, endpoint.plugin.services), tuple(sorted(token.scopes - _EVERYTHING)))


def take_token(query: bytes) -> tuple[str, bytes]:
    """The first ``token`` of a query, and the query without any; the rest stays byte for byte."""
    if not query:
        return "", query
    tokens, kept = [], []
    for pair in query.split(b"&"):
        name, _, value = pair.decode("latin-1").partition("=")
        if unquote_plus(name) == _QUERY_NAME:
            tokens.append(unquote_plus(value))
        else:
            kept.append(pair)
    return (tokens[0], b"&".join(kept)) if tokens else ("", query)


def _in_header(headers: Headers) -> str:
    value = header(headers, b"authorization")
    if value is None:
        return ""
    text = value.decode("latin-1").strip()
    scheme, _, rest = text.partition(" ")
    return rest.strip() if scheme.lower() == _BEARER else text


async def _record_of(app: App, services: Services) -> AppRecord:
    """As the gateway services tell of it, who remember what they read; else what a worker itself keeps of an app."""
    with suppress(ServiceError):
        return await services.gateway().get_app(app.id)
    return AppRecord(
        id=app.id,
        name=app.name,
        is_active=app.is_active,
        monthly_budget_nanos=app.monthly_budget_nanos or None,
        budget_reset_day=app.budget_reset_day,
        rate_limit_rpm=app.rate_limit_rpm,
        allowed_ips=tuple(map(str, app.allowed_ips)),
    )
