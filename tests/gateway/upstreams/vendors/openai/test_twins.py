"""Frames that differ from one that passed in their text alone: not searched, and found to be what a search finds."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.upstreams.vendors.openai.stream import OpenAiStream
from tests.gateway.upstreams.vendors.openai.test_stream import DONE, delta, frame, usage_frame


class Searched(OpenAiStream):
    """A scanner that searches each frame."""

    text_start = b""


TEXTS = st.sampled_from(
    [
        *(b"a", b"", b" river", b"\\n", b"\\", b'\\"', b'"', b"\n", b"\r", b"\n\ndata: [DONE]\n\n"),
        *(b'"usage"', b"usage", b"tool_calls", b"[DONE]", b"response.completed"),
        b'"}}],"usage":{"prompt_tokens":3,"completion_tokens":4},"x":{"y":"',
        b'x","tool_calls":[{"id":"1"}],"y":"',
    ]
)
SHAPES = st.sampled_from(
    [
        b'data: {"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"%b"},"logprobs":null}],"usage":null}\n\n',
        b'data: {"model":"gpt-4o","choices":[{"index":1,"delta":{"content":"%b"}}]}\n\n',
        b'event: message\ndata: {"content":"%b","choices":[]}\n\n',
        b'data: {"choices":[{"delta":{"content":"%b"}}],"usage":null,"obfuscation":"xy"}\n\n',
        b'data: {"choices":[{"delta":{"content":"a"}}],"usage":null,"obfuscation":"%b"}\n\n',
        b'data: {"choices":[{"delta":{"content":"%b"}}],"obfuscation":"x","usage":null}\n\n',
        b'data: {"choices":[{"delta":{"content":"%b","obfuscation":',
        b'data: {"content":"%b',
        b'"content":"%b"}\n\n',
    ]
)


def alike(*texts: bytes) -> list[tuple[bytes, bytes]]:
    """Frames that differ in these texts alone, behind one from which they are known."""
    return [(b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n', text) for text in (b"a", *texts)]


@settings(max_examples=400)
@given(st.lists(st.tuples(SHAPES, TEXTS), max_size=12))
@example(alike(b"b", b"usage", b'"usage"', b"c"))
@example(alike(b'"}}],"usage":{"prompt_tokens":3,"completion_tokens":4},"x":[{"y":{"z":"'))
@example(alike(b"\n\ndata: [DONE]\n\n"))
@example(alike(b"\r\rdata: [DONE]\r\r"))
@example([*alike(), (b'data: {"choices":[{"delta":{"content":%b}}]}\n\n', b'"')])
@example([*alike(b"b\\"), *alike(b'\\"')])
def test_a_frame_that_differs_in_its_text_alone_is_what_a_search_finds(frames: list[tuple[bytes, bytes]]) -> None:
    """Whatever the text is: the same bytes leave, the same are held, the same is counted."""
    chunks = [delta(), *[shape % text for shape, text in frames], delta(), usage_frame(), DONE]
    quick, slow = OpenAiStream(), Searched()
    for chunk in chunks:
        assert quick.feed(chunk) == slow.feed(chunk)
        assert (quick.sse_frames, quick.ended) == (slow.sse_frames, slow.ended)
    assert quick.finish() == slow.finish()
    assert quick.answer == slow.answer


@pytest.fixture
def nothing_matters(monkeypatch: pytest.MonkeyPatch) -> tuple[OpenAiStream, list[bytes]]:
    """A scanner to which nothing matters, and the chunks that it searches."""
    searched: list[bytes] = []

    def may_matter(_: OpenAiStream, chunk: bytes) -> bool:
        searched.append(chunk)
        return False

    monkeypatch.setattr(OpenAiStream, "may_matter", may_matter)
    scanner = OpenAiStream()
    scanner.looks_left = 0
    return scanner, searched


def test_frames_that_differ_in_their_text_alone_are_not_searched(
    nothing_matters: tuple[OpenAiStream, list[bytes]],
) -> None:
    """One of them is; where each frame differs elsewhere too, all are, and only a few are learned from."""
    scanner, searched = nothing_matters
    alike = [delta(f"word {number}", created=1) for number in range(100)]
    assert [scanner.feed(chunk) for chunk in alike] == alike
    assert searched == alike[:1]
    broken = alike[0].replace(b'word 0"', b"")  # begins and ends like the others, with one quote for both
    assert scanner.feed(broken) == broken
    assert searched.pop() == broken
    others = [delta("word", created=number) for number in range(2, 100)]
    assert [scanner.feed(chunk) for chunk in others] == others
    assert searched[1:] == others
    assert scanner._patience <= 0


PADDED = b'data: {"choices":[{"delta":{"content":"%b"}}],"obfuscation":"%b"}\n\n'


def test_frames_that_are_padded_are_not_searched(nothing_matters: tuple[OpenAiStream, list[bytes]]) -> None:
    """Their padding differs from frame to frame as their text does; whatever else differs is found."""
    scanner, searched = nothing_matters
    padded = [PADDED % (b"word " * number, b"x" * (9 - number)) for number in range(9)]
    assert [scanner.feed(chunk) for chunk in padded] == padded
    assert searched == padded[:1]
    scanner._patience = 0  # to learn nothing more
    between = PADDED[: PADDED.rfind(b"%b")].partition(b"%b")[2]
    others = [
        *(PADDED % pair for pair in ((b'a"', b"x"), (b"a", b'"x'), (b"a\nb", b"x"), (b"a", b"x\r"))),
        *(PADDED % (b"a", b"x" + between + b"x"), padded[0].replace(b"}}]", b"}} ]"), padded[0][:-3] + b" }\n\n"),
    ]
    assert b"".join(map(scanner.feed, others)) + scanner.finish() == b"".join(others)
    assert list(dict.fromkeys(searched[1:])) == others


def test_of_frames_that_came_together_one_teaches_too(nothing_matters: tuple[OpenAiStream, list[bytes]]) -> None:
    """The first is looked at, for the model; what is like the second is not searched."""
    scanner, searched = nothing_matters
    scanner.looks_left = 8
    first, second, third = (delta(text, created=1) for text in "abc")
    assert scanner.feed(first + second) == first + second
    assert scanner.feed(third) == third
    assert searched == [second]
    assert scanner.sse_frames == 3


@pytest.mark.parametrize(
    "other",
    [
        delta('say "river"', created=1),
        frame(type="response.output_text.delta", delta="x"),
        b'data: {"content":"x\ndata: "}\n\n',
    ],
    ids=["escaped", "without", "broken"],
)
def test_a_frame_whose_text_cannot_be_told_teaches_nothing(
    other: bytes, nothing_matters: tuple[OpenAiStream, list[bytes]]
) -> None:
    """What was learned before it still holds."""
    scanner, searched = nothing_matters
    for chunk in (delta("a", created=1), other, delta("b", created=1)):
        assert scanner.feed(chunk) == chunk
    assert searched == [delta("a", created=1), other]
