"""Ollama's dialect: its own paths under ``/api``; OpenAI's and Anthropic's for what it serves of theirs."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.anthropic import Anthropic
from gateway.upstreams.vendors.compatible import Compatible
from gateway.upstreams.vendors.dialect import NO_HEADERS, Answer, Asked, Dialect, Signer, StreamScanner
from gateway.upstreams.vendors.generic import GenericLines, GenericStream, answer_of_anything
from gateway.upstreams.vendors.ollama import errors, request
from gateway.upstreams.vendors.ollama.auth import raw_header
from gateway.upstreams.vendors.ollama.paths import changes_models, endpoint_of
from gateway.upstreams.vendors.ollama.stream import FreeLines, OllamaStream
from gateway.upstreams.vendors.ollama.usage import answer_of
from gateway.upstreams.vendors.openai.auth import bearer_of, key_of
from gateway.upstreams.vendors.openai.request import with_model
from gateway.upstreams.vendors.queries import without
from gateway.upstreams.vendors.scanning import media_type
from sluice.money.usage import Usage

_LINES: Final = frozenset((b"application/x-ndjson", b"application/ndjson", b"application/jsonl"))
_OPENAI: Final = Compatible()
_ANTHROPIC: Final = Anthropic()


class Ollama:
    """The dialect of Ollama's server, and of its cloud."""

    name = "ollama"
    family = "ollama"

    def credential(self, headers: Headers, query: bytes = b"") -> str | None:  # noqa: ARG002 - dialects differ
        """``Authorization: Bearer <token>``; else ``x-api-key``, where Anthropic's SDK puts it."""
        return bearer_of(headers) or key_of(headers)

    def presented(self, headers: Headers, query: bytes = b"") -> tuple[str, str]:
        """A bearer token; else a key."""
        return _OPENAI.presented(headers, query)

    def clean_query(self, query: bytes) -> bytes:
        """Without what may be a credential: nothing of that is for the vendor."""
        return without(query)

    def authorize(self, api_key: str) -> Headers:
        """``Authorization``, as it is configured; nothing where there is no key."""
        return raw_header(api_key)

    def signer(self, api_key: str, endpoint: str) -> Signer | None:  # noqa: ARG002 - dialects differ
        """None: the key is enough."""
        return None

    def ask(self, body: bytes, path: str, query: bytes = b"") -> Asked:
        """Decode the fields that matter; native requests stream where they do not say."""
        request.check_names(body)
        other = _other(path)
        asked = other.ask(body, path, query) if other is not None else request.ask(body, endpoint_of(path))
        return msgspec.structs.replace(asked, is_management=True) if changes_models(path) else asked

    def with_usage(self, body: bytes, path: str) -> bytes | None:
        """Native streams have it unasked."""
        other = _other(path)
        return other.with_usage(body, path) if other is not None else None

    def with_model(self, body: bytes, path: str, model: str) -> tuple[bytes, str]:
        """With ``model`` in the body, on all paths."""
        return with_model(body, model), path

    def with_maximum(self, body: bytes, path: str, tokens: int) -> bytes | None:
        """``options.num_predict``."""
        other = _other(path)
        if other is not None:
            return other.with_maximum(body, path, tokens)
        return request.with_maximum(body, endpoint_of(path), tokens)

    def answer(self, body: bytes, path: str = "", headers: Headers = NO_HEADERS) -> Answer:
        """What a whole response says; an empty answer where it cannot be read. Work on models is free."""
        other, endpoint = _other(path), endpoint_of(path)
        if other is not None:
            return other.answer(body, path, headers)
        if endpoint in {"free", "progress"}:
            return Answer(usage=Usage(prompt_tokens=0, response_tokens=0)) if body else Answer()
        return answer_of_anything(body) if endpoint == "other" else answer_of(body, endpoint)

    def scanner(self, path: str, content_type: bytes, *, hide_usage: bool) -> StreamScanner | None:
        """Of lines of JSON: knows ``"done":true`` and errors; on native paths we do not know, whatever counts."""
        other, endpoint = _other(path), endpoint_of(path)
        if other is not None:
            return other.scanner(path, content_type, hide_usage=hide_usage)
        kind = media_type(content_type)
        if kind not in _LINES:
            return GenericStream() if kind == b"text/event-stream" else None
        if endpoint in {"chat", "generate"}:
            return OllamaStream()
        return FreeLines() if endpoint in {"free", "progress"} else GenericLines()

    def error_body(self, status: int, message: str, code: str, path: str = "") -> bytes:
        """``{"error": "…", message, code}``; what OpenAI's and Anthropic's are on their paths."""
        other = _other(path)
        return errors.error_body(message, code) if other is None else other.error_body(status, message, code, path)

    def stream_error(self, status: int, message: str, code: str, path: str = "") -> bytes:
        """``{"error": "…", code}`` as a line."""
        other = _other(path)
        return errors.stream_error(message, code) if other is None else other.stream_error(status, message, code, path)


def _other(path: str) -> Dialect | None:
    """Whose dialect is spoken on this path, where it is not Ollama's own."""
    endpoint = endpoint_of(path)
    if endpoint == "compatible":
        return _OPENAI
    return _ANTHROPIC if endpoint == "messages" else None
