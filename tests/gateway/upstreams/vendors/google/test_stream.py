"""Tests of ``gateway.upstreams.vendors.google.stream``: both formats cut anywhere, broken off, and broken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.upstreams.vendors.google.paths import place_of
from gateway.upstreams.vendors.google.stream import GoogleArray, GoogleStream
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.google.streams import (
    BLOCKED,
    MODEL,
    PLAIN,
    SEARCH,
    STREAM,
    TOOLS,
    TWO,
    answer,
    array,
    candidate,
    counts,
    events,
)
from tests.gateway.upstreams.vendors.scanning_laws import (
    a_frame_beyond_the_bound_passes,
    every_cut_is_the_same,
    memory_is_flat,
    nothing_is_lost,
    scan,
)

CASES = [
    (PLAIN, Usage(8, 7), 1, 0),
    (TOOLS, Usage(50, 25), 1, 2),
    (SEARCH, Usage(9, 4, tool_requests=1), 1, 0),
    (TWO, Usage(5, 6), 2, 0),
    (BLOCKED, Usage(6, 0), 0, 0),
]
NAMES = ["plain", "tools", "search", "two", "blocked"]


def sse() -> GoogleStream:
    """A scanner of events."""
    return GoogleStream(place_of(STREAM))


def elements() -> GoogleArray:
    """A scanner of an array."""
    return GoogleArray(place_of(STREAM))


@pytest.mark.parametrize("ending", [b"\r\n", b"\n", b"\r"])
@pytest.mark.parametrize(("stream", "usage", "choices", "calls"), CASES, ids=NAMES)
def test_events_cut_anywhere(stream: list[Any], usage: Usage, choices: int, calls: int, ending: bytes) -> None:
    """The last usage counts, calls of tools add up; nothing is held: there is no terminal event."""
    data = b": hi" + ending * 2 + events(stream, ending)
    found = every_cut_is_the_same(sse, data)
    assert (found.answer.usage, found.answer.model) == (usage, MODEL)
    assert (found.answer.choices, found.answer.tool_calls, found.answer.problem) == (choices, calls, "")
    assert found.answer.raw_usage == json.dumps(stream[-1]["usageMetadata"])
    assert not found.ended
    assert found.out + found.held == data
    nothing_is_lost(sse, data)


@pytest.mark.parametrize(("stream", "usage", "choices", "calls"), CASES, ids=NAMES)
def test_an_array_cut_anywhere(stream: list[Any], usage: Usage, choices: int, calls: int) -> None:
    """The same from its elements; the bracket is held."""
    data = array(stream)
    found = every_cut_is_the_same(elements, data)
    assert (found.answer.usage, found.answer.model) == (usage, MODEL)
    assert (found.answer.choices, found.answer.tool_calls, found.answer.problem) == (choices, calls, "")
    assert (found.ended, found.ended_bare, found.held.strip()) == (True, True, b"]")
    assert found.out + found.held == data
    nothing_is_lost(elements, data)


@pytest.mark.parametrize("count", [1, 2])
def test_a_stream_that_broke_off_is_an_estimate(count: int) -> None:
    """What was counted last is kept, and not believed to be all."""
    for found in (scan(sse, [events(PLAIN[:count])]), scan(elements, [array(PLAIN[:count])[:-3]])):
        assert found.answer.usage == Usage(8, [1, 5][count - 1])
        assert found.answer.problem == "truncated"
    assert scan(sse, [events(TWO[:2])]).answer.problem == "truncated", "one of two goes on"


def test_what_came_so_far_is_known_before_the_end() -> None:
    """For an exchange that is cut by somebody else; and it may still become whole."""
    scanner = sse()
    scanner.feed(events(PLAIN[:2]))
    assert (scanner.answer.usage, scanner.answer.problem) == (Usage(8, 5), "truncated")
    scanner.feed(events(PLAIN[2:]))
    scanner.finish()
    assert (scanner.answer.usage, scanner.answer.problem, scanner.sse_frames) == (Usage(8, 7), "", 3)


@pytest.mark.parametrize(
    ("usage", "problem"),
    [
        ("many", "wrong_type"),
        ({"promptTokenCount": -1}, "negative_tokens"),
        ({"promptTokenCount": 10**30}, "absurd_tokens"),
    ],
)
def test_a_broken_count_leaves_the_one_before(usage: Any, problem: str) -> None:
    """But the cost is an estimate then, even where the broken one was the last."""
    broken = answer(candidate({"text": "x"}, finishReason="STOP"), usage=usage)
    for found in (scan(sse, [events([*PLAIN[:2], broken])]), scan(elements, [array([*PLAIN[:2], broken])])):
        assert (found.answer.usage, found.answer.problem) == (Usage(8, 5), problem)


@pytest.mark.parametrize(
    "data",
    [b"data: {broken\r\n\r\n", b"data:\n\n", b'data: {"error":{"code":500}}\r\n\r\n', b"data: [1]\n\n", b"\xff\n\n"],
)
def test_garbage_passes(data: bytes) -> None:
    """It counts nothing, and costs nothing that stands beside it."""
    stream = data + events(PLAIN) + data
    found = every_cut_is_the_same(sse, stream)
    assert found.out + found.held == stream
    assert found.answer.usage == Usage(8, 7)


def test_an_error_instead_of_an_array_passes() -> None:
    """Google's are an array of one, or the object alone."""
    for data in (
        b'[{"error":{"code":429,"details":[{"a":"}"}]}}]\n',
        b'{"error":{"code":400,"details":[{}]}}\n',
        b"oops",
    ):
        nothing_is_lost(elements, data)
        assert scan(elements, [data]).answer.usage is None


def test_nothing_grows() -> None:
    """With a stream, or with one element."""
    frame = events([answer(candidate({"text": "x"}), usage=counts(1, 2))])
    memory_is_flat(sse, [frame, frame[:10], frame[10:]])
    found = a_frame_beyond_the_bound_passes(sse, b'data: {"x":"', b"y" * 50_000, b'"}\r\n\r\n', events(PLAIN))
    assert found.answer.usage == Usage(8, 7)
