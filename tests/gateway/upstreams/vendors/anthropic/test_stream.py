"""Tests of ``gateway.upstreams.vendors.anthropic.stream``: published streams, cut anywhere, broken off, and broken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.upstreams.vendors.anthropic.stream import AnthropicStream
from gateway.upstreams.vendors.dialect import Answer
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.anthropic.streams import (
    OVERLOADED,
    PING,
    PLAIN,
    SEARCH,
    STOP,
    THINKING,
    TOOLS,
    USAGE,
    block,
    delta,
    end,
    event,
    start,
    text,
)
from tests.gateway.upstreams.vendors.scanning_laws import (
    Scanned,
    a_frame_beyond_the_bound_passes,
    every_cut_is_the_same,
    memory_is_flat,
    nothing_is_lost,
    scan,
)

MODEL = "claude-sonnet-4-5-20250929"
CASES = [
    (PLAIN, Usage(365, 15, 300, 40, cache_write_1h_prompt_tokens=30), 0, ""),
    (TOOLS, Usage(472, 89), 2, ""),
    (THINKING, Usage(44, 300, reasoning_tokens=250), 0, ""),
    (SEARCH, Usage(10682, 510, 0, 0, tool_requests=2), 1, ""),
]
NAMES = ["plain", "tools", "thinking", "search"]


def scanned(*frames: bytes) -> Scanned:
    """What becomes of a stream of these."""
    return scan(AnthropicStream, frames)


def endings(stream: bytes, ending: bytes) -> bytes:
    """The stream with other ends of lines."""
    return stream.replace(b"\n", ending)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize(("stream", "usage", "calls", "problem"), CASES, ids=NAMES)
def test_published_streams(stream: bytes, usage: Usage, calls: int, problem: str, ending: bytes) -> None:
    """Cut at every byte: the same leaves, the terminal event alone is held, the same is counted, hand-checked."""
    stream = endings(stream, ending)
    found = every_cut_is_the_same(AnthropicStream, stream)
    held = endings(STOP, ending)
    assert (found.out, found.held) == (stream.removesuffix(held), held)
    assert (found.ended, found.ended_bare) == (True, True)
    answer = found.answer
    assert (answer.usage, answer.tool_calls, answer.problem) == (usage, calls, problem)
    assert (answer.model, answer.choices) == (MODEL, 1)


@pytest.mark.parametrize(("stream", "usage", "calls", "problem"), CASES, ids=NAMES)
def test_nothing_is_lost_where_a_stream_breaks_off(stream: bytes, usage: Usage, calls: int, problem: str) -> None:
    """What left and what is held are what came; and before its last count it is an estimate, never less than frames."""
    del calls
    nothing_is_lost(AnthropicStream, stream)
    last = stream.index(b"event: message_delta")
    for at in range(len(stream)):
        answer = scan(AnthropicStream, [stream[:at]]).answer
        if answer.usage is None:
            assert answer.problem == "truncated"
            assert at < stream.index(b"\n\n") + 2
        elif at < last:
            assert answer.problem == "truncated"
            assert answer.usage.response_tokens is not None
            frames = stream[:at].count(b"\n\n")
            assert frames <= answer.usage.response_tokens <= max(frames + 1, 5)
    assert scan(AnthropicStream, [stream.removesuffix(STOP)]).answer.usage == usage
    assert problem == ""


def test_counts_are_cumulative_and_never_added() -> None:
    """Of many deltas the last one holds; what a delta lacks or has as null is the beginning's."""
    found = scanned(
        start(),
        delta("pause_turn", output_tokens=5),
        delta(output_tokens=12, input_tokens=None),
        delta(output_tokens=15, input_tokens=26, cache_read_input_tokens=301),
        STOP,
    )
    assert found.answer.usage == Usage(26 + 301 + 40, 15, 301, 40, cache_write_1h_prompt_tokens=30)
    raw = {**USAGE, "output_tokens": 15, "input_tokens": 26, "cache_read_input_tokens": 301}
    assert json.loads(found.answer.raw_usage or "") == raw


def test_a_delta_keeps_what_only_an_earlier_one_counted() -> None:
    """Each is a sum so far, of what it speaks of."""
    early = delta("pause_turn", output_tokens=5, server_tool_use={"web_search_requests": 2})
    answer = scanned(start({"input_tokens": 7}), early, delta(output_tokens=9), STOP).answer
    assert (answer.usage, answer.problem) == (Usage(7, 9, tool_requests=2), "")


