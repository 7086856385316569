"""What the fields of an entity may hold: bad values are refused by name, and never by the database."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Integer, String

from gateway.control.entities import AppEntity, Attachment, LlmLink
from gateway.control.errors import InvalidError, UnknownReferenceError
from gateway.control.reading import MAX_ID
from gateway.control.repository import Repository
from gateway.control.specs import APP, LLM, PLUGIN, TOKEN, Spec
from gateway.control.store import ControlStore
from gateway.control.values import changed_entity, new_entity
from tests.gateway.control.made import ADMIN, app, llm, plugin

NOW = 1_000_000


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("name", None, "must not be null"),
        ("name", 3, "must be text"),
        ("name", "x" * 256, "at most 255 characters"),
        ("name", "a\x00b", "NUL"),
        ("name", "\ud800", "surrogate"),
        ("is_active", 1, "true or false"),
        ("is_active", "true", "true or false"),
        ("max_tokens", True, "whole number"),
        ("max_tokens", 1.0, "whole number"),
        ("max_tokens", 1 << 63, "from -"),
        ("retry_count", 1 << 31, "from -"),
        ("timeout_seconds", math.nan, "finite"),
        ("timeout_seconds", math.inf, "finite"),
        ("timeout_seconds", "1", "finite"),
        ("timeout_seconds", True, "finite"),
        ("api_key", None, "must not be null"),
        ("api_key", "a\x00", "NUL"),
        ("labels", "abc", "must be a list"),
        ("labels", None, "must not be null"),
        ("labels", [[]], "whole number"),
        ("labels", [{"a": "b"}], "whole number"),
        ("labels", [{"a": 1.5}], "whole number"),
        ("labels", [{7: 1}], "must be text"),
        ("labels", ["\udfff"], "surrogate"),
        ("failover_llm_ids", [1.5], "whole number"),
        ("metadata", [], "must be an object"),
        ("metadata", {"x": math.nan}, "JSON"),
        ("metadata", {"x": object()}, "JSON"),
        ("metadata", {"x": "\ud800"}, "surrogate"),
        ("attachments", [{"plugin_id": 1}], "list of Attachment"),
        ("attachments", None, "list of Attachment"),
        ("attachments", [Attachment(plugin_id="1")], "whole number"),  # type: ignore[arg-type]
        ("attachments", [Attachment(plugin_id=1, config=[])], "object"),  # type: ignore[arg-type]
        ("version", 2, "cannot be set"),
        ("no_such", 2, "is no field"),
        ("api_key_encrypted", b"", "is no field"),
    ],
)
def test_a_bad_value_is_refused_by_name(field: str, value: Any, reason: str) -> None:
    """A value of a wrong type, length, size or text is refused with the field and the reason, made or changed."""
    with pytest.raises(InvalidError, match=reason) as refused:
        new_entity(LLM, llm(**{field: value}), "api", NOW)
    assert refused.value.field.startswith(field)
    with pytest.raises(InvalidError, match=reason):
        changed_entity(LLM, new_entity(LLM, llm(), "api", NOW), {field: value}, NOW)


def test_an_object_that_holds_itself_is_refused() -> None:
    """A value without an end has no JSON."""
    endless: dict[str, Any] = {}
    endless["x"] = endless
    with pytest.raises(InvalidError, match="metadata"):
        new_entity(APP, app(metadata=endless), "api", NOW)


@pytest.mark.parametrize("value", [0, -1, MAX_ID + 1, True, "1", 1.0, None])
def test_a_given_id_is_one_that_everybody_can_keep(value: Any) -> None:
    """An id is a whole number above 0 that JSON readers keep exactly."""
    with pytest.raises(InvalidError, match=r"^id: "):
        new_entity(APP, app(id=value), "api", NOW)
    assert new_entity(APP, app(id=MAX_ID), "file", NOW).id == MAX_ID


def test_what_is_missing_is_said() -> None:
    """A field without a default must be given; a price's key need not."""
    with pytest.raises(InvalidError, match=r"^sha256: is missing"):
        new_entity(TOKEN, {"app_id": 1}, "api", NOW)


def test_an_entity_has_values_of_its_own() -> None:
    """What the caller goes on changing does not change the entity; tuples within objects are lists, as read back."""
    metadata: dict[Any, Any] = {"x": (1, 2), 3: None}
    made = new_entity(APP, app(metadata=metadata), "api", NOW)
    metadata["x"] = ()
    assert made.metadata == {"x": [1, 2], "3": None}


def test_a_change_goes_forward() -> None:
    """The next version is one more, and never older than the one before it, whatever the clock does."""
    before = replace(AppEntity(id=1, name="a"), version=4, updated_at=NOW)
    after = changed_entity(APP, before, {"name": "b"}, NOW - 5)
    assert (after.version, after.updated_at) == (5, NOW)
    assert changed_entity(APP, before, {"name": "a"}, NOW + 5) is before
    links = {"llms": [LlmLink(llm_id=2), LlmLink(llm_id=1)]}
    linked = changed_entity(APP, before, links, NOW)
    assert linked.llms == (LlmLink(llm_id=1), LlmLink(llm_id=2))
    assert changed_entity(APP, linked, links, NOW) is linked


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(sorted(set(LLM.columns) | {"attachments", "x"})), value=ANYTHING)
async def test_no_value_is_a_fault(store: ControlStore, field: str, value: Any) -> None:
    """Any value of any field is taken and read back, or is refused as invalid or as the id of nobody; the database
    never refuses it."""
    existing = (await store.llms.find(slug="fuzzed")).items
    made = existing[0] if existing else await store.llms.create(llm("fuzzed"), ADMIN)
    try:
        after = await store.llms.update(made.id, {field: value, "slug": "fuzzed"}, ADMIN)
    except (InvalidError, UnknownReferenceError):
        return
    assert await store.llms.get(made.id) == after


@pytest.mark.parametrize("ids", [["1"], [1, "x"], [[]]])
def test_ids_are_numbers(ids: list[Any]) -> None:
    """A text among them is refused before anybody compares it with an id."""
    with pytest.raises(InvalidError, match="failover_llm_ids"):
        new_entity(LLM, llm(failover_llm_ids=ids), "api", NOW)


async def test_the_longest_and_largest_fit(store: ControlStore) -> None:
    """What is at a column's bound is taken by both databases and read back."""
    kinds: list[tuple[Spec[Any], dict[str, Any], Repository[Any]]] = [
        (LLM, llm(), store.llms),
        (PLUGIN, plugin(), store.plugins),
    ]
    for spec, values, repository in kinds:
        for name, column in spec.columns.items():
            if isinstance(column.type, String) and column.type.length:
                values[name] = "\U0001f600" * column.type.length
            elif isinstance(column.type, Integer) and name not in {"id", "version", "created_at", "updated_at"}:
                values[name] = (1 << (31 if type(column.type) is Integer else 63)) - 1
        values.pop("managed_by")
        made = await repository.create(values, ADMIN)
        assert await repository.get(made.id) == made
