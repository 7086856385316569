"""Tests of ``gateway.upstreams.vendors.bedrock.stream``: cut anywhere, broken, lying, cut short."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.sse_frames import MAX_FRAME_BYTES
from gateway.upstreams.vendors.bedrock.stream import ConverseStream, InvokeStream
from gateway.upstreams.vendors.dialect import StreamScanner
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.bedrock.streams import (
    CLAUDE,
    CLAUDE_DELTA,
    CLAUDE_START,
    CLAUDE_STOP,
    CLAUDE_TEXT,
    CLAUDE_USAGE,
    METRICS,
    METRICS_NAME,
    USAGE,
    chunk,
    claude_stream,
    converse_stream,
    dumps,
    event,
    exception,
    message,
    metadata,
)
from tests.gateway.upstreams.vendors.scanning_laws import (
    Scanned,
    a_frame_beyond_the_bound_passes,
    every_cut_is_the_same,
    memory_is_flat,
    nothing_is_lost,
    scan,
)

CONVERSED = Usage(1412, 30, 1000, 400, cache_write_1h_prompt_tokens=150)
INVOKED = Usage(16731, 126, 14486, 2238, cache_write_1h_prompt_tokens=2000)


def naming() -> StreamScanner:
    """Of a model whose ARN does not tell its name."""
    return InvokeStream(names_model=True)


def worth(found: Scanned) -> tuple[Usage | None, str]:
    """Usage, and what is wrong with it."""
    return found.answer.usage, found.answer.problem


def test_a_stream_of_converse_cut_anywhere_is_the_same() -> None:
    """Its last event is held, and counts."""
    found = every_cut_is_the_same(ConverseStream, converse_stream("weather", "nova_grounding"))
    assert found.held == metadata()
    assert found.ended
    usage = Usage(1412, 30, 1000, 400, cache_write_1h_prompt_tokens=150, tool_requests=1)
    assert worth(found) == (usage, "")
    assert (found.answer.choices, found.answer.tool_calls, found.answer.model) == (1, 2, None)
    assert json.loads(found.answer.raw_usage or "") == USAGE


def test_a_model_s_own_stream_cut_anywhere_is_the_same() -> None:
    """Bedrock's metrics count, the model tells the parts of the cache; cumulative counts are not added."""
    found = every_cut_is_the_same(InvokeStream, claude_stream())
    assert found.held == chunk(CLAUDE_STOP)
    assert worth(found) == (INVOKED, "")
    assert (found.answer.choices, found.answer.tool_calls, found.answer.model) == (1, 1, None)
    assert json.loads(found.answer.raw_usage or "") == {
        "usage": {**CLAUDE_USAGE, "output_tokens": 126}, METRICS_NAME: METRICS,
    }  # fmt: skip
    assert scan(naming, [claude_stream()]).answer.model == "claude-3-5-sonnet-20241022"


@pytest.mark.parametrize("make", [ConverseStream, InvokeStream])
def test_a_stream_that_breaks_off_anywhere_loses_nothing(make: Any) -> None:
    """Not a byte."""
    nothing_is_lost(make, converse_stream() if make is ConverseStream else claude_stream())


PLAIN = {"inputTokenCount": 9, "outputTokenCount": 4, "invocationLatency": 1, "firstByteLatency": 1}
FAMILIES: list[tuple[str, list[object], Usage, int]] = [
    ("nova", [{"messageStart": {"role": "assistant"}}, {"contentBlockStart": {"start": {"toolUse": {"name": "x"}}}},
              {"metadata": {"usage": {"inputTokens": 9, "outputTokens": 4, "cacheReadInputTokenCount": 3,
                                      "cacheWriteInputTokenCount": 0}}, METRICS_NAME: PLAIN}],
     Usage(12, 4, 3, 0), 1),
    ("titan", [{"outputText": "x", "index": 0, "totalOutputTextTokenCount": 2, "inputTextTokenCount": 9},
               {"outputText": "y", "index": 0, "totalOutputTextTokenCount": 4, "inputTextTokenCount": None,
                METRICS_NAME: PLAIN}], Usage(9, 4), 0),
    ("llama", [{"generation": "x", "prompt_token_count": 9, "generation_token_count": 1},
               {"generation": "y", "prompt_token_count": None, "generation_token_count": 4, METRICS_NAME: PLAIN}],
     Usage(9, 4), 0),
    ("mistral", [{"outputs": [{"text": "x"}]}, {"outputs": [{"text": "", "stop_reason": "stop"}], METRICS_NAME: PLAIN}],
     Usage(9, 4), 0),
    ("cohere", [{"text": "x", "is_finished": False}, {"is_finished": True, METRICS_NAME: PLAIN}], Usage(9, 4), 0),
    ("gpt-oss", [{"model": "m", "choices": [{"delta": {"content": "x"}}]},
                 {"choices": [{"delta": {"tool_calls": [{"id": "c"}]}}]}, {"choices": [], METRICS_NAME: PLAIN}],
     Usage(9, 4), 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "chunks", "usage", "calls"), FAMILIES, ids=[family[0] for family in FAMILIES])
