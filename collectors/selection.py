"""Which rows of a frame an entry wants: by kind, by criteria, by sample; as column expressions.

``include``: of every key that is given, one value must fit. ``exclude``: of any key, one value that fits is enough.
``sample``: by the exchange, so that all its events are in or all are out, in every process and on every day the same.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

import polars as pl

from collectors.criteria import Criteria
from collectors.deliveries import Frame
from schemas.events import Kind

_WORD_BYTES = 8
_HALF = 1 << 32
_MIX = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)  # the finaliser of MurmurHash3: every bit of the id reaches every other
_SHARES = 1 << 31


class Selects(Protocol):
    """Says which rows of a frame are wanted."""

    def positions(self, frame: Frame) -> Sequence[int]:
        """Of the rows that are wanted, in order; a range where these are all. Asked once for each frame."""
        ...


class Selection:
    """What one entry wants of each frame."""

    def __init__(
        self,
        kinds: Iterable[Kind],
        include: Criteria | None = None,
        exclude: Criteria | None = None,
        sample: float = 1.0,
    ) -> None:
        self._kinds = frozenset(kinds)
        self._wanted = _wanted(include, exclude)
        self._share = None if sample >= 1 else round(sample * _SHARES)

    def positions(self, frame: Frame) -> Sequence[int]:
        """Of the rows that are wanted, in order; a range where these are all."""
        if frame.kind not in self._kinds:
            return range(0)
        everything = range(len(frame.delivery))
        mask = self._mask(frame.rows)
        return everything if mask is None or mask.all() else mask.arg_true().to_list()

    def _mask(self, rows: pl.DataFrame) -> pl.Series | None:
        """``None`` where nothing is asked."""
        masks = []
        if self._wanted is not None:
            masks.append(rows.select(self._wanted.alias("wanted")).to_series())
        if self._share is not None:
            masks.append(shares_of(rows["exchange_id"]) < self._share)
        return functools.reduce(operator.and_, masks) if masks else None


def _wanted(include: Criteria | None, exclude: Criteria | None) -> pl.Expr | None:
    """``None`` where everything is."""
    parts: list[pl.Expr] = []
    if include is not None:
        parts += _fits(include)
    if exclude is not None:
        parts.append(~_any(_fits(exclude)))
    return functools.reduce(operator.and_, parts) if parts else None


def _fits(criteria: Criteria) -> list[pl.Expr]:
    """Whether a row fits, for each key that is given."""
    slugs = [each for each in criteria.llms if isinstance(each, str)]
    numbers = [each for each in criteria.llms if isinstance(each, int)]
    fits = []
    if criteria.apps:
        fits.append(_is_id("app_id", criteria.apps))
    if criteria.llms:
        parts = [_is_named("llm_slug", slugs)] if slugs else []
        fits.append(_any([*parts, _is_id("llm_id", numbers)] if numbers else parts))
    if criteria.vendors:
        fits.append(_is_named("vendor", criteria.vendors))
    if criteria.outcomes:
        fits.append(_is_named("outcome", criteria.outcomes))
    return fits


def _any(parts: Sequence[pl.Expr]) -> pl.Expr:
    return functools.reduce(operator.or_, parts)


def _is_id(column: str, ids: Sequence[int]) -> pl.Expr:
    return pl.col(column).fill_null(0).is_in(sorted(ids))


def _is_named(column: str, globs: Sequence[str]) -> pl.Expr:
    """Plain names by equality, all others by one regular expression."""
    plain = [each for each in globs if not re.search(r"[*?]", each)]
    patterns = "|".join(_pattern(each) for each in globs if re.search(r"[*?]", each))
    parts = [pl.col(column).is_in(plain)] if plain else []
    if patterns:
        parts.append(pl.col(column).str.contains(f"(?s)^(?:{patterns})$"))
    return _any(parts).fill_null(value=False)


def _pattern(glob: str) -> str:
    """A glob in the regular expressions of polars, which have no backtracking: no glob can make them slow."""
    kinds = {"*": ".*", "?": "."}
    return "".join(kinds.get(character) or f"\\x{{{ord(character):x}}}" for character in glob)


def shares_of(exchange_ids: pl.Series) -> pl.Series:
    """Where exchanges stand between 0 and 2^31, evenly spread: a hash of the last 16 bytes of their ids.

    Ours and not polars' own, which another version may change: members of a group may run different ones. Column by
    column and not one expression, in which each step would be made again wherever it is used.
    """
    padded = ("\0" * 2 * _WORD_BYTES + exchange_ids).cast(pl.Binary)
    first, last = (
        padded.bin.slice(start, _WORD_BYTES).bin.reinterpret(dtype=pl.UInt64, endianness="little")
        for start in (-2 * _WORD_BYTES, -_WORD_BYTES)
    )
    return mixed(mixed(first) ^ last) // (1 << 33)


def mixed(value: pl.Series) -> pl.Series:
    """Each word of 64 bits, so that every bit of it reaches every other."""
    for factor in _MIX:
        value = (value ^ (value // _HALF)) * pl.Series([factor], dtype=pl.UInt64)
    return value ^ (value // _HALF)
