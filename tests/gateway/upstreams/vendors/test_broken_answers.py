"""Whole answers and frames of every dialect, broken in ways that no vendor means: flipped, too deep, not UTF-8, cut.
None raises, none counts what cannot be."""

from __future__ import annotations

import json
import struct
import zlib

import pytest

from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.registry import VENDORS, dialect_of
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.recorded import FORMATS_APART, Way, whole

COUNTS = "tool_calls=2;prompt_tokens=900;response_tokens=70;cached=512;cache_write=64;reasoning=8"
DEPTH = 50_000
DEEP = (b"[" * DEPTH, b'{"a":' * DEPTH, b'{"usage":' + b"[" * DEPTH, b'{"usage":{"x":' + b'{"y":' * DEPTH,
        b'{"usageMetadata":' + b"[" * DEPTH, b'{"message":{"usage":' + b"[" * DEPTH, b'{"choices":[' + b"[" * DEPTH,
        b'{"details":' + b"[" * DEPTH, b'{"done":true,"prompt_eval_count":' + b"[" * DEPTH,
        b'[{"usageMetadata":' + b"[" * DEPTH + b"]" * DEPTH + b"}]")  # fmt: skip
"""Deeper than any decoder goes."""


def by_name(values: tuple[Way, ...]) -> pytest.MarkDecorator:
    """A parameter for each."""
    return pytest.mark.parametrize("way", [pytest.param(way, id=way.name) for way in values])


def is_possible(answer: Answer) -> bool:
    """Whether all counts lie where counts may."""
    usage = answer.usage or Usage()
    counts = (getattr(usage, name) for name in usage.__struct_fields__)
    return all(count is None or 0 <= count <= 1 << 42 for count in counts)


@by_name(FORMATS_APART)
def test_flipped_bytes(way: Way) -> None:
    """Each byte turned into another: what is counted can be."""
    body = whole(way, COUNTS)
    for place in range(len(body)):
        for flip in (0x01, 0x10, 0x80, 0xFF):
            broken = bytearray(body)
            broken[place] ^= flip
            assert is_possible(way.dialect.answer(bytes(broken), way.plain_path)), (place, flip)


@by_name(FORMATS_APART)
def test_cut_bodies(way: Way) -> None:
    """Half a body is never exact: nothing is counted, or it says why it is not to be trusted."""
    body = whole(way, COUNTS)
    for end in range(len(body)):
        answer = way.dialect.answer(body[:end], way.plain_path)
        assert answer.usage is None or answer.problem, end


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("number", range(len(DEEP)))
def test_bodies_that_are_too_deep(vendor: str, number: int) -> None:
    """No stack is lost over them, whatever path they come from."""
    paths = {way.plain_path for way in FORMATS_APART} | {way.path for way in FORMATS_APART} | {"/unknown", ""}
    for path in paths:
        assert is_possible(dialect_of(vendor).answer(DEEP[number], path))


@by_name(FORMATS_APART)
@pytest.mark.parametrize("number", range(len(DEEP)))
def test_frames_that_are_too_deep(way: Way, number: int) -> None:
    """They pass as they came, in a stream that goes on."""
    scanner = way.scanner()
    frame = framed(way, DEEP[number])
    out = scanner.feed(frame)
    assert out + scanner.finish() == frame
    assert is_possible(scanner.answer)


@by_name(FORMATS_APART)
@pytest.mark.parametrize("name", ["model", "modelVersion", "type", "id", "usage", "done_reason", "role"])
def test_text_that_is_no_utf_8(way: Way, name: str) -> None:
    """In a field that is read, in one that is not, and as a field's name: it passes, and nothing is raised."""
    for payload in (b'{"%s":"\xff\xfe"}' % name.encode(), b'{"\xff":1,"%s":null}' % name.encode()):
        frame = framed(way, payload)
        scanner = way.scanner()
        assert scanner.feed(frame) + scanner.finish() == frame
        way.dialect.answer(payload, way.plain_path)


def framed(way: Way, payload: bytes) -> bytes:
    """A payload as a frame of this format."""
    kind = way.speaks.content_type(way.asked(), is_stream=True)
    if "amazon" in kind:
        name = b"metadata" if "converse" in way.path else b"chunk"
        return message(name, payload)
    if "event-stream" in kind:
        return b"data: " + payload + b"\n\n"
    return payload + b"\n" if "ndjson" in kind else b"[" + payload


def message(name: bytes, payload: bytes) -> bytes:
    """One message of a binary event stream."""
    headers = b"\x0b:event-type\x07" + struct.pack(">H", len(name)) + name
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_request_that_is_no_utf_8_is_refused(vendor: str) -> None:
    """As every other body that is not what it says: with ``ValueError``, which is the client's 400."""
    dialect = dialect_of(vendor)
    for way in FORMATS_APART:
        for body in (b'{"model":"\xff","stream":true}', DEEP[2], b'{"model":' + b"[" * DEPTH, json.dumps(7).encode()):
            try:
                dialect.ask(body, way.path)
            except ValueError:
                continue
