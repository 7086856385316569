"""The SQL of panels, for SQLite and PostgreSQL alike: every value is a parameter, every name one of our tables'.

Keys, buckets and conditions are made in an inner statement and grouped by name in the outer one. Sums are exact beyond
64 bits: halves are added up apart. What percentiles and distinct numbers are of comes as it is, so that one pass tells
every total as well: each group's numbers are put in order here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FunctionElement,
    Integer,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
    tuple_,
)

from schemas.events import Kind
from sluice.eventstore.panels.cells import Cell, Key, Part, Pass, is_of_numbers
from sluice.eventstore.panels.conditions import Condition, bounds_of, condition_of
from sluice.eventstore.panels.fields import FieldInfo, field_of
from sluice.eventstore.panels.interface import UNREAD
from sluice.eventstore.panels.numbers import runs_in
from sluice.eventstore.panels.query import Filter, Measure
from sluice.eventstore.scope import END_MICROS, FIRST_MICROS
from sluice.eventstore.statements import HALF_BITS, halves_of
from sluice.eventstore.tables import TABLES


class Dialect(NamedTuple):
    """What the two databases call differently."""

    position: Callable[[ColumnElement[Any], Any], FunctionElement[Any]]
    """Where a text stands in a text, from 1."""
    joined: Callable[[ColumnElement[Any], bool], FunctionElement[Any]]
    """All numbers of a group in one text, between commas, or each that is different: SQLite knows no percentiles, and
    its window functions take five times as long as to sort the numbers here."""


def _joined_in_sqlite(value: ColumnElement[Any], is_distinct: bool) -> FunctionElement[Any]:
    return func.group_concat(value.distinct() if is_distinct else value)


def _joined_in_postgresql(value: ColumnElement[Any], is_distinct: bool) -> FunctionElement[Any]:
    text = cast(value, Text)
    return func.string_agg(text.distinct() if is_distinct else text, literal_column("','", Text))


SQLITE = Dialect(func.instr, _joined_in_sqlite)
POSTGRESQL = Dialect(func.strpos, _joined_in_postgresql)

_NO_OTHER: ColumnElement[Any] = literal_column("0", Integer).label("no_other")
_NO_BUCKET: ColumnElement[Any] = literal_column("0", Integer).label("no_bucket")
_WIDTHS = {"count": 1, "share": 2, "distinct": 1, "percentiles": 1}


def statement_of(asked: Pass, dialect: Dialect) -> Select[Any]:
    """A row for each cell: whether it is "other", its keys, its bucket, and what its measures stand on."""
    rows = _rows(asked, dialect)
    group = _group_columns(asked, rows)
    told_apart = [column for column in group if column is not _NO_OTHER and column is not _NO_BUCKET] or [rows.c.other]
    figures = [figure for number in range(len(asked.measures)) for figure in _figures(asked, rows, number, dialect)]
    return select(*group, *figures).select_from(rows).group_by(*told_apart).limit(asked.most + 1)


def cell_of(row: Sequence[Any], asked: Pass) -> Cell:
    """The cell that a row of ``statement_of`` is."""
    is_other, bucket, *rest = row
    keys, figures = rest[: len(asked.keys)], rest[len(asked.keys) :]
    if is_other:
        keys = keys[len(asked.split_by) :]
    parts = []
    for measure in asked.measures:
        width = _WIDTHS.get(measure.kind, 3 if measure.field else 1)
        parts.append(_part(asked, measure, figures[:width]))
        figures = figures[width:]
    return Cell(tuple(keys), bucket, bool(is_other), tuple(parts))


def _part(asked: Pass, measure: Measure, found: Sequence[Any]) -> Part:
    if is_of_numbers(asked.kind, measure):
        return Part(numbers=runs_in(found[0]) if found[0] else ())
    if measure.kind == "distinct":
        return Part(values=(found[0],))
    if measure.kind == "share":
        return Part(found[1], found[0])
    if len(found) == 1:
        return Part(found[0])
    count, high, low = found
    return Part(count, (int(high or 0) << HALF_BITS) + int(low or 0))


def _rows(asked: Pass, dialect: Dialect) -> Subquery:
    """An event a row: ``other``, ``bucket``, ``k0``…, and for each measure its value ``v0``… and condition ``w0``…"""
    columns = TABLES[asked.events].c
    keys = [key_of(columns[name], field_of(asked.kind, name, "split_by")) for name in asked.keys]
    is_other = literal_column("0", Integer)
    if asked.chosen is not None:
        shown = _is_chosen(keys, asked)
        is_other = case((shown, 0), else_=1)  # type: ignore[assignment]
    found = [is_other.label("other"), _bucket(asked).label("bucket")]
    found += [key.label(f"k{number}") for number, key in enumerate(keys)]
    for number, measure in enumerate(asked.measures):
        if measure.field:
            info = field_of(asked.kind, measure.field, "measures")
            found.append(key_of(columns[info.name], info).label(f"v{number}"))
        if measure.where:
            found.append(case((where_of(asked.events, measure.where, dialect), 1), else_=0).label(f"w{number}"))
    within: list[ColumnElement[bool]] = [
        *time_of(asked.events, asked.start, asked.end),
        where_of(asked.events, asked.filters, dialect),
    ]
    if not asked.with_shown:
        within.append(is_other == literal_column("1"))
    return select(*found).where(*within).subquery("rows")


def _group_columns(asked: Pass, rows: Subquery) -> list[ColumnElement[Any]]:
    """Of "other" the split's keys are nothing, so that all of it is one group. What is the same in every row is no
    column: whatever is grouped by is sorted, at a cost."""
    keys = []
    for number in range(len(asked.keys)):
        key = rows.c[f"k{number}"]
        is_split = asked.chosen is not None and number < len(asked.split_by)
        keys.append(case((rows.c.other == literal_column("0"), key)) if is_split else key)
    other = _NO_OTHER if asked.chosen is None else rows.c.other
    return [other, _NO_BUCKET if asked.buckets is None else rows.c.bucket, *keys]


def _figures(asked: Pass, rows: Subquery, number: int, dialect: Dialect) -> list[ColumnElement[Any]]:
    measure = asked.measures[number]
    figures: list[FunctionElement[Any]] = [func.count()]
    if measure.field:
        value = rows.c[f"v{number}"]
        figures = [func.count(value), *(func.sum(half) for half in halves_of(value))] if _is_added(measure) else []
        if is_of_numbers(asked.kind, measure):
            figures = [dialect.joined(value, measure.kind == "distinct")]
        elif measure.kind == "distinct":
            figures = [func.count(value.distinct())]
    if not measure.where:
        return [*figures]
    inside = rows.c[f"w{number}"] == literal_column("1")
    filtered: list[ColumnElement[Any]] = [figure.filter(inside) for figure in figures]
    return [*filtered, func.count()] if measure.kind == "share" else filtered


def _is_added(measure: Measure) -> bool:
    return measure.kind in {"sum", "average", "rate"}


def key_of(column: ColumnElement[Any], info: FieldInfo) -> ColumnElement[Any]:
    """The field, or nothing where it is too long for an index."""
    if info.type != "keyword":
        return column
    return case((func.length(column) > info.max_characters, null()), else_=column)


def _is_chosen(keys: Sequence[ColumnElement[Any]], asked: Pass) -> ColumnElement[bool]:
    split = keys[: len(asked.split_by)]
    chosen = asked.chosen or ()
    whole = [key for key in chosen if None not in key]
    found = [_are(split, key) for key in chosen if None in key]
    if whole and len(split) == 1:
        found.append(split[0].in_([key[0] for key in whole]))
    elif whole:
        found.append(tuple_(*split).in_(whole))
    return or_(false(), *found)


def _are(columns: Sequence[ColumnElement[Any]], key: Key) -> ColumnElement[bool]:
    pairs = zip(columns, key, strict=True)
    return and_(*(column.is_(None) if value is None else column == value for column, value in pairs))


def _bucket(asked: Pass) -> ColumnElement[Any]:
    if asked.buckets is None:
        return literal_column("0", Integer)
    moment = TABLES[asked.events].c.occurred_at
    runs = asked.buckets.runs()
    numbers = [(moment - _integer(run.start)) // _integer(run.length) + _integer(run.first) for run in runs]
    if len(runs) == 1:
        return numbers[0]
    whens = [(moment < _integer(after.start), number) for after, number in zip(runs[1:], numbers, strict=False)]
    return case(*whens, else_=numbers[-1])


def _integer(value: int) -> ColumnElement[int]:
    return literal(value, BigInteger)


def time_of(kind: Kind, start: int, end: int) -> list[ColumnElement[bool]]:
    """Events of ``[start, end)``."""
    moment = TABLES[kind].c.occurred_at
    found: list[ColumnElement[bool]] = []
    if start > FIRST_MICROS:
        found.append(moment >= start)
    if end < END_MICROS:
        found.append(moment < end)
    return found


def where_of(kind: Kind, filters: Sequence[Filter], dialect: Dialect) -> ColumnElement[bool]:
    """All filters hold; never unknown, as SQL's NULL would be."""
    return and_(true(), *(_condition(kind, condition_of(kind, found), dialect) for found in filters))


