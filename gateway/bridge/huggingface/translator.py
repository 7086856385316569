"""OpenAI's requests in words that Hugging Face's servers know, their answers in OpenAI's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from gateway.bridge.frames import usage_object
from gateway.bridge.huggingface.stream import HuggingFaceFrames
from gateway.bridge.huggingface.wording import error_of, named, whole_choice
from gateway.bridge.interface import OpenAiError, Operation, StreamTranslator, Translated, Unreadable, Wanted
from gateway.bridge.parameters import IGNORED, maximum_of
from gateway.bridge.passing import Passing
from gateway.bridge.reading import decoded, objects_in
from gateway.bridge.refusals import object_of, refusal_of
from gateway.bridge.taking import Taking
from gateway.bridge.vectors import base64_of

if TYPE_CHECKING:
    from gateway.upstreams.vendors.dialect import Answer, Dialect

_OPERATIONS: Final[frozenset[Operation]] = frozenset(("chat", "completions", "embeddings"))
_OTHERS_OWN: Final = ("annotations", "extra_content")
"""Of a message: what comes back of other answers, and means nothing to these servers."""


class HuggingFaceTranslator:
    """For text generation servers, dedicated endpoints and the router; see ``Translator``."""

    operations = _OPERATIONS

    def __init__(self, dialect: Dialect) -> None:
        self._passing = Passing(dialect)

    def request(self, wanted: Wanted, body: dict[str, Any]) -> Translated:
        """The same, but for a few words; usage of streams is always asked for."""
        path, query = self._passing.path(wanted)
        taking = Taking(body, wanted.vendor or "Hugging Face")
        taking.ignore(*IGNORED, "stream_options")
        taking.only("n", 1)
        taking.only("logit_bias", {})
        made = {name: value for name, value in body.items() if value is not None and name in taking}
        if wanted.operation != "embeddings" and (maximum := maximum_of(taking)) is not None:
            made.pop("max_completion_tokens", None)
            made["max_tokens"] = maximum
        if wanted.operation == "chat":
            made["messages"] = [_message_of(message) for message in _messages(taking)]
        made["model"] = wanted.model
        if wanted.is_stream:
            made["stream_options"] = {"include_usage": True}
        return Translated(path, orjson.dumps(made), query)

    def answer(self, wanted: Wanted, body: bytes, answer: Answer) -> bytes:
        """The same, where it is as OpenAI's. Of embeddings only base64 is made, where a server knows none."""
        if wanted.operation == "embeddings" and not wanted.wants_base64:
            return body
        response = decoded(body)
        if wanted.operation == "embeddings":
            return orjson.dumps(response | {"data": [_as_base64(entry) for entry in objects_in(response, "data")]})
        choices = objects_in(response, "choices")
        if not choices:
            message = "the answer has no choices"
            raise Unreadable(message)
        made = named(wanted, response) | {"choices": [whole_choice(wanted, choice) for choice in choices]}
        if answer.usage is not None:
            made["usage"] = usage_object(answer.usage)
        return orjson.dumps(made)

    def stream(self, wanted: Wanted) -> StreamTranslator:
        """Of server-sent events."""
        return HuggingFaceFrames(wanted)

    def error(self, status: int, body: bytes) -> OpenAiError:
        """``{"error": "…", error_type}`` of text generation servers, OpenAI's of the router."""
        return error_of(status, object_of(body)) or refusal_of(status, body.decode("utf-8", "replace"), None)


def _as_base64(entry: dict[str, Any]) -> dict[str, Any]:
    vector = entry.get("embedding")
    return entry if isinstance(vector, str) else entry | {"embedding": base64_of(vector)}


def _messages(taking: Taking) -> list[dict[str, Any]]:
    messages = taking.take("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        taking.fail("messages", "a list of at least one object")
    return messages


def _message_of(message: dict[str, Any]) -> dict[str, Any]:
    """Their templates know ``system`` alone."""
    made = _without_others_own(message)
    if made.get("role") == "developer":
        made["role"] = "system"
    calls = made.get("tool_calls")
    if isinstance(calls, list):
        made["tool_calls"] = [_without_others_own(call) if isinstance(call, dict) else call for call in calls]
    return made


def _without_others_own(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None and name not in _OTHERS_OWN}
