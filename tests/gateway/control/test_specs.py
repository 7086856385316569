"""How entities lie in tables: every field has its place, every table what the code counts on."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from gateway.control.entities import AppEntity, TokenEntity
from gateway.control.specs import APP, LLM, PLUGIN, PRICE, SPECS, TOKEN, Spec


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.kind)
def test_every_field_has_its_column(spec: Spec[Any]) -> None:
    """A field of an entity is a column or a table of links, and every column belongs to a field."""
    linked = {spec.links.field} if spec.links else set()
    assert {*spec.columns, *linked} == {field.name for field in fields(spec.entity)}
    assert {column.name for column in spec.columns.values()} == set(spec.table.c.keys())
    assert next(iter(spec.columns)) == "id"


@pytest.mark.parametrize("spec", [LLM, APP], ids=lambda spec: spec.kind)
def test_every_field_of_a_link_has_its_column(spec: Spec[Any]) -> None:
    """A link's table has its fields, its owner, its place where order counts, and nothing else."""
    links = spec.links
    assert links is not None
    place = {"place"} if links.has_place else set()
    assert {*links.names, links.owner, *place} == set(links.table.c.keys())
    assert links.order in links.table.primary_key.columns


def test_what_refers_to_what() -> None:
    """References are read from the tables' foreign keys; kinds stand behind those that they refer to."""
    assert TOKEN.references == {"app_id": "app"}
    assert [spec.references for spec in (LLM, APP, PRICE, PLUGIN)] == [{}] * 4
    assert APP.links is not None
    assert LLM.links is not None
    assert APP.links.references == {"llm_id": "llm"}
    assert LLM.links.references == {"plugin_id": "plugin", "app_id": "app"}
    order = list(SPECS)
    for spec in SPECS.values():
        assert all(order.index(kind) < order.index(spec.kind) for kind in spec.references.values())


def test_what_is_unique() -> None:
    """Unique fields are the tables' constraints; each begins with a text, which can be freed for another."""
    assert LLM.unique == [("name",), ("slug",)]
    assert PRICE.unique == [("key",), ("vendor", "model_name", "valid_from")]
    for spec in SPECS.values():
        assert all(spec.table.c[group[0]].type.python_type is str for group in spec.unique)


def test_the_file_s_key_shows_no_hash() -> None:
    """Where ``sluice.yaml`` has an entity is said by its name, of a token by its prefix."""
    assert APP.name_in_file(AppEntity(id=3, name="shop")) == "apps[name=shop]"
    assert TOKEN.name_in_file(TokenEntity(id=3, app_id=1, sha256="a" * 64, prefix="sk-12")) == "tokens[prefix=sk-12]"
