"""Tests of ``sluice.usage.anthropic``: the vendor's counts, brought to ours, checked by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluice.money.usage import Usage
from sluice.usage.anthropic import merged, usage_of


def counted(**usage: Any) -> tuple[Usage | None, str]:
    """What a ``usage`` counts, and its problem."""
    found = usage_of(json.dumps(usage).encode())
    assert found.text == json.dumps(usage)
    return found.usage, found.problem


WHOLE: list[tuple[dict[str, Any], Usage]] = [
    ({"input_tokens": 10, "output_tokens": 5}, Usage(10, 5)),
    ({"input_tokens": 0, "output_tokens": 0}, Usage(0, 0)),
    (
        {
            "input_tokens": 2095,
            "cache_creation_input_tokens": 2051,
            "cache_read_input_tokens": 2051,
            "cache_creation": {"ephemeral_5m_input_tokens": 51, "ephemeral_1h_input_tokens": 2000},
            "output_tokens": 503,
            "output_tokens_details": {"thinking_tokens": 400},
            "inference_geo": "not_available",
            "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 2},
            "service_tier": "standard",
            "speed": "standard",
        },
        Usage(
            prompt_tokens=2095 + 2051 + 2051,
            response_tokens=503,
            cache_read_prompt_tokens=2051,
            cache_write_prompt_tokens=2051,
            cache_write_1h_prompt_tokens=2000,
            reasoning_tokens=400,
            tool_requests=3,
        ),
    ),
    (
        {
            "input_tokens": 21,
            "cache_creation_input_tokens": 188086,
            "cache_read_input_tokens": 0,
            "output_tokens": 393,
        },
        Usage(188107, 393, 0, 188086),
    ),
    (
        {"input_tokens": 4, "output_tokens": 1, "cache_creation_input_tokens": None, "cache_read_input_tokens": None},
        Usage(4, 1),
    ),
    (
        {
            "input_tokens": 1,
            "output_tokens": 2,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
        },
        Usage(8, 2, None, 7, cache_write_1h_prompt_tokens=4),
    ),
    (
        {
            "input_tokens": 1,
            "output_tokens": 2,
            "cache_creation_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "server_tool_use": {"web_search_requests": 0},
            "service_tier": "standard",
        },
        Usage(1, 2, None, 0, cache_write_1h_prompt_tokens=0, tool_requests=0),
    ),
    ({"input_tokens": 1, "output_tokens": 2, "server_tool_use": None, "of_tomorrow": {"x": [1]}}, Usage(1, 2)),
]


@pytest.mark.parametrize(("usage", "expected"), WHOLE)
def test_all_prompt_tokens_are_the_sum_of_three(usage: dict[str, Any], expected: Usage) -> None:
    """Plain, written to the cache, read from it; thinking is among the output; zero is a value, null is none."""
    assert counted(**usage) == (expected, "")
    assert not expected.contradictions()


def test_a_compaction_is_billed_beside_the_whole() -> None:
    """The vendor leaves it out of its sums; turns of the message are in them."""
    turn = {"type": "message", "input_tokens": 20, "output_tokens": 30, "cache_read_input_tokens": 5}
    compaction = {
        "type": "compaction",
        "input_tokens": 1000,
        "output_tokens": 100,
        "cache_read_input_tokens": 7,
        "cache_creation_input_tokens": 9,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 9},
    }
    sums = {"input_tokens": 20, "output_tokens": 30, "cache_read_input_tokens": 5}
    found = counted(**sums, iterations=[compaction, turn])
    assert found == (Usage(25 + 1016, 130, 12, 9, cache_write_1h_prompt_tokens=9), "")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"service_tier": "priority"}, "service_tier"),
        ({"speed": "fast"}, "speed"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"iterations": [{"type": "advisor_message", "model": "x", "input_tokens": 9}]}, "other_model"),
        ({"iterations": [{"type": "fallback_message", "model": "x"}]}, "other_model"),
        ({"iterations": [7, None, {"type": []}, {"type": "message"}]}, ""),
        ({"iterations": {"a": 1}}, ""),
        ({"service_tier": ["priority"]}, ""),
    ],
)
def test_what_our_price_cannot_say_makes_an_estimate(more: dict[str, Any], problem: str) -> None:
    """Other prices than the model's, or other models: counted as far as it is, and said."""
    assert counted(input_tokens=1, output_tokens=2, **more) == (Usage(1, 2), problem)


