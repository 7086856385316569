"""A stream of ``converse-stream`` as ``chat.completion.chunk`` frames."""

from __future__ import annotations

from typing import Any, Final

from gateway.bridge.bedrock.answer import SERVERS, call_names, reason_of
from gateway.bridge.bedrock.errors import error_of_exception
from gateway.bridge.bedrock.reasoning import Proofs
from gateway.bridge.choices import Choices
from gateway.bridge.frames import tool_call
from gateway.bridge.interface import Unreadable, Wanted
from gateway.bridge.reading import decoded, object_in, text_in
from gateway.bridge.refusals import text_of
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.scanning import EventMessage, EventStreamScanner, Verdict

_MAX_OPEN_BLOCKS: Final = 256
"""They come one after the other; some models begin a few at once."""


class _Messages(EventStreamScanner):
    """The messages of the bytes it is given."""

    def __init__(self) -> None:
        super().__init__()
        self._found: list[EventMessage] = []

    def take(self, frames: bytes) -> list[EventMessage]:
        """Those that are whole now; raises ``Unreadable`` where one is broken."""
        self.feed(frames)
        found, self._found = self._found, []
        if self.answer.problem:
            message = "a message of the event stream is broken"
            raise Unreadable(message)
        return found

    def inspect(self, message: EventMessage) -> Verdict:
        """Keep it."""
        self._found.append(message)
        return "pass"

    def may_matter(self, chunk: bytes) -> bool:  # noqa: ARG002 - all do
        """All do."""
        return True


class _Block:
    """A content block that has begun."""

    def __init__(self) -> None:
        self.call: int | None = None
        """Which call of the message it is."""
        self.has_input = False
        self.is_servers = False
        self.has_reasoned = False


class ConverseFrames:
    """See ``StreamTranslator``."""

    def __init__(self, wanted: Wanted) -> None:
        self._messages = _Messages()
        self._chunks = Choices(wanted)
        self._blocks: dict[int, _Block] = {}
        self._proofs = Proofs()
        self._calls = 0

    def feed(self, frames: bytes) -> bytes:
        """OpenAI's frames of these."""
        return b"".join([self._message(message) for message in self._messages.take(frames)])

    def finish(self, answer: Answer) -> bytes:
        """Usage and ``[DONE]``; an error where the message did not stop."""
        return self._chunks.end(answer.usage)

    def _message(self, message: EventMessage) -> bytes:
        if self._chunks.has_failed:
            return b""
        headers = message.headers
        if headers.get(":message-type", "event") != "event":
            kind = headers.get(":exception-type") or headers.get(":error-code", "")
            error = error_of_exception(kind, message.payload, headers.get(":error-message", ""))
            return self._chunks.error(error)
        kind = headers.get(":event-type", "")
        if kind not in _EVENTS:
            return b""  # a kind that is newer than this
        return getattr(self, _EVENTS[kind])(decoded(message.payload))  # type: ignore[no-any-return]

    def _start(self, event: dict[str, Any]) -> bytes:  # noqa: ARG002 - as the others
        return self._chunks.open()

    def _block(self, event: dict[str, Any]) -> _Block:
        """The event's block; those of text begin unsaid."""
        index = _index_of(event)
        if index not in self._blocks and len(self._blocks) >= _MAX_OPEN_BLOCKS:
            message = f"more than {_MAX_OPEN_BLOCKS} content blocks are open"
            raise Unreadable(message)
        return self._blocks.setdefault(index, _Block())

    def _block_start(self, event: dict[str, Any]) -> bytes:
        start = object_in(event, "start")
        block = self._block(event)
        if "toolUse" not in start:
            block.is_servers = "toolResult" in start
            return b""
        use = object_in(start, "toolUse")
        block.is_servers = use.get("type") == SERVERS
        if block.is_servers:
            return b""
        block.call, self._calls = self._calls, self._calls + 1
        call = {"index": block.call, **tool_call(*call_names(use), "")}
        return self._chunks.delta({"tool_calls": [call]})

    def _delta(self, event: dict[str, Any]) -> bytes:
        delta, block = object_in(event, "delta"), self._block(event)
        if "text" in delta:
            return self._say("content", text_in(delta, "text"))
        if "toolUse" in delta:
            return self._arguments(block, text_in(object_in(delta, "toolUse"), "input"))
        if "reasoningContent" in delta:
            return self._think(block, object_in(delta, "reasoningContent"))
        return b""

    def _say(self, name: str, piece: str) -> bytes:
        return self._chunks.delta({name: piece}) if piece else b""

    def _arguments(self, block: _Block, piece: str) -> bytes:
        if block.is_servers or not piece:
            return b""
        if block.call is None:
            message = "a toolUse goes on that did not begin"
            raise Unreadable(message)
        block.has_input = True
        return self._chunks.delta({"tool_calls": [{"index": block.call, "function": {"arguments": piece}}]})

    def _think(self, block: _Block, delta: dict[str, Any]) -> bytes:
        if "redactedContent" in delta:
            self._proofs.redact(text_in(delta, "redactedContent"))
            return b""
        if "signature" in delta:
            self._proofs.sign(text_in(delta, "signature"))
            return b""
        piece = text_in(delta, "text")
        self._proofs.text(piece, is_new=not block.has_reasoned)
        block.has_reasoned = True
        return self._say("reasoning_content", piece)

    def _block_stop(self, event: dict[str, Any]) -> bytes:
        """A call without arguments has the empty object: clients read JSON."""
        block = self._blocks.pop(_index_of(event), None)
        if block is None or block.call is None or block.has_input:
            return b""
        return self._arguments(block, "{}")

    def _stop(self, event: dict[str, Any]) -> bytes:
        native = text_of(event.get("stopReason"))
        proofs = self._proofs.members()
        last = self._chunks.delta(proofs) if proofs else b""
        return last + self._chunks.close(reason_of(native, has_calls=self._calls > 0), native)


def _index_of(event: dict[str, Any]) -> int:
    index = event.get("contentBlockIndex", 0)
    if type(index) is not int:
        message = "contentBlockIndex is no number"
        raise Unreadable(message)
    return index


_EVENTS = {
    "messageStart": "_start",
    "contentBlockStart": "_block_start",
    "contentBlockDelta": "_delta",
    "contentBlockStop": "_block_stop",
    "messageStop": "_stop",
}
