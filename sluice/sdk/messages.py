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

    @property
    def request(self) -> PluginRequest:
        """Itself: where others wrap a request, ours are one."""
        return self


class AuthRequest(PluginRequest, frozen=True):
    """The client's request, with the credential that it brought."""

    credential: str = ""
    """Without its scheme; empty where the client sent none."""
    auth_type: str = ""
    """``bearer``, ``api_key``, or empty where there is none."""


class EnrichedRequest(PluginRequest, frozen=True):
    """The client's request, after authentication."""

    app_id: int | None = None
    user_id: str = ""
    """The person's id, which need not be a number (``ctx.user_id`` is it where it is one)."""
    auth_claims: Mapping[str, str] = {}
    authenticated: bool = False


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """Who it is, as an ``AuthHandler`` found; without an ``app_id`` the host asks for it by the credential."""

    user_id: str = ""
    username: str = ""
    claims: Mapping[str, str] = {}
    app_id: int | None = None


class AuthResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a credential proves somebody: made with ``accept`` or ``reject``."""

    authenticated: bool
    user_id: str = ""
    app_id: int | None = None
    claims: Mapping[str, str] = {}
    message: str = ""
    username: str = ""

    @staticmethod
    def accept(
        app_id: int | None = None, user_id: str = "", claims: Mapping[str, str] | None = None, username: str = ""
    ) -> AuthResponse:
        """It does. Without an ``app_id`` the host asks for the app by the credential."""
        return AuthResponse(authenticated=True, app_id=app_id, user_id=user_id, claims=claims or {}, username=username)

    @staticmethod
    def reject(message: str = "") -> AuthResponse:
        """It does not: the next ``auth`` plugin is asked, behind the last one the answer is 401."""
        return AuthResponse(authenticated=False, message=message)


class ResponseWriteRequest(_Message, frozen=True):
    """The vendor's answer on its way to the client."""

    status_code: int
    headers: Headers
    body: bytes = b""
    """Empty in ``on_before_write_headers``: the body has not arrived yet."""
    is_stream_chunk: bool = False
    """Whether ``body`` is a piece of a stream, of whole SSE frames, rather than the whole body."""
    is_last_chunk: bool = False
    """Whether no other piece follows: what was held back must go out now. Its ``body`` may be empty."""
    request_id: str = ""

    @property
    def is_event_stream(self) -> bool:
        """Whether the whole body is one of server-sent events, gathered for a plugin that does not read pieces."""
        return self.headers.get("content-type", "").startswith("text/event-stream")


class StreamCompleteRequest(_Message, frozen=True):
    """A stream that has ended."""

    accumulated_response: bytes
    """As the client got it, up to ``gateway.max_response_bytes``."""
    headers: Headers
    status_code: int
    chunk_count: int
    request_body: bytes = b""
    is_whole: bool = True
    """Whether nothing is missing: neither the client nor the vendor broke off, and no bound cut it."""

    @property
    def body(self) -> bytes:
        """The same as ``accumulated_response``."""
        return self.accumulated_response


class StreamCompleteResponse(msgspec.Struct, frozen=True):
    """What a plugin made of it; for the log alone."""

    handled: bool = True
    cached: bool = False
    message: str = ""


class EdgePayload(_Message, frozen=True):
    """What a plugin in a gateway sent to the plugin of its name on the control side."""

    payload: bytes
    edge_id: str = ""
    edge_namespace: str = ""
    correlation_id: str = ""
    metadata: Mapping[str, str] = {}
    sent_at: int = 0
    """Micros of the epoch, by the gateway's clock."""
    received_at: int = 0
    """Micros of the epoch, by ours."""
    payload_id: str = ""
    """Unique; the same again where it is delivered twice."""


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
