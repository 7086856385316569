"""Every stream of every dialect, cut, broken off, broken and without end: the same usage however it arrives, never more
than was counted, never exact where it is not whole, nothing lost, nothing kept, in time."""

from __future__ import annotations

import gc
import re
import tracemalloc

import pytest

from gateway.upstreams.vendors.dialect import Answer, StreamScanner
from sluice.dev.vendor.script import MAX_CHUNKS
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.recorded import FORMATS_APART, WAYS, Way, pieces, recorded, told, whole
from tests.gateway.upstreams.vendors.scanning_laws import (
    best_of,
    every_cut_is_the_same,
    memory_is_flat,
    pieces_of,
    scan,
)

COUNTS = "prompt_tokens=900;response_tokens=70;cached=512;cache_write=64;reasoning=8"
SCRIPTS = {
    "text": f"chunks=3;text=é漢😀;{COUNTS}",
    "tools": f"tool_calls=2;{COUNTS}",
    "zeros": "chunks=1;prompt_tokens=1;response_tokens=0",
    "nothing": "chunks=0",
    "uncounted": "chunks=2;usage=none",
    "negative": "chunks=1;figures=negative",
    "huge": "chunks=1;figures=huge",
    "wrong": "chunks=1;figures=text",
    "objects": "chunks=1;figures=object",
    "garbage": f"chunks=3;garbage=body;{COUNTS}",
    "failed": f"chunks=3;fail_after=2;{COUNTS}",
}
_ESTIMATED = ("uncounted", "negative", "huge", "wrong", "objects", "failed")
"""Streams whose cost cannot be exact."""


def by_name(values: tuple[Way, ...]) -> pytest.MarkDecorator:
    """A parameter for each."""
    return pytest.mark.parametrize("way", [pytest.param(way, id=way.name) for way in values])


@by_name(FORMATS_APART)
@pytest.mark.parametrize("name", ["text", "tools", "nothing", "negative", "garbage", "failed"])
def test_every_cut_counts_the_same(way: Way, name: str) -> None:
    """In two pieces at every byte, in single bytes, in small ones: the same leaves, the same is held and counted."""
    stream = recorded(way, SCRIPTS[name])
    found = every_cut_is_the_same(way.scanner, stream)
    assert found.out + found.held == stream


@by_name(WAYS)
@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_counted_is_what_the_vendor_told(way: Way, name: str) -> None:
    """Token for token; and what cannot be trusted says why."""
    found = scan(way.scanner, [recorded(way, SCRIPTS[name])]).answer
    if name in _ESTIMATED:
        assert is_estimate(found), found
        return
    vendor = told(way, SCRIPTS[name])
    assert vendor is not None
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.response_tokens) == (vendor.prompt_tokens, vendor.response_tokens)
    assert (found.usage.cache_read_prompt_tokens or 0) in {vendor.cached, 0}
    if name != "garbage":
        assert not found.problem, found


def is_estimate(answer: Answer) -> bool:
    """Whether its cost will be an estimate: nothing is counted, or not to be trusted."""
    return answer.usage is None or bool(answer.problem)


@by_name(FORMATS_APART)
@pytest.mark.parametrize("name", ["text", "tools", "zeros"])
def test_a_stream_that_breaks_off_is_never_exact(way: Way, name: str) -> None:
    """At whatever byte: all bytes come out, and counts that are not the last ones are an estimate."""
    stream = recorded(way, SCRIPTS[name])
    final = scan(way.scanner, [stream]).answer
    for end in range(len(stream)):
        found = scan(way.scanner, [stream[:end]])
        assert found.out + found.held == stream[:end], end
        if not is_estimate(found.answer):
            assert found.answer.usage == final.usage, end


SSE_WAYS = tuple(
    way
    for way in FORMATS_APART
    if b"event-stream" in way.speaks.content_type(way.asked(), is_stream=True).encode()
    and b"amazon" not in way.speaks.content_type(way.asked(), is_stream=True).encode()
)


@by_name(SSE_WAYS)
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_lines_may_end_as_they_may(way: Way, ending: bytes) -> None:
    """LF, CR LF and CR alone end lines of server-sent events (HTML, 9.2.5); comments, unknown fields say nothing."""
    stream = recorded(way, SCRIPTS["text"])
    lines = re.sub(rb"\r\n|\n", b"\n", stream).replace(b"\n\n", b"\n\n: comment\n\nretry: 10\n\nid: 7\n\n", 1)
    found = every_cut_is_the_same(way.scanner, lines.replace(b"\n", ending))
    vendor = told(way, SCRIPTS["text"])
    assert vendor is not None
    assert found.answer.usage is not None
    assert found.answer.usage.response_tokens == vendor.response_tokens
    assert not found.answer.problem


