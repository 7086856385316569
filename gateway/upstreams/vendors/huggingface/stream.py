"""Server-sent events of text generation, read beside their bytes.

Each event is one token; the last carries the whole text too, and is held. So is an error, behind which nothing comes.
A server that speaks OpenAI's dialect on the same path is understood as well.
"""

from __future__ import annotations

import re
from contextlib import suppress

import msgspec

from gateway.upstreams.vendors.huggingface.usage import count, decode_generated
from gateway.upstreams.vendors.scanning import SseFrame, SseScanner, Verdict
from sluice.money.usage import Usage
from sluice.usage.counts import usage_of
from sluice.usage.reading import UNREADABLE

_TEXT = re.compile(rb'"generated_text"\s*:\s*"')
_decode_text = msgspec.json.Decoder(str).decode


class HuggingFaceStream(SseScanner):
    """Scans one streamed answer; see ``StreamScanner``."""

    def __init__(self, *, hide_usage: bool = False) -> None:
        super().__init__(hide_usage=hide_usage)
        self.looks_left = 1
        """Events name no model, but for OpenAI's, which all do."""

    def may_matter(self, chunk: bytes) -> bool:
        """Ends, usage and errors. In a text their quotes would be escaped."""
        return (
            _TEXT.search(chunk) is not None or b'"error"' in chunk or b'"usage"' in chunk or b"[DONE]" in chunk
        )  # fmt: skip

    def inspect(self, frame: SseFrame) -> Verdict:
        """Take note of an event; what to do with it."""
        if frame.data.startswith(b"[DONE]"):
            return "hold"
        event = decode_generated(frame.data)
        if event is None:
            return "pass"
        answer = self.answer
        if bytes(event.model).startswith(b'"'):
            with suppress(*UNREADABLE):
                answer.model = _decode_text(event.model) or answer.model
        found = usage_of(event.usage)
        if found.text is not None:
            answer.usage, answer.raw_usage, answer.problem = found
        if event.has_error:
            answer.problem = "vendor_error"
            if self.sse_frames == 1:  # a refusal: nothing was made
                answer.usage = Usage(prompt_tokens=0, response_tokens=0)
            return "hold"
        if not event.has_text:
            return "pass"
        count(answer, [event.details])
        return "hold"
