"""Tests of ``gateway.upstreams.vendors.huggingface.stream``: events cut anywhere, broken, missing, lying."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.huggingface.stream import HuggingFaceStream
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.scanning_laws import (
    Scanned,
    a_frame_beyond_the_bound_passes,
    every_cut_is_the_same,
    memory_is_flat,
    nothing_is_lost,
    scan,
)


def event(text: str = "x", **members: Any) -> bytes:
    """One event, as servers write it."""
    token = {"id": 1, "text": text, "logprob": -0.1, "special": False}
    value = {"index": 1, "token": token, "generated_text": None, "details": None, **members}
    return b"data:" + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


DETAILS = {"finish_reason": "eos_token", "generated_tokens": 3, "seed": None, "input_length": 14}
LAST = event("</s>", generated_text='é 😀 "error"', details=DETAILS)
TEXT = event("é😀") + b":\n\n" + event('"generated_text":"x", "error" [DONE]')
STREAM = TEXT + LAST
ERROR = b'data:{"error":"Request failed during generation","error_type":"generation"}\n\n'


def read(stream: bytes) -> Scanned:
    """A stream, cut everywhere."""
    return every_cut_is_the_same(HuggingFaceStream, stream)


def test_a_stream_cut_anywhere_is_the_same() -> None:
    """The last event counts and is held; words in texts mean nothing."""
    found = read(STREAM)
    assert (found.out, found.held, found.ended) == (TEXT, LAST, True)
    assert (found.answer.usage, found.answer.problem) == (Usage(14, 3), "")
    assert json.loads(found.answer.raw_usage or "") == DETAILS


def test_lines_may_end_with_cr_lf_and_have_spaces() -> None:
    """And names before their data."""
    spaced = STREAM.replace(b"data:", b"event: message\ndata: ").replace(b'":', b'": ').replace(b"\n", b"\r\n")
    assert read(spaced).answer.usage == Usage(14, 3)


@pytest.mark.parametrize(
    ("details", "usage", "problem"),
    [
        (None, None, "no_details"),
        ({"generated_tokens": 3}, Usage(None, 3), "prompt_missing"),
        ({"generated_tokens": 0, "input_length": 0}, Usage(0, 0), ""),
        ({"generated_tokens": 3, "input_length": []}, Usage(None, 3), "wrong_type"),
        ({"generated_tokens": {}, "input_length": 3}, None, "wrong_type"),
        ({"generated_tokens": -3, "input_length": 3}, None, "negative_tokens"),
        ({"generated_tokens": 10**30, "input_length": 3}, None, "absurd_tokens"),
        ([1], None, "wrong_type"),
    ],
)
def test_counts_that_cannot_be_trusted_end_a_stream_all_the_same(
    details: Any, usage: Usage | None, problem: str
) -> None:
    """Without details each event is a token: there are as many as came."""
    found = read(TEXT + event(generated_text="x", details=details))
    assert (found.answer.usage, found.answer.problem, found.ended) == (usage, problem, True)


def test_a_stream_that_breaks_off_is_truncated_and_loses_nothing() -> None:
    """Wherever it does."""
    nothing_is_lost(HuggingFaceStream, STREAM)
    for end in (0, 10, len(TEXT), len(STREAM) - 30):
        found = scan(HuggingFaceStream, [STREAM[:end]])
        assert (found.answer.usage, found.answer.problem, found.ended) == (None, "truncated", False)


def test_an_error_in_mid_stream_ends_it() -> None:
    """What was made until then is not counted; before anything was made it is a refusal."""
    found = read(TEXT + ERROR)
    assert (found.held, found.ended, found.answer.usage, found.answer.problem) == (ERROR, True, None, "vendor_error")
    refused = read(ERROR)
    assert (refused.answer.usage, refused.answer.problem) == (Usage(0, 0), "vendor_error")


@pytest.mark.parametrize(
    "garbage", [b"data: x\n\n", b"data:[1]\n\n", b"\xff\n\n", b"data\n\n", b'data:{"generated_text":""\n\n']
)
def test_events_that_are_none_pass(garbage: bytes) -> None:
    """They are the client's, and end nothing."""
    found = read(TEXT + garbage + LAST)
    assert (found.out, found.held, found.answer.usage) == (TEXT + garbage, LAST, Usage(14, 3))


def test_openai_s_events_on_the_same_path_are_understood() -> None:
    """As those of ``/invocations`` with messages."""
    chunk = b'data: {"model":"m","choices":[{"delta":{"content":"x"}}],"usage":null}\n\n'
    usage = b'data: {"model":"m","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6}}\n\n'
    found = read(chunk + usage + b"data: [DONE]\n\n")
    assert (found.answer.usage, found.answer.model, found.answer.problem) == (Usage(5, 6), "m", "")
    assert (found.held, found.ended) == (b"data: [DONE]\n\n", True)


def test_memory_is_flat() -> None:
    """Whatever passes."""
    memory_is_flat(HuggingFaceStream, [event("a" * 50), b":\n\n", event("b")])


def test_an_event_beyond_the_bound_passes_unread() -> None:
    """And the stream goes on behind it."""
    found = a_frame_beyond_the_bound_passes(HuggingFaceStream, b'data: {"x":"', b"y" * 65536, b'"}\n\n', LAST)
    assert (found.answer.usage, found.ended) == (Usage(14, 3), True)


@given(
    st.lists(st.sampled_from([event("a"), LAST, ERROR, b": x\n\n", b"\r\n", b"data: [DONE]\n\n"]), max_size=6),
    st.data(),
)
def test_any_events_in_any_pieces_are_the_same(events: list[bytes], data: st.DataObject) -> None:
    """All of them leave or are held; empty lines before the end may do either."""
    stream = b"".join(events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    found, whole = scan(HuggingFaceStream, pieces), scan(HuggingFaceStream, [stream])
    assert (found.answer, found.ended, found.held.lstrip()) == (whole.answer, whole.ended, whole.held.lstrip())
    assert found.out + found.held == stream
