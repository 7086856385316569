"""``--filter``: which events are meant, as an SQL expression over the columns of their frames.

An expression and nothing else: it is asked of each row for itself, so that it means the same whatever rows happen to
lie in one frame. Times are TIMESTAMPs in UTC, bodies and headers as they are in the log.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any

import polars as pl

from collectors.deliveries import Frame
from collectors.errors import without_values
from collectors.frames import COLUMNS
from collectors.jobs.interface import UsageError
from schemas.events import KINDS, Kind

MAX_CHARACTERS = 4_000
"""Longer ones can be nested so deeply that reading them would end the process."""

_FORM = "write an SQL condition, such as app_id = 7 and cost_nanos > 1000000"
_TIMES = {kind: [name for name, column in columns.items() if column.is_micros] for kind, columns in COLUMNS.items()}
_PARTS = {
    "Column": (),
    "Literal": (),
    "Alias": (),
    "BinaryExpr": ("left", "right"),
    "Cast": ("expr",),
    "Ternary": ("predicate", "truthy", "falsy"),
}
"""Of what expressions of one row consist, beside functions; with the keys of their parts."""
_FUNCTIONS = {
    "Abs", "Boolean", "BinaryExpr", "Ceil", "Coalesce", "Exp", "FillNull", "Floor", "ListExpr", "Log", "MaxHorizontal",
    "MinHorizontal", "Pow", "Sign", "Sql", "StringExpr", "StructExpr", "TemporalExpr",
}  # fmt: skip
_OVERSIZED = {"PadStart", "PadEnd", "ZFill"}
"""Of text they make as much as they are asked for, for every row at once: memory has an end."""
_OF_MANY_ROWS = {"Any", "All", "HasNulls", "IsUnique", "IsDuplicated", "IsFirstDistinct", "IsLastDistinct"}


_AS_WRITTEN = pl.QueryOptFlags.none()
"""What makes a condition simpler takes a second for the longest ones, for each frame; as written they take little."""


class Filter:
    """A condition that events of these kinds are asked."""

    def __init__(self, text: str, kinds: Collection[Kind] = KINDS) -> None:
        """Raises UsageError naming the column that was meant, or what is not a condition."""
        self.text = text
        self._condition = _parsed(text)
        _check_columns(self._condition, kinds)
        for kind in kinds:
            self._check_kind(kind)

    def _check_kind(self, kind: Kind) -> None:
        empty = pl.DataFrame(schema={name: column.dtype for name, column in COLUMNS[kind].items()})
        try:
            dtype = self._asked(kind, empty).dtype
        except (Exception, pl.exceptions.PanicException) as error:
            reason = str(error).partition("\n")[0]
            hint = "; times are written TIMESTAMP '2026-11-26 08:00:00'" if self._has_times(kind) else ""
            raise UsageError(f"--filter: {self.text!r} cannot be asked of {kind}: {reason}{hint}") from error
        if dtype != pl.Boolean:
            raise UsageError(f"--filter: {self.text!r} is {dtype} and not true or false; {_FORM}")

    def _has_times(self, kind: Kind) -> bool:
        return bool(set(_TIMES[kind]) & set(self._condition.meta.root_names()))

    def positions(self, frame: Frame) -> Sequence[int]:
        """Of the rows of which it is true, in order; a range where these are all. What is null is not meant.

        Raises UsageError where an event has a value that the condition cannot be asked of.
        """
        try:
            mask = self._asked(frame.kind, frame.rows)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            reason = without_values(str(error).partition("\n")[0])
            raise UsageError(
                f"--filter: {self.text!r} cannot be asked of every event: {reason}; where CAST fails TRY_CAST is null, "
                "and the event is not meant"
            ) from error
        return range(len(frame.delivery)) if mask.all(ignore_nulls=False) else mask.arg_true().to_list()

    def _asked(self, kind: Kind, rows: pl.DataFrame) -> pl.Series:
        wanted = set(self._condition.meta.root_names())
        shown = [
            pl.col(name).cast(pl.Datetime("us")) if name in _TIMES[kind] else pl.col(name)
            for name in COLUMNS[kind]
            if name in wanted
        ]
        if not shown:
            return _constant(self._condition, rows.height)
        asked = rows.lazy().select(shown).select(self._condition.alias("meant"))
        return asked.collect(optimizations=_AS_WRITTEN).to_series()


def _constant(condition: pl.Expr, height: int) -> pl.Series:
    """Of a condition that asks for no column: ``true``."""
    value = pl.select(condition.alias("meant")).to_series()
    return value.new_from_index(0, height) if height else value.clear()


def _parsed(text: str) -> pl.Expr:
    if len(text) > MAX_CHARACTERS:
        raise UsageError(f"--filter: {len(text)} characters are too many; at most {MAX_CHARACTERS}")
    try:
        condition = pl.sql_expr(text)
        is_one = not condition.meta.has_multiple_outputs()
        is_one = is_one and _is_of_one_row(json.loads(condition.meta.serialize(format="json")))
    except UsageError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"--filter: {text!r} is no condition: {reason}; {_FORM}") from error
    if not is_one:
        raise UsageError(f"--filter: {text!r} asks for more than one event at a time; {_FORM}")
    return condition


def _is_of_one_row(node: Any) -> bool:
    """Whether an expression can be answered for each row by itself: no sums, ranks or random numbers."""
    if not isinstance(node, dict) or len(node) != 1:
        return False
    ((name, parts),) = node.items()
    if name == "Function":
        return _is_allowed(parts["function"]) and all(_is_of_one_row(each) for each in parts["input"])
    return name in _PARTS and all(_is_of_one_row(parts[key]) for key in _PARTS[name])


def _is_allowed(function: Any) -> bool:
    name = function if isinstance(function, str) else next(iter(function))
    what = None if isinstance(function, str) else function[name]
    what = next(iter(what)) if isinstance(what, dict) and what else what
    if name == "StringExpr" and what in _OVERSIZED:
        raise UsageError(f"--filter: text that is padded needs memory without a bound; {_FORM}")
    return name in _FUNCTIONS and not (name == "Boolean" and what in _OF_MANY_ROWS)


def _check_columns(condition: pl.Expr, kinds: Collection[Kind]) -> None:
    everything = sorted({name for kind in kinds for name in COLUMNS[kind]})
    for name in condition.meta.root_names():
        having = [kind for kind in kinds if name in COLUMNS[kind]]
        if not having:
            near = get_close_matches(name, everything, 1)
            remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(everything)}"
            raise UsageError(f"--filter: no column {name!r}; {remedy} (text is written in single quotes)")
        if len(having) < len(kinds):
            raise UsageError(
                f"--filter: {name} is a column of {', '.join(having)} alone; name the topics that are meant: "
                + " ".join(f"--topic {kind.replace('_', '-')}" for kind in having)
            )
