"""What a settings model says of its fields: type in words, default, bounds, example, and the docstring below each."""

from __future__ import annotations

import ast
import inspect
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from collectors.sinks.settings import Duration, Size
from gateway.entity_settings import TimeZone
from sluice.money.price_settings import Amount, Moment

_NAMED: tuple[tuple[Any, str], ...] = (
    (Duration, "duration"),
    (Size, "size"),
    (Amount, "money"),
    (Moment, "moment"),
    (TimeZone, "time zone"),
)
_UNITS = {
    "_seconds": "seconds", "_bytes": "bytes", "_ms": "milliseconds", "_days": "days", "_hours": "hours",
    "_percent": "percent", "_nanos": "1e-9 currency units", "_rpm": "requests a minute", "_tpm": "tokens a minute",
}  # fmt: skip
_SIGNS = {
    "ge": "≥ {}",
    "gt": "> {}",
    "le": "≤ {}",
    "lt": "< {}",
    "min_length": "at least {}",
    "max_length": "at most {}",
}


@dataclass(frozen=True, slots=True)
class Form:
    """A type without its annotations, and what these said."""

    core: Any
    metadata: tuple[Any, ...] = ()

    @property
    def section(self) -> type[BaseModel] | None:
        """The model that it is, if it is one."""
        return self.core if isinstance(self.core, type) and issubclass(self.core, BaseModel) else None

    @property
    def items(self) -> Form | None:
        """What a list or the values of a mapping are made of."""
        arguments = get_args(self.core)
        if get_origin(self.core) in {tuple, list, dict} and arguments:
            return form_of(arguments[1] if get_origin(self.core) is dict else arguments[0])
        return None


def form_of(annotation: Any, metadata: tuple[Any, ...] = ()) -> Form:
    """Of an annotation as pydantic has it, and of those within ``tuple`` and ``dict``."""
    if get_origin(annotation) is Annotated:
        inner, *said = get_args(annotation)
        return form_of(inner, (*said, *metadata))
    if get_origin(annotation) in {Union, types.UnionType}:
        members = [each for each in get_args(annotation) if each is not type(None)]
        if len(members) == 1:
            return form_of(members[0], metadata)
    return Form(annotation, metadata)


def _said(metadata: tuple[Any, ...]) -> Iterator[Any]:
    for each in metadata:
        if isinstance(each, FieldInfo):
            yield from each.metadata
        else:
            yield each


@dataclass(frozen=True, slots=True)
class Setting:
    """One field, as a reference shows it."""

    model: type[BaseModel]
    name: str
    field: FieldInfo

    @property
    def key(self) -> str:
        """As files have it."""
        return self.field.alias or self.name

    @property
    def form(self) -> Form:
        """Its type."""
        return form_of(self.field.annotation, tuple(self.field.metadata))

    @property
    def what(self) -> str:
        """Its docstring in one line, as Markdown; that of the section it is, else empty, where it has none."""
        own = (found[self.name] for each in self.model.__mro__ if self.name in (found := docs_of(each)))
        text = next(own, "") or (self.form.section.__doc__ or "" if self.form.section else "")
        return " ".join(text.replace("``", "`").split())

    @property
    def is_required(self) -> bool:
        """Whether a file without it is refused."""
        return self.field.is_required()

    @property
    def default(self) -> Any:
        """The model's own."""
        return self.field.get_default(call_default_factory=True, validated_data={})

    @property
    def unit(self) -> str:
        """Told by its name; empty where that tells none."""
        return next((unit for suffix, unit in _UNITS.items() if self.name.endswith(suffix)), "")

    @property
    def words(self) -> str:
        """Its type."""
        return words_of(self.form, self.unit)

    @property
    def bounds(self) -> str:
        """Of the value, and of each element."""
        items = self.form.items
        inner = ", ".join(_bounds(items.metadata)) if items else ""
        return ", ".join(
            [*_bounds(self.form.metadata, "elements" if items else ""), *([f"each {inner}"] if inner else [])]
        )

    def example(self, path: str) -> Any:
        """A value, as a file would have it: the model's own example, else one that follows from the type."""
        given = self.field.examples or _examples_within(self.form)
        if given:
            return given[0]
        if self.form.core is SecretStr:
            named = ["sink" if "[]" in part else part for part in path.split(".") if part != "config"]
            return f"${{{'_'.join(named[-2:]).upper()}}}"
        return _derived(self.form, self.default if not self.is_required else None)


def _examples_within(form: Form) -> list[Any]:
    """Those of a type's alias."""
    return next((each.examples for each in form.metadata if isinstance(each, FieldInfo) and each.examples), [])


def _derived(form: Form, default: Any) -> Any:
    """Another value than the default, of types that say which there are; else ``None``."""
    if form.core is bool:
        return not default
    if get_origin(form.core) is Literal:
        return next((each for each in get_args(form.core) if each not in {default, ""}), default)
    if form.core in {int, float} and default:
        return _doubled(form, default)
    if form.items is not None and get_origin(form.core) is not dict:
        items = form.items
        inner = (_examples_within(items) or [_derived(items, None)])[0]
        return None if inner is None else [inner]
    return None


