"""Tests of ``sluice.sdk.windows``: what is found does not depend on where a vendor or a network cut the text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.sdk import Finder, Span, StreamWindow, find_pattern, replace
from sluice.sdk.testing import make_frames

HOLD = 8
SECRET = find_pattern(re.compile(r"\bsecret\b|s{3}|e{1,3}", re.IGNORECASE), "***")
WORDS = ["secret", "Secret", "sec", "ret", "s", "ss", " ", "x", "e", "ee", "é", "😀", "\n", '"', "\\"]


def sse(value: Any, event: str = "") -> bytes:
    """One frame."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


def openai(texts: Sequence[str]) -> list[bytes]:
    """Chat deltas, the last one in the frame of the finish reason, with the usage behind it."""
    frames = [sse({"choices": [{"index": 0, "delta": {"content": text}}]}) for text in texts[:-1]]
    last = {"index": 0, "delta": {"content": texts[-1]}, "finish_reason": "stop"}
    return [*frames, sse({"choices": [last]}), sse({"choices": [], "usage": {"total_tokens": 3}}), b"data: [DONE]\n\n"]


def completions(texts: Sequence[str]) -> list[bytes]:
    """OpenAI's older ones."""
    return [*(sse({"choices": [{"index": 0, "text": text}]}) for text in texts), b"data: [DONE]\n\n"]


def google(texts: Sequence[str]) -> list[bytes]:
    """Candidates with parts, without a terminal event."""
    return [sse({"candidates": [{"index": 0, "content": {"parts": [{"text": text}]}}]}) for text in texts]


def responses(texts: Sequence[str]) -> list[bytes]:
    """OpenAI's newer ones, which say the whole text again at the end."""
    place = {"output_index": 0, "content_index": 0}
    deltas = [sse({"type": "response.output_text.delta", **place, "delta": text}) for text in texts]
    return [*deltas, sse({"type": "response.completed", "response": {"output": ["".join(texts)]}})]


DIALECTS: dict[str, Callable[[Sequence[str]], list[bytes]]] = {
    "openai": openai,
    "openai without a text at its end": make_frames,
    "completions": completions,
    "anthropic": lambda texts: make_frames(texts, "anthropic"),
    "google": google,
    "responses": responses,
}


def texts_in(stream: bytes) -> Iterator[str]:
    """Every delta's text, as a client would read it."""
    for line in stream.splitlines():
        if not line.startswith(b"data: {"):
            continue
        value = json.loads(line[6:])
        if value.get("type") in {"content_block_delta", "response.output_text.delta"}:
            yield value["delta"]["text"] if isinstance(value["delta"], dict) else value["delta"]
        for choice in value.get("choices", []):
            yield choice.get("text") or choice.get("delta", {}).get("content", "")
        for candidate in value.get("candidates", []):
            yield from (part["text"] for part in candidate["content"]["parts"])


def carried(window: StreamWindow, pieces: Sequence[bytes]) -> bytes:
    """What a client gets; the bound of what is held holds all the time."""
    out = []
    for piece in pieces:
        out.append(window.feed(piece))
        assert window.held_characters < HOLD
    out.append(window.feed(b"", is_last=True))
    assert window.held_characters == 0
    return b"".join(out)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(deltas=st.lists(st.lists(st.sampled_from(WORDS), max_size=4).map("".join), min_size=1), data=st.data())
def test_every_cut_gives_what_the_whole_text_would(dialect: str, deltas: list[str], data: st.DataObject) -> None:
    """For every cut of a text into deltas, and of a stream into pieces of whole frames, in every dialect."""
    frames = DIALECTS[dialect](deltas)
    pieces, at = [], 0
    while at < len(frames):
        size = data.draw(st.integers(1, 4))
        pieces.append(b"".join(frames[at : at + size]))
        at += size
    out = carried(StreamWindow(SECRET, HOLD), pieces)
    assert "".join(texts_in(out)) == replace("".join(deltas), SECRET)