def test_every_family_s_stream_ends_with_metrics(name: str, chunks: list[object], usage: Usage, calls: int) -> None:
    """Whatever else it says."""
    found = every_cut_is_the_same(InvokeStream, claude_stream(*chunks))
    assert worth(found) == (usage, ""), name
    assert found.held == chunk(chunks[-1])
    assert found.answer.tool_calls == calls


def test_explicit_zeros_stay() -> None:
    """They are values."""
    zero = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    assert worth(scan(ConverseStream, [converse_stream(usage=zero)])) == (Usage(0, 0), "")
    stop = {METRICS_NAME: {"inputTokenCount": 0, "outputTokenCount": 0}}
    assert worth(scan(InvokeStream, [claude_stream(CLAUDE_TEXT, stop)])) == (Usage(0, 0), "")


@pytest.mark.parametrize(
    ("usage", "problem"),
    [
        ({"inputTokens": "1", "outputTokens": 1}, "wrong_type"),
        ({"inputTokens": -1, "outputTokens": 1}, "negative_tokens"),
        ({"inputTokens": 1, "outputTokens": 10**30}, "absurd_tokens"),
        ({"inputTokens": 1}, "missing"),
        (7, "wrong_type"),
        (None, ""),
    ],
)
def test_usage_that_cannot_be_true_is_none(usage: object, problem: str) -> None:
    """The end is held all the same."""
    found = scan(ConverseStream, [converse_stream(usage=usage)])
    assert worth(found) == (None, problem)
    assert found.held == metadata(usage)


def test_metrics_that_cannot_be_true_leave_the_model_s_own_counts() -> None:
    """With the reason, so the cost is an estimate."""
    stop = {"type": "message_stop", METRICS_NAME: {"inputTokenCount": -1, "outputTokenCount": 1}}
    usage, problem = worth(scan(InvokeStream, [claude_stream(*CLAUDE[:-1], stop)]))
    assert (usage, problem) == (INVOKED, "negative_tokens")
    odd = {"type": "message_delta", "usage": {"output_tokens": -3}}
    usage, problem = worth(scan(InvokeStream, [claude_stream(CLAUDE_START, odd, CLAUDE_STOP)]))
    assert (usage, problem) == (INVOKED, "negative_tokens")


def test_a_stream_cut_short_is_an_estimate() -> None:
    """At least as many tokens as chunks came, where the model counted only the first."""
    cut = claude_stream(CLAUDE_START, CLAUDE_TEXT, CLAUDE_TEXT)
    found = every_cut_is_the_same(InvokeStream, cut)
    assert found.answer.usage is not None
    assert (found.answer.usage.response_tokens, found.answer.problem, found.ended) == (3, "truncated", False)
    counted = scan(InvokeStream, [claude_stream(CLAUDE_START, CLAUDE_TEXT, CLAUDE_DELTA)])
    assert worth(counted) == (INVOKED, "")
    assert worth(scan(ConverseStream, [converse_stream()[: -len(metadata())]])) == (None, "truncated")
    assert worth(scan(ConverseStream, [converse_stream()[:-1]])) == (None, "truncated")
    assert worth(scan(InvokeStream, [b""])) == (None, "truncated")


@pytest.mark.parametrize("make", [ConverseStream, InvokeStream])
def test_an_exception_ends_a_stream(make: Any) -> None:
    """It is held. Before anything else came it is a refusal, which costs nothing."""
    last = exception("modelStreamErrorException")
    found = every_cut_is_the_same(make, last)
    assert (found.held, found.ended) == (last, True)
    assert worth(found) == (Usage(0, 0), "vendor_error")
    begin = event("messageStart", role="assistant") if make is ConverseStream else chunk(CLAUDE_START)
    found = every_cut_is_the_same(make, begin + begin + last)
    assert (found.held, found.answer.problem) == (last, "vendor_error")
    if make is InvokeStream:
        assert found.answer.usage is not None
        assert found.answer.usage.response_tokens == 3
    else:
        assert found.answer.usage is None


def test_an_error_that_is_no_exception_ends_a_stream_too() -> None:
    """The protocol has both."""
    last = message(b"", error_code="InternalError", error_message="oops", message_type="error")
    assert scan(InvokeStream, [last]).held == last


