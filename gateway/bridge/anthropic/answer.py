"""Whole messages as ``chat.completion``; and what stream and whole answers have in common."""

from __future__ import annotations

from typing import Any, Final

import orjson

from gateway.bridge.anthropic.thinking import BLOCKS, KINDS, VENDOR
from gateway.bridge.choices import choice_of, message_of
from gateway.bridge.frames import FinishReason, completion_of, tool_call
from gateway.bridge.interface import Unreadable, Wanted
from gateway.bridge.refusals import object_of, text_of
from gateway.upstreams.vendors.dialect import Answer

_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def reason_of(native: str) -> FinishReason:
    """OpenAI's word for Anthropic's; ``native_finish_reason`` says the other."""
    return _REASONS.get(native, "stop")


def completion_of_anthropic(wanted: Wanted, body: bytes, answer: Answer) -> bytes:
    """The whole answer; raises ``Unreadable``."""
    message = object_of(body)
    blocks = message.get("content")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        reason = "it has no list of content blocks"
        raise Unreadable(reason)
    texts = [text_of(block.get("text")) for block in blocks if block.get("type") == "text"]
    thoughts = [block for block in blocks if block.get("type") in KINDS]
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    reasoning = "".join([text_of(block.get("thinking")) for block in thoughts])
    made = message_of("".join(texts), reasoning=reasoning, calls=calls)
    if thoughts:
        made |= extra_content(thoughts)
    native = text_of(message.get("stop_reason"))
    model = text_of(message.get("model")) or None
    return completion_of(wanted, [choice_of(made, reason_of(native), native)], answer.usage, model)


def extra_content(thoughts: list[dict[str, Any]]) -> dict[str, Any]:
    """Signed thoughts for the next request."""
    return {"extra_content": {VENDOR: {BLOCKS: thoughts}}}


def names_of(block: dict[str, Any]) -> tuple[str, str]:
    """Id and name of a call; raises ``Unreadable`` where it has none."""
    call_id, name = text_of(block.get("id")), text_of(block.get("name"))
    if not call_id or not name:
        reason = "a tool_use block has no id or no name"
        raise Unreadable(reason)
    return call_id, name


def _call(block: dict[str, Any]) -> dict[str, Any]:
    arguments = block.get("input")
    if not isinstance(arguments, dict):
        reason = "the input of a tool_use block is no object"
        raise Unreadable(reason)
    return tool_call(*names_of(block), orjson.dumps(arguments).decode())
