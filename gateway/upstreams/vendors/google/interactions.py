"""The Gemini API's newer way of asking, ``/interactions``: names of its own, server-sent events with names."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.upstreams.vendors.counts import NOTHING_COUNTED, Counted, raw_text
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.openai.wire import ABSENT
from gateway.upstreams.vendors.reading import UNREADABLE
from gateway.upstreams.vendors.scanning import SseFrame, SseScanner, Verdict
from sluice.money.usage import Usage

_MAX_TOKENS: Final = 1 << 40
_SEARCH: Final = "google_search"
_TERMINAL: Final = frozenset((b"interaction.completed", b"interaction.complete"))


class _Modality(msgspec.Struct):
    modality: str | None = None
    tokens: int | None = None


class _Tool(msgspec.Struct):
    type: str | None = None
    count: int | None = None


class _Counts(msgspec.Struct):
    total_input_tokens: int | None = None
    total_output_tokens: int | None = None
    total_thought_tokens: int | None = None
    total_cached_tokens: int | None = None
    total_tool_use_tokens: int | None = None
    input_tokens_by_modality: list[_Modality] | None = None
    output_tokens_by_modality: list[_Modality] | None = None
    cached_tokens_by_modality: list[_Modality] | None = None
    grounding_tool_count: list[_Tool] | None = None


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
_decode_counts: Final = msgspec.json.Decoder(_Counts).decode


def answer_of_interaction(body: bytes) -> Answer:
    """What a whole one says; raises ``msgspec.DecodeError`` or ``RecursionError``."""
    interaction = _decode_interaction(body)
    found = _counted(interaction.usage)
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
        found = _counted(interaction.usage)
        if found.text is not None:
            answer.usage, answer.raw_usage, answer.problem = found
            self.looks_left = 0
        answer.tool_calls = max(answer.tool_calls, interaction.calls)
        return "hold" if frame.name in _TERMINAL or (event.kind or "").encode() in _TERMINAL else "pass"


def _counted(raw: msgspec.Raw) -> Counted:
    json = bytes(raw)
    if not json or json == b"null":
        return NOTHING_COUNTED
    text = raw_text(json)
    try:
        counts = _decode_counts(json)
    except UNREADABLE:
        return Counted(None, text, "wrong_type")
    asked, given, thoughts = counts.total_input_tokens, counts.total_output_tokens, counts.total_thought_tokens
    tools = counts.total_tool_use_tokens
    for count in (asked, given, thoughts, tools, counts.total_cached_tokens):
        if count is not None and not 0 <= count <= _MAX_TOKENS:
            return Counted(None, text, "negative_tokens" if count < 0 else "absurd_tokens")
    if asked is None and given is None and thoughts is None:
        return Counted(None, text, "")
    usage = Usage(
        prompt_tokens=None if asked is None and tools is None else (asked or 0) + (tools or 0),
        response_tokens=(given or 0) + (thoughts or 0),
        cache_read_prompt_tokens=counts.total_cached_tokens,
        reasoning_tokens=thoughts,
        audio_prompt_tokens=_of(counts.input_tokens_by_modality, "audio") or None,
        audio_response_tokens=_of(counts.output_tokens_by_modality, "audio") or None,
        image_response_tokens=_of(counts.output_tokens_by_modality, "image") or None,
        tool_requests=_searches(counts.grounding_tool_count) or None,
    )
    return Counted(usage, text, "cached_audio" if _of(counts.cached_tokens_by_modality, "audio") else "")


def _of(details: list[_Modality] | None, modality: str) -> int:
    return sum([entry.tokens for entry in details or () if entry.tokens and entry.modality == modality])


def _searches(tools: list[_Tool] | None) -> int:
    return sum([tool.count for tool in tools or () if tool.count and tool.type == _SEARCH])
