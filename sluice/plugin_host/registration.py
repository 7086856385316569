"""One plugin as an operator registers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sluice.sdk.capabilities import Hook

HookType = Literal["pre_auth", "post_auth", "response", "on_response"]
"""What an operator may restrict a plugin to; ``response`` and ``on_response`` are one."""

OnFailure = Literal["closed", "open"]

COMMAND_REMEDY = "write python://package.module:Class or the path of a .py file"

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
    checksum: Annotated[str, Field(pattern=r"^((sha256:)?[0-9a-f]{64})?$")] = ""
    """SHA-256 of the ``.py`` file, in hex; a file that has another is not run."""
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
        if not is_command(value):
            message = f"{value!r} is no plugin; {COMMAND_REMEDY}"
            raise ValueError(message)
        return value

    def wants(self, hook: Hook) -> bool:
        """Whether the operator lets the plugin act at this hook."""
        return not self.hook_types or any(hook in _HOOKS_OF_TYPE.get(kind, ()) for kind in self.hook_types)

    def fails_open(self, hook: Hook) -> bool:
        """Whether an exchange goes on without the plugin when it fails at this hook."""
        return (self.on_failure or _ON_FAILURE[hook]) == "open"


@dataclass(frozen=True, slots=True)
class Instance:
    """One life of a plugin, which some LLMs share: loaded once, and again when anything here changes."""

    key: str
    """Which instance this is, whatever it is made of now."""
    registration: PluginRegistration
    revision: int = 0
    """Another number is another life, though all else is equal."""


def is_command(command: str) -> bool:
    """Whether this is a plugin's command, of those that this version knows."""
    scheme, found, _ = command.partition("://")
    path, _, _ = command.partition(":")
    is_python = bool(found) and scheme == "python" and ":" in command[len("python://") :]
    return is_python or (not found and path.endswith(".py"))
