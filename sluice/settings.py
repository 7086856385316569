"""Settings from files: YAML or JSON with variables, into a frozen pydantic tree.

The one place that reads the environment.
Every refusal names the file, the key, the value and the remedy, and all of them come at once.

In any text, keys included: ``${NAME}``; ``${NAME:-default}`` where it is missing or empty, and a default may hold
variables of its own; ``${file:PATH}``, what a file holds without its last line's end, for secrets that are mounted;
``$${`` is ``${`` itself. What has none of these forms stays as it stands, and what was put in is not looked at again.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr, Tag, ValidationError

ModelT = TypeVar("ModelT", bound=BaseModel)

_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?", re.DOTALL)
_FILE = "file:"
_MAX_NESTED = 10
"""Variables within defaults: deeper is an accident."""
_MAX_SECRET_BYTES = 64 << 10
_MAX_SHOWN = 60
_MAX_VALUES = 1_000_000
"""Of a document: about as many as MAX_DOCUMENT_BYTES can have without aliases."""
MAX_DOCUMENT_BYTES = 4 << 20
"""Of settings: whatever is larger is something else."""
_READABLE = "name an existing, readable UTF-8 file"
_USER_INFO = re.compile(r"(?s)(?<=://).*@|[^\s'\"@/:,]+:(?!//)[^\s'\"]*@")
_SECRET_PARAMETER = re.compile(r"(?i)((?:password|secret|key|token|signature)=)[^&\s'\"]*")
_SECRET = re.compile(r"(?i)(password|secret|api_key|token|sha256)$")


class SettingsError(Exception):
    """A settings file that cannot be used; the message has one line for each problem."""

    def __init__(self, path: Path | str, problems: list[str]) -> None:
        """``path`` is what it is called: of a file its path, of a served one its address."""
        super().__init__("\n".join(f"{path}: {problem}" for problem in problems))
        self.path = path
        self.problems = problems


def environment() -> Mapping[str, str]:
    """The process's environment."""
    return os.environ  # noqa: TID251 - the one place


def read_document(path: Path) -> dict[str, Any]:
    """The mapping that a YAML or JSON file holds; SettingsError where there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise SettingsError(path, [f"cannot be read ({type(error).__name__}); {_READABLE}"]) from error
    return parse_document(data, path)


def parse_document(data: bytes, where: Path | str) -> dict[str, Any]:
    """The mapping that these bytes of YAML or JSON are; SettingsError, naming ``where``, where they are none."""
    if len(data) > MAX_DOCUMENT_BYTES:
        raise SettingsError(where, [f"is larger than {MAX_DOCUMENT_BYTES} bytes; that is no settings file"])
    try:
        document = _parsed(data.decode("utf-8-sig"))
        values = _values_in(document, {})
    except UnicodeDecodeError as error:
        raise SettingsError(where, [f"cannot be read ({type(error).__name__}); {_READABLE}"]) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SettingsError(where, [f"is no YAML: {_yaml_problem(error)}"]) from error
    if values > _MAX_VALUES:
        raise SettingsError(
            where, [f"holds {values} values once its aliases are written out; that is no settings file"]
        )
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(where, [f"holds a {type(document).__name__} where keys and values should be"])
    return document


def _parsed(text: str) -> Any:
    """JSON is nearly YAML: not so its tabs, and its characters beyond the first 65,536."""
    if text.lstrip()[:1] == "{":
        try:
            return json.loads(text, object_pairs_hook=_json_mapping)
        except json.JSONDecodeError:
            pass
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


def _values_in(value: Any, known: dict[int, int]) -> int:
    """How many there are where every alias is written out: ten lines can make a thousand millions. Each is looked at
    once; what holds itself counts once."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = 1
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_values_in(each, known) for each in inner)
    return known[id(value)]


def _json_mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            message = f"key {key!r} stands twice"
            raise ValueError(message)
        found[key] = value
    return found


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
    return settings_of(read_document(path), model, path, variables, folder=path.parent)


def settings_of(
    document: dict[str, Any],
    model: type[ModelT],
    where: Path | str,
    variables: Mapping[str, str] | None = None,
    *,
    folder: Path = Path(),
) -> ModelT:
    """The settings that a document holds; relative paths of ``${file:…}`` begin in ``folder``.

    Raises SettingsError, naming ``where``, with every problem found.
    """
    expansion = _Expansion(environment() if variables is None else variables, folder)
    try:
        document = expansion.tree(document, "")
    except RecursionError:
        raise SettingsError(where, ["holds itself (an alias inside its own anchor); write it out"]) from None
    if expansion.problems:
        raise SettingsError(where, expansion.problems)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise SettingsError(where, [_problem(found, model) for found in error.errors(include_url=False)]) from None


