"""What a plugin can be asked to do. A class derives from each capability that it has.

Every method is called by the host for one exchange at a time, possibly for many exchanges at once; it is ``async``,
has a deadline, and may raise anything: the failure becomes that exchange's outcome, or is skipped, as the operator
chose, and touches no other exchange. A misspelt or forgotten method fails when the class is made.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, Literal

from sluice.sdk.context import Context
from sluice.sdk.messages import (
    EnrichedRequest,
    PluginRequest,
    PluginResponse,
    ResponseWriteRequest,
    ResponseWriteResponse,
)

Hook = Literal["pre_auth", "post_auth", "response_headers", "response_body"]
"""The moments at which plugins are called, in the order of an exchange."""


class Capability(ABC):  # noqa: B024 - the methods are its subclasses'
    """An interface that plugins implement; ``hooks`` names its moments and the method of each."""

    hooks: ClassVar[Mapping[Hook, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Capability in cls.__bases__ or ABC in cls.__bases__:
            return
        for capability in capabilities_of(cls):
            _check(cls, capability)


class PreAuthHandler(Capability):
    """Acts on requests before anyone knows who sent them."""

    hooks = {"pre_auth": "handle_pre_auth"}  # noqa: RUF012 - declared a ClassVar above

    @abstractmethod
    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        """Called once for each request to an LLM that this plugin is attached to; ``ctx.app_id`` is ``None``."""


class PostAuthHandler(Capability):
    """Acts on requests whose app and user are known."""

    hooks = {"post_auth": "handle_post_auth"}  # noqa: RUF012

    @abstractmethod
    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        """Called once for each authenticated request, before limits, budget and vendor."""


class ResponseHandler(Capability):
    """Acts on the vendor's answer; override one or both methods, only those are called."""

    hooks = {  # noqa: RUF012
        "response_headers": "on_before_write_headers",
        "response_body": "on_before_write",
    }

    async def on_before_write_headers(
        self,
        ctx: Context,  # noqa: ARG002 - overriders use them
        request: ResponseWriteRequest,  # noqa: ARG002
    ) -> ResponseWriteResponse:
        """Called once for each answer, streamed or not, before its first byte goes to the client."""
        return ResponseWriteResponse.allow()

    async def on_before_write(
        self,
        ctx: Context,  # noqa: ARG002
        request: ResponseWriteRequest,  # noqa: ARG002
    ) -> ResponseWriteResponse:
        """Called with the whole body of an answer; overriding it makes the gateway buffer answers up to its bound."""
        return ResponseWriteResponse.allow()


def capabilities_of(plugin: type) -> list[type[Capability]]:
    """The capabilities that a class derives from."""
    return [base for base in plugin.__mro__ if Capability in base.__bases__]


def hooks_of(plugin: type) -> dict[Hook, str]:
    """The hooks that a class implements and the method of each; what it did not override is not among them."""
    return {
        hook: method
        for capability in reversed(capabilities_of(plugin))
        for hook, method in capability.hooks.items()
        if _overrides(plugin, capability, method)
    }


def _overrides(plugin: type, capability: type[Capability], method: str) -> bool:
    return getattr(plugin, method) is not getattr(capability, method)


def _check(cls: type, capability: type[Capability]) -> None:
    methods = list(capability.hooks.values())
    overridden = [method for method in methods if _overrides(cls, capability, method)]
    if not overridden:
        message = f"{cls.__name__} is a {capability.__name__} but overrides none of: {', '.join(methods)}"
        raise TypeError(message + _hint(cls, methods))
    for method in overridden:
        if not inspect.iscoroutinefunction(getattr(cls, method)):
            message = f"{cls.__name__}.{method} must be an `async def`"
            raise TypeError(message)


def _hint(cls: type, methods: list[str]) -> str:
    for name in vars(cls):
        close = get_close_matches(name, methods, n=1, cutoff=0.8)
        if close:
            return f" ({name} looks like a misspelt {close[0]})"
    return ""