@pytest.mark.parametrize("make", [ConverseStream, InvokeStream])
def test_broken_checksums_pass_and_are_not_believed(make: Any) -> None:
    """Of the lengths, nobody knows where the next message begins; of the rest, the message is one that is not read."""
    stream = converse_stream() if make is ConverseStream else claude_stream()
    last = metadata() if make is ConverseStream else chunk(CLAUDE_STOP)
    for place in (len(stream) - len(last) + 9, len(stream) - 1):
        broken = bytearray(stream)
        broken[place] ^= 0x40
        found = scan(make, [bytes(broken)])
        assert found == scan(make, [bytes(broken[:place]), bytes(broken[place:])])
        assert found.out + found.held == broken
        assert found.answer.problem == ("broken_frame" if make is ConverseStream else found.answer.problem)
        assert found.answer.problem or found.answer.usage == INVOKED


def test_what_comes_behind_broken_lengths_is_not_believed() -> None:
    """Even if it looks like a message."""
    broken = b"\0\0\0\x20garbage in the prelude"
    found = scan(ConverseStream, [broken, metadata()])
    assert (found.out, worth(found)) == (broken + metadata(), (None, "broken_frame"))


@pytest.mark.parametrize(
    "odd",
    [
        b"", b"{", b"[]", b"5", b'"x"', b"\xff\xfe", b'{"usage":5,"choices":[5],"message":7}', b"[" * 5000,
        b'{"tool_calls":"tokens"}', b'{"amazon-bedrock-invocationMetrics":null,"tokens":1}',
    ],
)  # fmt: skip
def test_chunks_of_garbage_pass(odd: bytes) -> None:
    """And what is behind them counts."""
    stream = claude_stream(CLAUDE_START, odd, *CLAUDE[1:])
    assert scan(InvokeStream, [stream]).answer.usage == INVOKED
    assert scan(InvokeStream, [stream[at : at + 7] for at in range(0, len(stream), 7)]).answer.usage == INVOKED


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"bytes":5}', b'{"bytes":"***"}', b'{"bytes":"YQ"}', b"{}"])
def test_events_of_garbage_pass(payload: bytes) -> None:
    """Of both streams."""
    odd = message(payload, event_type="chunk", message_type="event")
    assert scan(InvokeStream, [odd + claude_stream()]).answer.usage == INVOKED
    odd = message(payload, event_type="contentBlockStart", x="toolUse metadata", message_type="event")
    found = scan(ConverseStream, [odd + converse_stream()])
    assert found.answer.usage == CONVERSED
    last = message(payload, event_type="metadata", message_type="event")
    assert scan(ConverseStream, [converse_stream()[: -len(metadata())] + last]).held == last


def test_nothing_grows_with_a_stream() -> None:
    """However long it is, whatever is in it."""
    memory_is_flat(ConverseStream, [event("contentBlockDelta", delta={"text": "metadata toolUse exception"})], 5_000)
    memory_is_flat(InvokeStream, [chunk(CLAUDE_TEXT), chunk({"usage": {"output_tokens": 3}, "text": "tokens"})], 5_000)


def test_a_message_beyond_the_bound_passes_unread() -> None:
    """What is behind it counts."""
    filling = b"x" * (1 << 20)
    count = MAX_FRAME_BYTES // len(filling) + 10
    head = event("contentBlockDelta", delta={})
    size = int.from_bytes(head[4:8], "big")
    lengths = struct.pack(">II", 16 + size + count * len(filling), size)
    begin = lengths + struct.pack(">I", zlib.crc32(lengths)) + head[12 : 12 + size]
    end = struct.pack(">I", zlib.crc32(begin + filling * count))
    found = a_frame_beyond_the_bound_passes(ConverseStream, begin, filling, end, metadata())
    assert (found.answer.usage, found.held) == (CONVERSED, metadata())


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=400))
def test_garbage_never_raises_and_loses_nothing(garbage: bytes, place: int) -> None:
    """Wherever it stands."""
    for make, stream in ((ConverseStream, converse_stream()), (InvokeStream, claude_stream())):
        mixed = stream[:place] + garbage + stream[place:]
        found = scan(make, [mixed])
        assert found.out + found.held == mixed


def test_counts_of_a_text_are_no_counts() -> None:
    """A model may write JSON."""
    says = dumps({METRICS_NAME: METRICS, "usage": {"output_tokens": 9}}).decode()
    text = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": says}}
    found = scan(InvokeStream, [claude_stream(CLAUDE_START, text, CLAUDE_DELTA)])
    assert worth(found) == (INVOKED, "")
    assert not found.ended
