"""Events for tests: a plain one of each kind, and Hypothesis strategies for any."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Union, cast, get_args, get_origin, is_typeddict

from hypothesis import strategies as st

from schemas.avro_schema import field_hints
from schemas.events import (
    FIELD_TYPES,
    AnalyticsFields,
    BudgetFields,
    Common,
    Kind,
    Micros,
    ProxyLogFields,
)

EXCHANGE_ID = "01900000-0000-7000-8000-000000000001"

LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: LONGS,
    bool: st.booleans(),
    bytes: st.binary(max_size=200),
    Micros: st.integers(0, 4_000_000_000_000_000),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Every value that an annotation of an event allows."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if get_origin(hint) in {Union, types.UnionType}:
        inner = next(argument for argument in get_args(hint) if argument is not type(None))
        return st.none() | values_of(inner)
    if get_origin(hint) is list:
        return st.lists(values_of(get_args(hint)[0]), max_size=4)
    assert is_typeddict(hint), hint
    return st.fixed_dictionaries({name: values_of(inner) for name, (inner, _) in field_hints(hint).items()})


COMMON = cast("st.SearchStrategy[Common]", values_of(Common))
FIELDS: Mapping[Kind, st.SearchStrategy[Any]] = {kind: values_of(hint) for kind, hint in FIELD_TYPES.items()}


def _zero(hint: Any) -> Any:
    if get_origin(hint) in {Union, types.UnionType}:
        return None
    if get_origin(hint) is list:
        return []
    return {str: "", int: 0, bool: False, bytes: b"", Micros: 0}[hint]


def _filled(definition: type, given: Mapping[str, Any]) -> dict[str, Any]:
    empty = {name: _zero(hint) for name, (hint, _) in field_hints(definition).items()}
    assert set(given) <= set(empty), set(given) - set(empty)
    return {**empty, **given}


def common(**given: Any) -> Common:
    """What the events of one exchange share."""
    known = {"exchange_id": EXCHANGE_ID, "occurred_at": 1_700_000_000_123_456, "outcome": "ok", "llm_slug": "demo"}
    return cast("Common", _filled(Common, {**known, "labels": ["team:blue"], **given}))


def proxy_log(**given: Any) -> ProxyLogFields:
    """A proxy log's own fields."""
    return cast("ProxyLogFields", _filled(FIELD_TYPES["proxy_log"], {"method": "POST", **given}))


def analytics(**given: Any) -> AnalyticsFields:
    """Analytics' own fields."""
    return cast("AnalyticsFields", _filled(FIELD_TYPES["analytics"], {"prompt_tokens": 7, **given}))


def budget(**given: Any) -> BudgetFields:
    """A budget event's own fields."""
    return cast("BudgetFields", _filled(FIELD_TYPES["budget"], {"kind": "usage", **given}))
