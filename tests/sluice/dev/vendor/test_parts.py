"""What answers are made of."""

from __future__ import annotations

from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.parts import joined, reports_usage, sse_frame, texts
from sluice.dev.vendor.script import make_script


def test_pieces_of_text_have_the_size_and_number_that_were_asked_for() -> None:
    """Padded and cut; the default is a word a piece."""
    assert texts(make_script({"chunks": 2})) == ["The", " mock"]
    assert texts(make_script({"chunks": 2, "text": "ab", "piece_bytes": 5})) == ["ababa", "ababa"]
    assert texts(make_script({"chunks": 0})) == []


def test_a_stream_has_one_piece_more_than_it_has_text() -> None:
    """What opens a stream comes with its first text, what closes it is a piece of its own."""
    assert joined([b"o"], [b"1", b"2"], [b"c", b"d"]) == [b"o1", b"2", b"cd"]
    assert joined([b"o"], [], [b"c"]) == [b"o", b"c"]
    assert joined([], [], [b"c"]) == [b"c"]


def test_sse_frames_end_with_an_empty_line() -> None:
    """With their event's name where they have one."""
    assert sse_frame({"a": 1}) == b'data: {"a":1}\n\n'
    assert sse_frame({}, "x.y") == b"event: x.y\ndata: {}\n\n"


def test_an_error_tells_no_usage() -> None:
    """Whatever the script says of usage."""
    asked = Asked("chat", "m", is_stream=False, wants_usage=True, choices=1)
    assert reports_usage(asked, make_script({}))
    assert not reports_usage(asked, make_script({"status": 500, "usage": "always"}))