def _condition(kind: Kind, condition: Condition, dialect: Dialect) -> ColumnElement[bool]:
    column = TABLES[kind].c[condition.info.name]
    if condition.info.type == "labels":
        return _labelled(column, condition, dialect)
    if condition.operator == "range":
        return _ranged(column, condition)
    key = key_of(column, condition.info)
    if condition.operator == "contains":
        texts = [dialect.position(key, value) > 0 for value in condition.values]
        return and_(column.is_not(None), or_(false(), *texts))
    inside = or_(false(), column.in_(condition.values)) if condition.values else false()
    if condition.operator == "in":
        return or_(inside, key.is_(None)) if condition.with_missing else inside
    outside = not_(inside) if condition.values else true()
    return and_(outside, key.is_not(None)) if condition.with_missing else or_(column.is_(None), outside)


def _labelled(column: ColumnElement[Any], condition: Condition, dialect: Dialect) -> ColumnElement[bool]:
    """A label has a colon, so its JSON with both quotes can stand nowhere but where it is an item of the list."""
    texts = [orjson.dumps(value).decode() for value in condition.values]
    inside = or_(false(), *(dialect.position(column, text) > 0 for text in texts))
    return inside if condition.operator == "in" else not_(inside)


def _ranged(column: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
    bounds = bounds_of(condition)
    if bounds is None:
        return false()
    low, high = bounds
    found: list[ColumnElement[bool]] = [column.is_not(None)]
    if low is not None:
        found.append(column >= low)
    if high is not None:
        found.append(column < high)
    return and_(*found)


def search_statement(
    kind: Kind,
    filters: Sequence[Filter],
    bounds: tuple[int, int],
    behind: tuple[int, str] | None,
    limit: int,
    dialect: Dialect,
    only: Sequence[str] = (),
) -> Select[Any]:
    """Events, newest first, behind the one whose time and id are given; ``only`` these fields, or all but the long."""
    table = TABLES[kind]
    shown = [column for column in table.c if (column.name in only if only else column.name not in UNREAD)]
    wanted = [*time_of(kind, *bounds), where_of(kind, filters, dialect)]
    if behind is not None:
        micros, event_id = behind
        earlier = and_(table.c.occurred_at == micros, table.c.event_id < event_id)
        wanted += [table.c.occurred_at <= micros, or_(table.c.occurred_at < micros, earlier)]
    return select(*shown).where(*wanted).order_by(table.c.occurred_at.desc(), table.c.event_id.desc()).limit(limit)
