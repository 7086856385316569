"""Google's dialects: the Gemini API's and Vertex AI's, which differ in where they are and in what proves us to them."""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from gateway.outcomes import AuthFailed
from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.dialect import NO_HEADERS, Answer, Asked, Dialect, Signer, StreamScanner
from gateway.upstreams.vendors.generic import GenericLines, GenericStream, answer_of_anything
from gateway.upstreams.vendors.google import errors, request
from gateway.upstreams.vendors.google.auth import (
    CompatibleKeySigner,
    credentials_of,
    is_api_key,
    key_header,
    one_credential,
)
from gateway.upstreams.vendors.google.compatible import GoogleCompatible
from gateway.upstreams.vendors.google.interactions import InteractionStream
from gateway.upstreams.vendors.google.paths import Place, place_of
from gateway.upstreams.vendors.google.stream import GoogleArray, GoogleStream
from gateway.upstreams.vendors.google.wire import answer_of
from gateway.upstreams.vendors.openai.auth import bearer_header
from gateway.upstreams.vendors.queries import CREDENTIAL_PARAMETERS, without
from gateway.upstreams.vendors.registry import dialect_of
from gateway.upstreams.vendors.scanning import media_type

_LINES: Final = frozenset((b"application/x-ndjson", b"application/ndjson", b"application/jsonl"))
_CREDENTIAL_PARAMETERS: Final = CREDENTIAL_PARAMETERS | {b"oauth_token", b"bearer_token", b"$key"}
_OTHERS: Final = frozenset(("anthropic", "mistral"))
"""Kinds of paths that speak the dialect of the vendor of that name."""
_STREAMS: Final = frozenset(("generate", "stream"))


