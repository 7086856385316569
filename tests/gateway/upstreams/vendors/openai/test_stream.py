"""Tests of ``gateway.upstreams.vendors.openai.stream``: streams cut anywhere, terminal events, usage, bounds."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.upstreams.sse_frames import MAX_FRAME_BYTES
from gateway.upstreams.vendors.openai.stream import AudioStream, OpenAiStream
from gateway.upstreams.vendors.scanning import SseFrame, Verdict
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.scanning_laws import every_cut_is_the_same, memory_is_flat

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 4}
COMPLETED: dict[str, Any] = {
    "type": "response.completed",
    "response": {"model": "o3", "usage": {"input_tokens": 3, "output_tokens": 4}},
}


def frame(*, event: str = "", **fields: Any) -> bytes:
    """An SSE frame with JSON in it."""
    name = f"event: {event}\n" if event else ""
    return (name + "data: " + json.dumps(fields, separators=(",", ":"), ensure_ascii=False) + "\n\n").encode()


def delta(text: str = "hi", **fields: Any) -> bytes:
    """A chat chunk."""
    return frame(model="gpt-4o", choices=[{"index": 0, "delta": {"content": text}, "finish_reason": None}], **fields)


def usage_frame() -> bytes:
    """The chunk that carries usage, when it was asked for."""
    return frame(model="gpt-4o", choices=[], usage=USAGE)


def scan(chunks: Iterable[bytes], *, hide_usage: bool = False) -> tuple[OpenAiStream, bytes, bytes]:
    """The scanner, what left at once, what was held."""
    scanner = OpenAiStream(hide_usage=hide_usage)
    out = b"".join([scanner.feed(chunk) for chunk in chunks])
    return scanner, out, scanner.finish()


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """A stream in pieces."""
    ends = sorted({place % (len(stream) + 1) for place in places} | {len(stream)})
    return [stream[a:b] for a, b in zip([0, *ends], ends, strict=False)]


PLAIN_FRAMES = st.sampled_from(
    [
        delta(),
        delta("é漢😀 data: [DONE]"),
        delta('"usage":{"prompt_tokens":99} response.completed'),
        delta(usage=None),
        frame(event="response.output_text.delta", type="response.output_text.delta", delta="x"),
        frame(event="response.created", type="response.created", response={"model": "o3", "usage": None}),
        b"data: not json\n\n",
        b"id: 1\nretry: 5\ndata: {}\n\n",
        b"data:\n\n",
        b"event: ping\n\n",
    ]
)
SILENT_FRAMES = st.sampled_from([b": ping\n\n", b":\n", b"\n", b":OPENROUTER PROCESSING\n\n"])
TERMINAL_FRAMES = st.sampled_from(
    [
        DONE,
        b"data:[DONE]\n\n",
        b"data:  [DONE]  \n\n",
        b"event: done\ndata: [DONE]\n\n",
        b": bye\ndata: [DONE]\n\n",
        b"\n\ndata: [DONE]\n\n",
        b"id: 7\ndata: [DONE]\n\n",
        b"data: [DONE] and more\n\n",
        frame(event="response.completed", **COMPLETED),
        frame(**COMPLETED),
        b'event:response.failed\ndata: {"type": "response.failed"}\n\n',
        b"event: response.incomplete\ndata: {}\n\n",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
PLACES = st.lists(st.integers(0, 5_000), max_size=30)
BEHIND = st.sampled_from([b"", DONE, b"junk", b"\n", delta()])


def with_line_ends(stream: bytes, end: bytes) -> bytes:
    """The stream with another line end."""
    return stream.replace(b"\n", end)


@settings(max_examples=400)
@given(st.lists(PLAIN_FRAMES | SILENT_FRAMES, max_size=8), TERMINAL_FRAMES, BEHIND, ENDS, PLACES)
@example([delta()], b"event: done\ndata: [DONE]\n\n", b"", b"\n", [len(delta()) + 13])
@example([], b"\n\ndata: [DONE]\n\n", b"", b"\r\n", [1, 3])
def test_the_terminal_event_waits_and_nothing_is_lost(
    frames: list[bytes], terminal: bytes, behind: bytes, end: bytes, places: list[int]
) -> None:
    """However a stream is cut and whatever ends its lines: what left and what is held are together what came; what
    left is all that was before the terminal event (but for an empty comment that touches it), and of its data not a
    byte; and the scanner says that it ended."""
    before = with_line_ends(b"".join(frames), end)
    stream = before + with_line_ends(terminal + behind, end)
    scanner, out, held = scan(cut(stream, places))
    assert out + held == stream
    assert scanner.ended or (end == b"\r" and not behind)  # a last CR may be half of a CRLF
    assert not before[len(out) :].strip(b":\r\n")
    assert not out[len(before) :].strip(b"\r\n").removeprefix(b": bye")


@settings(max_examples=200)
@given(st.lists(PLAIN_FRAMES | SILENT_FRAMES, max_size=8), ENDS, PLACES, st.sampled_from([b"", b"data: [DO", b"x"]))
def test_a_stream_without_a_terminal_event_is_given_back(
    frames: list[bytes], end: bytes, places: list[int], rest: bytes
) -> None:
    """A stream that just stops is whole too: what is left of it comes with ``finish``."""
    stream = with_line_ends(b"".join(frames), end) + rest
    scanner, out, held = scan(cut(stream, places))
    assert out + held == stream
    assert not scanner.ended
    if end != b"\r":  # a last CR may be half of a CRLF, so its frame waits for the next byte
        waiting = held.removesuffix(rest)
        assert len(waiting.splitlines()) <= 1
        assert b"data" not in waiting


@given(st.lists(PLAIN_FRAMES, min_size=1, max_size=8), PLACES, PLACES)
def test_the_count_of_frames_does_not_depend_on_the_cuts(frames: list[bytes], one: list[int], other: list[int]) -> None:
    """The estimate of a stream that told no usage is the same, however its packets came."""
    stream = b"".join(frames)
    first, second = scan(cut(stream, one))[0], scan(cut(stream, other))[0]
    assert first.sse_frames == second.sse_frames == len(frames)
    assert first.answer == second.answer


@given(st.lists(PLAIN_FRAMES, max_size=4), ENDS, PLACES, st.booleans())
def test_hidden_usage_is_all_that_is_missing(
    frames: list[bytes],
    end: bytes,
    places: list[int],
    asked: bool,
) -> None:
    """The chunk that only carries usage is taken out where we asked for it, and nowhere else; it is read either way."""
    before, hidden = with_line_ends(b"".join(frames), end), with_line_ends(usage_frame(), end)
    done = with_line_ends(DONE, end)
    scanner, out, held = scan(cut(before + hidden + done, places), hide_usage=asked)
    assert out + held == before + (b"" if asked else hidden) + done
    assert scanner.answer.usage == Usage(3, 4)


def test_what_is_not_only_usage_is_never_hidden() -> None:
    """Usage beside content, ``null`` usage, usage in a terminal event: no client may miss these."""
    frames = [delta(usage=USAGE), delta(usage=None), frame(choices=[], usage=None), frame(**COMPLETED)]
    _, out, held = scan(frames, hide_usage=True)
    assert out + held == b"".join(frames)


def test_usage_in_the_last_frame_without_its_empty_line() -> None:
    """A vendor that closes too early has still told its usage; it is hidden all the same."""
    for tail in (b"", b"\n"):
        scanner, out, held = scan([delta(), usage_frame().rstrip() + tail], hide_usage=True)
        assert (out, held) == (delta(), b"")
        assert scanner.answer.usage == Usage(3, 4)


@pytest.mark.parametrize("spacing", [b'"usage":', b'"usage": ', b'"usage" : ', b'"usage"\t:  '])
def test_usage_is_found_however_it_is_spaced(spacing: bytes) -> None:
    """In chunks that arrive whole, and behind others that say ``null``."""
    stream = usage_frame().replace(b'"usage":', spacing)
    assert scan([delta(), delta(usage=None) * 3 + stream])[0].answer.usage == Usage(3, 4)


def test_the_last_usage_wins() -> None:
    """Vendors that count up as they go tell usage in every chunk; one that cannot be read takes nothing away."""
    frames = [delta(usage={"prompt_tokens": 3, "completion_tokens": count}) for count in range(5)]
    assert scan(frames)[0].answer.usage == Usage(3, 4)
    assert scan([*frames, delta(usage={"prompt_tokens": "x"}), DONE])[0].answer.usage == Usage(3, 4)
    scanner, _, _ = scan([*frames, frame(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 9}), DONE])
    assert scanner.answer.usage == Usage(3, 9)


def test_zero_usage_is_usage() -> None:
    """An explicit zero is not replaced by an estimate."""
    assert scan([frame(choices=[], usage={"prompt_tokens": 0, "completion_tokens": 0})])[0].answer.usage == Usage(0, 0)


def test_the_responses_api() -> None:
    """Usage, model, outputs and calls come with the terminal event, which is held with all behind it."""
    end = frame(
        event="response.incomplete",
        type="response.incomplete",
        response={
            "model": "o3-2025",
            "output": [{"type": "function_call"}, {"type": "message"}],
            "usage": {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 1}},
        },
    )
    created = frame(event="response.created", type="response.created", response={"model": "o3", "usage": None})
    scanner, out, held = scan([created, end + DONE])
    assert (out, held) == (created, end + DONE)
    assert scanner.answer.usage == Usage(1, 2, reasoning_tokens=1)
    assert (scanner.answer.model, scanner.answer.choices, scanner.answer.tool_calls) == ("o3-2025", 2, 1)


@pytest.mark.parametrize(
    ("end", "is_bare"),
    [
        (b"data: [DONE]\n\n", True), (b"data:[DONE]\r\n\r\n", True), (b"data: [DONE] \n\n\n", True),
        (b"data: [DONE]\n\n: bye\n\n", False), (b'data: [DONE]\n\ndata: {"x":1}\n\n', False),
        (b"data: [DONE] secret\n\n", False), (b"event: secret\ndata: [DONE]\n\n", False),
        (b'data: {"type":"response.completed","response":{}}\n\n', False), (b"", False), (b"data: x", False),
    ],
)  # fmt: skip
def test_a_bare_end_says_nothing_of_the_answer(end: bytes, is_bare: bool) -> None:
    """All else that is held may be something that a filter wants to see."""
    scanner, _, held = scan([frame(choices=[]), end])
    assert scanner.ended_bare is is_bare
    assert held == end


def test_the_model_is_found_behind_comments_and_empty_names() -> None:
    """Some vendors begin with a comment, some with a chunk of their own whose model is empty."""
    first = frame(model="", choices=[], prompt_filter_results=[])
    assert scan([b": PROCESSING\n\n", first, delta()])[0].answer.model == "gpt-4o"


def test_tool_calls_are_counted_once_each() -> None:
    """A call's first piece has its id; the pieces of its arguments have none."""
    calls = [[{"index": 0, "id": "a"}], [{"index": 0}], [{"index": 1, "id": "b"}, {"index": 2, "id": "c"}]]
    frames = [frame(choices=[{"index": 0, "delta": {"tool_calls": call}}]) for call in calls]
    assert scan([delta(), *frames, DONE])[0].answer.tool_calls == 3


