"""OpenAI's dialect, and of everything compatible: chat, completions, responses, embeddings, audio, images."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Final

import msgspec

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.dialect import NO_HEADERS, Answer, Asked, Signer, StreamScanner
from gateway.upstreams.vendors.generic import GenericLines, GenericStream, answer_of_anything, may_count
from gateway.upstreams.vendors.openai import errors, request
from gateway.upstreams.vendors.openai.auth import bearer_header, bearer_of, key_of
from gateway.upstreams.vendors.openai.stream import AudioStream, OpenAiStream
from gateway.upstreams.vendors.openai.wire import answer_of, decode_response
from gateway.upstreams.vendors.queries import without
from gateway.upstreams.vendors.scanning import SseScanner, media_type

_LINES: Final = frozenset((b"application/x-ndjson", b"application/ndjson", b"application/jsonl"))
_PATHS: Final = (
    "/chat/completions", "/completions", "/embeddings", "/responses", "/audio/transcriptions", "/audio/translations",
    "/audio/speech", "/images/generations", "/images/edits", "/images/variations", "/moderations",
)  # fmt: skip


class OpenAi:
    """The dialect of ``api.openai.com`` and of compatible servers."""

    name = "openai"
    family = "openai"
    chat_maximum: ClassVar[str] = "max_completion_tokens"
    """What chat calls a maximum."""
    gives_usage: ClassVar[bool] = False
    """Whether streams carry usage without being asked; asking may then be refused."""

    def credential(self, headers: Headers, query: bytes = b"") -> str | None:  # noqa: ARG002 - dialects differ
        """``Authorization: Bearer <token>``."""
        return bearer_of(headers)

    def presented(self, headers: Headers, query: bytes = b"") -> tuple[str, str]:
        """A bearer token; else a key in ``api-key`` (Azure's) or ``x-api-key``."""
        token = self.credential(headers, query)
        if token:
            return token, "bearer"
        key = key_of(headers)
        return (key, "api_key") if key else ("", "")

    def clean_query(self, query: bytes) -> bytes:
        """Without what may be a credential: nothing of that is for the vendor."""
        return without(query)

    def authorize(self, api_key: str) -> Headers:
        """``Authorization: Bearer <key>``; nothing where there is no key."""
        return bearer_header(api_key)

    def signer(self, api_key: str, endpoint: str) -> Signer | None:  # noqa: ARG002 - dialects differ
        """None: the key is enough."""
        return None

    def ask(self, body: bytes, path: str, query: bytes = b"") -> Asked:  # noqa: ARG002 - dialects differ
        """Decode the fields that matter; a body that is not JSON is an error only where the path wants JSON."""
        return request.ask(body, path)

    def with_usage(self, body: bytes, path: str) -> bytes | None:  # noqa: ARG002 - dialects differ
        """Ask for usage, in stream options of our own or, where the client has some, among them."""
        return None if self.gives_usage else request.with_usage(body)

    def with_model(self, body: bytes, path: str, model: str) -> tuple[bytes, str]:
        """With ``model`` in the body; one that is no JSON object (a form, a file) stays as it is."""
        return request.with_model(body, model), path

    def with_maximum(self, body: bytes, path: str, tokens: int) -> bytes | None:
        """Each path has its own name for it."""
        name = request.maximum_name(path)
        return request.with_maximum(body, self.chat_maximum if name == "max_completion_tokens" else name, tokens)

    def answer(self, body: bytes, path: str = "", headers: Headers = NO_HEADERS) -> Answer:  # noqa: ARG002
        """What a whole response says; an empty answer where it cannot be read."""
        try:
            answer = answer_of(decode_response(body))
        except (msgspec.DecodeError, RecursionError, ValueError):
            answer = Answer()
        if _is_known(path) and (answer.raw_usage is not None or not may_count(body)):
            return answer
        found = answer_of_anything(body)
        if found.usage is not None:
            answer.usage, answer.raw_usage, answer.problem = found.usage, found.raw_usage, found.problem
            answer.model = answer.model or found.model
        return answer

    def scanner(self, path: str, content_type: bytes, *, hide_usage: bool) -> StreamScanner | None:
        """Of server-sent events: knows ``[DONE]`` and the terminal events of responses and audio. On other paths, and
        of lines of JSON, whatever counts something."""
        scanner = _scanner_of(path, content_type)
        return None if scanner is None else scanner(hide_usage=hide_usage)

    def error_body(self, status: int, message: str, code: str, path: str = "") -> bytes:  # noqa: ARG002
        """``{"error": {message, type, param, code}, status, message, code}``."""
        return errors.error_body(status, message, code)

    def stream_error(self, status: int, message: str, code: str, path: str = "") -> bytes:  # noqa: ARG002
        """``data: {"error": {…}}``."""
        return errors.stream_error(status, message, code)


@lru_cache(maxsize=256)
def _scanner_of(path: str, content_type: bytes) -> type[SseScanner | GenericLines] | None:
    """What reads the streams of a path."""
    kind = media_type(content_type)
    if kind != b"text/event-stream":
        return GenericLines if kind in _LINES else None
    if not _is_known(path):
        return GenericStream
    return AudioStream if "/audio/" in path else OpenAiStream


@lru_cache(maxsize=256)
def _is_known(path: str) -> bool:
    """Whether this dialect says what answers on a path look like."""
    return path.partition("?")[0].rstrip("/").endswith(_PATHS)
