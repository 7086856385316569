"""Tests of ``gateway.upstreams.vendors.json_edit``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.json_edit import append_member, member_span, with_member

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("model"), inner, max_size=3)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=6) | st.sampled_from(["model", "n"]), JSON, max_size=5)
INDENTS = st.sampled_from([None, 1, "\t"])


def text_of(value: Any, indent: Any, *, is_ascii: bool) -> bytes:
    """JSON in one of the ways in which people write it."""
    return (" \n" + json.dumps(value, indent=indent, ensure_ascii=is_ascii) + "\r\n ").encode("utf-8", "surrogatepass")


@given(OBJECTS, INDENTS, st.booleans())
def test_a_member_s_span_is_its_value(value: dict[str, Any], indent: Any, is_ascii: bool) -> None:
    """Every member's span holds exactly that member's value, however the JSON is written; others have none."""
    text = text_of(value, indent, is_ascii=is_ascii)
    for name, member in value.items():
        if not name.isprintable():
            continue
        span = member_span(text, name)
        assert span is not None
        found = text[span[0] : span[1]]
        assert found == found.strip()
        assert json.loads(found) == member
    assert member_span(text, "no such member") is None


@given(OBJECTS, INDENTS)
def test_an_appended_member_is_the_last_word(value: dict[str, Any], indent: Any) -> None:
    """What is appended is what parsers see, whatever was there before, and no other byte changes."""
    text = text_of(value, indent, is_ascii=True)
    edited = append_member(text, "model", b'{"x":[1]}')
    assert json.loads(edited) == {**value, "model": {"x": [1]}}
    end = text.rindex(b"}")
    assert edited.startswith(text[:end])
    assert edited.endswith(text[end:])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"model":1}', b"1"),
        (b'{ "model" : "a,}]{" , "x":2}', b'"a,}]{"'),
        (b'{"model":1,"model":2}', b"2"),
        (b'{"m\\u006fdel":[{"model":1}],"x":{"model":9}}', b'[{"model":1}]'),
        (b'{"x":"\\"model\\":1","model":null}', b"null"),
        (b'{"x":"\\\\","model":-1.50e3}', b"-1.50e3"),
        (b'{"x":["model",{"model":5}]}', None),
        (b'{"x":"model"}', None),
        (b"{}", None),
    ],
)
def test_spans_of_odd_objects(text: bytes, value: bytes | None) -> None:
    """Strings that look like structure, escapes, nested and repeated names mislead nobody: the last counts."""
    span = member_span(text, "model")
    assert (None if span is None else text[span[0] : span[1]]) == value


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        (b"{}", b'{"a":{"b":7}}'),
        (b' { "x" : 1 } ', b' { "x" : 1 ,"a":{"b":7}} '),
        (b'{"a":{}}', b'{"a":{"b":7}}'),
        (b'{"a": {"c": [1, 2]} }', b'{"a": {"c": [1, 2],"b":7} }'),
        (b'{"a":{"b": -1 ,"c":2}}', b'{"a":{"b": 7 ,"c":2}}'),
        (b'{"a":null,"b":1}', b'{"a":{"b":7},"b":1}'),
        (b'{"a":[{"b":1}]}', b'{"a":{"b":7}}'),
        (b'{"z":{"a":{"b":1}}}', b'{"z":{"a":{"b":1}},"a":{"b":7}}'),
    ],
)
def test_a_member_inside_another_is_set(text: bytes, edited: bytes) -> None:
    """What is missing on the way is made, what is no object there is replaced, no other byte changes."""
    assert with_member(text, ("a", "b"), b"7") == edited


@given(OBJECTS)
def test_a_member_that_is_set_is_what_parsers_see(value: dict[str, Any]) -> None:
    """Whatever was there."""
    text = text_of(value, None, is_ascii=True)
    assert json.loads(with_member(text, ["model"], b"[1]")) == {**value, "model": [1]}
    assert json.loads(with_member(text, ["n", "model"], b"1"))["n"]["model"] == 1
