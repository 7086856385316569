"""The OpenAI-compatible endpoints of the Gemini API and of Vertex AI."""

from __future__ import annotations

import msgspec

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.compatible import Compatible
from gateway.upstreams.vendors.dialect import NO_HEADERS, Answer, Asked, StreamScanner
from gateway.upstreams.vendors.google.request import plain_name
from gateway.upstreams.vendors.openai.stream import OpenAiStream
from sluice.usage.google import add_thoughts


class GoogleCompatible(Compatible):
    """OpenAI's dialect as Google speaks it: models may have a publisher in front, thoughts are in the total alone."""

    def __init__(self, model_prefix: str = "") -> None:
        """``model_prefix``: what a model that we fill in has in front of it."""
        self._model_prefix = model_prefix

    def ask(self, body: bytes, path: str, query: bytes = b"") -> Asked:
        """With the model's name alone, by which it is allowed and priced."""
        asked = super().ask(body, path, query)
        return asked if asked.model is None else msgspec.structs.replace(asked, model=plain_name(asked.model))

    def with_model(self, body: bytes, path: str, model: str) -> tuple[bytes, str]:
        """With its publisher, where this endpoint wants one."""
        return super().with_model(body, path, model if "/" in model else self._model_prefix + model)

    def answer(self, body: bytes, path: str = "", headers: Headers = NO_HEADERS) -> Answer:
        """As OpenAI's, with the thoughts."""
        answer = super().answer(body, path, headers)
        _complete(answer)
        return answer

    def scanner(self, path: str, content_type: bytes, *, hide_usage: bool) -> StreamScanner | None:
        """As OpenAI's, with the thoughts."""
        scanner = super().scanner(path, content_type, hide_usage=hide_usage)
        return _Stream(hide_usage=hide_usage) if isinstance(scanner, OpenAiStream) else scanner


class _Stream(OpenAiStream):
    def finish(self) -> bytes:
        """Everything not sent yet."""
        held = super().finish()
        _complete(self.answer)
        return held


def _complete(answer: Answer) -> None:
    """What the total has more than prompt and response are thoughts, which are charged as response."""
    if answer.model is not None:
        answer.model = plain_name(answer.model)
    if answer.usage is not None and answer.raw_usage is not None:
        add_thoughts(answer.usage, answer.raw_usage)
