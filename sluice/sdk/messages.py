"""What goes into hooks and comes out of them. In answers ``None`` leaves unchanged, empty makes empty.

msgspec structs: they are made for every hook of every exchange, at a fifth of what frozen dataclasses cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import msgspec

from sluice.sdk.headers import Headers, HeaderValues

Decision = Literal["allow", "modify", "block"]
"""A hook's three decisions."""


class _Message(msgspec.Struct, frozen=True):
    """Immutable; a changed copy comes from ``replace``."""

    def replace(self, **changes: Any) -> Self:
        """A copy with other values for the fields that are named. Raises TypeError for a name that is none."""
        return msgspec.structs.replace(self, **changes)


class PluginRequest(_Message, frozen=True):
    """The client's request, before authentication."""

    method: str
    path: str
    """Below the LLM, e.g. ``/chat/completions``."""
    query: str
    headers: Headers
    body: bytes
    remote_addr: str


class EnrichedRequest(PluginRequest, frozen=True):
    """The client's request, after authentication."""

    app_id: int | None = None
    user_id: int | None = None
    authenticated: bool = False


class ResponseWriteRequest(_Message, frozen=True):
    """The vendor's answer on its way to the client."""

    status_code: int
    headers: Headers
    body: bytes = b""
    """Empty in ``on_before_write_headers``: the body has not arrived yet."""
    is_stream_chunk: bool = False
    """Whether ``body`` is a piece of a stream rather than the whole body."""


class PluginResponse(msgspec.Struct, frozen=True):
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
        request, ``request.replace(…)``, from which headers and body are taken.
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


class ResponseWriteResponse(msgspec.Struct, frozen=True):
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
