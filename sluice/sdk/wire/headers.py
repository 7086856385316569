"""Headers on the wire: the protocol has one value to a name, ours has lines beside it where that is not enough.

Written for speed: this runs twice for each hook of each exchange that has a plugin in a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from sluice.sdk.headers import Headers, RawHeaders

_NAMES_KEPT: Final = 4096
_KEPT_NAME: Final = 64
"""A longer name is not kept: thousands of the longest that a client may send would be hundreds of megabytes."""


def _peers_name(name: bytes) -> str:
    """As the protocol's peers write it, who look names up just so: ``Content-Type``."""
    return _kept_peers_name(name) if len(name) <= _KEPT_NAME else _made_peers_name(name)


def _made_peers_name(name: bytes) -> str:
    return "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))


def _our_name(name: str) -> bytes:
    """In lower case; what no header's name can have in it stays so, for a check to find."""
    return _kept_name(name) if len(name) <= _KEPT_NAME else _made_name(name)


def _made_name(name: str) -> bytes:
    return name.lower().encode("latin-1", "replace")


_kept_peers_name = lru_cache(maxsize=_NAMES_KEPT)(_made_peers_name)
_kept_name = lru_cache(maxsize=_NAMES_KEPT)(_made_name)


def put_headers(message: Any, headers: Headers) -> None:
    """Into ``headers`` the first value of each name, and into ``header_lines`` all lines where a name repeats."""
    raw, first = headers.raw, message.headers
    for name, value in reversed(raw):
        first[_peers_name(name)] = value.decode("latin-1")
    if len(first) < len(raw):
        message.header_lines.extend(part for line in raw for part in line)


def headers_from(message: Any) -> Headers:
    """All headers of a message, looked at. Raises ValueError for what cannot be any."""
    return Headers(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in unchecked_headers_from(message).raw
    )


def unchecked_headers_from(message: Any) -> Headers:
    """As ``headers_from``, for those who check them all the same, or what a host has checked.

    Raises ValueError where ``header_lines`` are no lines.
    """
    lines = message.header_lines
    if lines:
        return Headers.of_raw(_pairs(lines))
    return Headers.of_raw([(_our_name(name), _bytes(value)) for name, value in sorted(message.headers.items())])


def merged(current: Headers, given: Mapping[str, str]) -> Headers | None:
    """``current`` with what a peer's map says otherwise, unchecked; ``None`` where it says the same.

    Names that it leaves out stay, since the protocol cannot remove any. A repeated name whose first value it gives
    back keeps its other values.
    """
    raw = current.raw
    first = dict(reversed(raw))
    lines = [(_our_name(name), _bytes(value)) for name, value in given.items()]
    changed = {name: value for name, value in lines if first.get(name) != value}
    if not changed:
        return None
    return Headers.of_raw([*(line for line in raw if line[0] not in changed), *sorted(changed.items())])


def _pairs(lines: Any) -> RawHeaders:
    if len(lines) % 2:
        message = "header_lines has a name without a value"
        raise ValueError(message)
    return list(zip(lines[::2], lines[1::2], strict=True))


def _bytes(value: str) -> bytes:
    """Text beyond Latin-1 as UTF-8."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8")