@pytest.mark.parametrize(
    ("written", "short", "long", "hour", "problem"),
    [
        (300, 0, 100, 300, ""),  # all were for an hour, and there are more of them now
        (300, 100, 0, 0, ""),
        (300, 100, 100, 100, "cache_write_parts"),
        (300, 0, 0, 0, "cache_write_parts"),
        (200, 100, 100, 100, ""),
    ],
)
def test_parts_of_what_was_written_fit_the_whole(written: int, short: int, long: int, hour: int, problem: str) -> None:
    """Where the whole has grown beyond its parts, the rest is of the only kind there is; of two nobody knows."""
    parts = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}
    found = counted(input_tokens=0, output_tokens=0, cache_creation_input_tokens=written, cache_creation=parts)
    assert found == (Usage(written, 0, None, written, cache_write_1h_prompt_tokens=hour), problem)


@pytest.mark.parametrize("name", ["input_tokens", "output_tokens"])
@pytest.mark.parametrize("value", ["5", 5.5, 5.0, True, [], {}, None])
def test_half_a_usage_is_none(name: str, value: object) -> None:
    """Without one of its two main counts the whole is estimated: the other alone would make it too cheap."""
    usage, problem = counted(**{"input_tokens": 1, "output_tokens": 2, name: value})
    assert usage is None
    assert problem == ("missing" if value is None else "wrong_type")


@pytest.mark.parametrize(
    "name",
    ["cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation", "server_tool_use",
     "output_tokens_details"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["5", 5.5, True, [1]])
def test_a_part_of_the_wrong_type_costs_no_count_beside_it(name: str, value: object) -> None:
    """But the cost is an estimate."""
    assert counted(**{"input_tokens": 1, "output_tokens": 2, name: value}) == (Usage(1, 2), "wrong_type")


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("input_tokens", -1, "negative_tokens"),
        ("output_tokens", 10**30, "absurd_tokens"),
        ("cache_read_input_tokens", -1, "negative_tokens"),
        ("cache_creation_input_tokens", (1 << 40) + 1, "absurd_tokens"),
        ("cache_creation.ephemeral_1h_input_tokens", -5, "negative_tokens"),
        ("server_tool_use.web_search_requests", -5, "negative_tokens"),
        ("output_tokens_details.thinking_tokens", 10**19, "absurd_tokens"),
    ],
)
def test_counts_that_cannot_be_true_are_no_usage(path: str, value: int, problem: str) -> None:
    """Wherever they stand."""
    outer, _, inner = path.partition(".")
    assert counted(**{"input_tokens": 1, "output_tokens": 2, outer: {inner: value} if inner else value}) == (
        None,
        problem,
    )


@pytest.mark.parametrize("raw", [b"7", b"[]", b'"x"', b"true", b"{", b"[" * 5_000, b'{"input_tokens":' + b"9" * 5_000])
def test_garbage_is_no_usage(raw: bytes) -> None:
    """And never raises; its text stays."""
    found = usage_of(raw)
    assert (found.usage, found.problem) == (None, "wrong_type")
    assert found.text


@pytest.mark.parametrize("raw", [b"", b"null", b"{}"])
def test_nothing_is_no_problem(raw: bytes) -> None:
    """A body without usage says nothing of it."""
    found = usage_of(raw)
    assert (found.usage, found.problem) == (None, "")


def test_later_counts_replace_earlier_ones() -> None:
    """They are cumulative; null replaces nothing, numbers keep their digits, what cannot be read changes nothing."""
    first = b'{"input_tokens":25,"output_tokens":1,"cache_read_input_tokens":3,"x":1e2}'
    later = b'{"output_tokens":15,"input_tokens":null}'
    assert merged(first, later) == b'{"input_tokens":25,"output_tokens":15,"cache_read_input_tokens":3,"x":1e2}'
    assert merged(first, b"garbage") == first
    assert merged(b"", b'{"a":1}') == b'{"a":1}'
    assert merged(b"[]", b"") == b"{}"
    assert merged(first, json.dumps({str(at): at for at in range(10_000)}).encode()) == first
