"""Tests of ``gateway.upstreams.vendors.scanning.json_array``: elements cut anywhere."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.scanning import JsonArrayScanner, Verdict
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.scanning_laws import (
    a_frame_beyond_the_bound_passes,
    best_of,
    every_cut_is_the_same,
    memory_is_flat,
    nothing_is_lost,
    pieces_of,
    scan,
)


class Element(msgspec.Struct):
    """One element."""

    count: int | None = None


class Elements(JsonArrayScanner):
    """Elements of which the last that counts, counts."""

    def may_matter(self, chunk: bytes) -> bool:
        """Counts."""
        return b'"count"' in chunk

    def inspect(self, element: bytes) -> Verdict:
        """Its count."""
        assert json.loads(element) is not None
        read = msgspec.json.decode(element, type=Element)
        if read.count is not None:
            self.answer.usage = Usage(read.count, 0)
        return "pass"


STREAM = '[{\n "text": "é漢😀 ]}[{ \\" \\\\"\n}\n,\r\n{"a":[{"b":"]"}],"count":3} , {"count": 7}\n]\n'.encode()


def test_a_stream_cut_anywhere_is_the_same() -> None:
    """Inside characters, escapes and brackets in strings; the array's own bracket is held."""
    found = every_cut_is_the_same(Elements, STREAM)
    assert found.held.strip() == b"]"
    assert found.out + found.held == STREAM
    assert (found.answer.usage, found.answer.problem) == (Usage(7, 0), "")
    assert found.ended
    assert found.ended_bare


def test_plain_elements_that_come_together_leave_together() -> None:
    """However they are written and whatever stands between them; each is counted, and the bracket behind them held."""
    plain = ['{\n "a": "}]"\n}', '{"b":[1,{"c":"\\n}"}]}', '{\n "d": {\n}\n}']
    for separator in (",", "\n,\r\n", " , "):
        stream = f"[{separator.join(plain * 3)}\n]".encode()
        found = every_cut_is_the_same(Elements, stream)
        assert (found.out + found.held, found.held) == (stream, b"]")
        scanner = Elements()
        scanner.feed(b"[" + plain[0].encode())
        scanner.looks_left = 0
        together = (separator + separator.join(plain)).encode()
        assert scanner.feed(together) == together
        assert scanner.sse_frames == 4


def test_spaces_behind_an_element_do_not_wait() -> None:
    """Nor keep the next element from leaving at once."""
    scanner = Elements()
    assert scanner.feed(b'[{"a":1}\n') == b'[{"a":1}\n'
    for _ in range(3):
        assert scanner.feed(b',\r\n{"a":1}\n') == b',\r\n{"a":1}\n'
    assert scanner.feed(b"]") == b""
    assert (scanner.sse_frames, scanner.finish()) == (4, b"]")


def test_hundreds_of_elements_in_a_piece_take_milliseconds() -> None:
    """2 MB of small elements in pieces of 64 KiB: a multiple of the promised 10 ms; to walk took 120."""
    element = json.dumps({"text": "word" * 20, "parts": [{"a": [1, 2]}, {"b": {}}]}, indent=2)
    stream = f"[{chr(10).join([element, *[',' + element] * 6_000])}]".encode()
    assert best_of(lambda: scan(Elements, pieces_of(stream))) < 0.05


def test_a_stream_that_breaks_off_anywhere_loses_nothing() -> None:
    """Not a byte."""
    nothing_is_lost(Elements, STREAM)


@pytest.mark.parametrize("end", [10, STREAM.index(b"7}"), len(STREAM) - 2])
def test_an_array_without_its_end_is_truncated_or_counted(end: int) -> None:
    """What was counted before is kept."""
    found = scan(Elements, [STREAM[:end]])
    assert not found.ended
    assert found.answer.problem == "truncated" or found.answer.usage == Usage(7, 0)


def test_an_array_of_one_chunk_an_element_leaves_at_once() -> None:
    """As vendors send it: each chunk as it came."""
    chunks = [b'[{"a":1}', b',\r\n{"a":"]"}', b',{"count":5}\n', b"]"]
    scanner = Elements()
    assert [scanner.feed(chunk) for chunk in chunks] == [*chunks[:3], b""]
    assert scanner.finish() == b"]"
    assert (scanner.answer.usage, scanner.sse_frames) == (Usage(5, 0), 3)


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=8))
def test_garbage_passes(chunks: list[bytes]) -> None:
    """Whatever comes that has no brackets to be read; with them, as far as they are JSON."""
    chunks = [chunk.replace(b"}", b"").replace(b"]", b"") for chunk in chunks]
    found = scan(Elements, chunks)
    assert found.out + found.held == b"".join(chunks)


@pytest.mark.parametrize("stream", [b"]", b"}", b"[]", b'{"a":1}', b"null", b'"x"', b"[1,2]", b"[[1],[2]]"])
def test_what_is_no_array_of_objects_passes(stream: bytes) -> None:
    """An error that came instead, or nonsense; a test's ``inspect`` that raises would fail here."""

    class Deaf(Elements):
        def inspect(self, element: bytes) -> Verdict:
            return "pass"

    nothing_is_lost(Deaf, stream)
    every_cut_is_the_same(Deaf, stream)


def test_nothing_grows() -> None:
    """Neither with the stream nor with an element."""
    scanner = Elements()
    scanner.feed(b"[")

    def begun() -> Elements:
        made = Elements()
        made.feed(b'[{"a":0}')
        return made

    memory_is_flat(begun, [b',{"text":"x"}', b',{"te', b'xt":"y"}'])
    found = a_frame_beyond_the_bound_passes(Elements, b'[{"text":"', b"x]}" * 50_000, b'"}', b',{"count":7}]')
    assert found.answer.usage == Usage(7, 0)
    assert found.held == b"]"