def test_explicit_zeros_stay() -> None:
    """An answer of no tokens is one."""
    answer = scanned(start({"input_tokens": 0, "output_tokens": 0}), delta(output_tokens=0), STOP).answer
    assert (answer.usage, answer.problem) == (Usage(0, 0), "")


def test_a_beginning_may_count_no_output() -> None:
    """Some servers do so; and some count the prompt at the end alone."""
    assert scanned(start({"input_tokens": 7}), delta(output_tokens=3), STOP).answer.usage == Usage(7, 3)
    assert scanned(start({}), delta(output_tokens=3, input_tokens=7), STOP).answer.usage == Usage(7, 3)


@pytest.mark.parametrize(
    ("last", "problem"),
    [
        (delta(output_tokens=-5), "negative_tokens"),
        (delta(output_tokens=10**30), "absurd_tokens"),
        (delta(output_tokens="9"), "wrong_type"),
        (delta(output_tokens=2.5), "wrong_type"),
        (delta(input_tokens={}, output_tokens=2), "wrong_type"),
        (event("message_delta", usage=7), "missing"),
        (event("message_delta", usage=[]), "missing"),
        (event("message_delta", usage={}), "missing"),
        (event("message_delta", usage=None), "missing"),
        (event("message_delta", delta={}), "missing"),
        (b"event: message_delta\ndata: garbage\n\n", "missing"),
        (b'event: message_delta\ndata: {"usage":{"output_tokens":5}\n\n', "missing"),
        (b"event: message_delta\n\n", "missing"),
        (b"", "missing"),
    ],
)
def test_a_last_count_that_cannot_be_read_makes_an_estimate(last: bytes, problem: str) -> None:
    """The prompt was counted at the beginning; of the output there are as many tokens as frames, at least."""
    stream = start() + text("a") + text("b") + text("c") + last + STOP
    found = every_cut_is_the_same(AnthropicStream, stream)
    usage = found.answer.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.response_tokens) == (365, stream.count(b"\n\n"))
    assert found.answer.problem == problem
    assert found.held == STOP


@pytest.mark.parametrize("usage", [None, 7, [], {"input_tokens": -1, "output_tokens": 1}, {"input_tokens": "x"}])
def test_without_a_prompt_count_there_is_no_usage(usage: object) -> None:
    """Output alone would be too cheap: all is estimated."""
    answer = scanned(start(usage), delta(output_tokens=9), STOP).answer
    assert answer.usage is None
    assert answer.problem
    assert answer.model == MODEL


def test_a_good_count_heals_a_bad_one() -> None:
    """The last one that can be read holds."""
    answer = scanned(start(), delta(output_tokens=-1), delta(output_tokens=9), STOP).answer
    assert answer.usage is not None
    assert (answer.usage.response_tokens, answer.problem) == (9, "")
    answer = scanned(start({"input_tokens": "x"}), delta(output_tokens=9, input_tokens=3), STOP).answer
    assert (answer.usage, answer.problem) == (Usage(3, 9), "")


def test_an_error_ends_the_stream() -> None:
    """It is held as the end is: SDKs raise on it and go. What was made by then is an estimate."""
    stream = start() + text("a") + OVERLOADED
    found = every_cut_is_the_same(AnthropicStream, stream)
    assert (found.held, found.ended, found.ended_bare) == (OVERLOADED, True, False)
    assert found.answer.usage is not None
    assert (found.answer.usage.prompt_tokens, found.answer.usage.response_tokens) == (365, 3)
    assert found.answer.problem == "vendor_error"


@pytest.mark.parametrize("error", [OVERLOADED, b'data: {"type":"error","error":{}}\n\n', b"event: error\ndata: x\n\n"])
def test_an_error_before_the_beginning_is_a_refusal(error: bytes) -> None:
    """Nothing was made, so nothing is charged; by name or by type."""
    found = scanned(PING, error)
    assert (found.out, found.held, found.ended) == (PING, error, True)
    assert (found.answer.usage, found.answer.problem) == (Usage(0, 0), "vendor_error")


def test_an_error_behind_a_beginning_that_nobody_could_read_is_none() -> None:
    """Then much came, and all of it is estimated."""
    answer = scanned(b"event: message_start\ndata: garbage\n\n", *[text("a")] * 5, OVERLOADED).answer
    assert (answer.usage, answer.problem) == (None, "vendor_error")


def test_an_error_behind_the_last_count_costs_what_was_counted() -> None:
    """Exactly."""
    answer = scanned(start(), delta(output_tokens=4), OVERLOADED).answer
    assert answer.usage is not None
    assert (answer.usage.response_tokens, answer.problem) == (4, "")


