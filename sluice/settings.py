"""Settings from files: YAML or JSON with ``${VAR}``, into a frozen pydantic tree.

The one place that reads the environment.
Every refusal names the file, the key, the value and the remedy, and all of them come at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

ModelT = TypeVar("ModelT", bound=BaseModel)

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\}")
_MAX_SHOWN = 60
_MAX_FILE_BYTES = 4 << 20
_SECRET = re.compile(r"(?i)(password|secret|api_key|token|sha256)$")


class SettingsError(Exception):
    """A settings file that cannot be used; the message has one line for each problem."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        super().__init__("\n".join(f"{path}: {problem}" for problem in problems))
        self.path = path
        self.problems = problems


def environment() -> Mapping[str, str]:
    """The process's environment."""
    return os.environ  # noqa: TID251 - the one place


def read_document(path: Path) -> dict[str, Any]:
    """The mapping that a YAML or JSON file holds; SettingsError where there is none."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise SettingsError(path, [f"is larger than {_MAX_FILE_BYTES} bytes; that is no settings file"])
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        remedy = "name an existing, readable UTF-8 file"
        raise SettingsError(path, [f"cannot be read ({type(error).__name__}); {remedy}"]) from error
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise SettingsError(path, [f"is no YAML: {_yaml_problem(error)}"]) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(path, [f"holds a {type(document).__name__} where keys and values should be"])
    return document


def _yaml_problem(error: Exception) -> str:
    """What is wrong and where; not the line itself, which may hold a key, as the library would have it."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split()) or type(error).__name__
    return f"{getattr(error, 'problem', '')} in line {mark.line + 1}, column {mark.column + 1}"


def document_text(document: Mapping[str, Any]) -> str:
    """YAML that ``read_document`` reads as the same document, in the order that it has."""
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=120)


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice: the first would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def load_settings(path: Path, model: type[ModelT], variables: Mapping[str, str] | None = None) -> ModelT:
    """The settings in a file. Raises SettingsError with every problem found."""
    problems: list[str] = []
    try:
        document = _expand(read_document(path), "", environment() if variables is None else variables, problems)
    except RecursionError:
        raise SettingsError(path, ["holds itself (an alias inside its own anchor); write it out"]) from None
    if problems:
        raise SettingsError(path, problems)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise SettingsError(path, [_problem(found, model) for found in error.errors(include_url=False)]) from None


def _expand(value: Any, key: str, variables: Mapping[str, str], problems: list[str]) -> Any:
    if isinstance(value, dict):
        return {name: _expand(inner, f"{key}.{name}".lstrip("."), variables, problems) for name, inner in value.items()}
    if isinstance(value, list):
        return [_expand(inner, f"{key}[{at}]", variables, problems) for at, inner in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value

    def replaced(match: re.Match[str]) -> str:
        found = variables.get(match["name"])
        if found is None or (found == "" and match["default"] is not None):
            if match["default"] is None:
                remedy = f"set it, or write ${{{match['name']}:-default}}"
                problems.append(f"{key}: environment variable {match['name']} is not set; {remedy}")
                return ""
            return match["default"][2:]
        return found

    return _VARIABLE.sub(replaced, value)


def _problem(found: Any, model: type[BaseModel]) -> str:
    """One line: key, value, what is wrong, what to do."""
    key = _key(found["loc"])
    if found["type"] == "extra_forbidden":
        close = get_close_matches(str(found["loc"][-1]), _names(model, found["loc"]), n=1)
        remedy = f"did you mean {close[0]}?" if close else "remove it"
        return f"{key}: unknown key; {remedy}"
    message = found["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if found["type"] == "missing":
        return f"{key}: is required; add it"
    shown = _shown(key, found.get("input"))
    return f"{key}: {message}{shown}" if key else f"{message}{shown}"


def _key(location: tuple[int | str, ...]) -> str:
    # pydantic puts the tag of a union's member (here always a plugin scheme) between the keys
    named = [part for part in location if not (isinstance(part, str) and "://" in part)]
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in named]
    return "".join(parts).lstrip(".")


def _shown(key: str, value: Any) -> str:
    if isinstance(value, dict | list | tuple | SecretStr | BaseModel) or value is None:
        return ""
    text = "***" if _SECRET.search(key) else repr(value)
    return f" (found {text[:_MAX_SHOWN]})"


def _names(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that are known where an unknown one stood."""
    current: Any = model
    for part in location[:-1]:
        fields = getattr(current, "model_fields", None)
        if not fields:
            break
        if isinstance(part, str) and "://" not in part:  # the tag of a union's member is no key
            field = fields.get(part) or next((found for found in fields.values() if found.alias == part), None)
            current = None if field is None else _model_in(field.annotation)
    fields = getattr(current, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _model_in(annotation: Any) -> Any:
    """The settings tree inside ``tuple[Tree, ...]`` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner)) is not None), None)
