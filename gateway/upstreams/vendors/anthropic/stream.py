"""Anthropic's server-sent events, read beside the bytes.

``message_start`` counts the prompt and the first tokens; each ``message_delta`` counts all there are by then: the last
one holds, nothing is added up. ``message_stop`` ends the stream and is held, as is an ``error``, behind which nothing
comes.
"""

from __future__ import annotations

import re

from gateway.upstreams.vendors.anthropic.wire import Block, Event, decode_event, uncounted
from gateway.upstreams.vendors.scanning import SseFrame, SseScanner, Verdict
from sluice.money.usage import Usage
from sluice.usage.anthropic import merged, usage_of

_ENDS = frozenset((b'"message_stop"', b'"error"'))
_END_NAMES = frozenset((b"message_stop", b"error"))
_NOTHING_YET = b'{"output_tokens":0}'
_MAX_FRAMES_OF_A_REFUSAL = 4
"""An error and some pings; behind more there may have been a beginning that could not be read."""
_MAX_SERVER_CALLS = 64
"""So many calls of the vendor's own tools are remembered by name; two kinds are all that is asked for."""


class AnthropicStream(SseScanner):
    """Scans one streamed response; see ``StreamScanner``."""

    text_start = b'"text":"'
    terminal_head = re.compile(rb'(?:^|[\r\n])event: *(?:message_stop|error) *[\r\n]|"type": *"message_stop"')
    bare_end = re.compile(
        rb'(?:event: ?message_stop *(?:\r\n|\n|\r))?data: ?\{ *"type": *"message_stop" *\} *(?:\r\n|\n|\r)*'
    )

    def __init__(self, *, hide_usage: bool = False) -> None:
        super().__init__(hide_usage=hide_usage)
        self.looks_left = 0  # the model's name stands in an event that always matters
        self._usage = _NOTHING_YET
        """Of all events so far."""
        self._is_begun = False
        self._is_final = False
        """Whether what is counted is all there is."""
        self._server_calls: list[Block] = []
        self._is_explained = False

    def may_matter(self, chunk: bytes) -> bool:
        """Beginnings, ends, usage, calls and errors."""
        find = chunk.rfind  # half the time of ``in``
        return find(b"message_") >= 0 or find(b"tool_use") >= 0 or find(b"error") >= 0

    def inspect(self, frame: SseFrame) -> Verdict:
        """Take note of an event; the terminal ones are held."""
        event = decode_event(frame.data) if frame.data else None
        if event is not None:
            self._note(event)
        kind = bytes(event.type) if event is not None else b""
        if frame.name in _END_NAMES or kind in _ENDS:
            if frame.name == b"error" or kind == b'"error"':
                self._fail()
            return "hold"
        return "pass"

    def finish(self) -> bytes:
        """Everything not sent yet. Without a last count there are as many tokens as frames came, at least."""
        rest = super().finish()
        if not self._is_explained:
            self._is_explained = True
            self._settle()
        return rest

    def _note(self, event: Event) -> None:
        answer = self.answer
        if event.message is not None:
            self._is_begun = True
            answer.model = event.message.model or answer.model
            answer.choices = 1
            self._usage = merged(self._usage, bytes(event.message.usage))
        block = event.content_block
        if block is not None and block.is_call:
            answer.tool_calls += 1
            if (block.is_code or block.is_web) and len(self._server_calls) < _MAX_SERVER_CALLS:
                self._server_calls.append(block)
        if event.usage:
            self._is_final = self._count(bytes(event.usage)) or self._is_final

    def _count(self, raw: bytes) -> bool:
        """Take a ``usage`` into the one so far; whether it counts the output. What cannot be read leaves the counts as
        they were: then they are not the last."""
        answer = self.answer
        together = merged(self._usage, raw) if raw else self._usage
        usage, text, problem = usage_of(together)
        if usage is None:
            answer.problem = answer.problem or problem
            answer.raw_usage = answer.raw_usage or text
            return False
        self._usage = together
        answer.usage, answer.raw_usage = usage, text
        answer.problem = problem if raw else answer.problem or problem
        return b'"output_tokens"' in raw

    def _fail(self) -> None:
        """An error instead of the rest. Before the message has begun it is a refusal, and nothing was made."""
        answer = self.answer
        if self._is_final:
            return
        answer.problem = "vendor_error"
        if not self._is_begun and self.sse_frames <= _MAX_FRAMES_OF_A_REFUSAL:
            answer.usage, self._is_final = Usage(prompt_tokens=0, response_tokens=0), True

    def _settle(self) -> None:
        answer = self.answer
        if not self._is_final and self._is_begun:
            self._count(b"")
        usage = answer.usage
        if usage is None:
            return
        if not self._is_final:
            answer.problem = answer.problem or ("missing" if self.ended else "truncated")
            usage.response_tokens = max(usage.response_tokens or 0, self.sse_frames)
        answer.problem = answer.problem or uncounted(self._server_calls)
