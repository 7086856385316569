"""Numbers that can be told from others by their check digits: payment cards (Luhn) and IBANs (mod 97)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

# Atomic groups, no possessive repeats of groups: CPython before 3.11.5 matches those wrong (gh-106052).
_RUN: Final = re.compile(r"[0-9](?>(?:[ -]?[0-9]){12,255})")
_GROUP: Final = re.compile(r"[0-9]+")
_CARD_DIGITS: Final = range(13, 20)
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_LETTERS: Final = str.maketrans({chr(55 + number): str(number) for number in range(10, 36)})

_ISSUERS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12,15}"  # Discover
    r"|62\d{14,17}"  # UnionPay
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|3(?:0[0-5]|[689]\d)\d{11,16}"  # Diners Club
    r"|(?:50|5[6-9]|6[37])\d{10,17}",  # Maestro
    re.ASCII,
)
_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
IBAN_COUNTRIES: Final = tuple(_IBAN_LENGTHS)


def is_card(digits: str) -> bool:
    """Whether they are the number of a payment card: an issuer's prefix and length, and Luhn's check digit."""
    if _ISSUERS.fullmatch(digits) is None:
        return False
    return has_luhn(digits)


def has_luhn(digits: str) -> bool:
    """Whether the last digit is Luhn's check digit."""
    numbers = [ord(digit) - 48 for digit in reversed(digits)]
    return sum(numbers[::2] + [_DOUBLED[number] for number in numbers[1::2]]) % 10 == 0


def cards_in(text: str, start: int = 0) -> Iterator[tuple[int, int]]:
    """Where card numbers stand, in one piece or in groups behind spaces or hyphens; other numbers may be beside."""
    for run in _RUN.finditer(text, start):
        begins, ends = run.span()
        if _is_joined(text, begins - 1, -1) or _is_joined(text, ends, 1):
            groups = [match.span() for match in _GROUP.finditer(text, begins, ends)]
            groups = groups[1 if _is_joined(text, begins - 1, -1) else 0 :]
            groups = groups[: -1 if _is_joined(text, ends, 1) else None]
        else:
            groups = [match.span() for match in _GROUP.finditer(text, begins, ends)]
        yield from _cards_of(text, groups)


def _is_joined(text: str, at: int, way: int) -> bool:
    """Whether what stands there belongs to the number: then it is another's part, such as an id's."""
    if not 0 <= at < len(text):
        return False
    if text[at] in ".,":  # of a decimal number
        return 0 <= at + way < len(text) and text[at + way].isdigit()
    return text[at].isalnum() or text[at] == "_"


def _cards_of(text: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    sizes = [0, *accumulate(ends - begins for begins, ends in groups)]
    first = 0
    while first < len(groups):
        last = _last_of_card(text, groups, sizes, first)
        if last:
            yield groups[first][0], groups[last - 1][1]
        first = last or first + 1


def _last_of_card(text: str, groups: list[tuple[int, int]], sizes: list[int], first: int) -> int:
    """Behind which group the longest card ends that begins with this one; 0 where none does."""
    found, last = 0, first + 1
    while last <= len(groups) and (size := sizes[last] - sizes[first]) <= _CARD_DIGITS[-1]:
        if size >= _CARD_DIGITS[0]:
            number = text[groups[first][0] : groups[last - 1][1]]
            found = last if is_card(number.replace(" ", "").replace("-", "")) else found
        last += 1
    return found


def iban_end(text: str, begins: int) -> int:
    """Where an IBAN ends that begins there, in one piece or in groups of four; 0 where none does."""
    length = _IBAN_LENGTHS.get(text[begins : begins + 2].upper(), 0)
    mark = text[begins + 4 : begins + 5]
    ends = begins + length + ((length - 1) // 4 if mark in {" ", "-"} else 0)
    written = text[begins:ends]
    number = written.replace(mark, "") if mark in {" ", "-"} else written
    is_grouped = written == number or written == mark.join(number[at : at + 4] for at in range(0, length, 4))
    if not length or len(number) != length or not (is_grouped and number.isascii() and number.isalnum()):
        return 0
    if text[ends : ends + 1].isalnum():
        return 0
    return ends if has_mod_97(number.upper()) else 0


def has_mod_97(number: str) -> bool:
    """Whether an IBAN in capitals, without spaces, has the check digits that it should (ISO 7064)."""
    return int((number[4:] + number[:4]).translate(_LETTERS)) % 97 == 1
