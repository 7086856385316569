"""One plugin as an operator registers it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sluice.sdk.capabilities import Hook
from sluice.sdk.services import Scope

HookType = Literal[
    "pre_auth",
    "auth",
    "post_auth",
    "response",
    "on_response",
    "stream_complete",
    "data_collection",
    "custom_endpoint",
]
"""What an operator may restrict a plugin to; ``response`` and ``on_response`` are one."""

OnFailure = Literal["closed", "open"]
OnStream = Literal["buffer", "refuse", "skip"]
OnOversize = Literal["refuse", "skip"]

COMMAND_REMEDY = (
    "write python://package.module:Class, the path of a .py file, file:///absolute/path of an executable, "
    "or grpc://host:port"
)

_HOOKS_OF_TYPE: dict[HookType, tuple[Hook, ...]] = {
    "pre_auth": ("pre_auth",),
    "auth": ("auth",),
    "post_auth": ("post_auth",),
    "response": ("response_headers", "response_body", "stream_complete"),
    "on_response": ("response_headers", "response_body", "stream_complete"),
    "stream_complete": ("stream_complete",),
    "data_collection": (),
    "custom_endpoint": (),
}
_ON_FAILURE: dict[Hook, OnFailure] = {
    "pre_auth": "closed",
    "auth": "closed",
    "post_auth": "closed",
    "response_headers": "open",
    "response_body": "open",
    "stream_complete": "open",
}


def hooks_of_type(kind: HookType) -> tuple[Hook, ...]:
    """The moments that an operator means by it; none of what belongs to no exchange."""
    return _HOOKS_OF_TYPE.get(kind, ())


class PluginRegistration(BaseModel):
    """Which plugin, for which hooks, with which settings. The settings belong to the host, not to the plugin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[int, Field(ge=1, lt=1 << 32, examples=[1])]
    """Its number, for ever: what it keeps in ``kv`` is kept under it."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", examples=["prompt_size_limit"])]
    """What LLMs attach it by, and what events and logs call it."""
    command: Annotated[
        str,
        Field(
            examples=[
                "python://sluice.plugins.prompt_size_limit:PromptSizeLimit",
                "plugins/limit.py",
                "grpc://limits:50051",
            ]
        ),
    ]
    """``python://package.module:Class``, or the path of a ``.py`` file (``path.py:Class`` where it has several): in
    this process. ``file:///path`` of an executable: a process of its own. ``grpc://host:port``: one that runs."""
    checksum: Annotated[
        str,
        Field(
            pattern=r"^((sha256:)?[0-9a-f]{64})?$",
            examples=["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
        ),
    ] = ""
    """SHA-256 of the file, in hex; a file that has another is not run."""
    hook_types: tuple[HookType, ...] = ()
    """Empty is every hook that the plugin implements."""
    config: Annotated[dict[str, Any], Field(examples=[{"max_body_bytes": 100000}])] = {}
    """The plugin's own settings, as its model or schema wants them."""
    timeout_ms: Annotated[int, Field(ge=1, le=600_000)] = 1000
    """A hook that waits for longer has failed."""
    on_failure: OnFailure | None = None
    """``closed`` refuses the exchange, ``open`` goes on without the plugin. By default closed for requests, open for
    responses."""
    on_stream: OnStream = "buffer"
    """What a body hook without ``handles_chunks`` does to streams: read them whole, up to
    ``gateway.max_response_bytes``; refuse them; or let them pass, counted."""
    on_oversize: OnOversize = "refuse"
    """What happens to a body that the protocol of a process cannot carry (4 MiB): 413, or it passes without it."""
    max_concurrent: Annotated[int, Field(ge=0, le=100_000, examples=[100])] = 0
    """Hooks of this plugin under way at once; one more has failed. 0 is no limit."""
    breaker_failures: Annotated[int, Field(ge=0, le=1_000_000)] = 20
    """So many failures in a row, and the plugin is not called for ``breaker_pause_seconds``: every exchange has its
    failure at once. 0 never."""
    breaker_pause_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 10.0
    """How long it is left alone; then one hook tries."""
    service_scopes: tuple[Scope, ...] = ()
    """What a plugin in a process of its own may ask of the gateway; those in this process may ask everything."""
    token: Annotated[
        str, Field(pattern=r"^((env:[A-Za-z_][A-Za-z0-9_]*)|(file:.+))?$", examples=["env:PLUGIN_TOKEN"])
    ] = ""
    """``env:NAME`` or ``file:PATH`` of what a ``grpc://`` plugin wants to be shown."""
    ca_file: Annotated[str, Field(examples=["/etc/sluice/ca.pem"])] = ""
    """Who signed the certificate of a ``grpc://`` plugin; empty is who the system trusts."""

    @field_validator("command")
    @classmethod
    def command_is_known(cls, value: str) -> str:
        """A bare name is nothing."""
        if not is_command(value):
            message = f"{value!r} is no plugin; {COMMAND_REMEDY}"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def settings_fit_the_command(self) -> Self:
        """One that has no meaning for its kind of plugin would be obeyed by nobody, in silence."""
        problem = misfit(self)
        if problem:
            raise ValueError(problem)
        return self

    def wants(self, hook: Hook) -> bool:
        """Whether the operator lets the plugin act at this hook."""
        return not self.hook_types or any(hook in hooks_of_type(kind) for kind in self.hook_types)

    def wants_type(self, kind: Literal["data_collection", "custom_endpoint"]) -> bool:
        """Whether the operator lets the plugin do what belongs to no hook."""
        return not self.hook_types or kind in self.hook_types

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


class Placement(NamedTuple):
    """An instance's place on an LLM: what the attachment says besides which instance it is, and needs no other life."""

    key: str
    on_stream: OnStream | None = None
    """Instead of the registration's."""
    app_id: int | None = None
    """The attachment's own app."""
    turn: int = 0
    """How often the instance stands before it on the LLM: each place has a ``ctx.state`` of its own."""


_ADDRESS = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_MAX_PORT = 65_535

Scheme = Literal["python", "py_file", "file", "grpc"]


def scheme_of(command: str) -> Scheme | None:
    """How a plugin of this command runs; ``None`` where it is no command."""
    scheme, found, rest = command.partition("://")
    if not found:
        return "py_file" if command.partition(":")[0].endswith(".py") else None
    if scheme == "python" and ":" in rest:
        return "python"
    if scheme == "file" and rest.startswith("/"):
        return "file"
    if scheme == "grpc" and _ADDRESS.fullmatch(rest) and 0 < int(rest.rpartition(":")[2]) <= _MAX_PORT:
        return "grpc"
    return None


def is_command(command: str) -> bool:
    """Whether this is a plugin's command."""
    return scheme_of(command) is not None


def misfit(registration: PluginRegistration) -> str:
    """What in a registration is of no use to a plugin of its command, with the remedy; or empty."""
    scheme = scheme_of(registration.command)
    if registration.checksum and scheme == "python":
        return "checksum: a python:// plugin is no one file that it could be of; leave it empty, or name a .py file"
    if registration.checksum and scheme == "grpc":
        return "checksum: a grpc:// plugin runs already; leave it empty, its token and certificate say who it is"
    for key in ("token", "ca_file"):
        if getattr(registration, key) and scheme != "grpc":
            return f"{key}: only a grpc:// plugin is shown one; leave it empty"
    return ""
