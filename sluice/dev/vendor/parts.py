"""What answers of every kind are made of: text, usage, tool calls, SSE frames."""

from __future__ import annotations

from typing import Any

import orjson

from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.script import Script

CREATED = 1_767_225_600
"""2026-01-01; constant, because answers are built once and sent many times."""

_WORDS = ("The", "mock", "vendor", "answers", "every", "prompt", "with", "the", "same", "calm", "sentence")


def texts(script: Script) -> list[str]:
    """The pieces of the answer's text, one a chunk."""
    pieces = []
    for index in range(script.chunks):
        piece = script.text or (" " if index else "") + _WORDS[index % len(_WORDS)]
        size = script.piece_bytes or len(piece)
        pieces.append((piece * (size // len(piece) + 1))[:size])
    return pieces


def tool_calls(script: Script) -> list[dict[str, Any]]:
    """As many calls as the script asks for."""
    return [
        {"id": f"call_{index}", "type": "function", "function": {"name": f"tool_{index}", "arguments": '{"n":1}'}}
        for index in range(script.tool_calls)
    ]


def model_of(asked: Asked, script: Script) -> str:
    """The model that the answer names."""
    return script.model or asked.model


def reports_usage(asked: Asked, script: Script) -> bool:
    """Whether the answer carries usage."""
    is_asked = script.usage == "always" or (script.usage == "auto" and asked.wants_usage)
    return is_asked and script.status < 300


def usage(asked: Asked, script: Script) -> dict[str, Any]:
    """The usage object of this kind of answer."""
    total = script.prompt_tokens + script.response_tokens
    if asked.kind == "response":
        return {
            "input_tokens": script.prompt_tokens,
            "input_tokens_details": {"cached_tokens": script.cached},
            "output_tokens": script.response_tokens,
            "output_tokens_details": {"reasoning_tokens": script.reasoning},
            "total_tokens": total,
        }
    if asked.kind == "embedding":
        return {"prompt_tokens": script.prompt_tokens, "total_tokens": script.prompt_tokens}
    return {
        "prompt_tokens": script.prompt_tokens,
        "completion_tokens": script.response_tokens,
        "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": script.cached},
        "completion_tokens_details": {"reasoning_tokens": script.reasoning},
    }


def sse_frame(value: Any, event: str = "") -> bytes:
    """``event:`` where it has one, ``data:``, and the empty line."""
    name = b"event: " + event.encode() + b"\n" if event else b""
    return name + b"data: " + orjson.dumps(value) + b"\n\n"


def joined(opening: list[bytes], middle: list[bytes], closing: list[bytes]) -> list[bytes]:
    """Pieces of a stream: the opening frames come with the first of the middle, the closing ones are the last."""
    first = [b"".join([*opening, *middle[:1]])] if opening or middle else []
    return [*first, *middle[1:], b"".join(closing)]
