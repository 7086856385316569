"""Tests of ``sluice.sdk.arguments``: what is no argument is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.sdk.arguments import bytes_of, direction_of, utf8_of
from sluice.sdk.errors import PayloadTooLarge, ServiceError


@pytest.mark.parametrize("value", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_bytes_are_taken_in_any_form(value: Any) -> None:
    """And cannot be changed afterwards."""
    assert bytes_of(value, "a value", 3, "max") == b"abc"
    assert type(bytes_of(value, "a value", 3, "max")) is bytes


@pytest.mark.parametrize("value", ["abc", 3, None, [1]])
def test_what_is_no_bytes_is_refused(value: Any) -> None:
    """With its type and the remedy."""
    with pytest.raises(ServiceError, match=f"a value is bytes, not {type(value).__name__}; encode it"):
        bytes_of(value, "a value", 3, "max")


def test_bytes_are_counted_not_items() -> None:
    """A view of wide items is as large as its memory."""
    with pytest.raises(PayloadTooLarge, match=r"a value of 8 bytes is larger than max \(7\)"):
        bytes_of(memoryview(b"12345678").cast("Q"), "a value", 7, "max")


def test_text_is_utf_8() -> None:
    """Half a surrogate pair is no text, nor are bytes."""
    assert utf8_of("é", "a key") == b"\xc3\xa9"
    with pytest.raises(ServiceError, match="half a character"):
        utf8_of("\ud800", "a key")
    with pytest.raises(ServiceError, match="a key is text, not bytes"):
        utf8_of(b"a", "a key")


def test_a_direction_is_one_of_three() -> None:
    """What is none is named, with those that there are."""
    assert [direction_of(each) for each in ("local", "up", "down")] == ["local", "up", "down"]
    for wrong in ("sideways", "", None, 0, ["up"]):
        with pytest.raises(ServiceError, match="is no direction; it is one of local, up, down"):
            direction_of(wrong)
