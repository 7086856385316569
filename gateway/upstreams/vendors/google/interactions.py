"""The Gemini API's newer way of asking, ``/interactions``: names of its own, server-sent events with names."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.openai.wire import ABSENT
from gateway.upstreams.vendors.scanning import SseFrame, SseScanner, Verdict
from sluice.usage.google_interactions import usage_of_interaction
from sluice.usage.reading import UNREADABLE

_TERMINAL: Final = frozenset((b"interaction.completed", b"interaction.complete"))


class _Step(msgspec.Struct):
    type: str | None = None


class _Interaction(msgspec.Struct):
    model: str | None = None
    usage: msgspec.Raw = ABSENT
    steps: list[_Step] | None = None
    outputs: list[_Step] | None = None

    @property
    def calls(self) -> int:
        """Tools that the client has to run."""
        return sum([1 for step in (*(self.steps or ()), *(self.outputs or ())) if step.type == "function_call"])


class _Event(msgspec.Struct):
    kind: str | None = msgspec.field(default=None, name="event_type")
    interaction: _Interaction | None = None
    step: _Step | None = None


_decode_interaction: Final = msgspec.json.Decoder(_Interaction).decode
_decode_event: Final = msgspec.json.Decoder(_Event).decode


def answer_of_interaction(body: bytes) -> Answer:
    """What a whole one says; raises ``msgspec.DecodeError`` or ``RecursionError``."""
    interaction = _decode_interaction(body)
    found = usage_of_interaction(interaction.usage)
    return Answer(found.usage, found.text, interaction.model, 1, interaction.calls, found.problem)


class InteractionStream(SseScanner):
    """Scans a streamed one, whose last event but ``done`` carries it whole."""

    bare_end = None

    def may_matter(self, chunk: bytes) -> bool:
        """Its last event, its first, and calls of tools."""
        return b"interaction.c" in chunk or b"function_call" in chunk

    def inspect(self, frame: SseFrame) -> Verdict:
        """What to do with a frame; takes note of what it says on the way."""
        try:
            event = _decode_event(frame.data)
        except UNREADABLE:
            return "pass"
        answer, interaction = self.answer, event.interaction
        if event.kind == "step.start" and event.step is not None and event.step.type == "function_call":
            answer.tool_calls += 1
        if interaction is None:
            return "pass"
        answer.model = interaction.model or answer.model
        found = usage_of_interaction(interaction.usage)
        if found.text is not None:
            answer.usage, answer.raw_usage, answer.problem = found
            self.looks_left = 0
        answer.tool_calls = max(answer.tool_calls, interaction.calls)
        return "hold" if frame.name in _TERMINAL or (event.kind or "").encode() in _TERMINAL else "pass"
