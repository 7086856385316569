"""Hugging Face's dialect: text generation servers, inference of any model, and OpenAI's for the rest.

The router's models may end in whom they are routed to (``owner/name:provider``); that is part of their name here.
"""

from __future__ import annotations

import msgspec

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.compatible import Compatible
from gateway.upstreams.vendors.dialect import NO_HEADERS, Answer, Asked, StreamScanner
from gateway.upstreams.vendors.huggingface import errors, request
from gateway.upstreams.vendors.huggingface.paths import place_of, with_model_in_path
from gateway.upstreams.vendors.huggingface.stream import HuggingFaceStream
from gateway.upstreams.vendors.huggingface.usage import answer_of, count_headers
from gateway.upstreams.vendors.scanning import media_type
from sluice.money.usage import Usage


class HuggingFace(Compatible):
    """The dialect of text generation servers, of dedicated endpoints and of the router."""

    name = "huggingface"
    family = "huggingface"

    def ask(self, body: bytes, path: str, query: bytes = b"") -> Asked:
        """Decode the fields that matter. A model in the path is the one that answers, whatever the body says."""
        place = place_of(path)
        if place.endpoint != "compatible":
            return request.ask(body, place)
        asked = super().ask(body, path, query)
        return msgspec.structs.replace(asked, model=place.model) if place.model is not None else asked

    def with_usage(self, body: bytes, path: str) -> bytes | None:
        """On compatible paths; elsewhere it comes, where it comes, inside the last event."""
        return super().with_usage(body, path) if place_of(path).endpoint == "compatible" else None

    def with_model(self, body: bytes, path: str, model: str) -> tuple[bytes, str]:
        """In the path where that names a model, else in the body."""
        place = place_of(path)
        if place.endpoint != "compatible":
            return request.with_model(body, path, place, model)
        if place.model is not None:
            return body, with_model_in_path(path, place, model)
        return super().with_model(body, path, model)

    def with_maximum(self, body: bytes, path: str, tokens: int) -> bytes | None:
        """``parameters.max_new_tokens``; as OpenAI's on compatible paths."""
        place = place_of(path)
        if place.endpoint == "compatible":
            return super().with_maximum(body, path, tokens)
        return request.with_maximum(body, place, tokens)

    def answer(self, body: bytes, path: str = "", headers: Headers = NO_HEADERS) -> Answer:
        """What a whole response says, or its headers where it has no details; else an empty answer."""
        place = place_of(path)
        if place.endpoint == "free":
            return Answer(usage=Usage(prompt_tokens=0, response_tokens=0)) if body else Answer()
        found = answer_of(body) if place.endpoint != "compatible" else None
        if found is None:
            return super().answer(body, path, headers)
        if found.problem == "no_details":
            count_headers(found, headers)
        return found

    def scanner(self, path: str, content_type: bytes, *, hide_usage: bool) -> StreamScanner | None:
        """Of server-sent events: knows a last event with ``generated_text`` and errors."""
        if place_of(path).endpoint != "compatible" and media_type(content_type) == b"text/event-stream":
            return HuggingFaceStream()
        return super().scanner(path, content_type, hide_usage=hide_usage)

    def error_body(self, status: int, message: str, code: str, path: str = "") -> bytes:
        """``{"error": "…", error_type, status, message, code}``; OpenAI's on compatible paths."""
        if place_of(path).endpoint == "compatible":
            return super().error_body(status, message, code, path)
        return errors.error_body(status, message, code)

    def stream_error(self, status: int, message: str, code: str, path: str = "") -> bytes:
        """``data: {"error": "…", error_type, code}``; OpenAI's on compatible paths."""
        if place_of(path).endpoint == "compatible":
            return super().stream_error(status, message, code, path)
        return errors.stream_error(status, message, code)
