"""A plugin's own HTTP endpoints, below ``/plugins/{slug}/``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from sluice.sdk.headers import Headers, HeaderValues
from sluice.sdk.records import App

ChunkKind = Literal["headers", "body", "done", "error"]


class EndpointRegistration(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint. ``path`` begins with ``/``; ``{name}`` is one segment, a ``/*`` at its end is any depth."""

    path: str
    methods: tuple[str, ...] = ("GET",)
    description: str = ""
    require_auth: bool = True
    """Whether a caller needs a token; its app is then in ``EndpointRequest.app``."""
    scopes: tuple[str, ...] = ()
    """Of these the token must have all."""
    stream_response: bool = False
    """Whether ``handle_endpoint_request_stream`` answers, rather than ``handle_endpoint_request``."""
    metadata: Mapping[str, str] = {}


class EndpointRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call of an endpoint."""

    method: str
    path: str
    """Whole, percent-decoded: ``/plugins/echo/a/b``."""
    relative_path: str = "/"
    """Below the slug: ``/a/b``."""
    path_segments: tuple[str, ...] = ()
    path_parameters: Mapping[str, str] = {}
    """What stood at the places of ``{name}``; ``*`` is what a ``/*`` took."""
    headers: Headers
    body: bytes = b""
    query: str = ""
    """Raw, without its question mark."""
    remote_addr: str = ""
    host: str = ""
    protocol: str = "http"
    authenticated: bool = False
    app: App | None = None
    scopes: tuple[str, ...] = ()


class EndpointResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer of an endpoint."""

    status_code: int = 200
    headers: HeaderValues = {}
    body: bytes = b""
    message: str = ""
    """Said as an error by the host, where there is no ``body``; then a status below 400 is a 500."""


class EndpointChunk(msgspec.Struct, frozen=True):
    """A piece of a streamed answer: ``headers`` first (or 200 is meant), then ``body`` pieces, and ``done`` at will."""

    kind: ChunkKind = "body"
    data: bytes = b""
    status_code: int = 200
    headers: HeaderValues = {}
    message: str = ""

    @staticmethod
    def head(status_code: int = 200, headers: HeaderValues | None = None) -> EndpointChunk:
        """Status and headers; before any body."""
        return EndpointChunk("headers", status_code=status_code, headers=headers or {})

    @staticmethod
    def error(message: str, status_code: int = 500) -> EndpointChunk:
        """Ends the answer: with this status where nothing is out yet."""
        return EndpointChunk("error", status_code=status_code, message=message)
