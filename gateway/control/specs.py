"""How each entity lies in the database: its table, its links, what of it is unique and what it refers to.

Everything that reads or writes entities works from these, so that there is one code for all five.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, Table, UniqueConstraint

from gateway.control.entities import (
    AppEntity,
    Attachment,
    Entity,
    EntityKind,
    LlmEntity,
    LlmLink,
    PluginEntity,
    PriceEntity,
    TokenEntity,
)
from gateway.control.tables import APP_LLMS, APPS, LLM_PLUGINS, LLMS, PLUGINS, PRICES, TOKENS

EntityT = TypeVar("EntityT", bound=Entity)

KEPT_FIELDS = frozenset(("id", "managed_by", "version", "created_at", "updated_at"))
"""What the store sets itself; an id may be given where an entity is made."""


@dataclass(frozen=True)
class Links:
    """A field whose values are rows of a table of their own."""

    field: str
    value: type[Any]
    table: Table
    owner: str
    """The column that has the entity's id."""
    has_place: bool = False
    """Whether their order counts; else it is the one of the ids they name, and none is named twice."""

    @property
    def order(self) -> str:
        """The column that they are read in the order of."""
        return "place" if self.has_place else self.names[0]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The fields of a value, which are columns too."""
        return tuple(found.name for found in fields(self.value))

    @cached_property
    def references(self) -> dict[str, EntityKind]:
        """Field of a value → the kind whose id it is."""
        return _references(self.table, without=self.owner)


@dataclass(frozen=True)
class Spec(Generic[EntityT]):
    """One kind of entity."""

    kind: EntityKind
    entity: type[EntityT]
    table: Table
    file_key: str
    """The field that an entity is found by in ``sluice.yaml``."""
    file_has_ids: bool = True
    """Whether the file gives ids; else the database does, and an entity of the file is known by ``file_key``."""
    not_in_file: frozenset[str] = frozenset()
    """Fields that stay as they are whatever the file says."""
    links: Links | None = None
    lists: Mapping[str, EntityKind] = field(default_factory=dict)
    """Field that is a list of ids → their kind."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Field → the column that has it encrypted."""
    named_by_id: Mapping[str, str] = field(default_factory=dict)
    """Field → what it is where none is given, with the id that the database gave."""
    hidden: frozenset[str] = frozenset()
    """Fields that no audit shows, not even masked."""

    @property
    def plural(self) -> str:
        """The table's name, also the one of the field of ``Entities`` and the key in ``sluice.yaml``."""
        return self.table.name

    @cached_property
    def columns(self) -> dict[str, Column[Any]]:
        """Field → column, in the order of the entity's fields; links have none."""
        linked = self.links.field if self.links else ""
        names = [found.name for found in fields(self.entity) if found.name != linked]
        return {name: self.table.c[self.secrets.get(name, name)] for name in names}

    @cached_property
    def tuples(self) -> frozenset[str]:
        """The fields that are tuples and lie in a column."""
        return frozenset(found.name for found in fields(self.entity) if isinstance(found.default, tuple)) & set(
            self.columns
        )

    @cached_property
    def fields_in_file(self) -> frozenset[str]:
        """Those that ``sluice.yaml`` sets."""
        return frozenset(found.name for found in fields(self.entity)) - KEPT_FIELDS - self.not_in_file

    @cached_property
    def unique(self) -> list[tuple[str, ...]]:
        """The fields, one or several together, that no two entities have in common."""
        found = [constraint for constraint in self.table.constraints if isinstance(constraint, UniqueConstraint)]
        return sorted(tuple(column.name for column in constraint.columns) for constraint in found)

    @cached_property
    def references(self) -> dict[str, EntityKind]:
        """Field → the kind whose id it is."""
        return _references(self.table)

    def name_in_file(self, entity: Entity) -> str:
        """Where ``sluice.yaml`` has the entity."""
        shown = self.file_key if self.file_key not in self.hidden else "prefix"
        return f"{self.plural}[{shown}={getattr(entity, shown)}]"


def _references(table: Table, without: str = "") -> dict[str, EntityKind]:
    kinds: dict[str, EntityKind] = {"llms": "llm", "apps": "app", "plugins": "plugin"}
    return {
        column.name: kinds[key.column.table.name]
        for column in table.columns
        for key in column.foreign_keys
        if column.name != without
    }


LLM = Spec(
    "llm",
    LlmEntity,
    LLMS,
    file_key="slug",
    links=Links("attachments", Attachment, LLM_PLUGINS, owner="llm_id", has_place=True),
    lists={"failover_llm_ids": "llm"},
    secrets={"api_key": "api_key_encrypted"},
)
APP = Spec(
    "app",
    AppEntity,
    APPS,
    file_key="name",
    links=Links("llms", LlmLink, APP_LLMS, owner="app_id"),
)
TOKEN = Spec(
    "token",
    TokenEntity,
    TOKENS,
    file_key="sha256",
    file_has_ids=False,
    not_in_file=frozenset(("last_used_at",)),
    hidden=frozenset(("sha256",)),
)
PRICE = Spec("price", PriceEntity, PRICES, file_key="key", file_has_ids=False, named_by_id={"key": "price-{}"})
PLUGIN = Spec("plugin", PluginEntity, PLUGINS, file_key="name")

SPECS: dict[EntityKind, Spec[Any]] = {spec.kind: spec for spec in (PLUGIN, LLM, APP, TOKEN, PRICE)}
"""Those that are referred to before those that refer to them."""