@given(st.text(st.sampled_from("secrt Se"), max_size=30), st.lists(st.integers(0, 30), max_size=8))
def test_all_cuts_of_one_text(text: str, cuts: list[int]) -> None:
    """Empty deltas included."""
    places = sorted({0, *(min(cut, len(text)) for cut in cuts), len(text)})
    deltas = [text[start:end] for start, end in zip(places, [*places[1:], len(text)], strict=True)]
    out = carried(StreamWindow(SECRET, HOLD), openai(deltas))
    assert "".join(texts_in(out)) == replace(text, SECRET)


def test_nothing_of_a_phrase_is_out_before_all_of_it_was_seen() -> None:
    """So that whoever ends the stream for it gave none of it away."""
    window = StreamWindow(find_pattern(re.compile("secret")), hold=6)
    frames = make_frames(["my s", "e", "cr", "e", "t plan"])
    out = b"".join(window.feed(frame) for frame in frames[:4])
    assert ("".join(texts_in(out)), window.found) == ("my ", 0)
    window.feed(frames[4])
    assert window.found == 1


@pytest.mark.parametrize(
    "raw",
    [
        b": a comment\n\n",
        b"data: [DONE]\n\n",
        b'event: ping\ndata: {"type": "ping"}\n\n',
        b"data: {broken\n\n",
        b"data: [1]\n\n",
        b"data: null\r\n\r\n",
        b"id: 7\rdata: {}\r\r",
        b"no end of a frame",
        b"\xff\xfe\n\n",
        b'data: {"choices": [1, {"delta": null}, {"delta": {"content": null}}], "candidates": 7}\n\n',
        b'data: {"choices": [{"index": [], "delta": {"tool_calls": 7, "content": 8}}]}\n\n',
        b'data: {"candidates": [{"content": {"parts": {"text": 1}}}]}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
        b'data: {"a":' + b"[" * 100_000 + b"\n\n",
    ],
)
def test_what_has_no_text_passes_byte_for_byte(raw: bytes) -> None:
    """Whatever it is, also between two halves of a phrase."""
    window = StreamWindow(SECRET, HOLD)
    assert window.feed(raw) == raw
    window.feed(make_frames(["x sec"])[0])
    assert window.feed(raw).endswith(raw)


def test_frames_whose_text_did_not_change_keep_their_bytes() -> None:
    """Spaces in JSON, members we do not know, ends of lines."""
    raw = b'data:{"choices" : [{"delta":{"content":"plain"},"x":1}]}\r\n\r\n'
    assert StreamWindow(find_pattern(re.compile("z")), hold=1).feed(raw) == raw


def test_choices_are_texts_of_their_own() -> None:
    """A phrase does not stretch over two of them, and each is found in its own; so with thoughts and refusals."""
    window = StreamWindow(find_pattern(re.compile("secret"), "***"), hold=6)
    halves = [[0, "content", "sec"], [1, "content", "ret"], [0, "reasoning_content", "ret"], [0, "content", "ret!"]]
    frames = [sse({"choices": [{"index": index, "delta": {field: text}}]}) for index, field, text in halves]
    out = b"".join(window.feed(frame) for frame in frames) + window.feed(b"", is_last=True)
    told: dict[tuple[int, str], str] = {}
    for line in out.splitlines():
        if line:
            (choice,) = json.loads(line[6:])["choices"]
            for field, text in choice["delta"].items():
                told[choice["index"], field] = told.get((choice["index"], field), "") + text
    assert told == {(0, "content"): "***!", (1, "content"): "ret", (0, "reasoning_content"): "ret"}


def test_what_is_held_goes_out_before_its_text_is_ended() -> None:
    """A client that stops reading at ``finish_reason``, ``content_block_stop`` or ``[DONE]`` has all of the text."""
    for frames, end in ((make_frames(["abc"]), b'"stop"'), (make_frames(["abc"], "anthropic"), b"content_block_stop")):
        window = StreamWindow(SECRET, HOLD)
        out = b"".join(window.feed(frame) for frame in frames)
        assert 0 < out.index(b"abc") < out.index(end)
        assert b"content_block_delta" in out or b"event:" not in out
        assert window.feed(b"", is_last=True) == b""