def test_comments_do_not_wait() -> None:
    """They keep connections alive while a model thinks: each leaves as soon as its line is complete."""
    scanner = OpenAiStream(hide_usage=True)
    assert scanner.feed(b": pi") == b""
    assert scanner.feed(b"ng\n:\r\n") == b": ping\n:\r\n"
    assert scanner.feed(b"\n") == b"\n"
    assert scanner.feed(b": x\ndata: {") == b": x\n"


def test_whole_frames_never_wait() -> None:
    """Every frame leaves with the chunk that completes it."""
    scanner = OpenAiStream(hide_usage=True)
    for text in ("a", "b", "c"):
        whole = delta(text)
        assert scanner.feed(whole[:20]) == b""
        assert scanner.feed(whole[20:]) == whole
        assert scanner.feed(whole) == whole


@pytest.mark.parametrize(
    "data", [b"x", b'{"choices":5}', b'{"usage":5,"response":7}', b"[1]", b"null", b"\xff\xfe", b"{" * 9]
)
def test_nonsense_passes(data: bytes) -> None:
    """What a vendor sends is the client's to judge."""
    stream = b"data: " + data + b"\n\ndata: [DONE]\n\n"
    _, out, held = scan([stream], hide_usage=True)
    assert (out, held) == (stream[:-14], DONE)


