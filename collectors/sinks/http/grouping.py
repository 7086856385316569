"""Which documents go together in one request: decided when the batch is made, so that a retry does not regroup them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol


class Numbered(Protocol):
    """A document that knows its request."""

    @property
    def request(self) -> int:
        """The number of the request: what stands together and has the same goes together."""
        ...


def request_numbers(sizes: Sequence[int], first: int, max_count: int, max_bytes: int) -> list[int]:
    """The number of each document's request, from ``first`` on; a document above ``max_bytes`` has one of its own."""
    numbers, number, count, size = [], first, 0, 0
    for length in sizes:
        if count and (count == max_count or size + length > max_bytes):
            number, count, size = number + 1, 0, 0
        count, size = count + 1, size + length
        numbers.append(number)
    return numbers


def runs_of(documents: Sequence[Numbered]) -> list[list[int]]:
    """The positions of the documents of each request."""
    return [list(group) for _, group in groupby(range(len(documents)), key=lambda at: documents[at].request)]
