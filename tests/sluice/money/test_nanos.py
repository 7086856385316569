"""Tests of ``sluice.money.nanos``."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.money.nanos import format_nanos, parse_nanos

amounts = st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1)


@given(amounts)
def test_text_and_nanos_agree(nanos: int) -> None:
    """What is formatted is read back as the same integer, and means the same number."""
    assert parse_nanos(format_nanos(nanos)) == nanos
    assert Fraction(format_nanos(nanos)) * 10**9 == nanos


@pytest.mark.parametrize(
    ("amount", "nanos"),
    [
        ("0.15", 150_000_000),
        ("2.50", 2_500_000_000),
        ("0", 0),
        (" 3 ", 3_000_000_000),
        (3, 3_000_000_000),
        (Decimal("1E-7"), 100),
        ("0.000000001", 1),
        ("-0.000000001", -1),
        ("0.1000000000000", 100_000_000),
    ],
)
def test_amounts_are_exact(amount: str | int | Decimal, nanos: int) -> None:
    """Every way to write an amount gives exactly its nanos."""
    assert parse_nanos(amount) == nanos


@pytest.mark.parametrize("text", ["", ".5", "1.", "1e3", "0x1", "1,5", "NaN", "inf", "+1", "1 2", "٣", "0.0000000001"])
def test_what_is_no_exact_amount_is_refused(text: str) -> None:
    """Anything but a plain decimal of at most nine digits behind the point is refused, never rounded."""
    with pytest.raises(ValueError, match=r"decimal amount|finer"):
        parse_nanos(text)


@pytest.mark.parametrize("amount", [0.1, True, None, b"1"])
def test_noise_is_refused(amount: object) -> None:
    """Floats and other types are refused: their digits are not what the author wrote."""
    with pytest.raises(TypeError, match="exact amount"):
        parse_nanos(amount)  # type: ignore[arg-type]


def test_amounts_fit_an_event() -> None:
    """An amount that 64 bits cannot carry is refused where it is written."""
    with pytest.raises(ValueError, match="the most that fits"):
        parse_nanos("9223372036.854775808")
