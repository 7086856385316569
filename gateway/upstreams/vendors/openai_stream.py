"""OpenAI's server-sent events, read beside the bytes.

A chunk that ends on an SSE frame's boundary and holds nothing of interest goes out as it came. Only frames that may
matter are cut out: usage we asked for (hidden again from a client that did not), and the terminal event, which is
held, because real SDKs stop reading there. An incomplete frame is held only while it could still become one of these.
"""

from __future__ import annotations

import msgspec

from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.openai_wire import WireResponse, decode_response, usage_of

_DONE = (b"data: [DONE]", b"data:[DONE]")
_RESPONSES_END = tuple(
    prefix + name
    for name in (b"response.completed", b"response.incomplete", b"response.failed")
    for prefix in (b"event: ", b"event:")
)
_TRIGGERS = (b"[DONE]", b'"usage":{', b'"usage": {', b'"tool_calls"', b"response.completed", b"response.incomplete",
             b"response.failed")  # fmt: skip
MAX_FRAME_BYTES = 1 << 20
"""A frame that never ends is passed on unread from here, so that nothing grows with the stream."""


class OpenAiStream:
    """Scans one streamed response; see ``StreamScanner``."""

    def __init__(self, *, hide_usage: bool, responses_api: bool) -> None:
        self.answer = Answer()
        self.sse_frames = 0
        self._hide_usage = hide_usage
        self._terminal = _RESPONSES_END if responses_api else _DONE
        self._frame = b""  # the current incomplete frame …
        self._sent = 0  # … of which so much has gone out
        self._held = b""
        self._ended = False
        self._unread = False
        self._looked = False

    @property
    def ended(self) -> bool:
        """Whether the terminal event has arrived."""
        return self._ended

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that may go out now."""
        if self._unread:
            return chunk
        if self._ended:
            self._held = (self._held + chunk)[:MAX_FRAME_BYTES]
            return b""
        if not self._frame and chunk.endswith(b"\n\n") and not _may_matter(chunk):
            self.sse_frames += chunk.count(b"\n\n")
            self._note_model(chunk)
            return chunk
        return self._cut(self._frame + chunk)

    def finish(self) -> bytes:
        """Everything not sent yet."""
        if self._ended:
            return self._held
        rest = self._frame[self._sent :]
        if self._frame and self._inspect(self._frame) == "hide":
            rest = b""
        self._frame, self._sent = b"", 0
        return rest

    def _cut(self, data: bytes) -> bytes:
        out: list[bytes] = []
        start = 0
        while (end := _frame_end(data, start)) > 0:
            frame = data[start:end]
            verdict = self._inspect(frame)
            if verdict == "hold":
                self._held, self._ended = data[start + self._sent :], True
                self._frame, self._sent = b"", 0
                return b"".join(out)
            if verdict == "pass":
                out.append(frame[self._sent :])
            self._sent = 0
            start = end
        out.append(self._keep(data[start:]))
        return b"".join(out)

    def _keep(self, rest: bytes) -> bytes:
        """Remember an incomplete frame; the part of it that may go out already."""
        if len(rest) > MAX_FRAME_BYTES:
            self._unread, self._frame = True, b""
            return rest[self._sent :]
        self._frame = rest
        if self._hide_usage or self._could_be_terminal(rest):
            return b""
        out, self._sent = rest[self._sent :], len(rest)
        return out

    def _could_be_terminal(self, rest: bytes) -> bool:
        return any(rest[: len(mark)] == mark[: len(rest)] for mark in self._terminal)

    def _inspect(self, frame: bytes) -> str:
        """``pass``, ``hide`` or ``hold``; takes note of what a frame says on the way."""
        self.sse_frames += 1
        body = frame.lstrip(b"\r\n")
        is_end = body.startswith(self._terminal)
        if not is_end or self._terminal is _RESPONSES_END:
            event = _event_of(body)
            if event is not None and self._note(event):
                return "hide"
        return "hold" if is_end else "pass"

    def _note(self, event: WireResponse) -> bool:
        """Take note of an event; whether it is one that only carries the usage we asked for."""
        inner = event.response
        usage, raw = usage_of(inner.usage if inner else event.usage)
        answer = self.answer
        if raw is not None:
            answer.usage, answer.raw_usage = usage, raw
        answer.model = (inner.model if inner else event.model) or answer.model
        for choice in event.choices or ():
            answer.choices = max(answer.choices, choice.index + 1)
            if choice.delta and choice.delta.tool_calls:
                answer.tool_calls += sum(1 for call in choice.delta.tool_calls if call.id)
        if inner and inner.output:
            answer.tool_calls = sum(1 for output in inner.output if output.type.endswith("_call"))
        return self._hide_usage and raw is not None and not event.choices

    def _note_model(self, chunk: bytes) -> None:
        """The model, from the first frame: later ones repeat it, and parsing each would be most of a stream's cost."""
        if not self._looked:
            self._looked = True
            event = _event_of(chunk[: _frame_end(chunk, 0)])
            if event is not None:
                self._note(event)


def _may_matter(chunk: bytes) -> bool:
    return any(trigger in chunk for trigger in _TRIGGERS)


def _frame_end(data: bytes, start: int) -> int:
    """Index behind the first complete SSE frame from ``start``, or -1; LF and CRLF both end lines."""
    plain = data.find(b"\n\n", start)
    carriage = data.find(b"\r\n\r\n", start, plain if plain >= 0 else len(data))
    if carriage >= 0:
        return carriage + 4
    return plain + 2 if plain >= 0 else -1


def _event_of(frame: bytes) -> WireResponse | None:
    """The JSON of a frame's ``data:`` lines, where it is JSON of the kind we know."""
    lines = [line[5:].strip() for line in frame.splitlines() if line.startswith(b"data:")]
    if not lines:
        return None
    try:
        return decode_response(b"\n".join(lines))
    except (msgspec.DecodeError, RecursionError):
        return None
