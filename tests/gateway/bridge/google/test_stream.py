"""Google's streams as ``chat.completion.chunk`` frames."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from tests.gateway.bridge.telling import cuts, frames_of, joined, sent, told, wanted_of

MODEL = "gemini-2.5-flash"
USAGE = {"promptTokenCount": 8, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 20}


def element(parts: list[dict[str, Any]], reason: str = "", index: int = 0, **more: Any) -> bytes:
    """One event, as Google writes it."""
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    if index:
        candidate["index"] = index
    if reason:
        candidate["finishReason"] = reason
    body = {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": MODEL, **more}
    return b"data: " + orjson.dumps(body) + b"\r\n\r\n"


STREAM = b"".join((
    element([{"text": "Let me see. ", "thought": True}]),
    element([{"text": "Grüße "}]),
    element([{"text": "aus 北京"}]),
    element([{"functionCall": {"name": "weather", "args": {"city": "北京"}}, "thoughtSignature": "c2ln"}]),
    element([{"functionCall": {"name": "now", "args": {}}}]),
    element([{"text": ""}], "STOP"),
))  # fmt: skip


def asked(**members: Any) -> Any:
    """What the client wants."""
    return wanted_of(MODEL, is_stream=True, **members)


def test_a_stream_says_role_thoughts_text_calls_and_its_end() -> None:
    """Role first; thoughts are ``reasoning_content``; calls come whole, each with an id and an index; then the finish
    reason, usage where it was asked for, and ``[DONE]``; all with one id, time and model."""
    frames = frames_of(told("google_ai", [STREAM], asked(wants_usage=True)))
    assert frames[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert {(frame["id"], frame["created"], frame["model"], frame["object"]) for frame in frames[:-1]} == {
        ("chatcmpl-1", 1_700_000_000, MODEL, "chat.completion.chunk")
    }
    found = joined(frames)
    assert (found["content"], found["reasoning"]) == ("Grüße aus 北京", "Let me see. ")
    assert [(call["name"], orjson.loads(call["arguments"])) for call in found["calls"].values()] == [
        ("weather", {"city": "北京"}),
        ("now", {}),
    ]
    assert len({call["id"] for call in found["calls"].values()}) == 2
    assert found["calls"][0]["extra"] == {"google": {"thought_signature": "c2ln"}}
    assert found["reasons"] == ["tool_calls"]
    assert frames[-2]["usage"] == {
        "prompt_tokens": 8,
        "completion_tokens": 12,
        "total_tokens": 20,
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    assert (frames[-2]["choices"], frames[-1]) == ([], "[DONE]")


def test_however_a_stream_is_cut_its_frames_are_the_same() -> None:
    """A client gets the same frames wherever the vendor's bytes are cut, inside of UTF-8 too."""
    whole = told("google_ai", [STREAM], asked(wants_usage=True))
    for pieces in cuts(STREAM):
        assert told("google_ai", pieces, asked(wants_usage=True)) == whole


def test_usage_is_said_only_to_who_asked_for_it() -> None:
    """Without ``include_usage`` no frame has any."""
    frames = frames_of(told("google_ai", [STREAM], asked()))
    assert all("usage" not in frame for frame in frames[:-1])
    assert frames[-1] == "[DONE]"


def test_candidates_are_choices() -> None:
    """Each candidate is told by its index, with its own role and end."""
    stream = (
        element([{"text": "A"}])
        + element([{"text": "B"}], index=1)
        + element([], "MAX_TOKENS", 1)
        + element([], "STOP")
    )
    frames = frames_of(told("google_ai", [stream], asked()))
    assert (joined(frames)["content"], joined(frames)["reasons"]) == ("A", ["stop"])
    assert (joined(frames, 1)["content"], joined(frames, 1)["reasons"]) == ("B", ["length"])


def test_models_that_say_why_they_finish_in_each_frame_finish_once() -> None:
    """A reason in an early frame ends nothing: the last one holds."""
    stream = element([{"text": "a"}], "STOP") + element([{"text": "b"}], "MAX_TOKENS")
    found = joined(frames_of(told("google_ai", [stream], asked())))
    assert (found["content"], found["reasons"]) == ("ab", ["length"])


@pytest.mark.parametrize("end", [b"", b'data: {"candi'])
def test_a_stream_that_stops_early_is_an_error(end: bytes) -> None:
    """Without a finish reason the answer is not whole: an error frame, no ``[DONE]``."""
    frames = frames_of(told("google_ai", [element([{"text": "half"}]) + end], asked()))
    assert frames[-1]["error"]["type"] == "server_error"
    assert "[DONE]" not in frames


