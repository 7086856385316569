"""Anthropic's dialect: messages, whole and streamed, token counts, batches of messages, the list of models."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.anthropic import errors, request
from gateway.upstreams.vendors.anthropic.auth import key_header, key_of
from gateway.upstreams.vendors.anthropic.batches import answer_of_results
from gateway.upstreams.vendors.anthropic.paths import endpoint_of
from gateway.upstreams.vendors.anthropic.stream import AnthropicStream
from gateway.upstreams.vendors.anthropic.wire import answer_of, tokens_of_count
from gateway.upstreams.vendors.dialect import NO_HEADERS, Answer, Asked, Signer, StreamScanner
from gateway.upstreams.vendors.generic import GenericLines, GenericStream, answer_of_anything
from gateway.upstreams.vendors.openai.auth import bearer_of
from gateway.upstreams.vendors.queries import without
from gateway.upstreams.vendors.scanning import media_type

_LINES: Final = frozenset((b"application/x-ndjson", b"application/ndjson", b"application/jsonl"))


class Anthropic:
    """The dialect of ``api.anthropic.com`` and of servers that speak it."""

    name = "anthropic"
    family = "anthropic"

    def credential(self, headers: Headers, query: bytes = b"") -> str | None:  # noqa: ARG002 - dialects differ
        """``x-api-key``; else ``Authorization: Bearer <token>``: its SDKs send either."""
        return key_of(headers) or bearer_of(headers)

    def presented(self, headers: Headers, query: bytes = b"") -> tuple[str, str]:  # noqa: ARG002 - dialects differ
        """A key in ``x-api-key``; else a bearer token."""
        key = key_of(headers)
        if key:
            return key, "api_key"
        token = bearer_of(headers)
        return (token, "bearer") if token else ("", "")

    def clean_query(self, query: bytes) -> bytes:
        """Without what may be a credential: nothing of that is for the vendor."""
        return without(query)

    def authorize(self, api_key: str) -> Headers:
        """``x-api-key: <key>``; nothing where there is no key."""
        return key_header(api_key)

    def signer(self, api_key: str, endpoint: str) -> Signer | None:  # noqa: ARG002 - dialects differ
        """None: the key is enough."""
        return None

    def ask(self, body: bytes, path: str, query: bytes = b"") -> Asked:  # noqa: ARG002 - dialects differ
        """Decode the fields that matter; a batch is of one model."""
        return request.ask(body, path)

    def with_usage(self, body: bytes, path: str) -> bytes | None:  # noqa: ARG002 - dialects differ
        """Nothing: usage comes unasked."""
        return None

    def with_model(self, body: bytes, path: str, model: str) -> tuple[bytes, str]:
        """With ``model`` in the body; the requests of a batch name theirs."""
        return request.with_model(body, path, model), path

    def with_maximum(self, body: bytes, path: str, tokens: int) -> bytes | None:  # noqa: ARG002 - dialects differ
        """Nothing: ``max_tokens`` is required, and the vendor refuses a request without it."""
        return None

    def answer(self, body: bytes, path: str = "", headers: Headers = NO_HEADERS) -> Answer:  # noqa: ARG002
        """What a whole response says; an empty answer where it cannot be read."""
        endpoint = endpoint_of(path)
        if not body:
            return Answer()
        if endpoint == "count_tokens":
            return tokens_of_count(body)
        if endpoint == "results":
            return answer_of_results(body)
        if endpoint == "batches":
            return Answer()
        try:
            answer = answer_of(body)
        except (msgspec.DecodeError, RecursionError, ValueError):
            answer = Answer()
        if answer.usage is not None or endpoint == "messages":
            return answer
        return answer_of_anything(body)

    def scanner(self, path: str, content_type: bytes, *, hide_usage: bool) -> StreamScanner | None:
        """Of server-sent events: knows ``message_stop`` and ``error``. On other paths, and of lines of JSON, whatever
        counts something; the results of a batch are no stream."""
        kind = media_type(content_type)
        if kind == b"text/event-stream":
            return AnthropicStream(hide_usage=hide_usage) if endpoint_of(path) == "messages" else GenericStream()
        return GenericLines() if kind in _LINES and endpoint_of(path) != "results" else None

    def error_body(self, status: int, message: str, code: str, path: str = "") -> bytes:  # noqa: ARG002
        """``{"type": "error", "error": {type, message, details}, status, message, code}``."""
        return errors.error_body(status, message, code)

    def stream_error(self, status: int, message: str, code: str, path: str = "") -> bytes:  # noqa: ARG002
        """``event: error``."""
        return errors.stream_error(status, message, code)
