"""What goes into hooks and comes out of them. In answers ``None`` leaves unchanged, empty makes empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sluice.sdk.headers import Headers, HeaderValues

Decision = Literal["allow", "modify", "block"]
"""A hook's three decisions."""


@dataclass(frozen=True, slots=True)
class PluginRequest:
    """The client's request, before authentication."""

    method: str
    path: str
    """Below the LLM, e.g. ``/chat/completions``."""
    query: str
    headers: Headers
    body: bytes
    remote_addr: str


@dataclass(frozen=True, slots=True)
class EnrichedRequest(PluginRequest):
    """The client's request, after authentication."""

    app_id: int | None = None
    user_id: int | None = None
    authenticated: bool = False


@dataclass(frozen=True, slots=True)
class ResponseWriteRequest:
    """The vendor's answer on its way to the client."""

    status_code: int
    headers: Headers
    body: bytes = b""
    """Empty in ``on_before_write_headers``: the body has not arrived yet."""
    is_stream_chunk: bool = False
    """Whether ``body`` is a piece of a stream rather than the whole body."""


@dataclass(frozen=True, slots=True)
class PluginResponse:
    """A decision about a request; made with ``allow``, ``modify`` or ``block``."""

    decision: Decision = "allow"
    headers: HeaderValues | None = None
    body: bytes | None = None
    context_updates: Mapping[str, str] | None = None
    request: PluginRequest | None = None
    status_code: int = 403
    message: str = ""

    @staticmethod
    def allow() -> PluginResponse:
        """Let the request pass as it is."""
        return _ALLOW_REQUEST

    @staticmethod
    def modify(
        *,
        headers: HeaderValues | None = None,
        body: bytes | None = None,
        context_updates: Mapping[str, str] | None = None,
        request: PluginRequest | None = None,
    ) -> PluginResponse:
        """Let it pass changed. ``headers`` are all of them (``request.headers | {"x-name": "value"}`` keeps the rest).

        ``context_updates`` are merged into the metadata that later plugins see. ``request`` is a whole changed
        request, ``dataclasses.replace(request, …)``, from which headers and body are taken.
        """
        return PluginResponse("modify", headers, body, context_updates, request)

    @staticmethod
    def block(
        status_code: int = 403,
        message: str = "",
        headers: HeaderValues | None = None,
        body: bytes | None = None,
    ) -> PluginResponse:
        """Answer instead of the vendor. Without a ``body`` the client gets ``message`` in its vendor's error shape; a
        status below 400 is an answer like any other, e.g. from a cache."""
        return PluginResponse("block", headers, body, status_code=status_code, message=message)


@dataclass(frozen=True, slots=True)
class ResponseWriteResponse:
    """A decision about a response; made with ``allow``, ``modify`` or ``block``."""

    decision: Decision = "allow"
    headers: HeaderValues | None = None
    body: bytes | None = None
    status_code: int = 403
    message: str = ""

    @staticmethod
    def allow() -> ResponseWriteResponse:
        """Let the response pass as it is."""
        return _ALLOW_RESPONSE

    @staticmethod
    def modify(*, headers: HeaderValues | None = None, body: bytes | None = None) -> ResponseWriteResponse:
        """Let it pass changed. ``headers`` are all of them; ``body`` is for ``on_before_write`` alone."""
        return ResponseWriteResponse("modify", headers, body)

    @staticmethod
    def block(
        status_code: int = 403,
        message: str = "",
        headers: HeaderValues | None = None,
        body: bytes | None = None,
    ) -> ResponseWriteResponse:
        """Withhold the vendor's answer and give this one."""
        return ResponseWriteResponse("block", headers, body, status_code, message)


_ALLOW_REQUEST = PluginResponse()
_ALLOW_RESPONSE = ResponseWriteResponse()