class _Expansion:
    """Puts variables in, and notes what keeps it from that."""

    def __init__(self, variables: Mapping[str, str], folder: Path) -> None:
        self._variables = variables
        self._folder = folder
        self.problems: list[str] = []

    def tree(self, value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return self._mapping(value, key)
        if isinstance(value, list):
            return [self.tree(inner, f"{key}[{at}]") for at, inner in enumerate(value)]
        return self._text(value, key) if isinstance(value, str) else value

    def _mapping(self, value: dict[Any, Any], key: str) -> dict[Any, Any]:
        expanded: dict[Any, Any] = {}
        for name, inner in value.items():
            named = self._text(name, f"{key}.{name}".lstrip(".")) if isinstance(name, str) else name
            path = f"{key}.{named}".lstrip(".")
            if named in expanded:
                self.problems.append(f"{path}: stands twice once variables are put in; remove one of the two")
            expanded[named] = self.tree(inner, path)
        return expanded

    def _text(self, text: str, key: str) -> str:
        parts: list[str] = []
        at, last = 0, text.rfind("}")
        while (start := text.find("${", at)) >= 0:
            end = _end_of(text, start) if start < last else None
            if text[at:start].endswith("$"):
                parts.append(text[at : start - 1] + "${")
                at = start + 2
            elif end is None or (value := self._value(text[start + 2 : end], key)) is None:
                parts.append(text[at : start + 2])
                at = start + 2
            else:
                parts.append(text[at:start] + value)
                at = end + 1
        return "".join(parts) + text[at:]

    def _value(self, inner: str, key: str) -> str | None:
        """What stands for ``${inner}``; ``None`` where that is no variable."""
        if inner.startswith(_FILE):
            return self._file(self._text(inner.removeprefix(_FILE), key), key)
        match = _VARIABLE.fullmatch(inner)
        if match is None:
            return None
        found, default = self._variables.get(match["name"]), match["default"]
        if found is not None and (found or default is None):
            return found
        if default is not None:
            return self._text(default[2:], key)
        remedy = f"set it, or write ${{{match['name']}:-default}}"
        self.problems.append(f"{key}: environment variable {match['name']} is not set; {remedy}")
        return ""

    def _file(self, path: str, key: str) -> str:
        try:
            with (self._folder / path).open("rb") as file:
                data = file.read(_MAX_SECRET_BYTES + 1)
            if len(data) <= _MAX_SECRET_BYTES:
                return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
            problem = f"is larger than {_MAX_SECRET_BYTES} bytes"
        except (OSError, ValueError) as error:
            problem = f"cannot be read ({type(error).__name__})"
        self.problems.append(f"{key}: ${{file:{path}}} {problem}; name an existing, readable file of UTF-8 text")
        return ""


def _end_of(text: str, start: int) -> int | None:
    """Where the brace is closed that opens behind ``start``; ``None`` where none is, or too many are open."""
    depth, at = 1, start + 2
    while depth <= _MAX_NESTED:
        closing, opening = text.find("}", at), text.find("${", at)
        if closing < 0:
            return None
        if 0 <= opening < closing:
            depth, at = depth + 1, opening + 2
        elif depth == 1:
            return closing
        else:
            depth, at = depth - 1, closing + 1
    return None


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
    text = "***" if _SECRET.search(key) else without_credentials(repr(value))
    return f" (found {text[:_MAX_SHOWN]})"


def without_credentials(text: str) -> str:
    """A text without what stands in an address before its host, nor the values of a query that are named as secrets.

    Up to the last ``@``, as a password may hold any sign: too much is hidden rather than too little.
    """
    return _SECRET_PARAMETER.sub(r"\1***", _USER_INFO.sub("***@", text))


def _names(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that are known where an unknown one stood."""
    annotation: Any = model
    for part in location[:-1]:
        if isinstance(part, str) and "://" in part:  # the tag of a union's member is no key
            annotation = _tagged(annotation, part) or annotation
        elif get_origin(annotation) is dict:  # whatever the key is
            annotation = get_args(annotation)[1]
        elif isinstance(part, str):
            fields = getattr(_model_in(annotation), "model_fields", {})
            field = fields.get(part) or next((found for found in fields.values() if found.alias == part), None)
            if field is None:
                return []
            annotation = field.annotation
    fields = getattr(_model_in(annotation), "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _tagged(annotation: Any, tag: str) -> Any:
    """The member of a union, somewhere in the annotation, that has this tag: by its ``Tag``, or by a key's literal."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        literals = [field.annotation for field in annotation.model_fields.values()]
        is_it = any(get_origin(each) is Literal and tag in get_args(each) for each in literals)
        return annotation if is_it else None
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated and any(isinstance(each, Tag) and each.tag == tag for each in inner):
        return inner[0]
    return next((found for each in inner if (found := _tagged(each, tag)) is not None), None)


def _model_in(annotation: Any) -> Any:
    """The settings tree inside ``tuple[Tree, ...]`` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner)) is not None), None)
