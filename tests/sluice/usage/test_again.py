"""Tests of ``sluice.usage.again``: an event's raw usage read again is what was counted when it came."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.dialect import Answer
from sluice.money.usage import Usage
from sluice.usage.again import CUT, usage_of
from tests.gateway.upstreams.vendors.recorded import WAYS, Way, recorded, whole
from tests.gateway.upstreams.vendors.scanning_laws import scan
from tests.gateway.upstreams.vendors.test_every_cut import SCRIPTS

_OF_EVENTS = (
    "prompt_tokens", "response_tokens", "cache_read_prompt_tokens", "cache_write_prompt_tokens", "reasoning_tokens",
)  # fmt: skip


def as_event(usage: Usage) -> Usage:
    """What an event has columns for."""
    return Usage(**{name: getattr(usage, name) for name in _OF_EVENTS})


def read_again(vendor: str, answer: Answer) -> Usage | None:
    """As a job does: by the event's raw usage and columns, and the label of tools."""
    assert answer.usage is not None
    told = as_event(answer.usage)
    found = usage_of(vendor, answer.raw_usage, told).usage if answer.raw_usage else told
    if found is not None and answer.usage.tool_requests:
        found.tool_requests = answer.usage.tool_requests
    return found


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("way", [pytest.param(way, id=way.name) for way in WAYS])
def test_every_exact_answer_of_every_vendor_reads_the_same(way: Way, name: str) -> None:
    """Whole and streamed, of every dialect and format: all counts, those too that no column is for."""
    streamed = scan(way.scanner, [recorded(way, SCRIPTS[name])]).answer
    plain = way.dialect.answer(whole(way, SCRIPTS[name]), way.plain_path, [])
    for answer in (streamed, plain):
        if answer.usage is not None and not answer.problem:
            assert read_again(way.vendor, answer) == answer.usage, answer


@pytest.mark.parametrize(
    ("vendor", "raw", "usage"),
    [
        ("openai", {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"audio_tokens": 3}},
         Usage(9, 4, audio_prompt_tokens=3)),
        ("openrouter", {"prompt_tokens": 9, "completion_tokens": 4, "server_tool_use": {"web_search_requests": 2}},
         Usage(9, 4, tool_requests=2)),
        ("xai", {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 20,
                 "completion_tokens_details": {"reasoning_tokens": 7}}, Usage(9, 11, reasoning_tokens=7)),
        ("anthropic", {"input_tokens": 5, "output_tokens": 2, "cache_creation_input_tokens": 7, "cache_creation":
                       {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}},
         Usage(12, 2, None, 7, None, 4)),
        ("vertex", {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 9}, Usage(14, 2, 9)),
        ("google_ai", {"promptTokenCount": 10, "candidatesTokenCount": 3, "thoughtsTokenCount": 2,
                       "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": 6}]},
         Usage(10, 5, reasoning_tokens=2, image_prompt_tokens=6)),
        ("google_ai", {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 20},
         Usage(10, 10, reasoning_tokens=7)),
        ("google_ai", {"total_input_tokens": 4, "total_output_tokens": 2, "grounding_tool_count":
                       [{"type": "google_search", "count": 3}]}, Usage(4, 2, tool_requests=3)),
        ("vertex", {"token_count": 8}, Usage(8, 0)),
        ("bedrock", {"inputTokens": 5, "outputTokens": 2, "cacheWriteInputTokens": 3,
                     "cacheDetails": [{"ttl": "1h", "inputTokens": 3}]}, Usage(8, 2, None, 3, None, 3)),
        ("bedrock", {"usage": {"input_tokens": 5, "output_tokens": 1, "cache_creation_input_tokens": 4,
                               "cache_creation": {"ephemeral_1h_input_tokens": 4}},
                     "amazon-bedrock-invocationMetrics": {"inputTokenCount": 5, "outputTokenCount": 3}},
         Usage(9, 3, None, 4, None, 4)),
        ("bedrock", {"inputTextTokenCount": 5, "results": [{"tokenCount": 7}, {"tokenCount": 2}]}, Usage(5, 9)),
        ("ollama", {"prompt_eval_count": 5, "eval_count": 6, "total_duration": 1}, Usage(5, 6)),
        ("ollama", {"prompt_eval_count": 5, "total_duration": 1}, Usage(5)),
        ("huggingface", {"x-prompt-tokens": 5, "x-generated-tokens": 6}, Usage(5, 6)),
        ("huggingface", {"generated_tokens": 5, "input_length": 3, "best_of_sequences": [{"generated_tokens": 4}]},
         Usage(3, 9)),
        ("compatible", {"promptTokens": 5, "completionTokens": 6}, Usage(5, 6)),
    ],
)  # fmt: skip
def test_each_way_of_counting(vendor: str, raw: dict[str, object], usage: Usage) -> None:
    """By the reader of whom it is, also where a server speaks another vendor's dialect."""
    assert usage_of(vendor, json.dumps(raw), as_event(usage)).usage == usage


def test_what_says_something_else_is_not_believed() -> None:
    """An event whose raw usage does not say what was counted is not read as if it did."""
    found = usage_of("openai", '{"prompt_tokens":9,"completion_tokens":4}', Usage(10, 4))
    assert (found.usage, found.problem) == (None, "counted_otherwise")
    assert usage_of("openai", CUT, Usage(10, 4)).usage is None
    assert usage_of("openai", None, Usage(10, 4)).usage is None
    assert usage_of("nobody", '{"prompt_tokens":9,"completion_tokens":4}').usage == Usage(9, 4)


@given(
    st.sampled_from(["openai", "anthropic", "google_ai", "vertex", "bedrock", "ollama", "huggingface", ""]),
    st.one_of(st.text(max_size=60), st.recursive(
        st.none() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
            "usage", "prompt_tokens", "inputTokens", "results", "tokenCount", "cacheDetails", "generated_tokens",
            "prompt_eval_count", "amazon-bedrock-invocationMetrics", "inputTextTokenCount", "token_count",
        ]), inner, max_size=4), max_leaves=12).map(json.dumps)),
)  # fmt: skip
def test_whatever_it_is_nothing_is_raised(vendor: str, raw: str) -> None:
    """Text, numbers without bound, lists where objects should be, lone surrogates."""
    usage_of(vendor, raw)
    usage_of(vendor, raw, Usage(1, 2))
