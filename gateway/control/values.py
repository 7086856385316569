"""What the fields of an entity may hold, whoever sets them: the same on SQLite as on PostgreSQL.

SQLite takes any length, size and text where PostgreSQL refuses; here it is refused on both, by the field's name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, LargeBinary, String

from gateway.control.engines import to_json
from gateway.control.entities import ManagedBy
from gateway.control.errors import InvalidError
from gateway.control.reading import MAX_ID
from gateway.control.specs import KEPT_FIELDS, EntityT, Links, Spec

_MAX_BIG_INTEGER = (1 << 63) - 1
_MAX_INTEGER = (1 << 31) - 1


def new_entity(spec: Spec[EntityT], values: Mapping[str, Any], managed_by: ManagedBy, now: int) -> EntityT:
    """An entity of values; id 0 where they have none. Raises InvalidError."""
    entity_id = values.get("id", 0)
    if "id" in values:
        _check_id(entity_id)
    checked = _checked(spec, {name: value for name, value in values.items() if name != "id"})
    for field in fields(spec.entity):
        is_optional = field.default is not MISSING or field.default_factory is not MISSING
        if not is_optional and field.name not in {"id", *checked, *spec.named_by_id}:
            raise InvalidError(field.name, "is missing")
    checked = {**dict.fromkeys(spec.named_by_id, ""), **checked}
    return spec.entity(id=entity_id, managed_by=managed_by, created_at=now, updated_at=now, **checked)


def changed_entity(spec: Spec[EntityT], before: EntityT, values: Mapping[str, Any], now: int) -> EntityT:
    """The next version of an entity; itself where the values change nothing. Raises InvalidError."""
    after = replace(before, **_checked(spec, values))
    if after == before:
        return before
    return replace(after, version=before.version + 1, updated_at=max(now, before.updated_at))


def _checked(spec: Spec[EntityT], values: Mapping[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name in KEPT_FIELDS:
            raise InvalidError(name, "cannot be set")
        if spec.links is not None and name == spec.links.field:
            checked[name] = _checked_links(spec.links, value)
        elif name in spec.columns:
            checked[name] = check_value(name, spec.columns[name], value, is_tuple=name in spec.tuples)
            if name in spec.lists:
                _require(all(isinstance(item, int) for item in checked[name]), name, "must be a list of ids")
        else:
            raise InvalidError(name, f"is no field of an entity of kind {spec.kind}")
    return checked


def _check_id(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ID:
        raise InvalidError("id", f"must be a whole number from 1 to {MAX_ID}")


def _checked_links(links: Links, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple) or not all(isinstance(value, links.value) for value in values):
        raise InvalidError(links.field, f"must be a list of {links.value.__name__}")
    checked = [_checked_link(links, value) for value in values]
    if links.has_place:
        return tuple(checked)
    by_id = {getattr(value, links.order): value for value in checked}
    _require(len(by_id) == len(checked), links.field, f"names the same {links.order} twice")
    return tuple(by_id[named] for named in sorted(by_id))


def _checked_link(links: Links, value: Any) -> Any:
    columns, field = links.table.c, links.field
    return links.value(
        **{name: check_value(f"{field}.{name}", columns[name], getattr(value, name)) for name in links.names}
    )


def check_value(name: str, column: Column[Any], value: Any, *, is_tuple: bool = False) -> Any:
    """A value as a column keeps it. Raises InvalidError with the name."""
    if value is None:
        if not column.nullable:
            raise InvalidError(name, "must not be null")
        return None
    match column.type:
        case Boolean():
            _require(isinstance(value, bool), name, "must be true or false")
        case Integer():
            _check_integer(name, value, _MAX_BIG_INTEGER if isinstance(column.type, BigInteger) else _MAX_INTEGER)
        case Float():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            _require(is_number and math.isfinite(value), name, "must be a finite number")
        case JSON():
            return _checked_tuple(name, value) if is_tuple else _checked_object(name, value)
        case String():
            _check_text(name, value, column.type.length)
        case LargeBinary():  # a secret, encrypted on its way
            _check_text(name, value, None)
    return value


def _require(good: bool, name: str, reason: str) -> None:
    if not good:
        raise InvalidError(name, reason)


def _check_integer(name: str, value: Any, maximum: int) -> None:
    _require(isinstance(value, int) and not isinstance(value, bool), name, "must be a whole number")
    _require(-maximum <= value <= maximum, name, f"must be from {-maximum} to {maximum}")


def _check_text(name: str, value: Any, max_length: int | None) -> None:
    _require(isinstance(value, str), name, "must be text")
    _require(max_length is None or len(value) <= max_length, name, f"must have at most {max_length} characters")
    _require("\x00" not in value, name, "must not have the character NUL")
    _require(_is_unicode(value), name, "must be Unicode: it has half of a surrogate pair")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _checked_tuple(name: str, value: Any) -> tuple[Any, ...]:
    _require(isinstance(value, list | tuple), name, "must be a list")
    return tuple(_checked_item(name, item) for item in value)


def _checked_item(name: str, item: Any) -> Any:
    """A text, a whole number, or an object of whole numbers, which is copied."""
    if isinstance(item, str):
        _check_text(name, item, None)
    elif isinstance(item, dict):
        for key, value in item.items():
            _check_text(name, key, None)
            _check_integer(name, value, _MAX_BIG_INTEGER)
        return dict(item)
    else:
        _check_integer(name, item, _MAX_BIG_INTEGER)
    return item


def _checked_object(name: str, value: Any) -> dict[str, Any]:
    """A copy of its own that is what will be read back: names are text, tuples are lists."""
    _require(isinstance(value, dict), name, "must be an object")
    try:
        text = to_json(value)
    except (TypeError, ValueError, RecursionError):
        raise InvalidError(name, "has something that JSON has not") from None
    _require(_is_unicode(text), name, "must be Unicode: it has half of a surrogate pair")
    return json.loads(text)  # type: ignore[no-any-return]
