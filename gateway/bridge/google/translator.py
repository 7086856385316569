"""OpenAI's requests to Google's, Google's answers to OpenAI's."""

from __future__ import annotations

from typing import Any, Final

from gateway.bridge.google import answer, embeddings, request
from gateway.bridge.google.errors import error_of
from gateway.bridge.google.stream import GoogleFrames
from gateway.bridge.interface import OpenAiError, Operation, StreamTranslator, Translated, Wanted
from gateway.upstreams.vendors.dialect import Answer, Dialect

_OPERATIONS: Final[frozenset[Operation]] = frozenset(("chat", "embeddings"))


class GoogleTranslator:
    """For ``google_ai`` and ``vertex``; see ``Translator``."""

    operations = _OPERATIONS

    def __init__(self, dialect: Dialect) -> None:
        self._is_vertex = dialect.name == "vertex"

    def request(self, wanted: Wanted, body: dict[str, Any]) -> Translated:
        """``generateContent`` or ``streamGenerateContent``; embeddings as the model has them."""
        if wanted.operation == "embeddings":
            return embeddings.request_of(wanted, body, is_vertex=self._is_vertex)
        return request.request_of(wanted, body, is_vertex=self._is_vertex)

    def answer(self, wanted: Wanted, body: bytes, answer_: Answer) -> bytes:
        """``chat.completion``, or a list of embeddings."""
        if wanted.operation == "embeddings":
            return embeddings.answer_of(wanted, body, answer_)
        return answer.completion_of_google(wanted, body, answer_)

    def stream(self, wanted: Wanted) -> StreamTranslator:
        """Of server-sent events: they were asked for."""
        return GoogleFrames(wanted)

    def error(self, status: int, body: bytes) -> OpenAiError:
        """``google.rpc.Status``, in an object or a list of one."""
        return error_of(status, body)
