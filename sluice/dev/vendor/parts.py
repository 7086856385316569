"""What answers of every format are made of: text, usage, tool calls, frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.script import Script

CREATED = 1_767_225_600
"""2026-01-01; constant, because answers are built once and sent many times."""
CREATED_TEXT: Final = "2026-01-01T00:00:00Z"
VECTOR: Final = [index / 8 for index in range(8)]

_WORDS = ("The", "mock", "vendor", "answers", "every", "prompt", "with", "the", "same", "calm", "sentence")
_ODD: Final[Mapping[str, Any]] = {
    "huge": orjson.Fragment(b"1" + b"0" * 30),
    "text": "seven",
    "null": None,
    "list": [7],
    "object": {"count": 7},
    "float": 7.5,
}


def texts(script: Script) -> list[str]:
    """The pieces of the answer's text, one a chunk."""
    pieces = []
    for index in range(script.chunks):
        piece = script.text or (" " if index else "") + _WORDS[index % len(_WORDS)]
        size = script.piece_bytes or len(piece)
        pieces.append((piece * (size // len(piece) + 1))[:size])
    return pieces


def whole_text(script: Script) -> str:
    """All of it."""
    return "".join(texts(script))


def thoughts(script: Script) -> list[str]:
    """What the model thinks before it answers, where it is said to count reasoning."""
    return ["Let me", " think."] if script.reasoning else []


def tool_calls(script: Script) -> list[dict[str, Any]]:
    """As many calls as the script asks for, as OpenAI writes them."""
    return [
        {"id": f"call_{index}", "type": "function", "function": {"name": f"tool_{index}", "arguments": '{"n":1}'}}
        for index in range(script.tool_calls)
    ]


def tools(script: Script) -> list[tuple[str, str, dict[str, int]]]:
    """The same calls: id, name, arguments."""
    return [(f"call_{index}", f"tool_{index}", {"n": 1}) for index in range(script.tool_calls)]


def model_of(asked: Asked, script: Script) -> str:
    """The model that the answer names."""
    return script.model or asked.model


def reports_usage(asked: Asked, script: Script) -> bool:
    """Whether the answer carries usage."""
    is_asked = script.usage == "always" or (script.usage == "auto" and asked.wants_usage)
    return is_asked and script.status < 300


def finish_reason(script: Script, stop: str, length: str, tools: str, filtered: str) -> str:
    """Why the answer ended, in one vendor's words."""
    if script.finish:
        return length if script.finish == "length" else filtered
    return tools if script.tool_calls else stop


def uncached(script: Script) -> int:
    """Prompt tokens that are neither read from nor written to the cache."""
    return max(script.prompt_tokens - script.cached - script.cache_write, 0)


def with_figures(usage: Mapping[str, Any], script: Script) -> dict[str, Any]:
    """Usage with the counts that the script wants in it, however little they can be true."""
    return {name: _figure(value, script.figures) for name, value in usage.items()} if script.figures else {**usage}


def _figure(value: Any, figures: str) -> Any:
    if isinstance(value, dict):
        return {name: _figure(inner, figures) for name, inner in value.items()}
    if isinstance(value, list):
        return [_figure(inner, figures) for inner in value]
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    return -1 - value if figures == "negative" else _ODD[figures]


def sse_frame(value: Any, event: str = "") -> bytes:
    """``event:`` where it has one, ``data:``, and the empty line."""
    name = b"event: " + event.encode() + b"\n" if event else b""
    return name + b"data: " + orjson.dumps(value) + b"\n\n"


def joined(opening: list[bytes], middle: list[bytes], closing: list[bytes]) -> list[bytes]:
    """Pieces of a stream: the opening frames come with the first of the middle, the closing ones are the last."""
    first = [b"".join([*opening, *middle[:1]])] if opening or middle else []
    return [*first, *middle[1:], b"".join(closing)]
