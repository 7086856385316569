"""Decimal text to nanos and back. One nano is 1e-9 of a currency unit; every sum of money is an ``int`` of them."""

from __future__ import annotations

import re
from decimal import Decimal

NANOS_PER_UNIT = 1_000_000_000
_FRACTION_DIGITS = 9
_DECIMAL = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_MAX_NANOS = (1 << 63) - 1  # an event carries money as a 64-bit integer


def parse_nanos(amount: str | int | Decimal) -> int:
    """Nanos of a decimal amount, exactly; ``parse_nanos("0.15")`` is 150,000,000.

    Floats are refused (0.1 + 0.2 is not 0.3), and so is what finer digits than nanos would have to be rounded for.
    Raises TypeError or ValueError.
    """
    text = _text(amount)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        message = f"{text!r} is not a plain decimal amount; write it like 0.15"
        raise ValueError(message)
    sign, whole, fraction = match[1], match[2], (match[3] or "").rstrip("0")
    if len(fraction) > _FRACTION_DIGITS:
        message = f"{text!r} is finer than {_FRACTION_DIGITS} digits behind the point; round it yourself"
        raise ValueError(message)
    nanos = int(whole) * NANOS_PER_UNIT + int(fraction.ljust(_FRACTION_DIGITS, "0"))
    if nanos > _MAX_NANOS:
        message = f"{text!r} is more than {format_nanos(_MAX_NANOS)}, the most that fits in an event"
        raise ValueError(message)
    return -nanos if sign else nanos


def _text(amount: object) -> str:
    if isinstance(amount, bool | float) or not isinstance(amount, str | int | Decimal):
        message = f"{amount!r} is no exact amount; write it as text, like '0.15'"
        raise TypeError(message)
    return format(amount, "f") if isinstance(amount, Decimal) else str(amount).strip()


def format_nanos(nanos: int) -> str:
    """The shortest decimal text of an amount, exactly: 150,000,000 is ``0.15``."""
    whole, fraction = divmod(abs(nanos), NANOS_PER_UNIT)
    digits = f"{fraction:09d}".rstrip("0")
    return f"{'-' if nanos < 0 else ''}{whole}{'.' if digits else ''}{digits}"
