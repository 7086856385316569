"""How this process was started: by a host, or by hand to be attached to."""

from __future__ import annotations

import ipaddress
import secrets
import tempfile
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from sluice.sdk.context import Runtime

COOKIE: Final = ("AI_STUDIO_PLUGIN", "v1")
"""By which a process knows that a host started it."""

_MAX_SOCKET_PATH_BYTES: Final = 107  # of sockaddr_un, without its last null byte
_GATEWAY_MODES: Final = frozenset(("edge", "standalone_gateway"))

_NOT_STARTED_BY_A_HOST: Final = (
    "This program is a plugin of a gateway, which starts it: register it with the command file://{path}. "
    "To run it by hand and attach it as grpc://HOST:PORT, start it with --address HOST:PORT."
)


class LaunchError(Exception):
    """It cannot be served so; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Where to listen and what to show; ``socket`` for the host that started this process, else ``address``."""

    runtime: Runtime
    socket: str = ""
    address: str = ""
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``serve`` was called with; the command line can say the same, and wins."""

    address: str = ""
    certificate: str = ""
    key: str = ""
    token: str = ""


def read_options(arguments: Sequence[str], given: Options) -> Options:
    """The command line's options, and those given where it is silent; arguments of the author's own are left alone."""
    parser = ArgumentParser(description="A plugin of a gateway, in a process of its own.", allow_abbrev=False)
    parser.add_argument("--address", metavar="HOST:PORT", default=given.address, help="serve grpc:// here")
    parser.add_argument("--certificate", metavar="FILE", default=given.certificate, help="of TLS, PEM")
    parser.add_argument("--key", metavar="FILE", default=given.key, help="the certificate's, PEM")
    parser.add_argument("--token", metavar="env:NAME|file:PATH", default=given.token, help="what hosts must show")
    found, _ = parser.parse_known_args(list(arguments))
    return Options(address=found.address, certificate=found.certificate, key=found.key, token=found.token)


def launch_of(options: Options, variables: Mapping[str, str], program: str) -> Launch:
    """How to serve. Raises LaunchError."""
    if options.address:
        return _attached(options, variables)
    if variables.get(COOKIE[0]) != COOKIE[1]:
        raise LaunchError(_NOT_STARTED_BY_A_HOST.format(path=program))
    return Launch(runtime=detected_runtime(variables, "studio"), socket=_new_socket(variables))


def detected_runtime(variables: Mapping[str, str], otherwise: Runtime) -> Runtime:
    """What the host says that it is, by our own variable or by the protocol's."""
    for name in ("SLUICE_PLUGIN_RUNTIME", "PLUGIN_RUNTIME"):
        for runtime in get_args(Runtime):
            if variables.get(name) == runtime:
                found: Runtime = runtime
                return found
    if variables.get("GATEWAY_MODE") in _GATEWAY_MODES or variables.get("MICROGATEWAY_MODE") == "standalone":
        return "gateway"
    return otherwise


def _new_socket(variables: Mapping[str, str]) -> str:
    folder = variables.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.gettempdir()
    path = str(Path(folder).absolute() / f"plugin{secrets.randbelow(10**10)}")
    if len(path.encode()) > _MAX_SOCKET_PATH_BYTES:
        message = f"{path} is too long for a socket; set PLUGIN_UNIX_SOCKET_DIR to a shorter folder"
        raise LaunchError(message)
    return path


def _attached(options: Options, variables: Mapping[str, str]) -> Launch:
    host, found, port = options.address.rpartition(":")
    if not found or not host or not port.isdigit():
        message = f"--address {options.address!r} is not HOST:PORT, e.g. 127.0.0.1:7000"
        raise LaunchError(message)
    if bool(options.certificate) != bool(options.key):
        message = "--certificate and --key go together: give both"
        raise LaunchError(message)
    if not is_loopback(host) and not (options.certificate and options.token):
        message = f"--address {options.address}: beyond this machine it needs --certificate, --key and --token"
        raise LaunchError(message)
    return Launch(
        runtime=detected_runtime(variables, "gateway"),
        address=options.address,
        certificate=_read("--certificate", options.certificate) if options.certificate else b"",
        key=_read("--key", options.key) if options.key else b"",
        token=_token(options.token, variables) if options.token else "",
    )


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _token(reference: str, variables: Mapping[str, str]) -> str:
    kind, _, rest = reference.partition(":")
    if kind == "env":
        token = variables.get(rest, "").strip()
    elif kind == "file":
        token = _read("--token", rest).decode("utf-8", "replace").strip()
    else:
        message = "--token is env:NAME or file:PATH, never the token itself: others see a command line"
        raise LaunchError(message)
    if not token or not token.isascii() or not token.isprintable():
        message = f"--token {reference} has no printable token; write it there"
        raise LaunchError(message)
    return token


def _read(option: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        message = f"{option} {path} cannot be read ({type(error).__name__})"
        raise LaunchError(message) from error
