"""The class every plugin is."""

from __future__ import annotations

import inspect
import json
from abc import ABC
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Generic, get_args, get_origin

from pydantic import BaseModel
from typing_extensions import TypeVar

from sluice.sdk.context import Context

Config = TypeVar("Config", default=Mapping[str, Any])


class BasePlugin(ABC, Generic[Config]):
    """A plugin: a name, a configuration and a life. Derive from it and from the capabilities it has.

    ``BasePlugin[Model]`` with a pydantic model makes ``self.config`` that model, validated before the plugin is
    loaded; ``BasePlugin[dict[str, str]]`` makes every value text, what is no text as JSON; plain ``BasePlugin`` leaves
    it the mapping that the operator wrote.
    """

    name: str = ""
    version: str = "0.0.0"
    description: str = ""
    config: Config
    """Set by the host before ``initialize``."""

    config_type: ClassVar[type[BaseModel] | None] = None
    """The model of the configuration, taken from ``BasePlugin[Model]``."""
    config_is_text: ClassVar[bool] = False
    """Whether it is ``BasePlugin[dict[str, str]]``."""

    def __init__(self, name: str = "", version: str = "", description: str = "") -> None:
        self.name = name or self.name or type(self).__name__
        self.version = version or self.version
        self.description = description or self.description

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            if isinstance(get_origin(base), type) and issubclass(get_origin(base), BasePlugin):
                argument = get_args(base)[0]
                cls.config_type, cls.config_is_text = _model(cls, argument), _is_text(argument)
        for method in ("initialize", "shutdown"):
            if not inspect.iscoroutinefunction(getattr(cls, method)):
                message = f"{cls.__name__}.{method} must be an `async def`"
                raise TypeError(message)

    async def initialize(self, ctx: Context, config: Config) -> None:
        """Called by the host once, before any hook; raising refuses the plugin. At most 10 seconds."""

    async def shutdown(self, ctx: Context) -> None:
        """Called by the host once, after the last hook, also where ``initialize`` failed. At most 5 seconds."""


def read_config(plugin: type[BasePlugin[Any]], values: Mapping[str, Any]) -> Any:
    """What the operator wrote as the plugin wants it; raises ValueError, as pydantic's ValidationError is too."""
    model = plugin.config_type
    if model is not None:
        _refuse_unknown_keys(model, values)
        return model.model_validate(dict(values))
    return config_texts(values) if plugin.config_is_text else MappingProxyType(dict(values))


def config_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Every value as text: texts as they are, others as JSON. So is a configuration sent to a process of its own."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def _refuse_unknown_keys(model: type[BaseModel], values: Mapping[str, Any]) -> None:
    """Pydantic ignores them unless told otherwise; a misspelt key would be a default in silence."""
    fields = model.model_fields.items()
    has_aliases = any(field.validation_alias is not None for _, field in fields)
    unknown = sorted(set(values) - {name for name, _ in fields})
    if unknown and not has_aliases and model.model_config.get("extra") is None:
        message = f"config.{unknown[0]} is unknown; known: {', '.join(sorted(model.model_fields)) or 'none'}"
        raise ValueError(message)


def _is_text(argument: Any) -> bool:
    origin = get_origin(argument)
    return isinstance(origin, type) and issubclass(origin, Mapping) and get_args(argument) == (str, str)


def _model(cls: type, argument: Any) -> type[BaseModel] | None:
    if isinstance(argument, type) and issubclass(argument, BaseModel):
        return argument
    if isinstance(argument, type) and not issubclass(argument, Mapping):
        message = f"{cls.__name__}: a configuration is a pydantic model or a Mapping, not {argument.__name__}"
        raise TypeError(message)
    return None
