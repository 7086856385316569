"""OpenAI's server-sent events, read beside the bytes.

Looked at are usage we asked for (hidden again from a client that did not) and the terminal event, which is held,
because real SDKs stop reading there.
"""

from __future__ import annotations

import re

from gateway.upstreams.vendors.openai.wire import MAX_CHOICES, WireResponse, counted, decode_response
from gateway.upstreams.vendors.scanning import SseFrame, SseScanner, Verdict
from sluice.usage.reading import UNREADABLE

_TERMINAL_EVENTS = frozenset((
    b"response.completed", b"response.incomplete", b"response.failed", b"transcript.text.done", b"speech.audio.done",
))  # fmt: skip
_TERMINAL_TYPES = frozenset(b'"%s"' % name for name in _TERMINAL_EVENTS)
_IS_NULL = re.compile(rb"[ :\t\r\n]*null")
_COMPLETE = re.compile(rb"response\.(?:in)?complete")
_TERMINAL_NAMES = b"|".join(re.escape(name) for name in sorted(_TERMINAL_EVENTS))


class OpenAiStream(SseScanner):
    """Scans one streamed response; see ``StreamScanner``."""

    text_start = b'"content":"'
    padding_start = b'"obfuscation":"'
    terminal_head = re.compile(rb'(?:event: *|"type": *")(?:' + _TERMINAL_NAMES + rb')["\r\n]')
    usual_end = b"data: [DONE]\n\n"
    bare_end = re.compile(rb"data: ?\[DONE\] *(?:\r\n|\n|\r)*")

    def may_matter(self, chunk: bytes) -> bool:
        """Terminal events, tool calls and usage."""
        find = chunk.rfind  # half the time of ``in``
        return (
            find(b"[DONE]") >= 0
            or find(b'"tool_calls"') >= 0
            or ((count := chunk.count(b'"usage"')) and count != chunk.count(b'"usage":null') and _counts_usage(chunk))
            or (find(b"response.") >= 0 and _ends_response(chunk))
        )

    def inspect(self, frame: SseFrame) -> Verdict:
        """What to do with a frame; takes note of what it says on the way."""
        data = frame.data
        if data[:6] == b"[DONE]":
            return "hold"
        event = _decode(data)
        is_usage = event is not None and self._note(event)
        if frame.name in _TERMINAL_EVENTS or (event is not None and event.type and event.kind in _TERMINAL_TYPES):
            return "hold"
        return "hide" if is_usage and self.hide_usage else "pass"

    def _note(self, event: WireResponse) -> bool:
        """Take note of an event; whether it only carries usage."""
        inner = event.response
        usage, raw, problem = counted(event)
        answer = self.answer
        if usage is not None or (raw is not None and answer.usage is None):
            # the last that can be read: some vendors count up as they go
            answer.usage, answer.raw_usage, answer.problem = usage, raw, problem
        answer.model = (inner.model if inner else event.model) or answer.model
        if answer.model:
            self.looks_left = 0
        for choice in event.choices or ():
            if choice.delta and choice.delta.tool_calls:
                answer.tool_calls += sum(1 for call in choice.delta.tool_calls if call.id)
        if inner and inner.output:
            answer.choices = min(len(inner.output), MAX_CHOICES)
            answer.tool_calls = sum(1 for output in inner.output if output.is_call)
        return raw is not None and not event.choices and inner is None


class AudioStream(OpenAiStream):
    """Of transcriptions and speech, which end with an event of their own; others need not be searched for it."""

    def may_matter(self, chunk: bytes) -> bool:
        """As of the others, and those ends."""
        return b".done" in chunk or super().may_matter(chunk)


def _ends_response(chunk: bytes) -> bool:
    """Whether it may have the end of a Responses stream."""
    find = chunk.rfind
    return find(b"response.failed") >= 0 or (find(b"omplete") >= 0 and _COMPLETE.search(chunk) is not None)


def _counts_usage(chunk: bytes) -> bool:
    """Whether some ``"usage"`` is not ``null``, as it is in each frame but one when it was asked for."""
    place = chunk.rfind(b'"usage"')
    while place >= 0:
        end = place + len(b'"usage"')
        if chunk[end : end + 2] == b":{" or (chunk[end : end + 5] != b":null" and not _IS_NULL.match(chunk, end)):
            return True
        place = chunk.rfind(b'"usage"', 0, place)
    return False


def _decode(data: bytes) -> WireResponse | None:
    """The data, where it is JSON of the kind we know."""
    if not data:
        return None
    try:
        return decode_response(data)
    except UNREADABLE:
        return None
