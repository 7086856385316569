"""A plugin's schema cannot keep the gateway busy, whatever it says; else it means what draft 7 says."""

from __future__ import annotations

import time
from typing import Any

import pytest
from jsonschema import Draft7Validator

from sluice.plugin_host.bounded_schema import MAX_STEPS, Budget, SchemaTooMuchError, bounded_validator
from sluice.plugin_host.config_schema import config_by_schema
from sluice.plugin_host.errors import PluginLoadError

LONG = "a" * 5_000
NESTED = {"pattern": "^(a+)+$"}
REFERENCE = {"$ref": "#/definitions/d"}


def paths(schema: dict[str, Any], config: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    """Which rules a configuration is against, and where."""
    found = bounded_validator(schema, Budget()).iter_errors(config)
    return sorted((str(error.validator), list(error.absolute_path)) for error in found)


@pytest.mark.parametrize(
    ("schema", "config"),
    [
        ({"properties": {"x": NESTED}}, {"x": LONG + "!"}),
        ({"patternProperties": {"^(a+)+$": {"type": "integer"}}}, {LONG + "!": 1}),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, {LONG + "!": 1}),
        ({"propertyNames": NESTED}, {LONG + "!": 1}),
        ({"properties": {"x": {"$schema": "http://json-schema.org/draft-07/schema#", **NESTED}}}, {"x": LONG + "!"}),
        ({"definitions": {"d": NESTED}, "properties": {"x": {"$ref": "#/definitions/d"}}}, {"x": LONG + "!"}),
    ],
)
def test_no_pattern_takes_for_ever(schema: dict[str, Any], config: dict[str, Any]) -> None:
    """An engine that backtracks would need longer than the universe for any of these."""
    began = time.process_time()
    paths(schema, config)
    assert time.process_time() - began < 2.0


def doubling(depth: int, rule: str = "allOf", leaf: Any = True) -> dict[str, Any]:
    """A schema of a few lines that stands for 2^depth."""
    definitions: dict[str, Any] = {f"d{at}": {rule: [{"$ref": f"#/definitions/d{at + 1}"}] * 2} for at in range(depth)}
    return {"definitions": {**definitions, f"d{depth}": leaf}, "$ref": "#/definitions/d0"}


@pytest.mark.parametrize(
    "schema",
    [
        doubling(30),
        doubling(30, "anyOf", leaf=False),
        doubling(30, "oneOf", leaf=True),
        {"$ref": "#"},
        {
            "definitions": {"d": {"default": {}, "properties": dict.fromkeys("ab", REFERENCE)}},
            "properties": {"d": REFERENCE},
        },
        {"allOf": [{"allOf": [{"allOf": [{"$ref": "#/allOf/0"}] * 9}] * 9}] * 9},
    ],
)
def test_references_are_followed_so_many_times(schema: dict[str, Any]) -> None:
    """Neither those of references, nor of defaults that hold defaults."""
    began = time.process_time()
    with pytest.raises(PluginLoadError, match="its config schema cannot be applied"):
        config_by_schema("a", schema, {})
    assert time.process_time() - began < 2.0


def test_what_is_worth_it_is_followed() -> None:
    """As often as a real configuration needs."""
    schema = {"definitions": {"d": {"type": "integer"}}, "properties": {"x": {"items": {"$ref": "#/definitions/d"}}}}
    assert config_by_schema("a", schema, {"x": [1] * (MAX_STEPS // 3)})


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "(?<!a)b"])
def test_a_pattern_that_needs_another_engine_is_named(pattern: str) -> None:
    """Rather than matched by one that may never end."""
    with pytest.raises(SchemaTooMuchError, match="it may have no look-around"):
        paths({"properties": {"x": {"pattern": pattern}}}, {"x": "b"})


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"pattern": "^x+$"}}},
        {"properties": {"a": {"pattern": "x"}}},
        {"patternProperties": {"^a": {"type": "integer"}}},
        {"properties": {"a": {}}, "additionalProperties": False},
        {"patternProperties": {"^[ab]$": {}}, "additionalProperties": False},
        {"patternProperties": {"^b": {}}, "additionalProperties": {"type": "integer"}},
        {"additionalProperties": True},
    ],
)
@pytest.mark.parametrize(
    "config", [{}, {"a": "x"}, {"a": "yxy", "b": 1}, {"a": 1}, {"c": "d", "b": None}, {"a": "x\n"}]
)
def test_it_says_what_the_standard_says(schema: dict[str, Any], config: dict[str, Any]) -> None:
    """Where both engines know the pattern: the same rules at the same places."""
    if config == {"a": "x\n"} and "^x+$" in str(schema):
        return  # Python's ``$`` stands before a last line end too; that of the standard does not
    theirs = Draft7Validator(schema).iter_errors(config)
    assert paths(schema, config) == sorted((str(error.validator), list(error.absolute_path)) for error in theirs)
