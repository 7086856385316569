"""A vendor's stream on its way to a client of another dialect: however it is cut, read or pumped, the client gets the
same bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from gateway.bridge.answers import TranslatedStream, WholeAnswer
from gateway.bridge.interface import Unreadable
from gateway.bridge.registry import translator_of
from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.registry import dialect_of
from tests.gateway.bridge.house import frames_of, text_of
from tests.gateway.bridge.test_frames import wanted
from tests.gateway.upstreams.vendors.anthropic.streams import (
    OVERLOADED,
    PING,
    STOP,
    USAGE,
    block,
    delta,
    end,
    event,
    start,
    text,
)

THOUGHT = event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm ünd"})
SIGNED = event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"})
CALL = event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a":'})
REST = event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '"é"}'})
PLAIN = (
    start() + PING + block("text", text="") + text("héllo ") + text("wörld 🦆") + end() + delta(output_tokens=9) + STOP
)
STREAMS = {
    "text": PLAIN,
    "crlf": PLAIN.replace(b"\n", b"\r\n"),
    "cr": PLAIN.replace(b"\n", b"\r"),
    "tools": start()
    + block("thinking", thinking="", signature="")
    + THOUGHT
    + SIGNED
    + end()
    + block("tool_use", 1, id="toolu_1", name="f", input={})
    + CALL
    + PING
    + REST
    + end(1)
    + block("tool_use", 2, id="toolu_2", name="g", input={})
    + end(2)
    + delta("tool_use", output_tokens=30)
    + STOP,
    "error": start() + text("half") + OVERLOADED,
    "refused": PING + OVERLOADED,
    "stopped": start() + text("half"),
    "comments": b": hello\n\n" + start() + b": keep\n" + text("a") + b":\n\n" + end() + delta() + STOP + b": late\n\n",
    "unknown": start() + event("new_thing", x=1) + block("new_block") + end() + text("a") + delta("new_reason") + STOP,
}


class Pieces:
    """A vendor's answer that comes in these pieces."""

    status = 200

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.headers: Headers = []
        self._pieces = list(pieces)
        self.has_ended = False
        self.ends: list[str] = []

    async def read(self) -> bytes:
        """The next, then the end."""
        self.has_ended = not self._pieces
        return self._pieces.pop(0) if self._pieces else b""

    async def pump(self, take: Any) -> bool:
        """Until it is enough, or all."""
        while self._pieces:
            if take(self._pieces.pop(0), b""):
                return False
        self.has_ended = True
        return True

    def release(self) -> None:
        """Noted."""
        self.ends.append("release")

    def abort(self) -> None:
        """Noted."""
        self.ends.append("abort")


def translated(pieces: Iterable[bytes], **values: Any) -> tuple[TranslatedStream, Pieces, Any]:
    """A stream of Anthropic's for a client that wants usage."""
    dialect = dialect_of("anthropic")
    scanner = dialect.scanner("/v1/messages", b"text/event-stream", hide_usage=False)
    assert scanner is not None
    vendor = Pieces(pieces)
    frames = translator_of(dialect).stream(wanted(**{"wants_usage": True, **values}))
    return TranslatedStream(vendor, [(b"x", b"y")], scanner, frames), vendor, scanner


async def got_of(pieces: Iterable[bytes]) -> bytes:
    """All that the client gets, piece by piece."""
    stream, _, _ = translated(pieces)
    parts = []
    while part := await stream.read():
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_that_is_cut_at_any_byte_gives_the_same(name: str) -> None:
    """Inside of UTF-8, of line ends, of JSON: the client's bytes are those of the stream in one piece, and the usage
    too."""
    raw = STREAMS[name]
    whole = await got_of([raw])
    for place in range(1, len(raw)):
        assert await got_of([raw[:place], raw[place:]]) == whole, (name, place)
    assert await got_of([raw[place : place + 1] for place in range(len(raw))]) == whole
    stream, _, scanner = translated([raw])
    while await stream.read():
        pass
    bytewise, _, other = translated([raw[place : place + 1] for place in range(len(raw))])
    while await bytewise.read():
        pass
    assert scanner.answer == other.answer


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_reading_and_pumping_give_the_same(name: str, size: int) -> None:
    """Also where whoever takes pieces has enough after each."""
    raw = STREAMS[name]
    pieces = [raw[place : place + size] for place in range(0, len(raw), size)]
    for has_enough in (False, True):
        parts: list[bytes] = []

        def take(piece: bytes, _: bytes, parts: list[bytes] = parts, has_enough: bool = has_enough) -> bool:
            parts.append(piece)
            return has_enough

        stream, vendor, _ = translated(pieces)
        while not await stream.pump(take):
            pass
        assert b"".join(parts) == await got_of([raw])
        assert all(parts), "nothing is sent where there is nothing to say"
        assert vendor.has_ended or vendor.ends


