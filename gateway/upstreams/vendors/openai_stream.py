"""OpenAI's server-sent events, read beside the bytes.

A chunk that ends on an SSE frame's boundary and holds nothing of interest goes out as it came. Otherwise it is cut into
frames, and the few that may matter are looked at: usage we asked for (hidden again from a client that did not) and the
terminal event, which is held, because real SDKs stop reading there. What is not yet a whole frame waits: no client can
act on it before its empty line, and it may become a terminal event. Only comments, which keep connections alive, do not
wait. A frame that is larger than ``MAX_FRAME_BYTES`` is passed on unread, but for its end, so that nothing grows with
the stream.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from gateway.upstreams.sse_frames import FRAME_END, FRAME_END_BYTES, LINE_END, MAX_FRAME_BYTES
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.openai_wire import MAX_CHOICES, WireResponse, decode_response, usage_of

_MAX_LOOKS = 8
"""So many frames are searched for the model's name; OpenAI's have it in the first, Azure's in the second."""
_TERMINAL_EVENTS = frozenset((b"response.completed", b"response.incomplete", b"response.failed"))
_TERMINAL_TYPES = frozenset(b'"%s"' % name for name in _TERMINAL_EVENTS)
_TERMINAL_HEAD = re.compile(rb'(?:event: *|"type": *")response\.(?:completed|incomplete|failed)["\r\n]')
_HEAD_BYTES = 512
_SILENT_LINES = re.compile(rb"(?:(?::[^\r\n]*)?(?:\r\n|\n|\r(?=[^\n])))+")
"""Comments and empty lines at the start of a frame."""
_ONLY_SILENT = re.compile(rb"(?:(?::[^\r\n]*)?" + LINE_END + rb")*")
_BARE_END = re.compile(rb"data: ?\[DONE\] *(?:\r\n|\n|\r)*")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_COLON: Final = ord(":")

Verdict = Literal["pass", "hide", "hold"]


