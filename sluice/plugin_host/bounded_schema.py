"""A validator of draft 7 whose work has a bound, whatever the schema is: it runs beside exchanges.

Patterns are matched in linear time, by the engine that pydantic has, which knows neither look-around nor
back-references; references are followed so many times in all and no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic_core import SchemaError, SchemaValidator, core_schema
from pydantic_core import ValidationError as NoMatchError

if TYPE_CHECKING:
    from jsonschema import Draft7Validator, ValidationError

MAX_STEPS = 10_000
"""References that are followed, and places that are looked at for defaults, for one configuration."""

_Found = Iterator["ValidationError"]


class SchemaTooMuchError(Exception):
    """The schema asks for more work than any configuration is worth, or for what cannot be bounded."""


class Budget:
    """What is left of the work that one configuration may cost."""

    def __init__(self) -> None:
        self._left = MAX_STEPS

    def step(self) -> None:
        """One more; raises SchemaTooMuchError where it is one too many."""
        self._left -= 1
        if self._left < 0:
            message = f"it takes more than {MAX_STEPS} steps"
            raise SchemaTooMuchError(message)


def bounded_validator(schema: Mapping[str, Any], budget: Budget) -> Draft7Validator:
    """Of a schema that is one of draft 7. References to other documents are errors, never downloads."""
    from jsonschema import Draft7Validator, FormatChecker, validators  # noqa: PLC0415 - for those that have a schema
    from referencing import Registry  # noqa: PLC0415

    extend: Any = validators.extend  # untyped
    follow = Draft7Validator.VALIDATORS["$ref"]

    def reference(validator: Any, value: str, instance: Any, schema: Any) -> _Found:
        budget.step()
        yield from follow(validator, value, instance, schema)

    rules = {
        "$ref": reference,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    }
    kind = extend(Draft7Validator, rules)
    made: Draft7Validator = kind(_without_dialects(schema), format_checker=FormatChecker(), registry=Registry())
    return made


def _without_dialects(schema: Any) -> Any:
    """A part of a schema that names its own dialect would be validated by the rules of that."""
    if isinstance(schema, Mapping):
        return {
            key: _without_dialects(value)
            for key, value in schema.items()
            if not (key == "$schema" and isinstance(value, str))
        }
    return [_without_dialects(each) for each in schema] if isinstance(schema, list) else schema


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> SchemaValidator:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        message = f"pattern {pattern[:80]!r} is none that takes linear time: it may have no look-around"
        raise SchemaTooMuchError(message) from error


def _matches(pattern: str, text: str) -> bool:
    try:
        _matcher(pattern).validate_python(text)
    except NoMatchError:
        return False
    return True


def _pattern(validator: Any, pattern: str, instance: Any, _schema: Any) -> _Found:
    if validator.is_type(instance, "string") and not _matches(pattern, instance):
        yield _error("does not match")


def _pattern_properties(validator: Any, rules: Mapping[str, Any], instance: Any, _schema: Any) -> _Found:
    if not validator.is_type(instance, "object"):
        return
    for pattern, rule in rules.items():
        for key, value in instance.items():
            if _matches(pattern, key):
                yield from validator.descend(value, rule, path=key, schema_path=pattern)


def _additional_properties(validator: Any, rule: Any, instance: Any, schema: Mapping[str, Any]) -> _Found:
    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = [key for key in instance if key not in known and not any(_matches(each, key) for each in patterns)]
    if validator.is_type(rule, "object"):
        for key in extra:
            yield from validator.descend(instance[key], rule, path=key)
    elif not rule and extra:
        yield _error("has unknown keys")


def _error(message: str) -> ValidationError:
    from jsonschema import ValidationError  # noqa: PLC0415 - as above

    return ValidationError(message)
