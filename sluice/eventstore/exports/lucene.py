"""Filters as Lucene query strings, which Kibana and Grafana both send on unchanged, and which people can edit there.

They stand on the same conditions as our own queries, so that what no store can hold matches nothing here, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sluice.eventstore.panels.conditions import Condition, bounds_of, condition_of
from sluice.eventstore.panels.query import Filter, Scalar, Subject

EVERYTHING = "*:*"
NOTHING = f"(NOT {EVERYTHING})"

_WITHIN_QUOTES = re.compile(r'(["\\])')
_BARE = re.compile(r'([+\-=&|><!(){}\[\]^"~*?:\\/\s])')


def lucene_of(subject: Subject, filters: Sequence[Filter], named: Callable[[str], str] = str) -> str:
    """All of the filters, each in brackets; ``named`` says what a field is called in documents."""
    clauses = [_clause(condition_of(subject, found), named(found.field)) for found in filters]
    return " AND ".join(clauses) or EVERYTHING


def except_for(text: str) -> str:
    """What is not in a query."""
    return f"({EVERYTHING} AND NOT ({text}))"


def missing(name: str) -> str:
    """Documents without a field."""
    return f"({EVERYTHING} AND NOT _exists_:{name})"


def _clause(condition: Condition, name: str) -> str:
    if condition.operator == "range":
        return _range(condition, name)
    if condition.operator == "contains":
        return _any_of([f"{name}:*{_bare(str(value))}*" for value in condition.values])
    inside = [f"{name}:{_quoted(value)}" for value in condition.values]
    if condition.with_missing:
        inside.append(missing(name))
    found = _any_of(inside)
    return found if condition.operator == "in" else except_for(found)


def _range(condition: Condition, name: str) -> str:
    bounds = bounds_of(condition)
    if bounds is None:
        return NOTHING
    low, high = bounds
    return f"{name}:[{'*' if low is None else low} TO {'*' if high is None else high}}}"


def _any_of(clauses: Sequence[str]) -> str:
    return f"({' OR '.join(clauses)})" if clauses else NOTHING


def _quoted(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return '"' + _WITHIN_QUOTES.sub(r"\\\1", str(value)) + '"'


def _bare(text: str) -> str:
    return _BARE.sub(r"\\\1", text)
