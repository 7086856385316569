"""OpenAI's dialect, and of everything compatible: chat, completions, embeddings, responses.

Bodies are decoded by msgspec structs that name only the fields we need: everything else is skipped, not built.
"""

from __future__ import annotations

import msgspec
import orjson

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.dialect import Answer, Asked, StreamScanner
from gateway.upstreams.vendors.openai_stream import OpenAiStream
from gateway.upstreams.vendors.openai_wire import answer_of, decode_response

_JSON_PATHS = ("chat/completions", "completions", "embeddings", "responses")
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


_decode_request = msgspec.json.Decoder(_Request).decode
_NOTHING_ASKED = Asked()


class OpenAi:
    """The dialect of ``api.openai.com`` and of compatible servers."""

    name = "openai"

    def credential(self, headers: Headers) -> str | None:
        """``Authorization: Bearer <token>``."""
        for name, value in headers:
            if name == b"authorization" and value[:7].lower() == b"bearer ":
                return value[7:].strip().decode("latin-1")
        return None

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
        limits = (request.max_completion_tokens, request.max_output_tokens, request.max_tokens)
        return Asked(
            model=request.model,
            is_stream=bool(request.stream),
            wants_usage=bool(options and options.include_usage) or path.endswith("responses"),
            max_response_tokens=next((limit for limit in limits if limit is not None), None),
            choices=request.n or 1,
        )

    def with_usage(self, body: bytes) -> bytes | None:
        """Ask for usage: put in front of the other members, or set where the client has stream options of its own."""
        if b'"stream_options"' not in body:
            return _insert_member(body, b'"stream_options":{"include_usage":true}')
        request = orjson.loads(body)
        options = request.get("stream_options")
        request["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
        return orjson.dumps(request)

    def with_model(self, body: bytes, model: str) -> bytes:
        """The body with ``model`` as its first member."""
        if b'"model"' not in body:
            return _insert_member(body, b'"model":' + orjson.dumps(model))
        request = orjson.loads(body)
        return orjson.dumps({**request, "model": model})

    def answer(self, body: bytes) -> Answer:
        """What a whole response says; an empty answer where it cannot be read."""
        try:
            return answer_of(decode_response(body), body)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return Answer()

    def scanner(self, path: str, *, hide_usage: bool) -> StreamScanner:
        """A scanner that knows ``[DONE]`` and the terminal events of the responses API."""
        return OpenAiStream(hide_usage=hide_usage, responses_api=path.endswith("responses"))

    def error_body(self, status: int, message: str, code: str) -> bytes:
        """``{"error": {message, type, param, code}, status, message, code}``."""
        kind = _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        error = {"message": message, "type": kind, "param": None, "code": code}
        return orjson.dumps({"error": error, "status": status, "message": message, "code": code})


def _insert_member(body: bytes, member: bytes) -> bytes:
    """Put a member first in a JSON object, touching no other byte."""
    start = body.index(b"{") + 1
    rest = body[start:].lstrip()
    separator = b"" if rest[:1] == b"}" else b","
    return body[:start] + member + separator + body[start:]
