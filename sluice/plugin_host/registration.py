"""One plugin as an operator registers it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sluice.sdk.capabilities import Hook

HookType = Literal["pre_auth", "post_auth", "response", "on_response"]
"""What an operator may restrict a plugin to; ``response`` and ``on_response`` are one."""

OnFailure = Literal["closed", "open"]

_HOOKS_OF_TYPE: dict[HookType, tuple[Hook, ...]] = {
    "pre_auth": ("pre_auth",),
    "post_auth": ("post_auth",),
    "response": ("response_headers", "response_body"),
    "on_response": ("response_headers", "response_body"),
}
_NOT_IN_THIS_VERSION = frozenset(
    ("auth", "data_collection", "custom_endpoint", "stream_complete", "on_stream_complete")
)
_ON_FAILURE: dict[Hook, OnFailure] = {
    "pre_auth": "closed",
    "post_auth": "closed",
    "response_headers": "open",
    "response_body": "open",
}


class PluginRegistration(BaseModel):
    """Which plugin, for which hooks, with which settings. The settings belong to the host, not to the plugin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[int, Field(ge=1)]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    """What LLMs attach it by, and what events and logs call it."""
    command: str
    """``python://package.module:Class``, or the path of a ``.py`` file (``path.py:Class`` where it has several)."""
    hook_types: tuple[HookType, ...] = ()
    """Empty is every hook that the plugin implements."""
    config: dict[str, Any] = {}
    timeout_ms: Annotated[int, Field(ge=1, le=600_000)] = 1000
    """A hook that waits for longer has failed."""
    on_failure: OnFailure | None = None
    """``closed`` refuses the exchange, ``open`` goes on without the plugin. By default closed for requests, open for
    responses."""

    @field_validator("hook_types", mode="before")
    @classmethod
    def hook_types_exist(cls, value: Any) -> Any:
        """A hook of a later version is refused by name, not taken for a misspelling."""
        kinds = [kind for kind in value if isinstance(kind, str)] if isinstance(value, list | tuple) else []
        later = [kind for kind in kinds if kind in _NOT_IN_THIS_VERSION]
        if later:
            message = f"{', '.join(later)} is not in this version; known: {', '.join(_HOOKS_OF_TYPE)}"
            raise ValueError(message)
        return value

    @field_validator("command")
    @classmethod
    def command_is_known(cls, value: str) -> str:
        """Other schemes belong to later versions; a bare name is nothing."""
        scheme, found, _ = value.partition("://")
        path, _, _ = value.partition(":")
        if (found and scheme == "python" and ":" in value[len("python://") :]) or (not found and path.endswith(".py")):
            return value
        message = f"{value!r} is no plugin; write python://package.module:Class or the path of a .py file"
        raise ValueError(message)

    def wants(self, hook: Hook) -> bool:
        """Whether the operator lets the plugin act at this hook."""
        return not self.hook_types or any(hook in _HOOKS_OF_TYPE[kind] for kind in self.hook_types)

    def fails_open(self, hook: Hook) -> bool:
        """Whether an exchange goes on without the plugin when it fails at this hook."""
        return (self.on_failure or _ON_FAILURE[hook]) == "open"
