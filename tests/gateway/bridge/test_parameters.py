"""Members that all vendors have in some form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.bridge.interface import Unsupported
from gateway.bridge.parameters import (
    Format,
    Tools,
    effort_of,
    embedding_wish,
    format_of,
    logprobs_of,
    maximum_of,
    stops_of,
    take_envelope,
    tools_of,
    verbosity_is_usual,
)
from gateway.bridge.taking import Taking

TOOL = {"type": "function", "function": {"name": "f"}}


def taking(**members: Any) -> Taking:
    """A request with these members."""
    return Taking(members, "Vendor")


def test_the_envelope_is_taken() -> None:
    """Nothing of it is left that would be refused."""
    body = taking(
        model="m", stream=True, stream_options={"include_usage": True, "include_obfuscation": False}, user="u"
    )
    take_envelope(body)
    body.refuse_rest()


def test_both_names_of_the_maximum_mean_the_same() -> None:
    """Two that agree are one."""
    assert maximum_of(taking(max_tokens=5)) == maximum_of(taking(max_completion_tokens=5)) == 5
    assert maximum_of(taking(max_tokens=5, max_completion_tokens=5)) == 5
    assert maximum_of(taking()) is None


def test_stops_are_a_text_or_some() -> None:
    """In a list either way."""
    assert [stops_of(taking(**members), 2) for members in ({}, {"stop": "a"}, {"stop": ["a", "b"]})] == [
        [],
        ["a"],
        ["a", "b"],
    ]


def test_tools_and_choices() -> None:
    """What may be called, what must, and how many at once."""
    assert tools_of(taking()) == Tools()
    found = tools_of(taking(tools=[TOOL], parallel_tool_calls=False, tool_choice="required"))
    assert (found.mode, found.is_one_at_most, found.functions[0].name) == ("required", True, "f")
    assert not tools_of(taking(parallel_tool_calls=False)).is_one_at_most
    assert tools_of(taking(tools=[TOOL], tool_choice=TOOL)).names == ("f",)


def test_logprobs() -> None:
    """None, of the tokens alone, or of others too; 0 others of none is what is so anyway."""
    asked: tuple[dict[str, Any], ...] = (
        {},
        {"logprobs": False, "top_logprobs": 0},
        {"logprobs": True},
        {"logprobs": True, "top_logprobs": 3},
    )
    assert [logprobs_of(taking(**members)) for members in asked] == [None, None, 0, 3]


def test_formats() -> None:
    """Text where nothing is said."""
    assert format_of(taking()) == format_of(taking(response_format={"type": "text"})) == Format()
    assert Format("json_schema", {"title": "own"}, "name", "d").labelled_schema == {"title": "own", "description": "d"}


@pytest.mark.parametrize(
    ("read", "members", "param"),
    [
        (take_envelope, {"stream_options": {"x": 1}}, "stream_options.x"),
        (take_envelope, {"stream_options": 5}, "stream_options"),
        (take_envelope, {"modalities": ["audio"]}, "modalities"),
        (take_envelope, {"functions": []}, "functions"),
        (take_envelope, {"function_call": "auto"}, "function_call"),
        (maximum_of, {"max_tokens": True}, "max_tokens"),
        (maximum_of, {"max_completion_tokens": -1}, "max_completion_tokens"),
        (maximum_of, {"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens"),
        (lambda body: stops_of(body, 1), {"stop": ["a", "b"]}, "stop"),
        (lambda body: stops_of(body, 1), {"stop": [5]}, "stop"),
        (logprobs_of, {"top_logprobs": 3}, "top_logprobs"),
        (logprobs_of, {"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        (logprobs_of, {"logprobs": 1}, "logprobs"),
        (effort_of, {"reasoning_effort": "lots"}, "reasoning_effort"),
        (verbosity_is_usual, {"verbosity": "high"}, "verbosity"),
        (tools_of, {"tools": {}}, "tools"),
        (tools_of, {"tools": [5]}, "tools.0"),
        (tools_of, {"tools": [{"type": "web_search"}]}, "tools.0.type"),
        (tools_of, {"tools": [{"type": "function", "function": {"name": "f", "defer": 1}}]}, "tools.0.function.defer"),
        (tools_of, {"tools": [{"type": "function", "function": {"name": "f", "strict": 1}}]},
         "tools.0.function.strict"),
        (tools_of, {"tool_choice": "any"}, "tool_choice"),
        (tools_of, {"tool_choice": 5}, "tool_choice"),
        (tools_of, {"tool_choice": {"type": "custom"}}, "tool_choice.type"),
        (tools_of, {"tool_choice": {"type": "function"}}, "tool_choice.function"),
        (tools_of, {"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        (tools_of, {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "x", "tools": []}}},
         "tool_choice.allowed_tools.mode"),
        (tools_of, {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}},
         "tool_choice.allowed_tools.tools"),
        (format_of, {"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (format_of, {"response_format": {"type": "json_schema", "json_schema": {"schema": 5}}},
         "response_format.json_schema.schema"),
        (format_of, {"response_format": {"type": "json_object", "schema": {}}}, "response_format.schema"),
        (lambda body: embedding_wish(body, "m"), {"input": None}, "input"),
        (lambda body: embedding_wish(body, "m"), {"input": True}, "input"),
        (lambda body: embedding_wish(body, "m"), {"input": "a", "dimensions": "5"}, "dimensions"),
    ],
)  # fmt: skip
def test_what_is_none_of_it_is_refused_by_its_path(read: Callable[[Taking], Any], members: Any, param: str) -> None:
    """Wrong types, unknown values, unknown members."""
    with pytest.raises(Unsupported) as caught:
        read(taking(**members))
    assert caught.value.param == param
