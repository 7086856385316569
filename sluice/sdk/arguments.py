"""What plugins hand to services, checked alike in whatever process they run."""

from __future__ import annotations

from typing import get_args

from sluice.sdk.errors import PayloadTooLarge, ServiceError
from sluice.sdk.services import Direction

DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
"""In the order of the plugin protocol's numbers."""


def bytes_of(value: object, what: str, max_bytes: int, setting: str) -> bytes:
    """A copy that cannot change any more. Raises ServiceError for what is no bytes, PayloadTooLarge for too many."""
    view = view_of(value, what)
    if view.nbytes > max_bytes:
        message = f"{what} of {view.nbytes} bytes is larger than {setting} ({max_bytes})"
        raise PayloadTooLarge(message)
    return value if type(value) is bytes else bytes(view)


def view_of(value: object, what: str) -> memoryview:
    """Raises ServiceError for what is no bytes."""
    if not isinstance(value, bytes | bytearray | memoryview):
        message = f"{what} is bytes, not {type(value).__name__}; encode it"
        raise ServiceError(message)
    return memoryview(value)


def utf8_of(text: object, what: str) -> bytes:
    """Raises ServiceError for what is no text, or text that UTF-8 has no bytes for."""
    if not isinstance(text, str):
        message = f"{what} is text, not {type(text).__name__}"
        raise ServiceError(message)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        message = f"{what} is Unicode text; {ascii(text)[:100]} has half a character in it"
        raise ServiceError(message) from error


def direction_of(value: object) -> Direction:
    """Raises ServiceError for what is none."""
    if value not in DIRECTIONS:
        message = f"{ascii(value)[:100]} is no direction; it is one of {', '.join(DIRECTIONS)}"
        raise ServiceError(message)
    return value
