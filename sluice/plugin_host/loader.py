"""From a registration to a plugin object, configured but not yet initialised.

``sys.path`` is never changed: a plugin's folder ahead of ours would let a file called ``json.py`` replace the real one.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from copy import deepcopy
from difflib import get_close_matches
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, MappingProxyType, ModuleType
from typing import Any, NoReturn

from pydantic import AliasChoices, AliasPath, BaseModel, ValidationError
from pydantic.fields import FieldInfo

from sluice.plugin_host.config_schema import config_by_schema, schema_of
from sluice.plugin_host.errors import PluginLoadError, described
from sluice.plugin_host.registration import COMMAND_REMEDY, PluginRegistration, scheme_of
from sluice.sdk.capabilities import (
    CustomEndpointHandler,
    DataCollector,
    EdgePayloadReceiver,
    capabilities_of,
    hooks_of,
)
from sluice.sdk.plugin import BasePlugin, config_texts

_PYTHON = "python://"


def find_class(registration: PluginRegistration, folder: Path) -> type[BasePlugin[Any]]:
    """The plugin's class; relative paths are those of ``folder``. Raises PluginLoadError.

    Runs the plugin's module: it may take long, so it may be called in any thread.
    """
    scheme = scheme_of(registration.command)
    if scheme not in {"python", "py_file"}:
        problem = f"{registration.command!r} is no plugin of this process"
        raise PluginLoadError(registration.name, problem, COMMAND_REMEDY)
    if scheme == "py_file":
        return _class_of_file(registration, folder)
    return _imported_class(registration)


def make_plugin(registration: PluginRegistration, kind: type[BasePlugin[Any]]) -> BasePlugin[Any]:
    """The plugin of this class, with its configuration validated and set; raises PluginLoadError."""
    plugin = _instantiate(registration, kind)
    plugin.config = _config(registration, plugin)
    return plugin


def _imported_class(registration: PluginRegistration) -> type[BasePlugin[Any]]:
    name, _, class_name = registration.command.removeprefix(_PYTHON).partition(":")
    try:
        module = importlib.import_module(name)
    except BaseException as error:  # whatever it raises says that it cannot be imported, and no more
        problem = f"module {name!r} cannot be imported ({described(error)})"
        remedy = "install the package that has it into the gateway's environment, or correct `command`"
        raise PluginLoadError(registration.name, problem, remedy) from error
    return _class_in(registration, module, class_name)


def _class_of_file(registration: PluginRegistration, folder: Path) -> type[BasePlugin[Any]]:
    file_name, _, class_name = registration.command.partition(":")
    path = (folder / file_name).resolve()
    if not path.is_file():
        raise PluginLoadError(registration.name, f"there is no file {path}", "correct `command`")
    source = _source(registration, path)
    _check_sum(registration, path, source)
    module = _run_file(registration, path, source)
    if class_name:
        return _class_in(registration, module, class_name)
    own = [
        member
        for member in vars(module).values()
        if inspect.isclass(member)
        and issubclass(member, BasePlugin)
        and member.__module__ == module.__name__
        and is_able(member)
    ]
    if len(own) != 1:
        names = ", ".join(sorted(member.__name__ for member in own)) or "none"
        problem = f"{path} has {len(own)} plugins ({names})"
        raise PluginLoadError(registration.name, problem, f"name one: command: {file_name}:ClassName")
    return own[0]


class _Loader(SourceFileLoader):
    """Of a source that was read, and checked: not read again, and no bytecode that lies beside the file instead."""

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        super().__init__(name, str(path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        """Compiled each time: bytecode that is kept is told from its source by second and size alone."""
        code: CodeType = self.source_to_code(self._source, self.get_filename(fullname))
        return code


def _source(registration: PluginRegistration, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        problem = f"{path} cannot be read ({error.strerror})"
        raise PluginLoadError(registration.name, problem, "let the gateway read it") from error


def _check_sum(registration: PluginRegistration, path: Path, source: bytes) -> None:
    expected = registration.checksum.removeprefix("sha256:")
    if expected and hashlib.sha256(source).hexdigest() != expected:
        problem = f"{path} is not the file whose SHA-256 is its checksum"
        raise PluginLoadError(registration.name, problem, "find out who changed the file, or correct `checksum`")


def _run_file(registration: PluginRegistration, path: Path, source: bytes) -> ModuleType:
    """Run a file as a module with a name that nothing else can import by accident."""
    digest = hashlib.sha256(f"{registration.name}\0{path}".encode()).hexdigest()[:12]
    name = f"_sluice_plugin_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Loader(name, path, source))
    if spec is None or spec.loader is None:
        raise PluginLoadError(registration.name, f"{path} is no Python file", "correct `command`")
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module  # pydantic and dataclasses look annotations up there
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # as above
        _restore(name, before)
        problem = f"{path} cannot be run ({described(error)})"
        raise PluginLoadError(
            registration.name, problem, "correct the file; what it imports must be installed"
        ) from error
    return module


def _restore(name: str, before: ModuleType | None) -> None:
    """The module as it was: the plugin that was made of it may still serve, and look itself up there."""
    if before is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = before


def _class_in(registration: PluginRegistration, module: ModuleType, class_name: str) -> type[BasePlugin[Any]]:
    found = getattr(module, class_name, None)
    if inspect.isclass(found) and issubclass(found, BasePlugin):
        return found
    if found is not None:
        problem = f"{class_name!r} is not a plugin class"
        raise PluginLoadError(registration.name, problem, "derive it from sluice.sdk.BasePlugin")
    close = get_close_matches(class_name, vars(module), n=1)
    hint = f"did you mean {close[0]!r}?" if close else "correct `command`"
    raise PluginLoadError(registration.name, f"{module.__name__} has no {class_name!r}", hint)


def is_able(plugin: type) -> bool:
    """Whether a class can do anything: act at a hook, collect, answer HTTP or take payloads."""
    others = {CustomEndpointHandler, DataCollector, EdgePayloadReceiver}
    return not inspect.isabstract(plugin) and bool(hooks_of(plugin) or others.intersection(capabilities_of(plugin)))


def _instantiate(registration: PluginRegistration, plugin: type[BasePlugin[Any]]) -> BasePlugin[Any]:
    if not is_able(plugin) and not inspect.isabstract(plugin):
        problem = f"{plugin.__name__} has no capability"
        remedy = "derive it from PreAuthHandler, PostAuthHandler, ResponseHandler or another capability too"
        raise PluginLoadError(registration.name, problem, remedy)
    try:
        return plugin()
    except BaseException as error:  # as above
        problem = f"{plugin.__name__}() failed ({described(error)})"
        raise PluginLoadError(registration.name, problem, "a plugin is made without arguments") from error


def _config(registration: PluginRegistration, plugin: BasePlugin[Any]) -> Any:
    model = plugin.config_type
    if model is None:
        checked = config_by_schema(registration.name, schema_of(plugin, registration.name) or {}, registration.config)
        return config_texts(checked) if plugin.config_is_text else MappingProxyType(checked)
    _refuse_unknown_keys(registration, model)
    try:
        return model.model_validate(deepcopy(registration.config))
    except ValidationError as error:
        _refuse_config(registration, error)
    except Exception as error:
        problem = f"config cannot be validated: {model.__name__} raised {type(error).__name__}"
        raise PluginLoadError(registration.name, problem, "correct its config") from error


def _refuse_unknown_keys(registration: PluginRegistration, model: type[BaseModel]) -> None:
    """Pydantic ignores unknown keys unless told otherwise; a misspelt key would be a default in silence."""
    if model.model_config.get("extra") is not None:
        return
    known = {key for name, field in model.model_fields.items() for key in (name, *_aliases(field))}
    for key in registration.config:
        if key not in known:
            close = get_close_matches(key, known, n=1)
            remedy = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
            raise PluginLoadError(registration.name, f"config.{key} is unknown", remedy)


def _aliases(field: FieldInfo) -> list[str]:
    """The keys that a field is also read from."""
    given = field.validation_alias
    choices = given.choices if isinstance(given, AliasChoices) else [given]
    paths = [choice.path[0] if isinstance(choice, AliasPath) else choice for choice in choices]
    return [key for key in paths if isinstance(key, str)]


def _refuse_config(registration: PluginRegistration, error: ValidationError) -> NoReturn:
    """Names keys and rules, not values: a configuration may hold credentials."""
    problems = [
        f"config.{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    ]
    raise PluginLoadError(registration.name, "; ".join(problems), "correct its config") from None
