"""Tests of ``sluice.sdk.wire.values``."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import strategies as st

from sluice.sdk.wire import values
from tests.sluice.sdk.wire.strategies import MICROS, for_all


@pytest.mark.parametrize(
    ("value", "expected"), [(None, 0), (0, 0), (7, 7), (-1, 0), ((1 << 32) - 1, (1 << 32) - 1), (1 << 32, 0)]
)
def test_an_id_that_is_none_of_the_protocol_s_is_none(value: int | None, expected: int) -> None:
    """Cut off it would be somebody else's."""
    assert values.u32(value) == expected


@for_all(st.integers())
def test_numbers_are_brought_into_their_field(value: int) -> None:
    """A count beyond two thousand million is that many at least, not an exception, and not below zero."""
    assert abs(values.i32(value)) < 1 << 31
    assert abs(values.i64(value)) < 1 << 63
    assert (values.i32(value) < 0) is (value < 0)


@for_all(st.text())
def test_any_text_is_utf_8_afterwards(value: str) -> None:
    """Half a character becomes a question mark."""
    assert values.text(value).encode() is not None
    assert values.text("\ud800a") == "?a"


@for_all(st.integers(0, 1 << 53))
def test_money_survives_the_protocol_s_double(nanos: int) -> None:
    """Up to nine million currency units, to a nano."""
    assert values.nanos_of(values.currency(nanos)) == pytest.approx(nanos, abs=1)


@pytest.mark.parametrize("units", [values.UNLIMITED, float("inf"), float("-inf"), float("nan"), -values.UNLIMITED])
def test_what_is_no_amount_is_unlimited(units: float) -> None:
    """The largest double above all."""
    assert values.nanos_of(units) is None


@for_all(MICROS)
def test_a_timestamp_comes_back(micros: int) -> None:
    """To the microsecond."""
    stamp = values.timestamp(micros)
    assert stamp is not None
    assert values.micros_of_timestamp(stamp) == micros


def test_no_time_is_no_timestamp() -> None:
    """Rather than 1970."""
    assert values.timestamp(None) is None
    assert values.timestamp(0) is None


@for_all(st.integers())
def test_any_number_is_some_time(number: int) -> None:
    """The nearest that a datetime can be."""
    assert values.at_seconds(number).tzinfo is not None
    assert values.at(number).tzinfo is not None


def test_bytes_are_bytes() -> None:
    """A number is none: ``bytes(5)`` is five of them."""
    assert [values.raw(each) for each in (b"a", bytearray(b"a"), memoryview(b"a"))] == [b"a"] * 3
    for wrong in (5, "a", None, [1]):
        with pytest.raises(TypeError):
            values.raw(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"), [("7", 7), ('"7"', "7"), ("[1", "[1"), ("", ""), ("null", None), ("[" * 100_000, "[" * 100_000)]
)
def test_json_is_what_it_says_and_other_text_itself(text: str, said: object) -> None:
    """Brackets without end too."""
    assert values.decoded_or(text) == said


def test_a_mapping_that_cannot_be_changed_is_an_object() -> None:
    """As records' metadata are; what is no JSON is an error, not its ``repr``."""
    assert values.json_text(MappingProxyType({"a": MappingProxyType({"b": [1]})})) == '{"a":{"b":[1]}}'
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        values.json_text(object())