def test_nothing_at_all_is_an_error() -> None:
    """An empty stream is no answer."""
    frames = frames_of(told("google_ai", [b""], asked()))
    assert [*frames[0]] == ["error"]


def test_an_error_in_a_stream_is_openai_s_and_the_last() -> None:
    """The vendor's message and code come through; nothing comes behind them."""
    error = {"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}}
    stream = element([{"text": "a"}]) + b"data: " + orjson.dumps(error) + b"\r\n\r\n" + element([{"text": "b"}], "STOP")
    frames = frames_of(told("google_ai", [stream], asked(wants_usage=True)))
    assert frames[-1] == {
        "error": {
            "message": "Quota exceeded",
            "type": "rate_limit_error",
            "param": None,
            "code": "resource_exhausted",
        }
    }
    assert joined(frames)["content"] == "a"


@pytest.mark.parametrize(
    "frame",
    [
        b"data: {broken\r\n\r\n",
        b"data: [1, 2]\r\n\r\n",
        b'data: {"candidates": {"index": 0}}\r\n\r\n',
        b'data: {"candidates": [{"index": -1}]}\r\n\r\n',
        b'data: {"candidates": [{"index": 4000000}]}\r\n\r\n',
        b'data: {"candidates": [{"content": {"parts": "text"}}]}\r\n\r\n',
        b'data: {"candidates": [{"content": {"parts": [{"functionCall": {"args": {}}}]}}]}\r\n\r\n',
        b'data: {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": "x"}}]}}]}\r\n\r\n',
    ],
)
def test_garbage_ends_a_stream_with_an_error(frame: bytes) -> None:
    """What Google does not publish cannot be told: an error frame, and no end that would look like one."""
    frames = frames_of(told("google_ai", [element([{"text": "a"}]) + frame + element([], "STOP")], asked()))
    assert frames[-1]["error"]["code"] == "answer_unreadable"
    assert "[DONE]" not in frames


def test_a_frame_too_large_to_be_kept_is_an_error_and_not_left_out() -> None:
    """Text is never lost silently: what nobody could read ends the stream."""
    stream = element([{"text": "x" * (5 << 20)}]) + element([{"text": "b"}], "STOP")
    pieces = [stream[at : at + 65536] for at in range(0, len(stream), 65536)]
    frames = frames_of(told("google_ai", pieces, asked()))
    assert "error" in frames[-1]
    assert "[DONE]" not in frames


def test_a_blocked_prompt_is_a_refusal() -> None:
    """The client learns why, in ``refusal``, with ``content_filter``."""
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 8}}
    frames = frames_of(told("google_ai", [b"data: " + orjson.dumps(body) + b"\n\n"], asked()))
    assert "SAFETY" in frames[1]["choices"][0]["delta"]["refusal"]
    assert (joined(frames)["reasons"], frames[-1]) == (["content_filter"], "[DONE]")


def test_logprobs_come_with_the_text_they_are_of() -> None:
    """One frame has the piece and its tokens; a part without text has them too."""
    tokens = {"chosenCandidates": [{"token": "ü", "tokenId": 5, "logProbability": -0.25}]}
    body = {"candidates": [{"content": {"parts": [{"text": "ü"}]}, "finishReason": "STOP", "logprobsResult": tokens}]}
    frames = frames_of(told("google_ai", [b"data: " + orjson.dumps(body) + b"\n\n"], asked()))
    assert frames[1]["choices"][0]["logprobs"]["content"] == [
        {"token": "ü", "logprob": -0.25, "bytes": [195, 188], "top_logprobs": []}
    ]


def test_signatures_survive_openai_s_own_sdk() -> None:
    """Put together by the SDK and sent back as it writes messages: of calls, and of the text the last one, once."""
    signed = element([{"text": "a", "thoughtSignature": "b25l"}]) + element([{"text": "b", "thoughtSignature": "dHdv"}])
    state = ChatCompletionStreamState()
    for frame in frames_of(told("google_ai", [signed + STREAM], asked()))[:-1]:
        state.handle_chunk(ChatCompletionChunk.model_validate(frame))
    message = state.get_final_completion().choices[0].message.model_dump(exclude_none=True)
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "1"} for call in message["tool_calls"]]
    made = sent("google_ai", MODEL, {"messages": [{"role": "user", "content": "Hi"}, message, *results]})
    assert made["contents"][1]["parts"] == [
        {"text": "abGrüße aus 北京", "thoughtSignature": "dHdv"},
        {"functionCall": {"name": "weather", "args": {"city": "北京"}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "now", "args": {}}},
    ]
