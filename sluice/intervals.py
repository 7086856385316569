"""Sets of integers as the few ranges they are made of: which sequence numbers, offsets or positions have been seen.

A gateway numbers its events without a gap, so a million of them are one pair of numbers here, and what is missing is
as easy to say as what is there. A set never changes: every operation gives a new one, at the price of its *ranges*, not
of its integers.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIECE = re.compile(r"(-?[0-9]{1,40})(?:-(-?[0-9]{1,40}))?", re.ASCII)


class Intervals:
    """An immutable set of integers, kept as sorted ranges that neither touch nor overlap (both ends belong to them)."""

    __slots__ = ("_firsts", "_lasts")

    _firsts: tuple[int, ...]
    _lasts: tuple[int, ...]

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        """Of (first, last) pairs in any order, which may touch and overlap; a pair whose last is less is refused."""
        firsts: list[int] = []
        lasts: list[int] = []
        for first, last in sorted(ranges):
            if last < first:
                raise ValueError(f"the range {first}-{last} ends before it begins: give (first, last), both inclusive")
            if lasts and first <= lasts[-1] + 1:
                lasts[-1] = max(lasts[-1], last)
            else:
                firsts.append(first)
                lasts.append(last)
        self._hold(tuple(firsts), tuple(lasts))

    @classmethod
    def of(cls, values: Iterable[int]) -> Intervals:
        """The set of these integers, in any order, repeated or not."""
        return cls((value, value) for value in values)

    @classmethod
    def parse(cls, text: str) -> Intervals:
        """The set that `str()` wrote (`1-5,7`; empty text is the empty set); ValueError names what is no range."""
        return cls(_pair(piece) for piece in text.split(",")) if text else cls()

    @classmethod
    def _made(cls, firsts: tuple[int, ...], lasts: tuple[int, ...]) -> Intervals:
        """A set of ranges that are known to be in order and apart."""
        made = cls()
        made._hold(firsts, lasts)
        return made

    def _hold(self, firsts: tuple[int, ...], lasts: tuple[int, ...]) -> None:
        self._firsts, self._lasts = firsts, lasts

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """(first, last) of each range, ascending, both inclusive."""
        return tuple(zip(self._firsts, self._lasts, strict=True))

    @property
    def count(self) -> int:
        """How many integers are in the set (which `len` could not say beyond 2^63)."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    @property
    def first(self) -> int:
        """The least integer; ValueError on an empty set."""
        if not self._firsts:
            raise ValueError("an empty set has no first integer")
        return self._firsts[0]

    @property
    def last(self) -> int:
        """The greatest integer; ValueError on an empty set."""
        if not self._lasts:
            raise ValueError("an empty set has no last integer")
        return self._lasts[-1]

    def add(self, value: int) -> Intervals:
        """This set with one integer more."""
        return self.add_range(value, value)

    def add_range(self, first: int, last: int) -> Intervals:
        """This set with all of first..last; costs two searches, so the common case of the next number is cheap."""
        if last < first:
            raise ValueError(f"the range {first}-{last} ends before it begins: give (first, last), both inclusive")
        begin = bisect_left(self._lasts, first - 1)  # the ranges begin..end touch the new one and melt into it
        end = bisect_right(self._firsts, last + 1)
        if begin < end:
            first, last = min(first, self._firsts[begin]), max(last, self._lasts[end - 1])
        return self._made(
            (*self._firsts[:begin], first, *self._firsts[end:]), (*self._lasts[:begin], last, *self._lasts[end:])
        )

    def contains_range(self, first: int, last: int) -> bool:
        """Whether every integer of first..last is in the set."""
        at = bisect_left(self._lasts, first)
        return at < len(self._firsts) and self._firsts[at] <= first and last <= self._lasts[at]

    def gaps(self) -> Intervals:
        """What is missing between the first integer and the last."""
        return self._made(tuple(last + 1 for last in self._lasts[:-1]), tuple(first - 1 for first in self._firsts[1:]))

    def missing(self, first: int, last: int) -> Intervals:
        """What of first..last is not in the set (an empty set where last is less than first)."""
        return self._made((first,), (last,)) - self if first <= last else Intervals()

    def values(self) -> Iterator[int]:
        """Every integer, ascending: for small sets and for the first few of a large one."""
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __or__(self, other: Intervals) -> Intervals:
        return Intervals((*self.ranges, *other.ranges)) if self and other else self or other

    def __and__(self, other: Intervals) -> Intervals:
        return self - (self - other)

    def __sub__(self, other: Intervals) -> Intervals:
        left: list[tuple[int, int]] = []
        at = 0
        for first, last in self.ranges:
            while at < len(other._lasts) and other._lasts[at] < first:
                at += 1
            left.extend(other._without(first, last, at))
        return self._made(tuple(first for first, _ in left), tuple(last for _, last in left))

    def _without(self, first: int, last: int, at: int) -> Iterator[tuple[int, int]]:
        """What is left of first..last when this set's ranges from number ``at`` on are taken out."""
        while at < len(self._firsts) and self._firsts[at] <= last:
            if first < self._firsts[at]:
                yield first, self._firsts[at] - 1
            first = self._lasts[at] + 1
            at += 1
        if first <= last:
            yield first, last

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.contains_range(value, value)

    def __le__(self, other: Intervals) -> bool:
        """Whether every integer of this set is in the other."""
        return not self - other

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and self._firsts == other._firsts and self._lasts == other._lasts

    def __hash__(self) -> int:
        return hash((self._firsts, self._lasts))

    def __str__(self) -> str:
        """Compact text that `parse` reads back: `1-5,7`."""
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges)

    def __repr__(self) -> str:
        return f"Intervals.parse({str(self)!r})"


def _pair(piece: str) -> tuple[int, int]:
    found = _PIECE.fullmatch(piece)
    if found is None:
        raise ValueError(f"{piece[:80]!r} is no range: a set is written as 1-5,7 (whole numbers, ascending)")
    first = int(found[1])
    return first, first if found[2] is None else int(found[2])
