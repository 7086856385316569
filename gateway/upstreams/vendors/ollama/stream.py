"""Ollama's streams of JSON lines, read beside their bytes.

The line with ``"done":true`` counts everything and is the last; it is held. So is an error, behind which nothing comes.
"""

from __future__ import annotations

import re

from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.ollama.usage import count, has_error, has_made, is_done, model_of, tool_calls_of
from gateway.upstreams.vendors.scanning import NdjsonScanner, Verdict
from sluice.money.usage import Usage
from sluice.usage.plain_counts import decode_members

_DONE = re.compile(rb'"done"\s*:\s*true')


class OllamaStream(NdjsonScanner):
    """Scans one streamed answer; see ``StreamScanner``."""

    def may_matter(self, chunk: bytes) -> bool:
        """Ends, calls and errors. In a text their quotes would be escaped."""
        return b'"tool_calls"' in chunk or b'"error"' in chunk or _DONE.search(chunk) is not None

    def inspect(self, line: bytes) -> Verdict:
        """Take note of a line; what to do with it."""
        members = decode_members(line)
        if members is None:
            return "pass"
        answer = self.answer
        answer.model = model_of(members) or answer.model
        if answer.model:
            self.looks_left = 0
        if has_error(members):
            answer.problem = "vendor_error"
            if self.sse_frames == 1:  # a refusal: nothing was made
                answer.usage = Usage(prompt_tokens=0, response_tokens=0)
            return "hold"
        answer.tool_calls += tool_calls_of(members)
        if is_done(members):
            count(answer, members, has_made=self.sse_frames > 1 or has_made(members))
            return "hold"
        return "pass"


class FreeLines(NdjsonScanner):
    """Scans what Ollama tells of its work on models: that costs nothing, and ends where it ends."""

    has_end = False

    def __init__(self, *, hide_usage: bool = False) -> None:
        super().__init__(hide_usage=hide_usage)
        self.answer = Answer(usage=Usage(prompt_tokens=0, response_tokens=0))
        self.looks_left = 0

    def may_matter(self, chunk: bytes) -> bool:  # noqa: ARG002 - formats differ
        """Nothing does."""
        return False

    def inspect(self, line: bytes) -> Verdict:  # noqa: ARG002 - formats differ
        """Never called: nothing matters."""
        return "pass"