def _doubled(form: Form, default: float) -> float | str:
    """Another number that its bounds allow: half of it where twice is too much."""
    said = list(_said(form.metadata))
    is_allowed = all(default * 2 <= getattr(each, "le", default * 2) for each in said)
    is_allowed &= all(default * 2 < getattr(each, "lt", default * 3) for each in said)
    shown: float | str = shown_value(form, type(default)(default * 2 if is_allowed else default / 2))
    return shown


def shown_value(form: Form, value: Any) -> Any:
    """A number as people write it, where its type takes units; what it means stays the same."""
    for alias, text in _NAMED[:2]:
        if _is_named(form, alias) and isinstance(value, int | float):
            return _with_unit(value, text == "size")
    return plain(value) if form.core is float else value


def plain(value: float) -> float:
    """``2`` for 2.0: nobody writes the other."""
    return int(value) if value == int(value) else value


def _with_unit(value: float, is_size: bool) -> float | str:
    sizes = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "MB": 1_000_000}
    units = sizes if is_size else {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
    unit = next((unit for unit, size in units.items() if value >= size and value % size == 0), None)
    if unit is None:
        return value if is_size else f"{value * 1000:g}ms"
    return f"{value / units[unit]:g}{unit}"


def _is_named(form: Form, alias: Any) -> bool:
    return any(each in form.metadata for each in get_args(alias)[1:] if not isinstance(each, FieldInfo))


def words_of(form: Form, unit: str = "") -> str:
    """A type in plain words."""
    named = next((text for alias, text in _NAMED if _is_named(form, alias)), None)
    return named or _words_of_generic(form, unit) or _words_of_plain(form, unit)


def _words_of_generic(form: Form, unit: str) -> str:
    """Of a choice, a list, a mapping; empty for what is none of these."""
    origin, arguments = get_origin(form.core), get_args(form.core)
    if origin is Literal:
        return " or ".join(f"`{each or chr(34) * 2}`" for each in arguments)
    if origin in {Union, types.UnionType}:
        return " or ".join(dict.fromkeys(words_of(form_of(each)) for each in arguments if each is not type(None)))
    if origin is dict:
        key, value = map(form_of, arguments)
        return f"mapping of {_plural(words_of(key))} to {_plural(words_of(value, unit))}"
    return f"list of {_plural(words_of(form_of(arguments[0]), unit))}" if origin in {tuple, list} else ""


def _words_of_plain(form: Form, unit: str) -> str:
    if form.section is not None:
        return "section"
    simple = {bool: "`true` or `false`", int: "whole number", float: "number", str: "text", SecretStr: "secret text"}
    text = simple.get(form.core, "path" if form.core is Path else "any value")
    return f"{text} of {unit}" if unit and form.core in {int, float} else text


def _plural(words: str) -> str:
    return {"section": "sections", "text": "texts", "whole number": "whole numbers", "any value": "any values"}.get(
        words, words
    )


def _bounds(metadata: tuple[Any, ...], of: str = "") -> list[str]:
    found = []
    for each in _said(metadata):
        for name, sign in _SIGNS.items():
            if (value := getattr(each, name, None)) is not None:
                suffix = f" {of or 'characters'}" if name.endswith("length") else ""
                found.append(
                    "not empty" if (name, value) == ("min_length", 1) else sign.format(f"{plain(value):,}") + suffix
                )
        if pattern := getattr(each, "pattern", None):
            found.append(f"`{pattern}`")
    return found


def yaml_of(value: Any) -> str:
    """A value in a line of YAML."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, float):
        value = plain(value)
    if isinstance(value, Path | date):
        value = str(value)
    if isinstance(value, tuple):
        value = list(value)
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True)
    text = text.removesuffix("\n").removesuffix("\n...")
    return text if not isinstance(value, str) or text[:1] in "'\"" or yaml.safe_load(text) == value else f'"{value}"'


def settings_of(model: type[BaseModel]) -> list[Setting]:
    """All of a model, in its own order."""
    return [Setting(model, name, field) for name, field in model.model_fields.items()]


@cache
def docs_of(model: type[Any]) -> dict[str, str]:
    """The docstring below each field that a class itself declares."""
    for node in ast.walk(_tree(model.__module__)):
        if isinstance(node, ast.ClassDef) and node.name == model.__name__:
            return _docs(node.body)
    return {}


def docs_of_constants(module: str) -> dict[str, str]:
    """The docstring below each constant of a module."""
    return _docs(_tree(module).body)


@cache
def _tree(module: str) -> ast.Module:
    found = sys.modules[module]
    return ast.parse(inspect.getsource(found)) if getattr(found, "__file__", None) else ast.Module([], [])


def _docs(body: list[ast.stmt]) -> dict[str, str]:
    found = {}
    for statement, following in pairwise(body):
        target: ast.expr | None = None
        if isinstance(statement, ast.AnnAssign | ast.Assign):
            target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
        if (
            isinstance(target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            found[target.id] = inspect.cleandoc(following.value.value)
    return found
