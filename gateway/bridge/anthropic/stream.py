"""A stream of messages as ``chat.completion.chunk`` frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

import orjson

from gateway.bridge.anthropic.answer import extra_content, names_of, reason_of
from gateway.bridge.anthropic.errors import error_of_event
from gateway.bridge.anthropic.thinking import KINDS
from gateway.bridge.choices import Choices
from gateway.bridge.frames import sse_data, tool_call
from gateway.bridge.interface import Unreadable, Wanted
from gateway.bridge.refusals import object_of, text_of
from gateway.upstreams.sse_frames import FrameTooLargeError, WholeFrames
from gateway.upstreams.vendors.dialect import Answer

_FRAME_END: Final = b"\n\n"
"""Of a last frame whose own did not come, or cannot be told from half of one."""
_PING: Final = b": ping\n\n"
"""A comment, which SDKs pass over."""
_BLOCK_CHARACTERS: Final = 256
"""What a block counts beside its words."""
_MAX_THOUGHT_CHARACTERS: Final = 4 << 20
"""Of one message; longer ones go out as they come, but cannot be sent back with their signatures."""


class AnthropicFrames:
    """See ``StreamTranslator``. Content blocks come one after the other; calls are counted as they begin."""

    def __init__(self, wanted: Wanted) -> None:
        self._frames = WholeFrames()
        self._chunks = Choices(wanted)
        self._block: dict[str, Any] = {}
        """The block that is open."""
        self._pieces: dict[str, list[str]] = {}
        """Of its thoughts and their signature, up to a bound."""
        self._thoughts: list[dict[str, Any]] = []
        """Whole blocks; they leave together, as clients that add up deltas cannot add to a list without places."""
        self._room = _MAX_THOUGHT_CHARACTERS
        self._calls = 0
        self._has_input = False
        """Whether the open block's call has arguments yet."""
        self._is_whole = False

    def feed(self, frames: bytes) -> bytes:
        """OpenAI's frames of these."""
        try:
            whole = self._frames.take(frames)
        except FrameTooLargeError as error:
            raise Unreadable(str(error)) from error
        return b"".join([self._event(object_of(data)) for data in sse_data(whole) if data])

    def finish(self, answer: Answer) -> bytes:
        """Usage and ``[DONE]``; an error where ``message_stop`` has not come."""
        rest = self._frames.finish()
        last = self.feed(rest + _FRAME_END) if rest.strip() else b""
        return last + (self._chunks.end(answer.usage) if self._is_whole else self._chunks.stopped())

    def _event(self, event: dict[str, Any]) -> bytes:
        read = self._events.get(text_of(event.get("type")))
        return b"" if read is None or self._chunks.has_failed else read(self, event)

    def _message_start(self, event: dict[str, Any]) -> bytes:
        self._chunks.model = text_of(_inner(event, "message").get("model")) or self._chunks.model
        return self._chunks.open()

    def _message_delta(self, event: dict[str, Any]) -> bytes:
        native = text_of(_inner(event, "delta").get("stop_reason"))
        if not native:
            return b""
        thoughts, self._thoughts = self._thoughts, []
        signed = self._chunks.delta(extra_content(thoughts)) if thoughts and self._room >= 0 else b""
        return signed + self._chunks.close(reason_of(native), native)

    def _message_stop(self, event: dict[str, Any]) -> bytes:  # noqa: ARG002 - as the others
        self._is_whole = True
        return b""

    def _ping(self, event: dict[str, Any]) -> bytes:  # noqa: ARG002 - as the others
        """Nobody on the way must believe that a model which thinks is gone."""
        return _PING

    def _error(self, event: dict[str, Any]) -> bytes:
        return self._chunks.error(error_of_event(event))

    def _block_start(self, event: dict[str, Any]) -> bytes:
        block = _inner(event, "content_block")
        self._block, self._pieces, self._has_input = block, {}, False
        kind = block.get("type")
        if kind == "text":
            return self._say("content", block.get("text"))
        if kind in KINDS:
            return self._say("reasoning_content", block.get("thinking"))
        if kind != "tool_use":
            return b""
        call = {"index": self._calls, **tool_call(*names_of(block), "")}
        self._calls += 1
        begun = self._chunks.delta({"tool_calls": [call]})
        whole = block.get("input")
        return begun + self._arguments(orjson.dumps(whole).decode()) if whole else begun

    def _block_delta(self, event: dict[str, Any]) -> bytes:
        delta = _inner(event, "delta")
        kind = delta.get("type")
        if kind == "text_delta":
            return self._say("content", delta.get("text"))
        if kind == "input_json_delta":
            return self._arguments(text_of(delta.get("partial_json")))
        if kind == "thinking_delta":
            thought = text_of(delta.get("thinking"))
            self._keep("thinking", thought)
            return self._say("reasoning_content", thought)
        if kind == "signature_delta":
            self._keep("signature", text_of(delta.get("signature")))
        return b""

    def _block_stop(self, event: dict[str, Any]) -> bytes:  # noqa: ARG002 - as the others
        block, kind = self._block, self._block.get("type")
        out = b""
        if kind == "tool_use" and not self._has_input:
            out = self._arguments("{}")
        elif kind in KINDS and self._room >= 0:
            own = {name: text_of(block.get(name)) + "".join(pieces) for name, pieces in self._pieces.items()}
            self._thoughts.append(block | own)
            self._room -= _BLOCK_CHARACTERS + len(text_of(block.get("data")))
        self._block, self._pieces = {}, {}
        return out

    def _keep(self, member: str, piece: str) -> None:
        self._room -= len(piece)
        if self._room >= 0:
            self._pieces.setdefault(member, []).append(piece)

    def _say(self, member: str, text: object) -> bytes:
        piece = text_of(text)
        return self._chunks.delta({member: piece}) if piece else b""

    def _arguments(self, piece: str) -> bytes:
        if not piece or self._block.get("type") != "tool_use":
            return b""
        self._has_input = True
        return self._chunks.delta({"tool_calls": [{"index": self._calls - 1, "function": {"arguments": piece}}]})

    _events: ClassVar[dict[str, Callable[[AnthropicFrames, dict[str, Any]], bytes]]] = {
        "message_start": _message_start,
        "content_block_start": _block_start,
        "content_block_delta": _block_delta,
        "content_block_stop": _block_stop,
        "message_delta": _message_delta,
        "message_stop": _message_stop,
        "ping": _ping,
        "error": _error,
    }
    """Others say nothing."""


def _inner(event: dict[str, Any], name: str) -> dict[str, Any]:
    found = event.get(name)
    if not isinstance(found, dict):
        reason = f"an event of type {event.get('type')!r} has no {name}"
        raise Unreadable(reason)
    return found
