"""A request's members, taken one by one: nothing is dropped, and who is to blame is named by its path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.bridge.interface import Invalid, Unsupported
from gateway.bridge.taking import Taking


def test_what_nobody_took_is_refused() -> None:
    """By its name, the first of them, with the vendor's."""
    body = Taking({"a": 1, "b": None, "c": 2, "d": 3}, "anthropic")
    assert (body.take("a"), body.take("a", "gone")) == (1, "gone")
    with pytest.raises(Unsupported, match="anthropic") as caught:
        body.refuse_rest()
    assert (caught.value.param, caught.value.code) == ("c", "unsupported_parameter")
    body.ignore("c", "d", "nothing")
    body.refuse_rest()


def test_null_is_as_good_as_absent() -> None:
    """For every kind of member."""
    body = Taking(dict.fromkeys("abcdefgh"), "v")
    assert [body.take("a"), body.text("b"), body.number("c"), body.integer("d"), body.flag("e")] == [None] * 5
    assert (body.inner("f"), list(body.items("g")), body.texts("h"), "a" in body) == (None, [], [], False)
    body.refuse_rest()


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (Taking.text, 1),
        (Taking.number, "1"),
        (Taking.number, True),
        (Taking.number, float("nan")),
        (Taking.number, float("inf")),
        (Taking.integer, 1.0),
        (Taking.integer, True),
        (Taking.flag, 1),
        (Taking.inner, []),
        (Taking.needed, "text"),
        (Taking.needed_text, {}),
        (Taking.texts, ["a", 1]),
        (lambda body, name: list(body.items(name)), {}),
        (lambda body, name: list(body.items(name)), [1]),
    ],
)
def test_a_wrong_type_is_named(read: Callable[[Taking, str], Any], value: Any) -> None:
    """With its whole path, also inside objects and lists."""
    (outer,) = Taking({"list": [{"object": {"x": value}}]}, "v").items("list")
    inner = outer.needed("object")
    with pytest.raises(Invalid) as caught:
        read(inner, "x")
    assert caught.value.param.startswith("list.0.object.x")
    assert caught.value.code == "invalid_value"


def test_what_must_be_there_is_missed() -> None:
    """A text, an object."""
    for read in (Taking.needed_text, Taking.needed):
        with pytest.raises(Invalid, match="'x' is missing"):
            read(Taking({}, "v"), "x")


def test_a_member_may_only_say_what_is_so_anyway() -> None:
    """``n: 1`` passes, ``n: 2`` and ``n: true`` do not: true is no number."""
    Taking({"n": 1}, "v").only("n", 1)
    Taking({}, "v").only("n", 1)
    for value in (2, True, "1", [1] * 1000):
        with pytest.raises(Unsupported, match="say 1") as caught:
            Taking({"n": value}, "v").only("n", 1)
        assert len(caught.value.message) < 200


def test_stop_is_a_text_or_several() -> None:
    """As OpenAI's clients may say it."""
    assert Taking({"stop": "a"}, "v").texts("stop") == ["a"]
    assert Taking({"stop": ["a", "b"]}, "v").texts("stop") == ["a", "b"]
