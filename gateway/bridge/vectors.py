"""Embeddings as OpenAI's clients want them: lists of numbers, or base64 of 32-bit floats, the least byte first."""

from __future__ import annotations

import sys
from array import array
from binascii import b2a_base64
from typing import TYPE_CHECKING, Any

from gateway.bridge.frames import embeddings
from gateway.bridge.interface import Unreadable

if TYPE_CHECKING:
    from gateway.bridge.interface import Wanted
    from gateway.upstreams.vendors.dialect import Answer


def embeddings_of(wanted: Wanted, vectors: list[Any], answer: Answer) -> bytes:
    """The whole answer; raises ``Unreadable`` for what is no vector of numbers."""
    if not vectors:
        message = "the answer has no embeddings"
        raise Unreadable(message)
    checked = [_checked(vector) for vector in vectors]
    return embeddings(wanted, [base64_of(v) for v in checked] if wanted.wants_base64 else checked, answer.usage)


def base64_of(vector: Any) -> str:
    """A vector as base64; raises ``Unreadable`` for what is none."""
    try:
        numbers = array("f", _checked(vector))
    except OverflowError as error:
        message = "an embedding has a number that is too large"
        raise Unreadable(message) from error
    if sys.byteorder == "big":
        numbers.byteswap()
    return b2a_base64(numbers.tobytes(), newline=False).decode("ascii")


def _checked(vector: Any) -> list[float]:
    if not isinstance(vector, list) or not all(type(number) in {float, int} for number in vector):
        message = "an embedding is no list of numbers"
        raise Unreadable(message)
    return vector
