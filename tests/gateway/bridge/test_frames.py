"""OpenAI's answers: whole ones and streams are as its own SDK takes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.bridge.choices import Choices
from gateway.bridge.frames import (
    DONE,
    completion_of,
    embeddings,
    error_body,
    error_frame,
    sse_data,
    tool_call,
    usage_object,
)
from gateway.bridge.interface import OpenAiError, Wanted
from sluice.money.usage import Usage
from tests.gateway.bridge.house import frames_of

USAGE = Usage(prompt_tokens=30, response_tokens=12, cache_read_prompt_tokens=20, reasoning_tokens=5)


def wanted(**values: Any) -> Wanted:
    """A chat that is streamed."""
    given = {
        "operation": "chat",
        "model": "m",
        "is_stream": True,
        "wants_usage": False,
        "created": 1_700_000_000,
        "completion_id": "chatcmpl-1",
    }
    return Wanted(**{**given, **values})


def test_a_whole_answer_is_a_chat_completion() -> None:
    """Down to the last member that the SDK knows."""
    calls = [tool_call("call_1", "f", '{"a":1}')]
    message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}]
    body = completion_of(wanted(), choices, USAGE)
    found = ChatCompletion.model_validate_json(body)
    choice = found.choices[0]
    assert (found.id, found.created, found.model, choice.finish_reason) == (
        "chatcmpl-1",
        1_700_000_000,
        "m",
        "tool_calls",
    )
    assert choice.message.tool_calls
    assert choice.message.tool_calls[0].id == "call_1"
    bare = json.loads(completion_of(wanted(), choices, None, "other"))
    assert (bare.get("usage"), bare["model"]) == (None, "other")


def test_usage_is_openais() -> None:
    """Cached tokens are among the prompt's, reasoning among the response's; what nobody counted is not there."""
    assert usage_object(USAGE) == {
        "prompt_tokens": 30,
        "completion_tokens": 12,
        "total_tokens": 42,
        "prompt_tokens_details": {"cached_tokens": 20},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    assert usage_object(Usage()) == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def test_embeddings_are_a_list() -> None:
    """In their order; they have no output."""
    found = CreateEmbeddingResponse.model_validate_json(embeddings(wanted(), [[0.5], [1.0]], USAGE))
    assert [(item.index, item.embedding) for item in found.data] == [(0, [0.5]), (1, [1.0])]
    assert (found.usage.prompt_tokens, found.usage.total_tokens) == (30, 30)


@pytest.mark.parametrize("wants_usage", [False, True])
def test_a_stream_ends_once(wants_usage: bool) -> None:
    """Each frame is a chunk of the same completion; usage comes last, and only to who asked."""
    chunks = Choices(wanted(wants_usage=wants_usage))
    out = chunks.delta({"content": "a"}) + chunks.close("stop", "end_turn") + chunks.end(USAGE)
    *frames, last = frames_of(out)
    assert last == "[DONE]"
    found = [ChatCompletionChunk.model_validate(frame) for frame in frames]
    assert {(chunk.id, chunk.created, chunk.model) for chunk in found} == {("chatcmpl-1", 1_700_000_000, "m")}
    assert [chunk.usage is not None for chunk in found] == [False, False, False, *[True] * wants_usage]
    uncounted = frames_of(Choices(wanted(wants_usage=True)).end(None))
    assert uncounted[-1] != "[DONE]", "nothing was said, so nothing is finished"


def test_a_stream_that_did_not_finish_ends_in_an_error() -> None:
    """Which is said once, with nothing behind it."""
    chunks = Choices(wanted(wants_usage=True))
    out = chunks.delta({"content": "a"}) + chunks.end(USAGE)
    assert DONE not in out
    assert frames_of(out)[-1]["error"]["type"] == "server_error"
    assert chunks.end(USAGE) + chunks.stopped() + chunks.error(OpenAiError("x")) == b""


def test_an_error_is_openais_and_json_whatever_it_says() -> None:
    """Also what is no Unicode."""
    error = OpenAiError("bad \ud800", "invalid_request_error", "code", "messages.0")
    for body in (json.loads(error_body(error)), *frames_of(error_frame(error))):
        assert body["error"] == {
            "message": "bad ?",
            "type": "invalid_request_error",
            "param": "messages.0",
            "code": "code",
        }


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_data_is_read_out_of_frames(end: bytes) -> None:
    """Comments, names and empty frames are passed over; several lines are one; what has no end is left alone."""
    lines = [
        b"\xef\xbb\xbfdata: 1", b"", b": ping", b"", b"event: x", b"data:2", b"data: 3", b"", b"", b"data: never"
    ]  # fmt: skip
    assert list(sse_data(end.join(lines))) == [b"1", b"2\n3"]
    assert list(sse_data(b"")) == []