async def test_what_the_streams_say() -> None:
    """Text, thoughts, calls with their arguments, reasons, usage; errors instead of an end."""
    frames = frames_of(await got_of([STREAMS["text"]]))
    assert (text_of(frames), frames[-1]) == ("héllo wörld 🦆", "[DONE]")
    assert frames[-2]["usage"]["prompt_tokens"] == USAGE["input_tokens"] + 340  # type: ignore[operator]
    assert frames_of(await got_of([STREAMS["crlf"]])) == frames_of(await got_of([STREAMS["cr"]])) == frames
    *_, reason, usage, done = frames_of(await got_of([STREAMS["tools"]]))
    assert (reason["choices"][0]["finish_reason"], usage["usage"]["completion_tokens"], done) == (
        "tool_calls",
        30,
        "[DONE]",
    )
    for name in ("error", "refused", "stopped"):
        frames = frames_of(await got_of([STREAMS[name]]))
        assert frames[-1]["error"]["message"]
        assert "[DONE]" not in frames
    assert frames_of(await got_of([STREAMS["error"]]))[-1]["error"]["code"] == "overloaded_error"
    assert text_of(frames_of(await got_of([STREAMS["comments"]]))) == "a"
    assert frames_of(await got_of([STREAMS["unknown"]]))[-1] == "[DONE]"


async def test_calls_of_tools_can_be_put_together() -> None:
    """Id and name once, an index from 0, arguments that are JSON; signed thoughts for the next request."""
    frames = [frame for frame in frames_of(await got_of([STREAMS["tools"]])) if isinstance(frame, dict)]
    deltas = [choice["delta"] for frame in frames for choice in frame["choices"]]
    calls = [call for each in deltas for call in each.get("tool_calls", [])]
    assert [(call["index"], call.get("id"), call["function"].get("name")) for call in calls] == [
        (0, "toolu_1", "f"),
        (0, None, None),
        (0, None, None),
        (1, "toolu_2", "g"),
        (1, None, None),
    ]
    pieces = ["".join(call["function"]["arguments"] for call in calls if call["index"] == index) for index in (0, 1)]
    assert pieces == ['{"a":"é"}', "{}"]
    assert "".join(each.get("reasoning_content", "") for each in deltas) == "hm ünd"
    (extra,) = [each["extra_content"] for each in deltas if "extra_content" in each]
    assert extra["anthropic"]["thinking_blocks"] == [{"type": "thinking", "thinking": "hm ünd", "signature": "c2ln"}]


@pytest.mark.parametrize(
    "broken",
    [
        event("message_start"),
        event("content_block_start", index=0),
        event("content_block_delta", index=0, delta="text"),
        block("tool_use", id="", name="f", input={}),
        block("tool_use", id="x", input={}),
    ],
)
async def test_what_nobody_can_read_ends_the_stream(broken: bytes) -> None:
    """With an error frame; the vendor's connection is closed, what came before stays."""
    stream, vendor, _ = translated([start() + text("a"), broken, text("never"), STOP])
    parts = []
    while part := await stream.read():
        parts.append(part)
    frames = frames_of(b"".join(parts))
    assert (text_of(frames), frames[-1]["error"]["code"]) == ("a", "answer_unreadable")
    assert vendor.ends == ["abort"]


async def test_nothing_is_read_behind_the_end() -> None:
    """The vendor's connection is let go, to be used again; the answer's head is ours."""
    stream, vendor, _ = translated([PLAIN, b"never"])
    assert (stream.status, dict(stream.headers)) == (
        200,
        {b"x": b"y", b"content-type": b"text/event-stream; charset=utf-8"},
    )
    assert (await stream.read()).endswith(b"[DONE]\n\n")
    assert await stream.read() == b""
    assert await stream.pump(lambda *_: False)
    assert set(vendor.ends) == {"release"}
    stream.abort()
    stream.release()
    assert vendor.ends[-2:] == ["abort", "release"]


async def test_an_end_that_cannot_be_read_is_an_error() -> None:
    """Of a translator that finds out last."""

    class Late:
        def feed(self, frames: bytes) -> bytes:
            return b""

        def finish(self, answer: Answer) -> bytes:
            raise Unreadable(str(answer.model))

    for pieces in ([PLAIN], [start()]):
        _, vendor, scanner = translated(pieces)
        stream = TranslatedStream(vendor, [], scanner, Late())
        assert b"answer_unreadable" in await stream.read()
        assert await stream.read() == b""


async def test_a_whole_answer_is_read_once() -> None:
    """By its length; letting go of it means nothing."""
    taken: list[bytes] = []
    for answer in (WholeAnswer(404, [(b"a", b"b")], b"body"), WholeAnswer(200, [], b"")):
        answer.release()
        answer.abort()
        assert dict(answer.headers)[b"content-length"] == b"%d" % (4 if answer.status == 404 else 0)
        body = await answer.read()
        assert body == (b"body" if answer.status == 404 else b"")
        assert await answer.read() == b""

    def take(piece: bytes, _: bytes) -> bool:
        taken.append(piece)
        return True

    assert await WholeAnswer(200, [], b"x").pump(take)
    assert taken == [b"x"]
