"""The one line on stdout by which a plugin says where it listens: ``1|1|unix|/path/of/socket|grpc|``."""

from __future__ import annotations

from typing import NoReturn

MAX_LINE_BYTES = 4096

_CORE_PROTOCOL, _APP_PROTOCOL = "1", "1"
_MIN_FIELDS = 5
_MAX_SOCKET_PATH_BYTES = 107  # of sockaddr_un, without its last null byte


class HandshakeError(Exception):
    """A line that is none, or of a protocol that is not ours; the message says which, and what was expected."""


def socket_of(line: bytes) -> str:
    """The path of the socket that a plugin listens on; HandshakeError says what is wrong with its line."""
    try:
        text = line.decode("ascii").strip()
    except UnicodeDecodeError:
        _refuse(line, "is no text")
    fields = text.split("|")
    if len(fields) < _MIN_FIELDS:
        _refuse(line, "is not the line that a plugin begins with")
    core, app, network, address, protocol, *rest = fields
    if core != _CORE_PROTOCOL:
        _refuse(line, f"speaks core protocol {core!r:.20}, not {_CORE_PROTOCOL}")
    if app != _APP_PROTOCOL:
        _refuse(line, f"speaks plugin protocol version {app!r:.20}, not {_APP_PROTOCOL}")
    if network != "unix":
        _refuse(line, f"listens on {network!r:.20}, not on a unix socket")
    if protocol != "grpc":
        _refuse(line, f"speaks {protocol!r:.20}, not grpc")
    if rest and rest[0]:
        _refuse(line, "wants TLS on its socket, which was not offered")
    return _checked_address(line, address)


def _checked_address(line: bytes, address: str) -> str:
    if not address.startswith("/") or not address.isprintable():
        _refuse(line, "has no absolute path of a socket")
    if len(address) > _MAX_SOCKET_PATH_BYTES:
        _refuse(line, f"has a socket path of more than {_MAX_SOCKET_PATH_BYTES} bytes")
    return address


def _refuse(line: bytes, problem: str) -> NoReturn:
    message = f"its first line {problem}: {line.strip()[:80]!r}; expected 1|1|unix|/path/of/socket|grpc|"
    raise HandshakeError(message)
