"""OpenAI's requests to Ollama's, Ollama's answers to OpenAI's."""

from __future__ import annotations

from typing import Any, Final

from gateway.bridge.interface import OpenAiError, Operation, StreamTranslator, Translated, Wanted
from gateway.bridge.ollama import answer, embeddings, request
from gateway.bridge.ollama.stream import OllamaLines
from gateway.bridge.refusals import object_of, refusal_of, text_of
from gateway.upstreams.vendors.dialect import Answer, Dialect

_OPERATIONS: Final[frozenset[Operation]] = frozenset(("chat", "embeddings"))


class OllamaTranslator:
    """See ``Translator``."""

    operations = _OPERATIONS

    def __init__(self, dialect: Dialect) -> None:
        """As each is made; Ollama is the same everywhere."""

    def request(self, wanted: Wanted, body: dict[str, Any]) -> Translated:
        """``/api/chat`` or ``/api/embed``."""
        if wanted.operation == "embeddings":
            return embeddings.request_of(wanted, body)
        return request.request_of(wanted, body)

    def answer(self, wanted: Wanted, body: bytes, answer_: Answer) -> bytes:
        """``chat.completion``, or a list of embeddings."""
        if wanted.operation == "embeddings":
            return embeddings.answer_of(wanted, body, answer_)
        return answer.completion_of_ollama(wanted, body, answer_)

    def stream(self, wanted: Wanted) -> StreamTranslator:
        """Of lines of JSON."""
        return OllamaLines(wanted)

    def error(self, status: int, body: bytes) -> OpenAiError:
        """``{"error": "…"}``."""
        return refusal_of(status, text_of(object_of(body).get("error")), None)
