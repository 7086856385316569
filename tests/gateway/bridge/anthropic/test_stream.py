"""Anthropic's streams as chunks; how they may be cut is the business of ``test_answers.py``."""

from __future__ import annotations

import json

import pytest
from openai.lib.streaming._deltas import accumulate_delta

from gateway.bridge.anthropic import stream as streams
from gateway.bridge.anthropic.stream import AnthropicFrames
from gateway.bridge.interface import Unreadable
from gateway.upstreams.sse_frames import MAX_FRAME_BYTES
from gateway.upstreams.vendors.dialect import Answer
from sluice.money.usage import Usage
from tests.gateway.bridge.house import frames_of, text_of
from tests.gateway.bridge.test_frames import wanted
from tests.gateway.upstreams.vendors.anthropic.streams import (
    OVERLOADED,
    PING,
    STOP,
    block,
    delta,
    end,
    event,
    start,
    text,
)

COUNTED = Answer(usage=Usage(prompt_tokens=9, response_tokens=4))
THOUGHT = event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "x" * 1000})


def test_a_block_may_begin_with_what_it_says() -> None:
    """Text, thoughts, input: nothing of it is lost."""
    frames = AnthropicFrames(wanted())
    out = frames.feed(
        start()
        + block("thinking", thinking="hm", signature="s")
        + end()
        + block("text", 1, text="a")
        + end(1)
        + block("tool_use", 2, id="t", name="f", input={"x": 1})
        + end(2)
        + delta("tool_use")
        + STOP
    )
    out += frames.finish(COUNTED)
    found = frames_of(out)
    assert (text_of(found), found[-1]) == ("a", "[DONE]")
    calls = [c for f in found[:-1] for ch in f["choices"] for c in ch["delta"].get("tool_calls", [])]
    assert json.loads("".join(call["function"]["arguments"] for call in calls)) == {"x": 1}
    assert b'"thinking":"hm","signature":"s"' in out


def test_a_ping_keeps_the_way_open() -> None:
    """As a comment: a model may think for minutes."""
    frames = AnthropicFrames(wanted())
    assert frames.feed(PING) == b": ping\n\n"


def test_a_message_without_a_reason_did_not_end() -> None:
    """``message_stop`` alone is no finish reason, a finish reason alone no end."""
    for body in (start() + text("a") + STOP, start() + text("a") + delta()):
        frames = AnthropicFrames(wanted())
        out = frames.feed(body) + frames.finish(COUNTED)
        assert "error" in frames_of(out)[-1]


def test_nothing_follows_an_error() -> None:
    """Whatever the vendor still sends."""
    frames = AnthropicFrames(wanted())
    out = frames.feed(start() + OVERLOADED + text("late") + delta() + STOP) + frames.finish(COUNTED)
    assert frames_of(out)[-1]["error"]["code"] == "overloaded_error"
    assert text_of(frames_of(out)) == ""


def test_a_last_frame_may_lack_its_end() -> None:
    """It is read all the same; half of one is not."""
    frames = AnthropicFrames(wanted())
    assert frames_of(frames.feed(start() + delta() + STOP[:-2]) + frames.finish(COUNTED))[-1] == "[DONE]"
    frames = AnthropicFrames(wanted())
    assert "error" in frames_of(frames.feed(start() + delta() + STOP[:-6]) + frames.finish(COUNTED))[-1]


def test_a_frame_that_is_too_large_cannot_be_read() -> None:
    """Nothing grows without a bound."""
    frames = AnthropicFrames(wanted())
    with pytest.raises(Unreadable):
        frames.feed(b"data: " + b"x" * (MAX_FRAME_BYTES + 1))


def test_thoughts_without_end_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """They go out as they come; beyond a bound they cannot be sent back."""
    monkeypatch.setattr(streams, "_MAX_THOUGHT_CHARACTERS", 1500)
    for count, is_kept in ((1, True), (2, False), (5, False)):
        frames = AnthropicFrames(wanted())
        out = frames.feed(start() + block("thinking", thinking="") + THOUGHT * count + end() + delta())
        assert out.count(b"x" * 1000) == count + is_kept
        assert (b"thinking_blocks" in out) == is_kept
    hidden = block("redacted_thinking", data="y" * 700) + end()
    for count, is_kept in ((1, True), (2, False)):
        frames = AnthropicFrames(wanted())
        assert (b"thinking_blocks" in frames.feed(start() + hidden * count + delta())) == is_kept


def test_deltas_can_be_added_up() -> None:
    """As OpenAI's SDK does it. It cannot add to lists whose entries have no place: several thoughts leave at once."""
    signed = event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "s"})
    thinks = block("thinking", thinking="hm", signature="") + signed + end()
    calls = block("tool_use", 1, id="t", name="f", input={}) + end(1)
    frames = AnthropicFrames(wanted())
    out = frames.feed(start() + thinks + text("a") + thinks + calls + calls + delta("tool_use") + STOP)
    found: dict[object, object] = {}
    for frame in frames_of(out):
        found = accumulate_delta(found, frame["choices"][0]["delta"])
    assert (found["role"], found["content"], found["reasoning_content"]) == ("assistant", "a", "hmhm")
    block_of = {"type": "thinking", "thinking": "hm", "signature": "s"}
    assert found["extra_content"] == {"anthropic": {"thinking_blocks": [block_of, block_of]}}
