"""OpenAI's requests to Bedrock's, Bedrock's answers to OpenAI's."""

from __future__ import annotations

from typing import Any, Final

from gateway.bridge.bedrock import answer, embeddings, request
from gateway.bridge.bedrock.errors import error_of
from gateway.bridge.bedrock.stream import ConverseFrames
from gateway.bridge.interface import OpenAiError, Operation, StreamTranslator, Translated, Wanted
from gateway.upstreams.vendors.dialect import Answer, Dialect

_OPERATIONS: Final[frozenset[Operation]] = frozenset(("chat", "embeddings"))


class BedrockTranslator:
    """See ``Translator``."""

    operations = _OPERATIONS

    def __init__(self, dialect: Dialect) -> None:
        """As each is made; Bedrock is one place."""

    def request(self, wanted: Wanted, body: dict[str, Any]) -> Translated:
        """``converse`` or ``converse-stream``; embeddings by ``invoke``."""
        if wanted.operation == "embeddings":
            return embeddings.request_of(wanted, body)
        return request.request_of(wanted, body)

    def answer(self, wanted: Wanted, body: bytes, answer_: Answer) -> bytes:
        """``chat.completion``, or a list of embeddings."""
        if wanted.operation == "embeddings":
            return embeddings.answer_of(wanted, body, answer_)
        return answer.completion_of_converse(wanted, body, answer_)

    def stream(self, wanted: Wanted) -> StreamTranslator:
        """Of binary messages."""
        return ConverseFrames(wanted)

    def error(self, status: int, body: bytes) -> OpenAiError:
        """``{"message"}``, with ``__type`` or without it."""
        return error_of(status, body)
