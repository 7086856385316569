"""Which sequence numbers of which boots have been seen: ranges in columns, for millions of events and as many boots.

``sluice.intervals`` is the same for one boot at a time. Here all boots are one table (boot, first, last), and every
question is one sweep over the ends of ranges: at each end so many begin or stop, and the running sum says how often
what lies behind it was seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from sluice.intervals import Intervals

MAX_SEQUENCE = 1 << 62
"""Greater numbers no gateway gives: a document that has one has none of ours."""
_SCHEMA = {"boot": pl.UInt32, "first": pl.Int64, "last": pl.Int64}
_COMPACT_AT = 250_000
"""Rows that wait at most: memory, against sorting more often."""


def no_ranges() -> pl.DataFrame:
    """A table of nothing."""
    return pl.DataFrame(schema=_SCHEMA)


def overlay(*tables: pl.DataFrame) -> pl.DataFrame:
    """Segments (boot, first, last) in order, with the columns ``in_0``, ``in_1`` …: how often each table has them."""
    names = [f"in_{at}" for at in range(len(tables))]
    points = pl.concat([_points(table, at, names) for at, table in enumerate(tables)])
    summed = points.group_by("boot", "first").agg(pl.col(names).sum()).sort("boot", "first")
    # each boot's sum is 0 behind its last end, so one running sum serves all
    depths = summed.with_columns(pl.col(names).cum_sum(), last=pl.col("first").shift(-1) - 1)
    return depths.filter(pl.sum_horizontal(names) > 0).select("boot", "first", "last", *names)


def _points(table: pl.DataFrame, own: int, names: list[str]) -> pl.DataFrame:
    ends = []
    for place, step in ((pl.col("first"), 1), (pl.col("last") + 1, -1)):
        steps = [pl.lit(step if at == own else 0, pl.Int64).alias(name) for at, name in enumerate(names)]
        ends.append(table.select("boot", place.alias("first"), *steps))
    return pl.concat(ends)


def coalesced(segments: pl.DataFrame) -> pl.DataFrame:
    """Sorted ranges that touch, as one."""
    begins = (pl.col("boot") != pl.col("boot").shift()) | (pl.col("first") > pl.col("last").shift() + 1)
    numbered = segments.select("boot", "first", "last", begins.fill_null(value=True).cum_sum().alias("range"))
    return (
        numbered.group_by("range", maintain_order=True)
        .agg(pl.col("boot").first(), pl.col("first").first(), pl.col("last").last())
        .select("boot", "first", "last")
    )


def union(*tables: pl.DataFrame) -> pl.DataFrame:
    """What is in any."""
    return coalesced(overlay(pl.concat(tables)))


def difference(table: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """What is in the first alone."""
    return coalesced(overlay(table, other).filter((pl.col("in_0") > 0) & (pl.col("in_1") == 0)))


def intersection(table: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """What is in both."""
    return coalesced(overlay(table, other).filter((pl.col("in_0") > 0) & (pl.col("in_1") > 0)))


def count(table: pl.DataFrame) -> int:
    """How many numbers; the sum of many long ranges may be beyond 64 bits."""
    return sum(last - first + 1 for first, last in table.select("first", "last").iter_rows())


def contains(table: pl.DataFrame, boots: pl.Series, numbers: pl.Series) -> pl.Series:
    """Of each pair whether it is in a table of sorted ranges that do not overlap."""
    asked = pl.DataFrame({"boot": boots, "first": numbers, "at": pl.int_range(len(boots), eager=True)})
    if not table.height:
        return pl.Series([False]).new_from_index(0, len(boots)) if len(boots) else pl.Series([], dtype=pl.Boolean)
    found = asked.sort("first").join_asof(
        table.sort("first"), on="first", by="boot", strategy="backward", check_sortedness=False
    )
    is_in = (pl.col("last") >= pl.col("first")).fill_null(value=False)
    return found.select("at", is_in.alias("is_in")).sort("at")["is_in"]


def by_boot(table: pl.DataFrame) -> Iterator[tuple[int, Intervals]]:
    """Each boot's numbers, in the order of boots."""
    for (boot,), ranges in table.group_by("boot", maintain_order=True):
        yield int(str(boot)), Intervals(ranges.select("first", "last").iter_rows())


class Sequences:
    """Grows by frames of ranges (boot, first, last), in any order."""

    def __init__(self) -> None:
        self._ranges = no_ranges()
        self._repeated = no_ranges()
        self._waiting: list[pl.DataFrame] = []
        self._rows = 0

    def add(self, ranges: pl.DataFrame) -> None:
        """Take these in."""
        self._waiting.append(ranges.select(pl.col(name).cast(dtype) for name, dtype in _SCHEMA.items()))
        self._rows += ranges.height
        if self._rows >= max(_COMPACT_AT, self._ranges.height):
            self._compact()

    def add_numbers(self, boots: pl.Series, numbers: pl.Series) -> None:
        """Take single numbers in."""
        self.add(pl.DataFrame({"boot": boots, "first": numbers, "last": numbers}))

    def _compact(self) -> None:
        if not self._waiting:
            return
        segments = overlay(pl.concat([self._ranges, *self._waiting]))
        self._ranges = coalesced(segments)
        twice = segments.filter(pl.col("in_0") > 1)
        if twice.height:
            self._repeated = union(self._repeated, twice.select("boot", "first", "last"))
        self._waiting, self._rows = [], 0

    @property
    def ranges(self) -> pl.DataFrame:
        """All that was taken in, sorted, neither overlapping nor touching."""
        self._compact()
        return self._ranges

    @property
    def repeated(self) -> pl.DataFrame:
        """What of it was taken in more than once."""
        self._compact()
        return self._repeated
