"""OpenAI's requests to Anthropic's, Anthropic's answers to OpenAI's."""

from __future__ import annotations

from typing import Any, Final

from gateway.bridge.anthropic.answer import completion_of_anthropic
from gateway.bridge.anthropic.errors import error_of
from gateway.bridge.anthropic.request import request_of
from gateway.bridge.anthropic.stream import AnthropicFrames
from gateway.bridge.interface import OpenAiError, Operation, StreamTranslator, Translated, Wanted
from gateway.upstreams.vendors.dialect import Answer, Dialect

_OPERATIONS: Final[frozenset[Operation]] = frozenset(("chat",))


class AnthropicTranslator:
    """See ``Translator``. Anthropic has no embeddings."""

    operations = _OPERATIONS

    def __init__(self, dialect: Dialect) -> None:
        self._vendor = dialect.name

    def request(self, wanted: Wanted, body: dict[str, Any]) -> Translated:
        """``POST /v1/messages``."""
        return request_of(wanted, body)

    def answer(self, wanted: Wanted, body: bytes, answer: Answer) -> bytes:
        """``chat.completion``."""
        return completion_of_anthropic(wanted, body, answer)

    def stream(self, wanted: Wanted) -> StreamTranslator:
        """Of server-sent events."""
        return AnthropicFrames(wanted)

    def error(self, status: int, body: bytes) -> OpenAiError:
        """``{"type": "error", "error": {type, message}}``."""
        return error_of(status, body)
