"""Configuration by a JSON schema (draft 7): checked before the plugin sees it, with the schema's defaults filled in.

What is wrong is said with keys and rules, never with values: a configuration may hold credentials.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from sluice.plugin_host.bounded_schema import Budget, SchemaTooMuchError, bounded_validator
from sluice.plugin_host.errors import PluginLoadError, described
from sluice.sdk.capabilities import ConfigProvider
from sluice.sdk.plugin import BasePlugin

if TYPE_CHECKING:
    from jsonschema import ValidationError

MAX_SCHEMA_BYTES = 256 << 10
_MAX_PROBLEMS = 10
_MAX_DEPTH = 32
_MAX_RULE_CHARACTERS = 120
_SCHEMA_REMEDY = "correct the plugin's config schema"


def schema_of(plugin: BasePlugin[Any], name: str = "") -> Mapping[str, Any] | None:
    """The JSON schema of a plugin's configuration, of its model or its own; ``None`` where anything goes.

    Raises PluginLoadError for a schema that is none; ``name`` is what the operator calls the plugin.
    """
    if plugin.config_type is not None:
        with suppress(Exception):  # a model may have fields that JSON has no schema for, and code of its own
            return plugin.config_type.model_json_schema()
        return None
    if not isinstance(plugin, ConfigProvider):
        return None
    name = name or plugin.name
    try:
        given = plugin.get_config_schema()
    except BaseException as error:  # whatever it raises is its own fault
        raise PluginLoadError(name, f"get_config_schema raised {described(error)}", _SCHEMA_REMEDY) from error
    return parse_schema(name, given)


def parse_schema(plugin: str, given: Any) -> dict[str, Any]:
    """A schema from its JSON text; no text at all is the schema of anything. Raises PluginLoadError."""
    if not isinstance(given, str | bytes | bytearray):
        problem = f"its config schema is of type {type(given).__name__}, not JSON text"
        raise PluginLoadError(plugin, problem, _SCHEMA_REMEDY)
    if len(given) > MAX_SCHEMA_BYTES:
        problem = f"its config schema has {len(given)} bytes, more than {MAX_SCHEMA_BYTES}"
        raise PluginLoadError(plugin, problem, _SCHEMA_REMEDY)
    if not given.strip():
        return {}
    try:
        schema = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise PluginLoadError(plugin, f"its config schema is no JSON ({error})", _SCHEMA_REMEDY) from error
    if not isinstance(schema, dict):
        raise PluginLoadError(plugin, f"its config schema is a JSON {_kind(schema)}, not an object", _SCHEMA_REMEDY)
    return schema


def config_by_schema(plugin: str, schema: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the configuration, with defaults; raises PluginLoadError where it is against the schema."""
    if not schema:
        return deepcopy(dict(config))
    _check_schema(plugin, schema)
    budget = Budget()
    filled = deepcopy(dict(config))
    try:
        _fill(filled, schema, schema, budget)
        errors = bounded_validator(schema, budget).iter_errors(filled)
        problems = [_problem(error) for error in islice(errors, _MAX_PROBLEMS)]
    except SchemaTooMuchError as error:
        raise PluginLoadError(plugin, f"its config schema cannot be applied: {error}", _SCHEMA_REMEDY) from error
    except Exception as error:
        # a reference to nowhere, an endless one, a pattern that no engine takes: the schema's fault
        problem = f"its config schema cannot be applied ({type(error).__name__})"
        raise PluginLoadError(plugin, problem, _SCHEMA_REMEDY) from error
    if problems:
        raise PluginLoadError(plugin, "; ".join(problems), "correct its config")
    return filled


def _check_schema(plugin: str, schema: Mapping[str, Any]) -> None:
    from jsonschema import Draft7Validator  # noqa: PLC0415 - for the plugins that have a schema
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415

    try:
        Draft7Validator.check_schema(schema)
    except SchemaError as error:
        place = "".join(f".{key}" for key in error.absolute_path)
        problem = f"its config schema is not of draft 7 (at {place or 'its top'}: {error.validator})"
        raise PluginLoadError(plugin, problem, _SCHEMA_REMEDY) from error
    except Exception as error:  # RecursionError, a pattern that is none
        problem = f"its config schema cannot be read ({type(error).__name__})"
        raise PluginLoadError(plugin, problem, _SCHEMA_REMEDY) from error


def _fill(value: Any, schema: Any, root: Mapping[str, Any], budget: Budget, depth: int = 0) -> None:
    """Put in what is missing and has a default, at any depth: also where the default's own parts have defaults."""
    if depth > _MAX_DEPTH or not isinstance(schema, Mapping):
        return
    budget.step()
    schema = _resolved(schema, root)
    for part in schema.get("allOf", ()):
        _fill(value, part, root, budget, depth + 1)
    if isinstance(value, dict):
        properties = schema.get("properties")
        for key, rule in (properties if isinstance(properties, Mapping) else {}).items():
            resolved = _resolved(rule, root) if isinstance(rule, Mapping) else {}
            if key not in value and "default" in resolved:
                value[key] = deepcopy(resolved["default"])
            if key in value:
                _fill(value[key], resolved, root, budget, depth + 1)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for item in value:
            _fill(item, schema["items"], root, budget, depth + 1)


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a local ``$ref`` stands for; anything else as it is."""
    for _ in range(_MAX_DEPTH):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return schema
        found: Any = root
        for step in reference[2:].split("/"):
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            return schema
        schema = found
    return schema


def _problem(error: ValidationError) -> str:
    key = "config" + "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in error.absolute_path)
    rule, wanted = str(error.validator), cast("Any", error.validator_value)
    if rule == "required":
        missing = [name for name in wanted if name not in cast("Any", error.instance)]
        return "; ".join(f"{key}.{name} is missing" for name in missing)
    if rule == "additionalProperties":
        return f"{key} has keys that are unknown: {', '.join(_unknown(error))}"
    if rule == "type":
        return f"{key} is {_kind(error.instance)}, not {_either(wanted)}"
    return f"{key} is against its rule {rule}: {json.dumps(wanted, default=str)[:_MAX_RULE_CHARACTERS]}"


def _unknown(error: ValidationError) -> Iterator[str]:
    known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
    return (str(key) for key in cast("Any", error.instance) if key not in known)


def _either(types: Any) -> str:
    return types if isinstance(types, str) else " or ".join(map(str, types))


def _kind(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
