"""Versions as ETags: ``"7"`` is an entity's seventh state."""

from __future__ import annotations

import re

from gateway.control.api.problems import invalid

_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e]*)"\s*')
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
NEVER = 0
"""A version that no entity has: a precondition with it always fails."""


def etag(version: int) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def required_version(if_match: str | None) -> int | None:
    """The version that ``If-Match`` asks for; ``None`` where any will do, ``NEVER`` where none can match.

    One version can be asked for: of several the newest is taken. Weak tags never match (RFC 9110, 13.1.1).
    """
    if if_match is None or if_match.strip() == "*":
        return None
    versions = [int(tag) for is_weak, tag in _tags("If-Match", if_match) if not is_weak and _VERSION.fullmatch(tag)]
    return max(versions, default=NEVER)


def is_unchanged(if_none_match: str | None, version: int) -> bool:
    """Whether the client already has this version."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or any(tag == str(version) for _, tag in _tags("If-None-Match", if_none_match))


def _tags(name: str, header: str) -> list[tuple[bool, str]]:
    found = []
    for part in header.split(","):
        match = _TAG.fullmatch(part)
        if match is None:
            raise invalid(name, 'is no list of ETags; write the one that an answer had, e.g. "3", or *')
        found.append((bool(match[1]), match[2]))
    return found