class OpenAiStream:
    """Scans one streamed response; see ``StreamScanner``."""

    def __init__(self, *, hide_usage: bool) -> None:
        self.answer = Answer()
        self.sse_frames = 0
        self._hide_usage = hide_usage
        self._rest = bytearray()
        """Of the stream, what is not a whole frame yet; of one that is too large, what may be part of its end."""
        self._held = b""
        self._ended = False
        self._looks_left = _MAX_LOOKS
        self._too_large: Verdict | None = None
        """While a frame that is too large passes: what it would be."""

    @property
    def ended(self) -> bool:
        """Whether the terminal event has arrived."""
        return self._ended

    @property
    def ended_bare(self) -> bool:
        """Whether ``[DONE]`` is all that is held; the terminal events of the responses API carry the whole answer."""
        return self._ended and _BARE_END.fullmatch(self._held) is not None

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that may go out now."""
        if (
            chunk[-2:] == b"\n\n"
            and not self._rest
            and not self._ended
            and not self._looks_left
            and chunk[0] != _COLON
            and not _may_matter(chunk)
        ):
            self.sse_frames += chunk.count(b"\n\n")
            return chunk
        return self._cut(chunk)

    def finish(self) -> bytes:
        """Everything not sent yet."""
        if self._ended:
            return self._held
        rest = bytes(self._rest)
        self._rest.clear()
        if self._too_large is None and self._inspect(rest) == "hide":
            return b""
        return rest

    def _cut(self, chunk: bytes) -> bytes:
        if self._ended:
            if len(self._held) < MAX_FRAME_BYTES:
                self._held += chunk
            return b""
        rest = self._rest
        searched = max(len(rest) - FRAME_END_BYTES, 0)
        rest += chunk
        out: list[bytes] = []
        start = 0
        while (boundary := FRAME_END.search(rest, max(start, searched))) is not None:
            end = boundary.end()
            verdict = self._too_large or self._inspect(bytes(rest[start:end]))
            if verdict == "hold":
                out.append(self._hold(start if self._too_large is None else boundary.start()))
                return b"".join(out)
            if verdict == "pass":
                out.append(bytes(rest[start:end]))
            self._too_large = None
            start = end
        del rest[:start]
        out.append(self._let_go())
        return b"".join(out)

    def _hold(self, start: int) -> bytes:
        """The stream ends with the frame from ``start`` on; what is before it and was not let go yet may go."""
        before = bytes(self._rest[:start]) if self._too_large is not None else b""
        self._held, self._ended = bytes(self._rest[start:]), True
        self._rest.clear()
        return before

    def _let_go(self) -> bytes:
        """The part of an incomplete frame that need not wait."""
        rest = self._rest
        if self._too_large is None:
            if len(rest) <= MAX_FRAME_BYTES:
                silent = _SILENT_LINES.match(rest)
                return self._take(silent.end()) if silent is not None else b""
            self._too_large = "hold" if _TERMINAL_HEAD.search(rest, 0, _HEAD_BYTES) else "pass"
            self.sse_frames += 1
        return self._take(max(len(rest) - FRAME_END_BYTES, 0))

    def _take(self, size: int) -> bytes:
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken

    def _inspect(self, frame: bytes) -> Verdict:
        """What to do with a frame; takes note of what it says on the way."""
        if _ONLY_SILENT.fullmatch(frame):
            return "pass"
        self.sse_frames += 1
        if not self._looks_left and not _may_matter(frame):
            return "pass"
        name, data = _fields(frame)
        if data.startswith(b"[DONE]"):
            return "hold"
        if self._looks_left:
            self._looks_left -= 1
        event = _decode(data)
        is_usage = event is not None and self._note(event)
        if name in _TERMINAL_EVENTS or (event is not None and event.kind in _TERMINAL_TYPES):
            return "hold"
        return "hide" if is_usage and self._hide_usage else "pass"

    def _note(self, event: WireResponse) -> bool:
        """Take note of an event; whether it only carries usage."""
        inner = event.response
        usage, raw = usage_of(inner.usage if inner else event.usage)
        answer = self.answer
        if usage is not None or answer.usage is None:  # the last that can be read: some vendors count up as they go
            answer.usage, answer.raw_usage = usage, raw or answer.raw_usage
        answer.model = (inner.model if inner else event.model) or answer.model
        if answer.model:
            self._looks_left = 0
        for choice in event.choices or ():
            if choice.delta and choice.delta.tool_calls:
                answer.tool_calls += sum(1 for call in choice.delta.tool_calls if call.id)
        if inner and inner.output:
            answer.choices = min(len(inner.output), MAX_CHOICES)
            answer.tool_calls = sum(1 for output in inner.output if output.is_call)
        return raw is not None and not event.choices and inner is None


def _may_matter(chunk: bytes) -> bool:
    """Whether something in it may be for us. Few and plain searches: this runs on every chunk."""
    return (
        b"[DONE]" in chunk
        or b'"tool_calls"' in chunk
        or (b'"usage"' in chunk and _counts_usage(chunk))
        or (b"response." in chunk and any(name in chunk for name in _TERMINAL_EVENTS))
    )


def _counts_usage(chunk: bytes) -> bool:
    """Whether some ``"usage"`` is not ``null``, as it is in each frame but one when it was asked for."""
    if chunk.count(b'"usage"') == chunk.count(b'"usage":null'):
        return False
    place = chunk.find(b'"usage"')
    while place >= 0:
        place += len(b'"usage"')
        if not chunk[place : place + 16].lstrip(b" :\t\r\n").startswith(b"null"):
            return True
        place = chunk.find(b'"usage"', place)
    return False


def _fields(frame: bytes) -> tuple[bytes, bytes]:
    """A frame's event name, and its data lines joined."""
    name, data = b"", []
    for line in frame.removeprefix(_BYTE_ORDER_MARK).splitlines():
        if line.startswith(b"data:"):
            data.append(line[5:].strip())
        elif line.startswith(b"event:"):
            name = line[6:].strip()
    return name, b"\n".join(data)


def _decode(data: bytes) -> WireResponse | None:
    """The data, where it is JSON of the kind we know."""
    if not data:
        return None
    try:
        return decode_response(data)
    except (msgspec.DecodeError, RecursionError):
        return None
