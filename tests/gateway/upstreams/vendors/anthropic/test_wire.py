"""Tests of ``gateway.upstreams.vendors.anthropic.wire``: whole answers and events, as far as they can be read."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gateway.upstreams.vendors.anthropic.wire import Block, answer_of, decode_event, tokens_of_count, uncounted
from gateway.upstreams.vendors.dialect import Answer
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.anthropic.streams import message

MODEL = "claude-sonnet-4-5-20250929"


def answered(**fields: Any) -> Answer:
    """What a message with these fields says."""
    return answer_of(json.dumps(message(**fields)).encode())


def test_a_message_in_full() -> None:
    """Usage and its text, the model, one choice."""
    raw = '{"input_tokens": 2095, "output_tokens": 503}'
    assert answered() == Answer(Usage(2095, 503), raw, MODEL, choices=1)


@pytest.mark.parametrize(
    ("kinds", "calls"),
    [
        (["text", "tool_use", "tool_use"], 2),
        (["thinking", "redacted_thinking", "text"], 0),
        (["server_tool_use", "web_search_tool_result", "mcp_tool_use", "mcp_tool_result"], 2),
        (["of_tomorrow", None], 0),
        ([], 0),
    ],
)
def test_calls_are_blocks_that_use_a_tool(kinds: list[str | None], calls: int) -> None:
    """Ours, the vendor's, and a third's; unknown kinds of blocks are harmless."""
    answer = answered(content=[{"type": kind, "input": {"type": "tool_use"}} for kind in kinds])
    assert (answer.tool_calls, answer.usage) == (calls, Usage(2095, 503))


@pytest.mark.parametrize(
    "fields", [{"content": 7}, {"content": [7]}, {"model": []}, {"content": [{"type": 1}]}, {"content": "text"}]
)
def test_a_field_of_the_wrong_type_costs_no_usage(fields: dict[str, Any]) -> None:
    """The rest of the answer is unknown then."""
    answer = answered(**fields)
    assert (answer.usage, answer.model, answer.choices) == (Usage(2095, 503), None, 1)


@pytest.mark.parametrize("body", [b"", b"garbage", b"[]", b"{", b"[" * 5_000])
def test_what_is_no_object_is_not_read(body: bytes) -> None:
    """Whoever asks for it gets the decoder's error."""
    with pytest.raises((msgspec.DecodeError, RecursionError)):
        answer_of(body)
    assert decode_event(body) is None


def test_an_error_is_no_answer() -> None:
    """Nothing is counted of it, and nothing is wrong with that."""
    assert answer_of(b'{"type":"error","error":{"type":"x","message":"y"}}') == Answer()


def test_a_count_of_tokens_is_free() -> None:
    """What it counted is kept as the vendor wrote it, and charged to nobody."""
    assert tokens_of_count(b'{"input_tokens":2095}') == Answer(Usage(0, 0), '{"input_tokens":2095}')
    assert tokens_of_count(b"garbage") == Answer(Usage(0, 0), "garbage")


@pytest.mark.parametrize(
    ("calls", "problem"),
    [
        ([], ""),
        ([("server_tool_use", "web_search")], ""),
        ([("server_tool_use", "code_execution")], "tool_uncounted"),
        ([("server_tool_use", "bash_code_execution"), ("text", None)], "tool_uncounted"),
        ([("server_tool_use", "code_execution"), ("server_tool_use", "web_fetch")], ""),
        ([("tool_use", "code_execution")], ""),
    ],
)
def test_code_that_the_vendor_runs_is_billed_by_time(calls: list[tuple[str, str | None]], problem: str) -> None:
    """Which no usage tells; it is free only on the way of a search."""
    assert uncounted([Block(kind, name) for kind, name in calls]) == problem


def test_an_event_is_read_as_far_as_it_can_be() -> None:
    """Usage stays, whatever is beside it."""
    event = decode_event(b'{"type":"message_start","message":{"model":7,"usage":{"input_tokens":1}}}')
    assert event is not None
    assert event.message is not None
    assert bytes(event.message.usage) == b'{"input_tokens":1}'
    event = decode_event(b'{"type":7,"content_block":[],"usage":{}}')
    assert event is not None
    assert (bytes(event.type), bytes(event.usage), event.message) == (b"7", b"{}", None)
    assert decode_event(b'{"message":7}') is None
