"""Between rows and entities, both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic

from sqlalchemy import String

from gateway.control.specs import EntityT, Links, Spec
from sluice.secrets import SecretBox, SecretError

Row = dict[str, Any]

UNREADABLE = "\x00"
"""Stands for a secret whose key is lost, where an entity is read to be written: nobody can set it, it has a NUL."""


def encrypt_secret(spec: Spec[Any], field: str, entity_id: int, value: str, box: SecretBox) -> bytes:
    """What lies in the column; bound to the row, so that it cannot be moved to another. Nothing stays nothing."""
    return box.encrypt(value, _context(spec, field, entity_id)) if value else b""


def decrypt_secret(spec: Spec[Any], field: str, entity_id: int, value: bytes, box: SecretBox) -> str:
    """What ``encrypt_secret`` was given. Raises SecretError where its key is not there."""
    return box.decrypt(bytes(value), _context(spec, field, entity_id)) if value else ""


def _context(spec: Spec[Any], field: str, entity_id: int) -> str:
    return f"{spec.plural}.{entity_id}.{field}"


def entity_row(spec: Spec[EntityT], entity: EntityT, box: SecretBox) -> Row:
    """The entity's own row, without its links. It has its id: secrets are bound to that."""
    row: Row = {}
    for field, column in spec.columns.items():
        value = getattr(entity, field)
        if field not in spec.secrets:
            row[column.name] = list(value) if field in spec.tuples else value
        elif value != UNREADABLE:  # which stays as it lies there: its key may be found again
            row[column.name] = encrypt_secret(spec, field, entity.id, value, box)
    return row


def link_rows(links: Links, entity_id: int, values: Sequence[Any]) -> list[Row]:
    """The rows of an entity's links; ``place`` is a value's index."""
    rows = [{links.owner: entity_id, **{name: getattr(value, name) for name in links.names}} for value in values]
    if links.has_place:
        for place, row in enumerate(rows):
            row["place"] = place
    return rows


class RowReader(Generic[EntityT]):
    """Makes entities of rows; equal texts and tuples of all that it made are one object."""

    def __init__(self, spec: Spec[EntityT], box: SecretBox, *, is_lenient: bool = False) -> None:
        self._spec = spec
        self._box = box
        self._is_lenient = is_lenient
        self._shared: dict[Any, Any] = {}
        self._names = tuple(spec.columns)
        once = {name for group in spec.unique for name in group}
        columns = list(enumerate(spec.columns.items()))
        self._texts = [at for at, (name, c) in columns if isinstance(c.type, String) and name not in once]
        self._tuples = [at for at, (name, _) in columns if name in spec.tuples]
        self._secrets = [(at, name) for at, (name, _) in columns if name in spec.secrets]

    def entity(self, row: Sequence[Any], links: Sequence[Any] = ()) -> EntityT:
        """The entity of a row of ``spec.columns``. Raises SecretError, unless it is lenient."""
        values, share = list(row), self.share
        for at in self._texts:
            values[at] = share(values[at])
        for at in self._tuples:
            values[at] = share(tuple(values[at]))
        for at, name in self._secrets:
            values[at] = self._secret(name, values[0], values[at])
        found = dict(zip(self._names, values, strict=True))
        if self._spec.links is not None:
            found[self._spec.links.field] = share(tuple(links))
        return self._spec.entity(**found)

    def _secret(self, name: str, entity_id: int, stored: bytes) -> str:
        try:
            return decrypt_secret(self._spec, name, entity_id, stored, self._box)
        except SecretError:
            if not self._is_lenient:
                raise
            return UNREADABLE

    def link(self, row: Sequence[Any]) -> Any:
        """The value of a row of the links' ``names``."""
        links = self._spec.links
        return self.share(links.value(**dict(zip(links.names, row, strict=True)))) if links else None

    def share(self, value: Any) -> Any:
        """The first value equal to this one; itself where it cannot be looked up."""
        try:
            return self._shared.setdefault(value, value)
        except TypeError:  # it holds a dict
            return value
