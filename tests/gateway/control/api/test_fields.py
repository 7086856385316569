"""Field types: exact money, moments with a zone, plain JSON within bounds, slugs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.control.api.fields import Email, Moment, Money, Name, Object, Seconds, Slug, TokenPrice, slug_of
from sluice.clock import iso_micros
from sluice.money.nanos import format_nanos

NOT_MONEY = [
    -1,
    "-1",
    "+1",
    "1e3",
    " 1",
    "1.",
    ".5",
    "",
    "\u0661",
    True,
    None,
    0.5,
    [],
    Decimal("NaN"),
    Decimal("1E+30"),
    "1" * 30,
]


@given(st.integers(0, 2**63 - 1))
def test_money_survives_both_ways(nanos: int) -> None:
    """As text and as a number."""
    money = TypeAdapter(Money)
    assert money.validate_python(format_nanos(nanos)) == nanos
    assert money.validate_python(Decimal(format_nanos(nanos))) == nanos


@pytest.mark.parametrize("value", NOT_MONEY, ids=repr)
@pytest.mark.parametrize("kind", [Money, TokenPrice], ids=["money", "price"])
def test_what_is_no_amount_is_refused(kind: Any, value: Any) -> None:
    """Floats too: they are not exact, and no body has any."""
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize("exponent", [400, 10**6, -400, -(10**6), 10**15])
def test_a_monstrous_exponent_is_cheap_to_refuse(exponent: int) -> None:
    """It is never written out."""
    for kind in (Money, TokenPrice):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(Decimal(f"1E{exponent}"))


def test_an_amount_is_never_rounded() -> None:
    """Also where decimal arithmetic would, behind 28 digits; and a million digits are cheap to refuse."""
    for text in ("0.0000006" + "0" * 30 + "1", "0." + "1" * 1_000_000):
        for kind in (Money, TokenPrice):
            with pytest.raises(ValidationError):
                TypeAdapter(kind).validate_python(Decimal(text))


@given(st.integers(0, 253_402_300_799_999_999))
def test_moments_survive_both_ways(micros: int) -> None:
    """To the microsecond, up to the year 9999."""
    assert TypeAdapter(Moment).validate_python(iso_micros(micros)) == micros


@pytest.mark.parametrize(
    "text",
    [
        "2030-01-01",
        "2030-01-01T00:00:00",
        "2030-W01-1T00:00:00Z",
        "2030-13-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "1969-12-31T23:59:59Z",
        1,
        None,
        "\uff12030-01-01T00:00:00Z",
    ],
)
def test_what_is_no_moment_is_refused(text: Any) -> None:
    """A zone is needed: whose midnight would it be?"""
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_python(text)


def test_objects_are_plain_and_bounded() -> None:
    """Decimals become numbers that a column keeps; what no number is, what is too deep or too large is refused."""
    plain = TypeAdapter(Object)
    assert plain.validate_python({"a": [Decimal("0.5"), {"b": None}]}) == {"a": [0.5, {"b": None}]}
    deep: Any = 1
    for _ in range(40):
        deep = {"a": deep}
    bad: Any
    for bad in ({"a": Decimal("1E+400")}, deep, {"a": "x" * 65_536}, [], None, "x"):
        with pytest.raises(ValidationError):
            plain.validate_python(bad)


@pytest.mark.parametrize("value", ["x\n", "x\x00", "x\x85", "x\u2028", "", "  ", "x" * 256, 1, None])
def test_a_name_is_a_filled_line(value: Any) -> None:
    """Without control characters; any other character is fine."""
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(value)
    assert TypeAdapter(Name).validate_python("'; DROP TABLE apps; -- 🦊") == "'; DROP TABLE apps; -- 🦊"


@pytest.mark.parametrize("value", ["a\n", "-a", "A", "a/b", "../a", "a" * 64, "", "ä"])
def test_a_slug_is_a_piece_of_a_url(value: str) -> None:
    """Nothing that would have to be encoded, or climbs."""
    with pytest.raises(ValidationError):
        TypeAdapter(Slug).validate_python(value)


@given(st.text(max_size=300))
def test_a_slug_made_of_any_name_is_one(name: str) -> None:
    """Or there is none."""
    slug = slug_of(name)
    assert slug == "" or TypeAdapter(Slug).validate_python(slug) == slug


@pytest.mark.parametrize("value", ["nobody", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "x" * 65 + "@b"])
def test_what_is_surely_no_address_is_refused(value: str) -> None:
    """What may be one is not."""
    with pytest.raises(ValidationError):
        TypeAdapter(Email).validate_python(value)
    assert TypeAdapter(Email).validate_python("admin@microgateway.local")


@pytest.mark.parametrize("value", [0, -1, Decimal("1E+400"), "1", True, None, 86_401])
def test_seconds_are_a_number_within_a_day(value: Any) -> None:
    """Whole or not."""
    with pytest.raises(ValidationError):
        TypeAdapter(Seconds).validate_python(value)
    assert TypeAdapter(Seconds).validate_python(Decimal("0.25")) == 0.25