HIDDEN = tuple(way for way in FORMATS_APART if way.vendor == "openai" and "responses" not in way.path)


@by_name(HIDDEN)
def test_hidden_usage_is_hidden_at_every_cut(way: Way) -> None:
    """What the client did not ask for it does not see, however the stream is cut; we have it all the same."""
    stream = recorded(way, SCRIPTS["text"])
    found = every_cut_is_the_same(lambda: way.scanner(hide_usage=True), stream)
    assert b'"prompt_tokens"' not in found.out + found.held
    assert found.answer.usage is not None
    assert found.answer.usage.prompt_tokens == 900


@by_name(FORMATS_APART)
def test_flipped_bytes_never_raise_nor_count_what_cannot_be(way: Way) -> None:
    """Each byte of a stream turned into another: no exception, no negative or absurd count, all bytes pass."""
    stream = recorded(way, SCRIPTS["tools"])
    for place in range(0, len(stream), 5):
        for flip in (0x01, 0x80, 0xFF):
            broken = bytearray(stream)
            broken[place] ^= flip
            found = scan(way.scanner, [bytes(broken)])
            assert found.out + found.held == broken, place
            assert is_possible(found.answer.usage), place


def is_possible(usage: Usage | None) -> bool:
    """Whether the counts lie where counts may."""
    fields = () if usage is None else usage.__struct_fields__
    return all((value := getattr(usage, name)) is None or 0 <= value <= 1 << 42 for name in fields)


@by_name(FORMATS_APART)
def test_memory_is_flat_on_a_hundred_thousand_chunks(way: Way) -> None:
    """A stream of the largest number of chunks keeps nothing but its last incomplete frame; each chunk is scanned in a
    few microseconds (a generous multiple of the 3 that are promised, as other processes run beside)."""
    every = pieces(way, "chunks=40")
    frames = every[1:-1]

    def begun() -> StreamScanner:
        scanner = way.scanner()
        scanner.feed(every[0])
        return scanner

    memory_is_flat(begun, frames, rounds=MAX_CHUNKS // len(frames))
    scanner = begun()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(10):
            for frame in frames:
                scanner.feed(frame)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            for frame in frames:
                scanner.feed(frame)
        assert tracemalloc.get_traced_memory()[0] - before < 16 << 10
    finally:
        tracemalloc.stop()
    scanner.feed(every[-1])
    scanner.finish()
    assert scanner.answer.usage is not None


@by_name(FORMATS_APART)
def test_a_chunk_is_scanned_in_microseconds(way: Way) -> None:
    """The best of several runs over 20-chunk streams stays within a multiple of the promised 3 microseconds a chunk."""
    stream = pieces(way, "chunks=20")
    assert best_of(lambda: scan(way.scanner, stream), times=30) / len(stream) < 30e-6


@by_name(FORMATS_APART)
def test_two_megabytes_take_milliseconds(way: Way) -> None:
    """A whole answer of 2 MB, and a stream of them in pieces of 64 KiB: within a multiple of the promised 10 ms."""
    big = whole(way, f"chunks=1;piece_bytes={2 << 20}")
    stream = recorded(way, "chunks=200;piece_bytes=10240")
    assert len(big) > 2 << 20
    assert len(stream) > 2_000_000
    parts = pieces_of(stream)
    assert way.dialect.answer(big, way.plain_path).usage is not None
    assert scan(way.scanner, parts).answer.usage is not None
    assert best_of(lambda: way.dialect.answer(big, way.plain_path)) < 0.05
    assert best_of(lambda: scan(way.scanner, parts)) / max(len(stream) >> 21, 1) < 0.05


@by_name(FORMATS_APART)
def test_small_frames_that_come_together_take_milliseconds(way: Way) -> None:
    """Hundreds of frames in each piece of 64 KiB, as a gateway that is busy reads them: 2 MB of them stay within a
    multiple of the promised 10 ms. None is searched for the end of another."""
    every = pieces(way, "chunks=40")
    frames = b"".join(every[1:-1])
    stream = every[0] + frames * (2_000_000 // len(frames)) + every[-1]
    assert scan(way.scanner, [stream]).answer.usage is not None
    assert best_of(lambda: scan(way.scanner, pieces_of(stream))) < 0.15
