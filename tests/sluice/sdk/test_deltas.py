"""Tests of ``sluice.sdk.deltas``; what a window makes of them is in ``test_windows.py``."""

from __future__ import annotations

import json

import pytest

from sluice.sdk.deltas import Frame, split_frames

ENDS = [b"\n\n", b"\r\n\r\n", b"\r\r", b"\r\n\n", b"\n\r\n"]


@pytest.mark.parametrize("end", ENDS)
def test_a_piece_is_split_at_the_ends_of_frames(end: bytes) -> None:
    """Every end that a server may write; nothing is lost."""
    piece = end.join([b"data: 1", b"data: 2", b"data: 3"])
    frames = list(split_frames(piece))
    assert b"".join(frames) == piece
    assert frames == [b"data: 1" + end, b"data: 2" + end, b"data: 3"]
    assert list(split_frames(b"")) == []


def test_the_other_lines_of_a_frame_stay() -> None:
    """Its event and its id; data that stands on several lines is one."""
    frame = Frame(b'event: x\nid: 7\ndata: {"choices":\ndata: [{"text": "a"}]}\n\n')
    (delta,) = frame.deltas
    assert (delta.text, delta.channel) == ("a", ("text", 0, None))
    assert frame.rewritten({"a": 1}) == b'event: x\nid: 7\ndata: {"a":1}\n\n'


@pytest.mark.parametrize(
    ("value", "channels"),
    [
        ({"choices": [{"index": 1, "delta": {"content": "", "refusal": "no"}}]}, ["content", "refusal"]),
        ({"choices": [{"text": "a"}, {"index": 1, "text": "b"}]}, ["text", "text"]),
        ({"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "a"}}, ["thinking"]),
        ({"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "a"}}, ["tool"]),
        ({"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "a"}}, []),
        (
            {"candidates": [{"content": {"parts": [{"text": "a", "thought": True}, {"text": "b"}]}}]},
            ["thought", "text"],
        ),
        ({"type": "response.function_call_arguments.delta", "delta": "a"}, ["tool"]),
        ({"type": "response.refusal.delta", "delta": "a"}, ["response.refusal.delta"]),
        ({"type": "message_start", "message": {"content": []}}, []),
    ],
)
def test_deltas_are_found_in_every_dialect(value: object, channels: list[str]) -> None:
    """By what they are; a signature is none."""
    frame = Frame(b"data: " + json.dumps(value).encode() + b"\n\n", with_tool_calls=True)
    assert [delta.channel[0] for delta in frame.deltas] == channels


@pytest.mark.parametrize(
    ("data", "ended"),
    [
        (b"[DONE]", {0, 1}),
        (b'{"type":"content_block_stop","index":1}', {1}),
        (b'{"type":"message_stop"}', {0, 1}),
        (b'{"type":"error","error":{}}', {0, 1}),
        (b'{"choices":[{"index":0,"finish_reason":"stop"}]}', {0}),
        (b'{"candidates":[{"finishReason":"STOP"}]}', {0}),
        (b'{"type":"response.output_text.done","output_index":1}', {1}),
        (b'{"choices":[]}', set()),
        (b"{broken", set()),
    ],
)
def test_the_end_of_a_text_is_known(data: bytes, ended: set[int]) -> None:
    """By its index, or of all at once."""
    frame = Frame(b"data: " + data + b"\n\n")
    assert {index for index in (0, 1) if frame.ended_by(("content", index, None))} == ended
