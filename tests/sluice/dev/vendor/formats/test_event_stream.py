"""Binary event streams, as botocore reads them."""

from __future__ import annotations

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer

from sluice.dev.vendor.formats.event_stream import event, exception, message, with_wrong_checksum


def read(data: bytes) -> list[tuple[dict[str, str], bytes]]:
    """The messages in some bytes."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(found.headers, found.payload) for found in buffer]


def test_messages_are_read_as_they_were_written() -> None:
    """Headers and payload, one message behind the other, an empty one too."""
    first = message({":event-type": "x", "é": "漢"}, b"\x00\xff")
    assert read(first + message({}, b"")) == [({":event-type": "x", "é": "漢"}, b"\x00\xff"), ({}, b"")]


def test_events_and_exceptions_say_which_they_are() -> None:
    """By the headers that AWS has for it."""
    (headers, payload), (failed, text) = read(event("chunk", {"a": 1}) + exception("throttlingException", "no"))
    assert (headers[":message-type"], headers[":event-type"], payload) == ("event", "chunk", b'{"a":1}')
    assert (failed[":message-type"], failed[":exception-type"]) == ("exception", "throttlingException")
    assert text == b'{"message":"no"}'


def test_a_wrong_checksum_is_seen() -> None:
    """And the message behind it is where it was."""
    broken = with_wrong_checksum("chunk", {})
    with pytest.raises(ChecksumMismatch):
        read(broken)
    assert len(broken) == len(event("chunk", {}))