@pytest.mark.parametrize("step", [1000, 65_536])
@pytest.mark.parametrize("kind", ["plain", "terminal", "never ends"])
def test_a_frame_that_is_too_large_passes(kind: str, step: int) -> None:
    """A frame beyond the bound goes out unread as it comes, so that memory stays flat; but a terminal one's last
    bytes still wait, and behind it the scanner reads on."""
    size = MAX_FRAME_BYTES + 200_000
    head = b'event: response.completed\ndata: {"type":"response.completed",' if kind == "terminal" else b"data: {"
    large = head + b'"x":"' + b"y" * size + (b"" if kind == "never ends" else b'"}\n\n')
    stream = delta() + large + (b"" if kind == "never ends" else usage_frame() + DONE)
    scanner = OpenAiStream(hide_usage=False)
    out, most = [], 0
    for start in range(0, len(stream), step):
        out.append(scanner.feed(stream[start : start + step]))
        most = max(most, sum(map(len, out)))
        assert start + step - most <= MAX_FRAME_BYTES + 2 * step
    held = scanner.finish()
    assert b"".join(out) + held == stream
    if kind == "terminal":
        assert held == b"\n\n" + usage_frame() + DONE
    elif kind == "plain":
        assert held == DONE
        assert scanner.answer.usage == Usage(3, 4)
    else:
        assert len(held) < 10