def test_a_text_that_ends_in_its_own_frame_is_whole_in_it() -> None:
    """With a reason to finish beside it nothing of it comes later; parts of one frame are one text."""
    parts = [{"text": "a sec"}, {"text": "ret"}]
    ended = [
        {"choices": [{"index": 0, "delta": {"content": "a secret"}, "finish_reason": "stop"}]},
        {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]},
    ]
    for value in ended:
        window = StreamWindow(SECRET, HOLD)
        out = window.feed(sse(value))
        assert "".join(texts_in(out)) == "a ***"
        assert (out.count(b"\n\n"), window.held_characters, window.found) == (1, 0, 1)


def test_usage_is_not_said_twice() -> None:
    """In the frames that are ours."""
    window = StreamWindow(SECRET, HOLD)
    frame = {"choices": [{"index": 0, "delta": {"content": "abc"}}], "usage": {"total_tokens": 3}}
    google_frame = {"candidates": [{"content": {"parts": [{"text": "abc"}]}}], "usageMetadata": {"totalTokenCount": 3}}
    out = window.feed(sse(frame) + sse(google_frame)) + window.feed(b"", is_last=True)
    assert (out.count(b'"usage"'), out.count(b"usageMetadata")) == (1, 1)


def test_probabilities_do_not_tell_what_was_replaced() -> None:
    """They name each token of the text."""
    choice = {"delta": {"content": "secret"}, "finish_reason": "stop", "logprobs": {"content": [{"token": "secret"}]}}
    assert b"secret" not in StreamWindow(SECRET, HOLD).feed(sse({"choices": [choice]}))


def test_a_text_that_comes_whole_is_searched_too() -> None:
    """As in the events that sum a stream up; ids and types are none."""
    window = StreamWindow(SECRET, HOLD)
    done = {"type": "response.output_text.done", "item_id": "secret", "text": "a secret"}
    value = json.loads(window.feed(sse(done, "response.output_text.done")).splitlines()[1][6:])
    assert (value["text"], value["item_id"], window.found) == ("a ***", "secret", 1)


@pytest.mark.parametrize(("watched", "told"), [(True, '{"to": "***"}'), (False, '{"to": "secret"}')])
def test_arguments_of_tool_calls_are_watched_where_asked(watched: bool, told: str) -> None:
    """They are JSON in pieces: who replaces in them must know that."""
    window = StreamWindow(find_pattern(re.compile("secret"), "***"), hold=6, with_tool_calls=watched)
    out = b""
    for text in ('{"to": "sec', 'ret"}'):
        call = {"index": 0, "id": "call-1", "function": {"name": "mail", "arguments": text}}
        out += window.feed(sse({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}))
    out += window.feed(b"data: [DONE]\n\n")
    calls = [json.loads(line[6:])["choices"][0]["delta"]["tool_calls"][0] for line in out.splitlines() if b"{" in line]
    assert "".join(call["function"]["arguments"] for call in calls) == told


def test_one_exchange_has_one_window() -> None:
    """Kept in the plugin's own state; another exchange has another."""
    state: dict[str, Any] = {}
    first = StreamWindow.of(state, lambda: StreamWindow(SECRET, HOLD))
    assert StreamWindow.of(state, lambda: StreamWindow(SECRET, HOLD)) is first
    assert StreamWindow.of({}, lambda: StreamWindow(SECRET, HOLD)) is not first


def test_what_a_finder_says_is_taken_as_it_is() -> None:
    """Spans of any kind; a text without any is the very same object."""

    def digits(text: str, start: int) -> Iterator[Span]:
        return (Span(at, at + 1, "#") for at in range(start, len(text)) if text[at].isdigit())

    finder: Finder = digits
    text = "no number"
    assert replace("a1b22", finder) == "a#b##"
    assert replace(text, finder) is text
    assert replace("", finder) == ""
    assert replace("abc", find_pattern(re.compile("x*"), "-")) == "abc"
