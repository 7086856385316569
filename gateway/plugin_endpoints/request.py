"""Step 5: a request as its plugin sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.headers import header
from sluice.sdk.endpoints import EndpointRequest
from sluice.sdk.headers import Headers

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.plugin_endpoints.access import Caller
    from gateway.plugin_endpoints.table import Found
    from gateway.plugin_endpoints.target import Target


def request_of(exchange: Exchange, target: Target, found: Found, caller: Caller) -> EndpointRequest:
    """What the plugin gets; a HEAD that GET answers is a GET to it."""
    method = exchange.method
    if method == "HEAD" and "HEAD" not in found.endpoint.registration.methods:
        method = "GET"
    host = header(exchange.headers, b"host") or b""
    return EndpointRequest(
        method=method,
        path=target.path,
        relative_path=target.relative_path,
        path_segments=target.segments,
        path_parameters=found.parameters,
        headers=Headers.of_raw(exchange.headers),
        body=exchange.body,
        query=exchange.query.decode("latin-1"),
        remote_addr=exchange.remote_addr,
        host=host.decode("latin-1"),
        authenticated=caller.app is not None,
        app=caller.app,
        scopes=caller.scopes,
    )