def test_nothing_grows_with_the_stream() -> None:
    """A thousand or ten thousand frames, whole or cut, leave the scanner as small as it was."""

    def footprint(count: int) -> int:
        scanner = OpenAiStream(hide_usage=True)
        for _ in range(count):
            scanner.feed(delta() + delta()[:30])
            scanner.feed(delta()[30:])
        return sum(sys.getsizeof(value) for value in vars(scanner).values())

    assert footprint(10_000) <= footprint(1_000) + 64


def test_bytes_behind_the_end_are_bounded() -> None:
    """A vendor that goes on after its terminal event is not remembered for ever."""
    scanner = OpenAiStream(hide_usage=False)
    scanner.feed(DONE)
    for _ in range(200):
        assert scanner.feed(bytes(1 << 16)) == b""
    assert len(scanner.finish()) <= MAX_FRAME_BYTES + (1 << 17)


AUDIO = {"input_tokens": 14, "output_tokens": 45, "input_token_details": {"audio_tokens": 14}}


@pytest.mark.parametrize("kind", ["transcript.text.done", "speech.audio.done"])
def test_streams_of_audio_end_with_their_last_event(kind: str) -> None:
    """It carries usage, and is held; deltas pass."""
    pieces = [frame(type=kind.replace("done", "delta"), delta="x") for _ in range(12)]
    end = frame(type=kind, text="all", usage=AUDIO)
    found = every_cut_is_the_same(lambda: AudioStream(hide_usage=True), b"".join(pieces) + end)
    assert (found.out, found.held, found.ended) == (b"".join(pieces), end, True)
    assert found.answer.usage == Usage(14, 45, audio_prompt_tokens=14)


def test_streams_of_images_count() -> None:
    """Several may be completed, so none of them is the end; the last count is read."""
    usage = {"input_tokens": 50, "output_tokens": 60, "input_tokens_details": {"image_tokens": 40}}
    partial = frame(type="image_generation.partial_image", b64_json="x" * 1000)
    completed = frame(type="image_generation.completed", b64_json="x" * 1000, usage=usage)
    scanner, out, held = scan([partial] * 9 + [completed])
    assert (out, held) == (partial * 9 + completed, b"")
    assert scanner.answer.usage == Usage(50, 60, image_prompt_tokens=40)
    assert scanner.answer.problem == ""


@pytest.mark.parametrize(
    ("chunks", "problem"),
    [
        ([delta()], "truncated"),
        ([delta(), DONE], ""),
        ([delta(), usage_frame()], ""),
        ([delta(), frame(error={"message": "overloaded"})], "truncated"),
        ([frame(choices=[], usage={"prompt_tokens": -1}), DONE], "negative_tokens"),
        ([frame(choices=[], usage={"prompt_tokens": "1"}), DONE], "wrong_type"),
        ([frame(choices=[], usage={"prompt_tokens": "1"}), usage_frame(), DONE], ""),
        ([frame(event="response.completed", **COMPLETED | {"response": {"usage": USAGE, "service_tier": "flex"}})],
         "service_tier"),
    ],
)  # fmt: skip
def test_why_usage_is_not_to_be_trusted(chunks: list[bytes], problem: str) -> None:
    """Broken off without any, or odd; what is counted later and can be true is believed."""
    assert scan(chunks)[0].answer.problem == problem


def test_nothing_grows_with_a_stream_of_a_hundred_thousand_chunks() -> None:
    """Neither time nor memory is kept of what passed."""
    memory_is_flat(lambda: OpenAiStream(hide_usage=True), [delta(usage=None)], rounds=100_000)


@pytest.mark.parametrize("before", [b"", delta("a"), delta("a") + delta("b")])
def test_the_usual_end_is_held_unread(before: bytes) -> None:
    """Whatever came with it; written in another way it is looked at."""

    read: list[bytes] = []

    class Reading(OpenAiStream):
        def inspect(self, frame: SseFrame) -> Verdict:
            read.append(frame.data)
            return super().inspect(frame)

    for end in (DONE, b"data:[DONE]\n\n"):
        scanner = Reading()
        scanner.looks_left = 0
        assert scanner.feed(before + end) == before
        assert scanner.ended
        assert scanner.finish() == end
    assert read == [b"[DONE]"]
