"""Tests of ``gateway.upstreams.vendors.google.interactions``: whole and streamed, and counts that cannot be true."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.upstreams.vendors.google.interactions import InteractionStream, answer_of_interaction
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.scanning_laws import every_cut_is_the_same, nothing_is_lost, scan

USAGE: dict[str, Any] = {
    "total_input_tokens": 100,
    "total_output_tokens": 20,
    "total_thought_tokens": 30,
    "total_cached_tokens": 40,
    "total_tool_use_tokens": 5,
    "total_tokens": 155,
    "input_tokens_by_modality": [{"modality": "text", "tokens": 90}, {"modality": "audio", "tokens": 10}],
    "grounding_tool_count": [{"type": "google_search", "count": 3}],
}
COUNTED = Usage(105, 50, 40, reasoning_tokens=30, audio_prompt_tokens=10, tool_requests=3)
WHOLE = {"id": "v1_x", "model": "gemini-3-flash", "status": "completed", "usage": USAGE,
         "steps": [{"type": "model_output"}, {"type": "function_call", "name": "f"}]}  # fmt: skip


def event(kind: str, **fields: Any) -> bytes:
    """A server-sent event."""
    return f"event: {kind}\ndata: {json.dumps({'event_type': kind, **fields})}\n\n".encode()


STREAM = (
    event("interaction.created", interaction={"id": "x", "model": "gemini-3-flash"})
    + event("step.start", index=0, step={"type": "function_call", "name": "f"})
    + event("step.delta", index=0, delta={"text": "total_input_tokens"})
    + event("interaction.completed", interaction=WHOLE)
    + b"event: done\ndata: [DONE]\n\n"
)


def test_a_whole_one() -> None:
    """Its own names, brought to ours."""
    found = answer_of_interaction(json.dumps(WHOLE).encode())
    assert (found.usage, found.model, found.tool_calls, found.problem) == (COUNTED, "gemini-3-flash", 1, "")


def test_a_stream_cut_anywhere() -> None:
    """The event that completes it ends it, and is held."""
    found = every_cut_is_the_same(InteractionStream, STREAM)
    assert (found.answer.usage, found.answer.model, found.answer.tool_calls) == (COUNTED, "gemini-3-flash", 1)
    assert found.ended
    assert found.held.startswith(b"event: interaction.completed")
    nothing_is_lost(InteractionStream, STREAM)
    assert scan(InteractionStream, [STREAM[:200]]).answer.problem == "truncated"


@pytest.mark.parametrize(
    ("usage", "problem"),
    [("x", "wrong_type"), ({"total_input_tokens": "1"}, "wrong_type"), ({"total_input_tokens": -1}, "negative_tokens"),
     ({"total_output_tokens": 10**30}, "absurd_tokens"), ({}, "")],
)  # fmt: skip
def test_counts_that_cannot_be_true(usage: Any, problem: str) -> None:
    """They are no usage."""
    found = answer_of_interaction(json.dumps({"usage": usage}).encode())
    assert (found.usage, found.problem) == (None, problem)
