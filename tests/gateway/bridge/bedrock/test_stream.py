"""Bedrock's event streams as ``chat.completion.chunk`` frames."""

from __future__ import annotations

from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from tests.gateway.bridge.telling import cuts, frames_of, joined, sent, told, wanted_of
from tests.gateway.upstreams.vendors.bedrock.streams import event, exception, message

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
USAGE = {"inputTokens": 12, "outputTokens": 30, "totalTokens": 42}


def delta(index: int, **members: Any) -> bytes:
    """More of a block."""
    return event("contentBlockDelta", delta=members, contentBlockIndex=index)


def begins(index: int, call_id: str, name: str, **members: Any) -> bytes:
    """A call begins."""
    use = {"toolUseId": call_id, "name": name, **members}
    return event("contentBlockStart", start={"toolUse": use}, contentBlockIndex=index)


def stops(index: int) -> bytes:
    """A block ends."""
    return event("contentBlockStop", contentBlockIndex=index)


END = event("messageStop", stopReason="tool_use") + event("metadata", usage=USAGE, metrics={"latencyMs": 5})
STREAM = b"".join((
    event("messageStart", role="assistant"),
    delta(0, reasoningContent={"text": "Let me "}),
    delta(0, reasoningContent={"text": "see."}),
    delta(0, reasoningContent={"signature": "c2lnbmVk"}),
    stops(0),
    delta(1, text="Grüße "),
    delta(1, text="aus 北京"),
    stops(1),
    begins(2, "tooluse_1", "weather"),
    delta(2, toolUse={"input": '{"city":'}),
    delta(2, toolUse={"input": '"北京"}'}),
    stops(2),
    begins(3, "tooluse_2", "now"),
    stops(3),
    END,
))  # fmt: skip


def asked(**members: Any) -> Any:
    """What the client wants."""
    return wanted_of(MODEL, is_stream=True, **members)


def frames(stream: bytes, **members: Any) -> list[Any]:
    """What the client gets."""
    return frames_of(told("bedrock", [stream], asked(**members)))


def test_a_stream_says_role_reasoning_text_calls_and_its_end() -> None:
    """Role first, pieces as they come, calls with the vendor's ids, the finish reason, usage, ``[DONE]``."""
    found = frames(STREAM, wants_usage=True)
    assert found[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    said = joined(found)
    assert (said["content"], said["reasoning"], said["reasons"]) == ("Grüße aus 北京", "Let me see.", ["tool_calls"])
    assert said["calls"][0] == {"id": "tooluse_1", "name": "weather", "arguments": '{"city":"北京"}', "extra": None}
    assert found[-2]["usage"] == {"prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 42}
    assert found[-1] == "[DONE]"


def test_a_call_without_arguments_has_the_empty_object() -> None:
    """Clients read arguments as JSON, which nothing is not."""
    assert joined(frames(STREAM))["calls"][1] == {"id": "tooluse_2", "name": "now", "arguments": "{}", "extra": None}


def test_signatures_of_reasoning_go_to_the_client() -> None:
    """As ``extra_content``, with how much of ``reasoning_content`` they sign."""
    assert joined(frames(STREAM))["extra"] == {"bedrock": {"reasoning": [{"characters": 11, "signature": "c2lnbmVk"}]}}


def test_however_a_stream_is_cut_its_frames_are_the_same() -> None:
    """Inside of lengths, headers, checksums and UTF-8."""
    whole = told("bedrock", [STREAM], asked(wants_usage=True))
    for pieces in cuts(STREAM):
        assert told("bedrock", pieces, asked(wants_usage=True)) == whole


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_model_output", "stop"),
        ("of_tomorrow", "stop"),
    ],
)
def test_finish_reasons_are_openai_s_and_the_vendor_s_own_beside_them(native: str, reason: str) -> None:
    """What OpenAI has no word for is ``stop``; the vendor's is always there to be seen."""
    found = frames(
        event("messageStart", role="assistant") + delta(0, text="a") + event("messageStop", stopReason=native)
    )
    last = found[-2]["choices"][0]
    assert (last["finish_reason"], last["native_finish_reason"]) == (reason, native)
    assert found[-1] == "[DONE]"


def test_an_unknown_reason_after_calls_is_of_calls() -> None:
    """So that clients make them."""
    stream = begins(0, "a", "f") + stops(0) + event("messageStop", stopReason="of_tomorrow")
    assert joined(frames(stream))["reasons"] == ["tool_calls"]


