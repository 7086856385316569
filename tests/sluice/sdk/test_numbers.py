"""Check digits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.sdk.numbers import IBAN_COUNTRIES, cards_in, has_luhn, iban_end, is_card


@given(st.from_regex(r"\A[0-9]{5,20}\Z"))
def test_one_last_digit_of_ten_is_luhns(digits: str) -> None:
    """So a wrong digit is always noticed."""
    assert sum(has_luhn(digits[:-1] + last) for last in "0123456789") == 1


@pytest.mark.parametrize(
    ("digits", "expected"),
    [("4111111111111111", True), ("4111111111111112", False), ("0000000000000000", False), ("1234567812345670", False)],
)
def test_a_card_has_an_issuer_too(digits: str, expected: bool) -> None:
    """Every tenth number has Luhn's digit; few begin as cards do."""
    assert is_card(digits) is expected


@pytest.mark.parametrize("text", ["x4111111111111111", "4111111111111111x", "0.4111111111111111", "4111111111111111.5"])
def test_a_part_of_something_else_is_no_card(text: str) -> None:
    """An id's, or a number's behind its point."""
    assert list(cards_in(text)) == []


def test_an_iban_has_its_countrys_length() -> None:
    """Right check digits are not enough."""
    assert "DE" in IBAN_COUNTRIES
    assert iban_end("DE89370400440532013000", 0) == 22
    assert iban_end("DE89 3704 0044 0532 0130 00.", 0) == 27
    assert iban_end("DE89370400440532013001", 0) == 0
    assert iban_end("DE893704004405320130001", 0) == 0
    assert iban_end("DE89  370400440532013000", 0) == 0
