"""Vendors' answers, read: what is not as the vendor publishes it cannot be translated."""

from __future__ import annotations

from hashlib import blake2s
from typing import Any, Final

import orjson

from gateway.bridge.interface import Unreadable, Wanted

OURS: Final = "call_"
"""What ids of calls begin with that we make up where a vendor gives none."""


def decoded(data: bytes) -> dict[str, Any]:
    """A body's or frame's object; raises ``Unreadable``."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        message = "it is not JSON"
        raise Unreadable(message) from error
    if not isinstance(found, dict):
        message = "it is no JSON object"
        raise Unreadable(message)
    return found


def object_in(holder: dict[str, Any], name: str) -> dict[str, Any]:
    """An object inside another; raises ``Unreadable`` where it is none."""
    found = holder.get(name)
    if not isinstance(found, dict):
        message = f"{name} is no object"
        raise Unreadable(message)
    return found


def objects_in(holder: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects inside another; none where it is absent. Raises ``Unreadable`` where it is something else."""
    found = holder.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        message = f"{name} is no list of objects"
        raise Unreadable(message)
    return found


def text_in(holder: dict[str, Any], name: str) -> str:
    """A text inside another; empty where it is absent. Raises ``Unreadable`` where it is something else."""
    found = holder.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        message = f"{name} is no text"
        raise Unreadable(message)
    return found


def made_id(wanted: Wanted, choice: int, place: int) -> str:
    """An id for a call that has none: always the same for the same place in the same answer."""
    seed = f"{wanted.completion_id}:{choice}:{place}".encode()
    return OURS + blake2s(seed, digest_size=12).hexdigest()
