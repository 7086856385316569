"""Tests of ``gateway.upstreams.vendors.further_models``: whatever a request may be answered by, or asks, is named."""

from __future__ import annotations

import json
import timeit
from functools import partial
from typing import Any

import msgspec
import pytest

from gateway.upstreams.vendors.further_models import NamesMore, further_models


def named(model: str | None = "m", **body: Any) -> tuple[str, ...]:
    """By a body."""
    return further_models(msgspec.json.decode(json.dumps(body).encode(), type=NamesMore), model)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ()),
        ({"models": ["m", "a", "b", "a"]}, ("a", "b")),
        ({"models": ["a", {"model": "b"}]}, ("a", "b")),
        ({"models": "a"}, ()),
        ({"fallbacks": ["a", {"model": "b"}]}, ("a", "b")),
        ({"tools": [{"type": "image_generation", "model": "gpt-image-1"}]}, ("gpt-image-1",)),
        ({"tools": [{"type": "openrouter:advisor", "parameters": {"model": "o"}}]}, ("o",)),
        (
            {
                "tools": [
                    {"type": "openrouter:advisor", "parameters": {"advisors": [{"name": "a", "model": "o"}, "x", 5]}}
                ]
            },
            ("o", "x", "openrouter:advisor"),
        ),
        ({"tools": [{"type": "openrouter:advisor"}]}, ("openrouter:advisor",)),
        ({"tools": [{"type": "openrouter:advisor", "parameters": {"instructions": "x"}}]}, ("openrouter:advisor",)),
        (
            {"tools": [{"type": "openrouter:advisor", "parameters": {"advisors": [{"model": "o"}, {"name": "any"}]}}]},
            ("o", "openrouter:advisor"),
        ),
        ({"fallbacks": "default"}, ("default",)),
        ({"fallbacks": "other"}, ()),
        ({"tools": [{"type": "function", "function": {"parameters": {"properties": {"model": {}}}}}]}, ()),
        ({"tools": [{"type": "function", "parameters": {"properties": {"model": {"type": "string"}}}}]}, ()),
        ({"tools": [{"type": "function", "name": "model"}]}, ()),
        ({"tools": {"model": "a"}}, ()),
        ({"tools": [["model"], None, {"model": "a"}]}, ("a",)),
        ({"tools": [], "fallbacks": [], "models": []}, ()),
        ({"models": [""], "fallbacks": [{"model": ""}]}, ()),
    ],
)
def test_names_are_found_where_vendors_look_for_them(body: dict[str, Any], expected: tuple[str, ...]) -> None:
    """In lists of names and of objects, and in tools; a schema's names are the client's own."""
    assert named(**body) == expected


def test_without_a_model_all_of_them_are_further_ones() -> None:
    """OpenRouter takes a list alone."""
    assert named(None, models=["a", "b"]) == ("a", "b")


def test_escapes_hide_nothing() -> None:
    """A vendor reads them."""
    raw = b'{"tools":[{"mod\\u0065l":"a"}],"mo\\u0064els":["b"],"f\\u0061llbacks":[{"\\u006dodel":"c"}]}'
    assert set(further_models(msgspec.json.decode(raw, type=NamesMore), "m")) == {"a", "b", "c"}


def test_a_list_that_never_ends_is_refused() -> None:
    """Each name is looked for in an allow-list and in the prices."""
    assert len(named(models=[f"m{at}" for at in range(64)])) == 64
    with pytest.raises(ValueError, match="names 65 further models"):
        named(models=[f"m{at}" for at in range(65)])


def test_deep_lists_break_nothing() -> None:
    """What cannot be decoded names nothing: its vendor refuses it."""
    raw = msgspec.Raw(b'[{"model":' + b"[" * 2000 + b"]" * 2000 + b"}]")
    assert further_models(NamesMore(tools=raw, models=raw), "m") == ()


def test_requests_that_name_no_other_pay_next_to_nothing() -> None:
    """Most have none of these members, and tools without models are only searched."""
    none, tools = NamesMore(), NamesMore(tools=msgspec.Raw(b'[{"type":"function","name":"x"}]'))
    for request, micros in ((none, 2.0), (tools, 5.0)):
        best = min(timeit.repeat(partial(further_models, request, "m"), number=1000, repeat=5))
        assert best * 1000 < micros
