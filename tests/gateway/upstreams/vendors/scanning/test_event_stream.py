"""Tests of ``gateway.upstreams.vendors.scanning.event_stream``: binary messages cut, broken and too large."""

from __future__ import annotations

import json
import re
import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.sse_frames import MAX_FRAME_BYTES
from gateway.upstreams.vendors.scanning import EventMessage, EventStreamScanner, Verdict
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.scanning_laws import every_cut_is_the_same, memory_is_flat, nothing_is_lost, scan


class Messages(EventStreamScanner):
    """Messages that end with ``metadata``."""

    terminal_head = re.compile(rb"metadata")

    def may_matter(self, chunk: bytes) -> bool:
        """Ends."""
        return b"metadata" in chunk

    def inspect(self, message: EventMessage) -> Verdict:
        """Its count."""
        self.looks_left = 0
        if message.headers.get(":event-type") != "metadata":
            return "pass"
        self.answer.usage = Usage(json.loads(message.payload)["count"], 0)
        return "hold"


def text_header(name: str, value: str) -> bytes:
    """A header that is text."""
    return bytes([len(name)]) + name.encode() + b"\7" + struct.pack(">H", len(value)) + value.encode()


def message(payload: bytes, headers: bytes) -> bytes:
    """A whole message."""
    head = struct.pack(">II", len(payload) + len(headers) + 16, len(headers))
    body = head + struct.pack(">I", zlib.crc32(head)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


def event(kind: str, payload: bytes = b"{}", more: bytes = b"") -> bytes:
    """One of a type."""
    return message(payload, text_header(":event-type", kind) + more + text_header(":message-type", "event"))


OTHERS = (
    b"\1a\0" + b"\1b\1" + b"\1c\2\x09" + b"\1d\3\0\x09" + b"\1e\4" + bytes(4) + b"\1f\5" + bytes(8)
    + b"\1g\6\0\2xy" + b"\1h\x08" + bytes(8) + b"\1i\x09" + bytes(16)
)  # fmt: skip
DELTA = event("contentBlockDelta", '{"text":"é漢 metadata"}'.encode())
END = event("metadata", b'{"count":7}')
STREAM = event("messageStart", more=OTHERS) + DELTA + DELTA + END


def test_our_messages_are_what_the_vendor_s_sdk_reads() -> None:
    """So that these tests test something."""
    buffer = EventStreamBuffer()
    buffer.add_data(STREAM)
    assert [item.headers[":event-type"] for item in buffer][-1] == "metadata"


def test_a_stream_cut_anywhere_is_the_same() -> None:
    """Inside lengths and checksums too; headers of all types are walked over."""
    found = every_cut_is_the_same(Messages, STREAM)
    assert (found.out, found.held) == (STREAM[: -len(END)], END)
    assert (found.answer.usage, found.answer.problem, found.ended) == (Usage(7, 0), "", True)


def test_a_stream_that_breaks_off_anywhere_loses_nothing() -> None:
    """Not a byte."""
    nothing_is_lost(Messages, STREAM)
    assert scan(Messages, [STREAM[:-1]]).answer.problem == "truncated"


@pytest.mark.parametrize("place", range(12))
def test_broken_lengths_lose_the_rest_but_no_byte(place: int) -> None:
    """Nobody knows where the next message begins: all passes, nothing is held, and it is said."""
    broken = bytearray(STREAM)
    broken[place] ^= 0x55
    found = every_cut_is_the_same(Messages, bytes(broken))
    assert found.out + found.held == broken
    assert (found.answer.usage, found.answer.problem, found.ended) == (None, "broken_frame", False)


@pytest.mark.parametrize("place", [12, 40, len(END) - 5, len(END) - 1])
def test_a_broken_message_is_passed_and_not_believed(place: int) -> None:
    """The next one is read again."""
    broken = bytearray(END)
    broken[place] ^= 0x55
    found = every_cut_is_the_same(Messages, bytes(broken) + END)
    assert (found.out, found.held) == (bytes(broken), END)
    assert (found.answer.usage, found.answer.problem) == (Usage(7, 0), "broken_frame")


@pytest.mark.parametrize("total", [0, 1, 15, 16 + 1, 0xFFFFFFFF])
@pytest.mark.parametrize("headers", [0, 1, 0xFFFFFFFF])
def test_lying_lengths_with_right_checksums(total: int, headers: int) -> None:
    """Nothing is reserved for what a length claims."""
    head = struct.pack(">II", total, headers)
    stream = head + struct.pack(">I", zlib.crc32(head)) + b"x" * 50
    nothing_is_lost(Messages, stream)


@pytest.mark.parametrize(
    "headers",
    [b"\x05ab", b"\1a\x0a", b"\1a\7\0\x09ab", b"\1a\7\0\1\xff", b"\0", b"\1a\x09xx", b"\xff"],
)
def test_headers_that_are_none(headers: bytes) -> None:
    """A message whose checksum is right may still be nonsense."""
    found = scan(Messages, [message(b"metadata", headers)])
    assert found.answer.problem == "broken_frame"
    assert found.out == message(b"metadata", headers)


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=8))
def test_garbage_passes(chunks: list[bytes]) -> None:
    """Whatever comes."""
    found = scan(Messages, chunks)
    assert found.out + found.held == b"".join(chunks)


def test_nothing_grows() -> None:
    """With the stream."""
    memory_is_flat(Messages, [DELTA, DELTA[:20], DELTA[20:]], rounds=5_000)


@pytest.mark.parametrize("kind", ["contentBlockDelta", "metadata"])
@pytest.mark.parametrize("size", [100, 65_536, 10 << 20])
def test_a_message_beyond_the_bound_passes_but_for_the_end_of_a_terminal_one(kind: str, size: int) -> None:
    """Its last bytes are held, without which no client takes it for whole."""
    large = event(kind, b'{"count":' + b" " * (MAX_FRAME_BYTES + 200_000) + b"7}")
    stream = DELTA + large + (b"" if kind == "metadata" else END)
    found = scan(Messages, [stream[at : at + size] for at in range(0, len(stream), size)])
    assert found.out + found.held == stream
    assert found.ended
    if size <= 65_536:
        assert found.held == (large[-4:] if kind == "metadata" else END)
        assert found.answer.problem == ("frame_too_large" if kind == "metadata" else "")
