"""Tests of ``gateway.upstreams.vendors.openai.wire``: what whole answers say, read as far as they can be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.openai import OpenAi
from gateway.upstreams.vendors.openai.wire import answer_of, decode_response
from sluice.money.usage import Usage


def answer(**fields: Any) -> Answer:
    """What a body says."""
    return answer_of(decode_response(json.dumps(fields).encode()))


def usage_of(**counts: Any) -> Usage | None:
    """What a body with this usage says of it."""
    return answer(usage=counts).usage


def test_a_chat_completion() -> None:
    """Counts, cached and reasoning tokens, model, choices and tool calls; and the vendor's own text of its usage."""
    body = b"""{"id":"x","model":"gpt-4o-2024-08-06","choices":[
      {"index":0,"message":{"content":null,"tool_calls":[{"id":"a"},{"id":"b"}]}},{"index":1,"message":{"content":"y"}}],
      "usage": {"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,
                "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},
                "completion_tokens_details":{"reasoning_tokens":5}}}"""
    found = answer_of(decode_response(body))
    assert found.usage == Usage(10, 20, cache_read_prompt_tokens=4, reasoning_tokens=5)
    assert (found.model, found.choices, found.tool_calls) == ("gpt-4o-2024-08-06", 2, 2)
    assert found.raw_usage is not None
    assert found.raw_usage.encode() in body


def test_a_response_of_the_responses_api() -> None:
    """The same, under its other names; every kind of call counts."""
    found = answer(
        model="o3",
        output=[{"type": "reasoning"}, {"type": "function_call"}, {"type": "web_search_call"}, {"type": "message"}],
        usage={
            "input_tokens": 7,
            "input_tokens_details": {"cached_tokens": 3},
            "output_tokens": 8,
            "output_tokens_details": {"reasoning_tokens": 2},
        },
    )
    assert found.usage == Usage(7, 8, cache_read_prompt_tokens=3, reasoning_tokens=2, tool_requests=1)
    assert (found.model, found.choices, found.tool_calls) == ("o3", 4, 2)


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(0, 0)),
        ({"prompt_tokens": 5}, Usage(5)),  # embeddings
        ({"prompt_tokens": 5, "completion_tokens": None}, Usage(5)),
        ({"prompt_tokens": 0, "input_tokens": 9}, Usage(0)),
        ({"prompt_tokens": 5, "prompt_tokens_details": None}, Usage(5)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {}}, Usage(5)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": None}}, Usage(5)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 0}}, Usage(5, cache_read_prompt_tokens=0)),
    ],
)
def test_zero_is_a_value_and_absent_is_none(counts: dict[str, Any], usage: Usage) -> None:
    """An explicit zero is never replaced, and what is missing or null is not made up."""
    assert usage_of(**counts) == usage


