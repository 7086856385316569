"""The class every plugin is."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, get_args, get_origin

from pydantic import BaseModel
from typing_extensions import TypeVar

from sluice.sdk.context import Context

Config = TypeVar("Config", default=Mapping[str, Any])


class BasePlugin(ABC, Generic[Config]):
    """A plugin: a name, a configuration and a life. Derive from it and from the capabilities it has.

    ``BasePlugin[Model]`` with a pydantic model makes ``self.config`` that model, validated before the plugin is
    loaded; plain ``BasePlugin`` leaves it the mapping that the operator wrote.
    """

    name: str = ""
    version: str = "0.0.0"
    description: str = ""
    config: Config
    """Set by the host before ``initialize``."""

    config_type: ClassVar[type[BaseModel] | None] = None
    """The model of the configuration, taken from ``BasePlugin[Model]``."""

    def __init__(self, name: str = "", version: str = "", description: str = "") -> None:
        self.name = name or self.name or type(self).__name__
        self.version = version or self.version
        self.description = description or self.description

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            if isinstance(get_origin(base), type) and issubclass(get_origin(base), BasePlugin):
                cls.config_type = _model(cls, get_args(base)[0])
        for method in ("initialize", "shutdown"):
            if not inspect.iscoroutinefunction(getattr(cls, method)):
                message = f"{cls.__name__}.{method} must be an `async def`"
                raise TypeError(message)

    async def initialize(self, ctx: Context, config: Config) -> None:
        """Called by the host once, before any hook; raising refuses the plugin. At most 10 seconds."""

    async def shutdown(self, ctx: Context) -> None:
        """Called by the host once, after the last hook, also where ``initialize`` failed. At most 5 seconds."""


def _model(cls: type, argument: Any) -> type[BaseModel] | None:
    if isinstance(argument, type) and issubclass(argument, BaseModel):
        return argument
    if isinstance(argument, type) and not issubclass(argument, Mapping):
        message = f"{cls.__name__}: a configuration is a pydantic model or a Mapping, not {argument.__name__}"
        raise TypeError(message)
    return None
