"""Hugging Face's streams as OpenAI's chunks."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.gateway.bridge.telling import cuts, frames_of, joined, told, wanted_of

VENDOR, MODEL = "huggingface", "meta-llama/Llama-3.1-8B-Instruct"
USAGE = {"prompt_tokens": 39, "completion_tokens": 27, "total_tokens": 66}


def frame(reason: str | None = None, **delta: Any) -> bytes:
    """One event of a text generation server's."""
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "logprobs": None, "finish_reason": reason}
    body = {"object": "chat.completion.chunk", "id": "", "created": 1, "model": "tgi", "choices": [choice]}
    return b"data: " + orjson.dumps(body) + b"\n\n"


COUNTED = b"data: " + orjson.dumps({"id": "", "choices": [], "usage": USAGE}) + b"\n\n"
STREAM = b"".join((
    frame(content="Grüße "),
    frame(content="aus 北京"),
    frame(tool_calls={"index": 0, "id": "", "type": "function", "function": {"name": "weather", "arguments": ""}}),
    frame(tool_calls=[{"index": 0, "function": {"arguments": '{"city":"北京"}'}}]),
    frame("eos_token", content=""),
    COUNTED,
    b"data: [DONE]\n\n",
))  # fmt: skip


def asked(**members: Any) -> Any:
    """What the client wants."""
    return wanted_of(MODEL, is_stream=True, **members)


def test_a_stream_is_told_in_openai_s_words() -> None:
    """Ids, models and reasons as everywhere; calls are lists, the first piece of each has an id."""
    frames = frames_of(told(VENDOR, [STREAM], asked(wants_usage=True)))
    said = joined(frames)
    assert (said["content"], said["reasons"]) == ("Grüße aus 北京", ["tool_calls"])
    assert said["calls"][0]["name"] == "weather"
    assert said["calls"][0]["arguments"] == '{"city":"北京"}'
    assert said["calls"][0]["id"].startswith("call_")
    assert {(frame["id"], frame["model"]) for frame in frames[:-1]} == {("chatcmpl-1", MODEL)}
    assert (frames[-2]["usage"], frames[-1]) == (USAGE, "[DONE]")


def test_however_a_stream_is_cut_its_frames_are_the_same() -> None:
    """At every byte."""
    whole = told(VENDOR, [STREAM], asked())
    assert b'"usage"' not in whole
    for pieces in cuts(STREAM):
        assert told(VENDOR, pieces, asked()) == whole


@pytest.mark.parametrize(
    "error",
    [
        {"error": "Request failed during generation", "error_type": "generation"},
        {"error": {"message": "Request failed during generation", "code": "generation"}},
    ],
)
def test_an_error_in_a_stream_is_openai_s_and_the_last(error: dict[str, Any]) -> None:
    """Of both kinds of servers."""
    stream = frame(content="a") + b"data: " + orjson.dumps(error) + b"\n\n" + b"data: [DONE]\n\n"
    frames = frames_of(told(VENDOR, [stream], asked()))
    assert frames[-1]["error"]["message"] == "Request failed during generation"
    assert frames[-1]["error"]["code"] == "generation"
    assert "[DONE]" not in frames


@pytest.mark.parametrize("end", [b"", b"data: {", b"data: [DONE]\n\n"])
def test_a_stream_without_a_reason_is_an_error(end: bytes) -> None:
    """It is not whole, whatever it ends with."""
    frames = frames_of(told(VENDOR, [frame(content="a") + end], asked()))
    assert "error" in frames[-1]


@pytest.mark.parametrize("garbage", [b"data: {x\n\n", b"data: [1]\n\n", b'data: {"choices": [1]}\n\n'])
def test_garbage_ends_a_stream_with_an_error(garbage: bytes) -> None:
    """What is not as published."""
    frames = frames_of(told(VENDOR, [frame(content="a") + garbage + STREAM], asked()))
    assert frames[-1]["error"]["code"] == "answer_unreadable"