class GoogleAi:
    """The dialect of ``generativelanguage.googleapis.com``."""

    name = "google_ai"
    family = "google_ai"
    compatible: ClassVar[GoogleCompatible] = GoogleCompatible()
    """What is spoken below ``/openai/``."""

    def credential(self, headers: Headers, query: bytes = b"") -> str | None:
        """``x-goog-api-key``, ``?key=`` or a bearer token; raises ``AuthFailed`` where two of them differ."""
        credential, _ = one_credential(headers, query)
        if not credential and credentials_of(headers, query):
            message = "two credentials that differ: send one of x-goog-api-key, ?key= and 'Authorization: Bearer'"
            raise AuthFailed(message, "ambiguous_credential")
        return credential or None

    def presented(self, headers: Headers, query: bytes = b"") -> tuple[str, str]:
        """The same; nothing where two differ."""
        return one_credential(headers, query)

    def clean_query(self, query: bytes) -> bytes:
        """Without what may be a credential: nothing of that is for the vendor."""
        return without(query, _CREDENTIAL_PARAMETERS)

    def authorize(self, api_key: str) -> Headers:
        """``x-goog-api-key: <key>``."""
        return key_header(api_key)

    def signer(self, api_key: str, endpoint: str) -> Signer | None:  # noqa: ARG002 - dialects differ
        """What gives the key another header below ``/openai/``."""
        return CompatibleKeySigner(api_key) if api_key else None

    def ask(self, body: bytes, path: str, query: bytes = b"") -> Asked:
        """The path names the model and whether to stream; the body what it may cost."""
        place = place_of(path)
        other = self._other(place)
        if other is None:
            return request.ask(body, place, query)
        asked = other.ask(body, place.path, query)
        if place.span is None:
            return asked
        return msgspec.structs.replace(
            asked, model=request.plain_name(place.model), is_stream=asked.is_stream or place.is_stream
        )

    def with_usage(self, body: bytes, path: str) -> bytes | None:
        """Google's own streams carry it; below the compatible endpoint it is asked for."""
        place = place_of(path)
        other = self._other(place)
        return None if other is None else other.with_usage(body, place.path)

    def with_model(self, body: bytes, path: str, model: str) -> tuple[bytes, str]:
        """In the one of the two that names it."""
        place = place_of(path)
        other = self._other(place)
        if other is None or place.span is not None:
            return request.with_model(body, path, place, model)
        return other.with_model(body, place.path, model)[0], path

    def with_maximum(self, body: bytes, path: str, tokens: int) -> bytes | None:
        """In ``generationConfig``, or as the other dialect has it."""
        place = place_of(path)
        other = self._other(place)
        if other is None:
            return request.with_maximum(body, place, tokens)
        return other.with_maximum(body, place.path, tokens)

    def answer(self, body: bytes, path: str = "", headers: Headers = NO_HEADERS) -> Answer:
        """What a whole response says; an empty answer where it cannot be read."""
        place = place_of(path)
        other = self._other(place)
        if other is not None:
            return other.answer(body, place.path, headers)
        if not body:
            return Answer()
        try:
            answer = Answer() if place.kind in {"other", "cancel"} else answer_of(body, place)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return Answer(model=request.plain_name(place.model))
        if answer.usage is not None or answer.raw_usage is not None:
            return answer
        found = answer_of_anything(body)
        if found.usage is not None:
            answer.usage, answer.raw_usage, answer.problem = found.usage, found.raw_usage, found.problem
        answer.model = answer.model or found.model or request.plain_name(place.model)
        return answer

    def scanner(self, path: str, content_type: bytes, *, hide_usage: bool) -> StreamScanner | None:
        """Of server-sent events, and of a JSON array where the path streams."""
        place = place_of(path)
        other = self._other(place)
        if other is not None:
            return other.scanner(place.path, content_type, hide_usage=hide_usage)
        kind = media_type(content_type)
        if kind == b"text/event-stream":
            if place.kind == "interactions":
                return InteractionStream()
            return GoogleStream(place) if place.kind in _STREAMS else GenericStream()
        if kind == b"application/json":
            return GoogleArray(place) if place.kind == "stream" else None
        return GenericLines() if kind in _LINES else None

    def error_body(self, status: int, message: str, code: str, path: str = "") -> bytes:
        """``{"error": {code, message, status, details}}``; the other dialect's on its paths."""
        place = place_of(path)
        other = self._other(place)
        if other is not None:
            return other.error_body(status, message, code, place.path)
        return errors.error_body(status, message, code)

    def stream_error(self, status: int, message: str, code: str, path: str = "") -> bytes:
        """The same as a server-sent event, or as an element where ``path`` has a query that asks for no events."""
        place = place_of(path)
        other = self._other(place)
        if other is not None:
            return other.stream_error(status, message, code, place.path)
        _, mark, query = path.partition("?")
        if mark and not request.wants_events(query.encode("utf-8", "replace")):
            return errors.array_error(status, message, code)
        return errors.stream_error(status, message, code)

    def _other(self, place: Place) -> Dialect | None:
        """Whose dialect a path speaks, where it is not Google's."""
        if place.kind == "compatible":
            return self.compatible
        return dialect_of(place.kind) if place.kind in _OTHERS else None


class Vertex(GoogleAi):
    """The dialect of ``aiplatform.googleapis.com``: also of other publishers' models, each in their vendor's."""

    name = "vertex"
    family = "vertex"
    compatible = GoogleCompatible("google/")
    """What is spoken below ``/endpoints/openapi/``."""

    def authorize(self, api_key: str) -> Headers:
        """A bearer token, or an API key (express mode) as ``x-goog-api-key``; a service account signs."""
        if api_key.startswith("{"):
            return []
        return key_header(api_key) if is_api_key(api_key) else bearer_header(api_key)

    def signer(self, api_key: str, endpoint: str) -> Signer | None:
        """What has access tokens for a service account's key; raises ``ValueError`` for JSON that is none."""
        if not api_key.startswith("{"):
            return None
        from gateway.upstreams.vendors.google.service_account import token_fetcher  # noqa: PLC0415 - loads httpx
        from gateway.upstreams.vendors.google.tokens import TokenSigner  # noqa: PLC0415 - goes with it

        return TokenSigner(token_fetcher(api_key, endpoint))