@pytest.mark.parametrize(
    ("kind", "type_", "code"),
    [
        ("throttlingException", "rate_limit_error", "throttling_exception"),
        ("validationException", "invalid_request_error", "validation_exception"),
        ("modelStreamErrorException", "server_error", "model_stream_error_exception"),
        ("newException", "server_error", "new_exception"),
    ],
)
def test_an_exception_is_openai_s_error_and_the_last(kind: str, type_: str, code: str) -> None:
    """With the vendor's words; nothing behind it."""
    found = frames(
        event("messageStart", role="assistant") + delta(0, text="a") + exception(kind) + END, wants_usage=True
    )
    assert found[-1] == {"error": {"message": "slow down", "type": type_, "param": None, "code": code}}


def test_an_error_message_is_one_too() -> None:
    """Errors of the transport have their words in headers."""
    broken = message(b"", message_type="error", error_code="InternalFailure", error_message="gone")
    assert frames(broken)[-1]["error"]["message"] == "gone"


@pytest.mark.parametrize("keep", [0, 1, 2, 5])
def test_a_stream_that_stops_early_is_an_error(keep: int) -> None:
    """Without ``messageStop`` the answer is not whole."""
    parts = [event("messageStart", role="assistant"), delta(0, text="a"), delta(0, text="b"), stops(0)]
    found = frames(b"".join(parts[:keep]) + END[:20])
    assert found[-1]["error"]["type"] == "server_error"
    assert "[DONE]" not in found


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 64,
        message(b"{broken", event_type="contentBlockDelta", message_type="event"),
        message(b"[]", event_type="contentBlockDelta", message_type="event"),
        message(b"{}", event_type="contentBlockDelta", message_type="event"),
        event("contentBlockDelta", delta={"text": "a"}, contentBlockIndex="zero"),
        event("contentBlockStart", start={"toolUse": {"name": "f"}}, contentBlockIndex=0),
        delta(7, toolUse={"input": "{}"}),
        delta(0, text="a")[:-1] + b"\0",
    ],
)
def test_garbage_ends_a_stream_with_an_error(garbage: bytes) -> None:
    """Broken messages, and events that are not as published: an error frame and no end that would look like one."""
    found = frames(event("messageStart", role="assistant") + garbage + END)
    assert found[-1]["error"]["code"] in {"answer_unreadable", "upstream_error"}
    assert "[DONE]" not in found


def test_what_is_newer_than_we_are_is_passed_over() -> None:
    """New kinds of events, blocks and deltas, and calls that the vendor makes itself, say nothing to this client."""
    new = (
        event("novelty", deep={"er": 1})
        + delta(0, novelty={"a": 1})
        + begins(1, "server", "nova_grounding", type="server_tool_use")
        + delta(1, toolUse={"input": "{}"})
        + stops(1)
    )
    said = joined(frames(event("messageStart", role="assistant") + new + delta(2, text="a") + END))
    assert (said["content"], said["calls"]) == ("a", {})


def test_a_redacted_block_is_kept_for_the_vendor() -> None:
    """Nobody can read it; it must come back."""
    stream = delta(0, reasoningContent={"redactedContent": "ZW5j"}) + END
    assert joined(frames(stream))["extra"] == {"bedrock": {"reasoning": [{"redacted": "ZW5j"}]}}


@pytest.mark.parametrize(
    "flood",
    [
        b"".join(delta(index, text="a") for index in range(300)),
        delta(0, reasoningContent={"redactedContent": "x" * 100_000}) * 50,
        delta(0, reasoningContent={"signature": "x" * 100_000}) * 50,
    ],
)
def test_nothing_grows_with_a_stream(flood: bytes) -> None:
    """What must be kept until the end has a bound: beyond it the stream ends with an error."""
    found = frames(flood + END)
    assert found[-1]["error"]["code"] == "answer_unreadable"


def test_signatures_survive_openai_s_own_sdk() -> None:
    """Put together by the SDK and sent back as it writes messages: the blocks are those that came."""
    state = ChatCompletionStreamState()
    for frame in frames(STREAM)[:-1]:
        state.handle_chunk(ChatCompletionChunk.model_validate(frame))
    message = state.get_final_completion().choices[0].message.model_dump(exclude_none=True)
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "1"} for call in message["tool_calls"]]
    made = sent("bedrock", MODEL, {"messages": [{"role": "user", "content": "Hi"}, message, *results]})
    assert made["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": "c2lnbmVk"}}},
        {"text": "Grüße aus 北京"},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "weather", "input": {"city": "北京"}}},
        {"toolUse": {"toolUseId": "tooluse_2", "name": "now", "input": {}}},
    ]
