"""Answers of ``/api/chat`` as ``chat.completion``; and what whole ones and lines have in common."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.bridge.choices import choice_of, message_of
from gateway.bridge.frames import FinishReason, completion_of, tool_call
from gateway.bridge.interface import Unreadable, Wanted
from gateway.bridge.reading import decoded, made_id, object_in, objects_in, text_in
from gateway.bridge.refusals import text_of
from gateway.upstreams.vendors.dialect import Answer


def reason_of(native: str, *, has_calls: bool) -> FinishReason:
    """OpenAI's word for Ollama's; ``stop`` for those that OpenAI has no word for (``native_finish_reason`` says)."""
    if native == "length":
        return "length"
    return "tool_calls" if has_calls else "stop"


def completion_of_ollama(wanted: Wanted, body: bytes, answer: Answer) -> bytes:
    """The whole answer; raises ``Unreadable``."""
    response = decoded(body)
    message = object_in(response, "message")
    calls = [call_of(wanted, call, place) for place, call in enumerate(objects_in(message, "tool_calls"))]
    said = message_of(text_in(message, "content"), reasoning=text_in(message, "thinking"), calls=calls)
    native = text_of(response.get("done_reason"))
    reason = reason_of(native, has_calls=bool(calls))
    return completion_of(
        wanted, [choice_of(said, reason, native, 0, logprobs_of(response))], answer.usage, model_of(response)
    )


def model_of(response: dict[str, Any]) -> str | None:
    """The model that answers; ``None`` where it does not say."""
    return text_of(response.get("model")) or None


def call_of(wanted: Wanted, call: dict[str, Any], place: int) -> dict[str, Any]:
    """One call; older servers give it no id. Raises ``Unreadable``."""
    function = object_in(call, "function")
    name, arguments = text_of(function.get("name")), function.get("arguments", {})
    if not name or not isinstance(arguments, dict):
        message = "a call has no name, or arguments that are no object"
        raise Unreadable(message)
    return tool_call(text_of(call.get("id")) or made_id(wanted, 0, place), name, orjson.dumps(arguments).decode())


def logprobs_of(response: dict[str, Any]) -> dict[str, Any] | None:
    """Ollama writes them as OpenAI does, but for lists that are empty."""
    found = objects_in(response, "logprobs")
    if not found:
        return None
    return {"content": [{"bytes": None, "top_logprobs": []} | entry for entry in found], "refusal": None}