@pytest.mark.parametrize(
    ("terminal", "is_bare"),
    [
        (b'data: {"type":"message_stop"}\n\n', True),
        (b'event: message_stop\ndata: {"type":"message_stop"          }\n\n', True),
        (b'event:message_stop\ndata:{ "type": "message_stop" }\n\n', True),
        (b"event: message_stop\ndata: {}\n\n", False),
        (b'event: message_stop\ndata: {"type":"message_stop","usage":{"output_tokens":9}}\n\n', False),
        (b'id: 7\nevent: message_stop\ndata: {"type":"message_stop"}\n\n', False),
        (b"event: message_stop\n\n", False),
        (STOP + b"junk behind it", False),
        (STOP + b"\n\n", True),
    ],
)
def test_terminal_events(terminal: bytes, is_bare: bool) -> None:
    """By name or by type, padded or not; and whether there is anything in it."""
    found = scanned(start() + delta(output_tokens=2), terminal)
    assert (found.held, found.ended, found.ended_bare) == (terminal, True, is_bare)


def test_text_is_no_event() -> None:
    """Whatever a model writes."""
    words = (
        'event: message_stop\ndata: {"type":"message_stop"}\n\n event: error "tool_use" "usage":{"output_tokens":99}'
    )
    found = scanned(start(), text(words), block("text", text=words), delta(output_tokens=3), STOP)
    assert found.answer.usage is not None
    assert (found.answer.usage.response_tokens, found.answer.tool_calls, found.held) == (3, 0, STOP)


def test_code_that_the_vendor_ran_makes_an_estimate() -> None:
    """It is billed by time."""
    call = block("server_tool_use", name="bash_code_execution", input={})
    answer = scanned(start(), call, delta(output_tokens=3), STOP).answer
    assert (answer.problem, answer.tool_calls) == ("tool_uncounted", 1)
    search = block("server_tool_use", name="web_search")
    assert scanned(start(), search, call, delta(output_tokens=3), STOP).answer.problem == ""


@pytest.mark.parametrize("frames", [[b""], [b"\n\n"], [b"garbage\n\n"], [b"data: \xff\n\n"], [b"data: [DONE]\n\n"]])
def test_garbage_passes(frames: list[bytes]) -> None:
    """As it came; nothing is known of it."""
    found = scanned(*frames)
    assert found.out + found.held == b"".join(frames)
    assert found.answer == Answer(problem="truncated")


def test_memory_is_flat() -> None:
    """Of a hundred thousand chunks nothing stays; neither of calls without number."""
    call = block("server_tool_use", name="code_execution", input={})
    memory_is_flat(AnthropicStream, [text("a"), PING, call, end(), delta(output_tokens=3)], 5_000)


def test_a_usage_that_grows_for_ever_is_bounded() -> None:
    """By what it may be at most, not by the stream."""
    scanner = AnthropicStream()
    scanner.feed(start())
    for at in range(200):
        scanner.feed(event("message_delta", usage={f"{at:01000}": at, "output_tokens": at}))
    assert len(scanner._usage) < 70_000
    scanner.finish()
    assert scanner.answer.usage is not None


def test_a_frame_beyond_the_bound_passes() -> None:
    """Unread, but for an end: a block of megabytes costs nothing that comes behind it."""
    data = b'event: content_block_start\ndata: {"type":"content_block_start","content_block":{"data":"'
    after = delta(output_tokens=3) + STOP
    found = a_frame_beyond_the_bound_passes(AnthropicStream, data, b"x" * 65_536, b'"}}\n\n', after)
    assert found.held == STOP
    huge: Any = b'event: message_stop\ndata: {"type":"message_stop","x":"'
    found = a_frame_beyond_the_bound_passes(AnthropicStream, huge, b"x" * 65_536, b'"}\n\n', b"")
    assert found.ended


def test_texts_alike_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece of text that differs from the one before in nothing but the text says nothing, whatever the text."""
    searched: list[bytes] = []
    may_matter = AnthropicStream.may_matter

    def search(self: AnthropicStream, chunk: bytes) -> bool:
        searched.append(chunk)
        return may_matter(self, chunk)

    monkeypatch.setattr(AnthropicStream, "may_matter", search)
    scanner = AnthropicStream()
    thought = {"type": "thinking_delta", "thinking": "hm"}
    thoughts = [event("content_block_delta", index=0, delta=thought)] * 20
    frames = [*thoughts, text("river"), text(" error"), text(" tool_use message_stop"), text("")]
    assert [scanner.feed(frame) for frame in frames] == frames
    assert searched == [*thoughts, frames[20]]
    assert scanner.feed(STOP) == b""
    assert scanner.ended