@pytest.mark.parametrize(
    "counts",
    [
        {},
        {"total_tokens": 5},
        {"prompt_tokens": -1, "completion_tokens": 5},
        {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": -1}},
        {"prompt_tokens": "5"},
        {"prompt_tokens": 5.5},
        {"prompt_tokens": True},
        {"prompt_tokens": [5]},
        {"prompt_tokens": 10**30},
        {"prompt_tokens": 1 << 41},
    ],
)
def test_usage_that_cannot_be_true_is_none(counts: dict[str, Any]) -> None:
    """Negative, absurd and wrongly typed counts are no usage, so the exchange is estimated; their text is kept."""
    found = answer(usage=counts)
    assert found.usage is None
    assert found.raw_usage is not None
    assert json.loads(found.raw_usage) == counts


@pytest.mark.parametrize("usage", ["text", 5, [1], True])
def test_usage_of_another_type_is_none(usage: Any) -> None:
    """Whatever stands in its place."""
    assert answer(usage=usage).usage is None


def test_null_usage_is_absent() -> None:
    """``"usage": null`` says nothing, not even its text."""
    assert answer(usage=None) == Answer()


@pytest.mark.parametrize("details", ["x", [1], {"cached_tokens": "3"}, {"cached_tokens": 1.5}, {"cached_tokens": {}}])
def test_odd_details_do_not_cost_the_counts(details: Any) -> None:
    """A vendor that is only compatible may write details its own way: the counts beside them still count."""
    assert usage_of(prompt_tokens=5, completion_tokens=6, prompt_tokens_details=details) == Usage(5, 6)


@pytest.mark.parametrize(
    "fields",
    [
        {"choices": "x"},
        {"choices": [5]},
        {"choices": [{"index": "0"}]},
        {"model": 5},
        {"output": {}},
        {"choices": [{"message": {"tool_calls": {}}}]},
        {"response": {"output": 5}},
    ],
)
def test_odd_fields_do_not_cost_the_usage(fields: dict[str, Any]) -> None:
    """Nor do other fields of unexpected types."""
    usage = {"prompt_tokens": 5}
    if "response" in fields:
        fields = {"response": {**fields["response"], "usage": usage}}
    assert answer(usage=usage, **fields).usage == Usage(5)


def test_a_huge_usage_text_is_not_kept() -> None:
    """It would crowd the bodies out of the event; the counts are read all the same."""
    found = answer(usage={"prompt_tokens": 5, "padding": "x" * 10_000})
    assert (found.usage, found.raw_usage) == (Usage(5), "{}")


def test_numbers_of_things_fit_into_an_event() -> None:
    """A body may claim any number of choices."""
    assert answer(choices=[{}] * 40_000).choices == 1 << 15


@given(st.binary(max_size=80) | st.text(max_size=40).map(lambda text: json.dumps({"usage": text}).encode()))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """A whole answer's reader never raises."""
    assert isinstance(OpenAi().answer(body), Answer)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b"\x1f\x8b", b"[" * 200_000])
def test_what_is_no_answer_says_nothing(body: bytes) -> None:
    """Errors of proxies, cut bodies, compressed ones."""
    assert OpenAi().answer(body) == Answer()


@pytest.mark.parametrize(
    ("output", "requests", "problem"),
    [
        ([{"type": "web_search_call"}, {"type": "web_search_call", "action": {"type": "search", "query": "x"}}], 2, ""),
        ([{"type": "web_search_call", "action": {"type": "open_page", "url": "u"}}], None, ""),
        ([{"type": "web_search_call", "action": None}, {"type": "web_search_call", "action": 5}], 2, ""),
        ([{"type": "function_call"}, {"type": "mcp_call"}, {"type": "message"}], None, ""),
        ([{"type": "code_interpreter_call"}], None, "tool_uncounted"),
        ([{"type": "file_search_call"}, {"type": "web_search_call"}], 1, "tool_uncounted"),
    ],
)
def test_the_vendor_s_own_tools(output: list[dict[str, Any]], requests: int | None, problem: str) -> None:
    """Searches are billed one by one, looking at what was found is not; what no usage counts makes an estimate."""
    found = answer(output=output, usage={"input_tokens": 7, "output_tokens": 8})
    assert found.usage == Usage(7, 8, tool_requests=requests)
    assert found.problem == problem


@pytest.mark.parametrize(
    ("tier", "problem"), [
        ("default", ""), ("auto", ""), ("on_demand", ""), (None, ""), (5, ""),
        ("flex", "service_tier"), ("priority", "service_tier"), ("scale", "service_tier"),
        ("of_tomorrow", "service_tier"), ("batch", "batch_tier"),
    ],
)  # fmt: skip
def test_other_service_tiers_have_other_prices(tier: Any, problem: str) -> None:
    """In a chat and in an event of the responses API."""
    usage = {"prompt_tokens": 7}
    assert answer(usage=usage, service_tier=tier).problem == problem
    assert answer(response={"usage": usage, "service_tier": tier}).problem == problem


def test_groq_counts_in_a_place_of_its_own() -> None:
    """Where the usual one is absent; else that is the same."""
    assert answer(x_groq={"id": "r", "usage": {"prompt_tokens": 7}}).usage == Usage(7)
    assert answer(x_groq={"usage": {"prompt_tokens": 7}}, usage={"prompt_tokens": 8}).usage == Usage(8)
