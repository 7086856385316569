"""OpenAI's dialect, and of everything compatible: chat, completions, embeddings, responses.

Bodies are decoded by msgspec structs that name only the fields we need: everything else is skipped, not built.
"""

from __future__ import annotations

import msgspec
import orjson

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.dialect import Answer, Asked, StreamScanner
from gateway.upstreams.vendors.json_edit import append_member, member_span
from gateway.upstreams.vendors.openai_stream import OpenAiStream
from gateway.upstreams.vendors.openai_wire import MAX_CHOICES, answer_of, decode_response

_JSON_PATHS = ("chat/completions", "completions", "embeddings", "responses")
_KEY_HEADERS = frozenset((b"api-key", b"x-api-key"))
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Request(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None


_MAXIMUM_NAMES = {
    "chat/completions": "max_completion_tokens",
    "completions": "max_tokens",
    "responses": "max_output_tokens",
}
_decode_request = msgspec.json.Decoder(_Request).decode
_NOTHING_ASKED = Asked()
_USAGE_OPTIONS = b'{"include_usage":true}'
_MAX_RESPONSE_TOKENS = (1 << 31) - 1
"""No model gives more; so a reservation stays within 64 bits."""


class OpenAi:
    """The dialect of ``api.openai.com`` and of compatible servers."""

    name = "openai"

    def credential(self, headers: Headers) -> str | None:
        """``Authorization: Bearer <token>``."""
        for name, value in headers:
            if name == b"authorization" and value[:7].lower() == b"bearer ":
                return value[7:].strip().decode("latin-1")
        return None

    def presented(self, headers: Headers) -> tuple[str, str]:
        """A bearer token; else a key in ``api-key`` (Azure's) or ``x-api-key``."""
        token = self.credential(headers)
        if token:
            return token, "bearer"
        for name, value in headers:
            if name in _KEY_HEADERS and value.strip():
                return value.strip().decode("latin-1"), "api_key"
        return "", ""

    def authorize(self, api_key: str) -> Headers:
        """``Authorization: Bearer <key>``; nothing where there is no key."""
        return [(b"authorization", f"Bearer {api_key}".encode())] if api_key else []

    def ask(self, body: bytes, path: str) -> Asked:
        """Decode the fields that matter; a body that is not JSON is an error only where the path wants JSON."""
        if not body:
            return _NOTHING_ASKED
        try:
            request = _decode_request(body)
        except (msgspec.DecodeError, RecursionError) as error:
            if body[:1] == b"{" or path.partition("?")[0].endswith(_JSON_PATHS):
                raise ValueError(str(error)) from error
            return _NOTHING_ASKED
        options = request.stream_options
        return Asked(
            model=request.model or None,
            is_stream=bool(request.stream),
            wants_usage=bool(options and options.include_usage) or not path.rstrip("/").endswith("completions"),
            max_response_tokens=_maximum(request),
            choices=min(max(request.n or 1, 1), MAX_CHOICES),
        )

    def with_usage(self, body: bytes) -> bytes | None:
        """Ask for usage, in stream options of our own or, where the client has some, among them."""
        span = member_span(body, "stream_options") if b'"stream_options"' in body else None
        if span is None:
            return append_member(body, "stream_options", _USAGE_OPTIONS)
        options = msgspec.json.decode(body[span[0] : span[1]], type=dict[str, msgspec.Raw] | None) or {}
        options["include_usage"] = msgspec.Raw(b"true")
        return body[: span[0]] + msgspec.json.encode(options) + body[span[1] :]

    def with_model(self, body: bytes, model: str) -> bytes:
        """The body with ``model`` filled in: as a member of its own, or in the place of an empty one. A body that is
        no JSON object (a form, a file) stays as it is."""
        if body.lstrip()[:1] != b"{":
            return body
        name = msgspec.json.encode(model)
        span = member_span(body, "model") if b'"model"' in body else None
        if span is None:
            return append_member(body, "model", name)
        return body[: span[0]] + name + body[span[1] :]

    def with_maximum(self, body: bytes, path: str, tokens: int) -> bytes | None:
        """Each path has its own name for it; the older ``max_tokens`` of chat is refused by newer models."""
        name = _MAXIMUM_NAMES.get(path.partition("?")[0].rstrip("/").rpartition("v1/")[2].lstrip("/"))
        if name is None or body.lstrip()[:1] != b"{":
            return None
        return append_member(body, name, b"%d" % tokens)

    def answer(self, body: bytes) -> Answer:
        """What a whole response says; an empty answer where it cannot be read."""
        try:
            return answer_of(decode_response(body))
        except (msgspec.DecodeError, RecursionError, ValueError):
            return Answer()

    def scanner(self, path: str, *, hide_usage: bool) -> StreamScanner:  # noqa: ARG002 - dialects differ by path
        """A scanner that knows ``[DONE]`` and the terminal events of the responses API."""
        return OpenAiStream(hide_usage=hide_usage)

    def error_body(self, status: int, message: str, code: str) -> bytes:
        """``{"error": {message, type, param, code}, status, message, code}``."""
        error = _error(status, message, code)
        return orjson.dumps({"error": error, "status": status, "message": error["message"], "code": code})

    def stream_error(self, status: int, message: str, code: str) -> bytes:
        """``data: {"error": {…}}``, on which SDKs raise. No ``[DONE]`` behind it: who skips it must not believe that
        the answer is complete."""
        return b"data: " + orjson.dumps({"error": _error(status, message, code)}) + b"\n\n"


def _error(status: int, message: str, code: str) -> dict[str, str | None]:
    kind = _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    text = message.encode("utf-8", "replace").decode()  # JSON carries no lone surrogate
    return {"message": text, "type": kind, "param": None, "code": code}


def _maximum(request: _Request) -> int | None:
    """The most response tokens a choice may have: of several the largest, since servers differ in which they heed.

    A negative number means no maximum to those servers that take it.
    """
    named = (request.max_completion_tokens, request.max_output_tokens, request.max_tokens)
    limits = [limit for limit in named if limit is not None]
    return min(max(limits), _MAX_RESPONSE_TOKENS) if limits and min(limits) >= 0 else None
