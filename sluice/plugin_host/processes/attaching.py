"""How to reach a ``grpc://`` plugin, which somebody else runs: plainly on this machine, with TLS anywhere else."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import grpc
import grpc.aio

from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.processes.calls import CHANNEL_OPTIONS
from sluice.plugin_host.registration import PluginRegistration

_MAX_FILE_BYTES = 1 << 20


class Attachment(NamedTuple):
    """An open channel, and what is shown with each call."""

    channel: grpc.aio.Channel
    metadata: tuple[tuple[str, str], ...] | None
    is_local: bool
    """Whether it can reach sockets of this machine."""


def attach(registration: PluginRegistration, folder: Path, variables: Mapping[str, str]) -> Attachment:
    """A channel; relative paths are those of ``folder``. PluginLoadError where a file or the token is not there."""
    target = registration.command.removeprefix("grpc://")
    is_local = is_loopback(target.rpartition(":")[0])
    token = _token(registration, folder, variables)
    metadata = (("authorization", f"Bearer {token}"),) if token else None
    if is_local and not registration.ca_file:
        return Attachment(grpc.aio.insecure_channel(target, CHANNEL_OPTIONS), metadata, is_local)
    credentials = grpc.ssl_channel_credentials(_roots(registration, folder))
    return Attachment(grpc.aio.secure_channel(target, credentials, CHANNEL_OPTIONS), metadata, is_local)


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _token(registration: PluginRegistration, folder: Path, variables: Mapping[str, str]) -> str:
    kind, _, rest = registration.token.partition(":")
    if kind == "env":
        token = variables.get(rest, "").strip()
        if not token:
            raise PluginLoadError(registration.name, f"its token is not there: {rest} is not set", "set it and restart")
    elif kind == "file":
        token = _read(registration.name, "token", folder / rest).decode("utf-8", "replace").strip()
    else:
        return ""
    if not token.isascii() or not token.isprintable():
        raise PluginLoadError(registration.name, "its token has characters that no header takes", "write it alone")
    return token


def _roots(registration: PluginRegistration, folder: Path) -> bytes | None:
    """Who may sign its certificate; ``None`` leaves it to gRPC where the system has no file of authorities."""
    if registration.ca_file:
        return _read(registration.name, "ca_file", folder / registration.ca_file)
    system = ssl.get_default_verify_paths().cafile
    return Path(system).read_bytes() if system else None


def _read(plugin: str, what: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(_MAX_FILE_BYTES)
    except (OSError, ValueError) as error:
        problem = f"its {what} {path} cannot be read ({type(error).__name__})"
        raise PluginLoadError(plugin, problem, "write it there") from error
    if not found.strip():
        raise PluginLoadError(plugin, f"its {what} {path} is empty", "write it there")
    return found
