"""Where the text of a streamed answer stands: SSE frames, and the deltas of the vendors' dialects in them.

A *channel* is one running text: a choice of OpenAI, a content block of Anthropic, a candidate of Google; what a model
thinks, refuses, or calls a tool with are channels of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

Channel = tuple[str, Any, Any]
"""Its kind, the index by which its end is told, and what else keeps it apart."""

_FRAME_END: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r|\r\n\n|\n\r\n")
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_ENDS_OF_STREAM: Final = frozenset(
    ("message_stop", "response.completed", "response.incomplete", "response.failed", "error")
)
_CHAT_FIELDS: Final = ("content", "refusal", "reasoning_content", "reasoning")
_BLOCK_FIELDS: Final = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class Delta(NamedTuple):
    """One piece of a channel's text, in a frame's JSON: ``holder[field]``."""

    channel: Channel
    holder: dict[str, Any]
    field: str
    alone: Callable[[str], dict[str, Any]]
    """The frame's JSON with this text in this place, and nothing else that could be counted twice."""

    @property
    def text(self) -> str:
        """As it came."""
        text: str = self.holder[self.field]
        return text


class Frame:
    """One SSE frame: its bytes as they came, its deltas, and the channels that end with it."""

    def __init__(self, raw: bytes, *, with_tool_calls: bool = False) -> None:
        self.raw = raw
        lines = _LINE_END.split(raw)
        data = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
        self.head = b"".join(line + b"\n" for line in lines if line and not line.startswith(b"data:"))
        """The lines beside its data, such as ``event:``."""
        self.is_end_of_stream = data == [b"[DONE]"]
        self.json = _object(b"\n".join(data))
        found = [] if self.json is None else list(_deltas(self.json))
        self.is_whole = not found
        """Whether each text in it stands for itself."""
        self.deltas = [delta for delta in found if with_tool_calls or delta.channel[0] != "tool"]

    def ended_by(self, channel: Channel) -> bool:
        """Whether no text of the channel comes after this frame."""
        if self.json is None:
            return self.is_end_of_stream
        kind = str(self.json.get("type"))
        if kind in _ENDS_OF_STREAM:
            return True
        if kind == "content_block_stop":
            return bool(channel[1] == _index(self.json))
        if kind.startswith("response.") and kind.endswith(".done"):
            return bool(channel[1] == _index(self.json, "output_index"))
        ended = (choice for choice in _choices(self.json) if choice.get("finish_reason") or choice.get("finishReason"))
        return any(_index(choice) == channel[1] for choice in ended)

    def rewritten(self, value: dict[str, Any]) -> bytes:
        """The frame with other JSON."""
        return self.head + b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def split_frames(piece: bytes) -> Iterator[bytes]:
    """The frames of a piece of a stream, each with its end; what follows the last end is one too."""
    start = 0
    for end in _FRAME_END.finditer(piece):
        yield piece[start : end.end()]
        start = end.end()
    if start < len(piece):
        yield piece[start:]


def _object(data: bytes) -> dict[str, Any] | None:
    if not data.startswith(b"{"):
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _choices(value: dict[str, Any]) -> list[dict[str, Any]]:
    return _objects(value.get("choices") or value.get("candidates"))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _index(value: dict[str, Any], name: str = "index") -> int | str:
    index = value.get(name, 0)
    return index if isinstance(index, int | str) else str(index)


def _deltas(value: dict[str, Any]) -> Iterator[Delta]:
    if value.get("type") == "content_block_delta":
        yield from _anthropic(value)
    if str(value.get("type")).startswith("response.") and isinstance(value.get("delta"), str):
        kind = "tool" if "arguments" in value["type"] else value["type"]
        channel = (kind, _index(value, "output_index"), _index(value, "content_index"))
        yield Delta(channel, value, "delta", lambda text: {**value, "delta": text})
    for choice in _choices(value):
        if isinstance(choice.get("content"), dict):
            yield from _google(value, choice)
        else:
            yield from _openai(value, choice)


def _anthropic(value: dict[str, Any]) -> Iterator[Delta]:
    delta = value.get("delta")
    field = _BLOCK_FIELDS.get(str(delta.get("type"))) if isinstance(delta, dict) else None
    if isinstance(delta, dict) and field is not None and isinstance(delta.get(field), str):
        kind = "tool" if field == "partial_json" else field
        channel = (kind, _index(value), None)
        yield Delta(channel, delta, field, lambda text: {**value, "delta": {**delta, field: text}})


def _openai(value: dict[str, Any], choice: dict[str, Any]) -> Iterator[Delta]:
    index, delta = _index(choice), choice.get("delta")

    def alone(**changes: Any) -> dict[str, Any]:
        kept = {key: item for key, item in value.items() if key != "usage"}
        return kept | {"choices": [{**choice, **changes}]}

    if isinstance(choice.get("text"), str):
        yield Delta(("text", index, None), choice, "text", lambda text: alone(text=text))
    if not isinstance(delta, dict):
        return
    for field in _CHAT_FIELDS:
        if isinstance(delta.get(field), str):
            yield Delta((field, index, None), delta, field, _chat_field(alone, field))
    function = delta.get("function_call")  # what tool_calls were before
    if isinstance(function, dict) and isinstance(function.get("arguments"), str):
        channel = ("tool", index, "function_call")
        yield Delta(channel, function, "arguments", lambda text: alone(delta={"function_call": {"arguments": text}}))
    for call in _objects(delta.get("tool_calls")):
        function = call.get("function")
        if isinstance(function, dict) and isinstance(function.get("arguments"), str):
            number = _index(call)
            yield Delta(("tool", index, number), function, "arguments", _tool_call(alone, number))


def _chat_field(alone: Callable[..., dict[str, Any]], field: str) -> Callable[[str], dict[str, Any]]:
    return lambda text: alone(delta={field: text})


def _tool_call(alone: Callable[..., dict[str, Any]], number: Any) -> Callable[[str], dict[str, Any]]:
    return lambda text: alone(delta={"tool_calls": [{"index": number, "function": {"arguments": text}}]})


def _google(value: dict[str, Any], candidate: dict[str, Any]) -> Iterator[Delta]:
    content, index = candidate["content"], _index(candidate)

    def alone(part: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
        rest = {key: item for key, item in value.items() if key != "usageMetadata"}
        return lambda text: (
            rest | {"candidates": [{**candidate, "content": {**content, "parts": [{**part, "text": text}]}}]}
        )

    for part in _objects(content.get("parts")):
        if isinstance(part.get("text"), str):
            channel = ("thought" if part.get("thought") else "text", index, None)
            yield Delta(channel, part, "text", alone(part))
