"""Paths of the data plane: which LLM, which intent, and what is left for the vendor."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

Intent = Literal["rest", "stream", "call", "bridge"]

_INTENTS: dict[str, Intent] = {"rest": "rest", "stream": "stream", "call": "call"}
_BY_ID_PREFIX = "/api/v1/llms/"
_BY_ID_MARK = "proxy"
BRIDGE_PREFIX = "/ai/"
"""Where clients of OpenAI's dialect find any LLM."""
_MAX_ID_DIGITS = 18
"""What 64 bits hold; Python refuses to read some thousands of digits."""

_MAX_KNOWN_CHARACTERS = 256
"""Nearly all requests go to a few short paths: their routes are kept. With longer ones clients could fill memory."""


class Route(msgspec.Struct, frozen=True):
    """A parsed data-plane path; ``slug`` is an id in digits where ``by_id``."""

    intent: Intent
    slug: str
    rest: str
    """What goes to the vendor, percent-encoded as it came, without a leading slash."""
    by_id: bool = False
    problem: str = ""
    """Why the path cannot be used, or empty."""


def parse_route(path: str) -> Route | None:
    """The route of a raw (still percent-encoded) path; ``None`` where it is not the data plane's."""
    return _known_route(path) if len(path) <= _MAX_KNOWN_CHARACTERS else _route(path)


@lru_cache(maxsize=1024)
def _known_route(path: str) -> Route | None:
    return _route(path)


def _route(path: str) -> Route | None:
    if path.startswith("/llm/"):
        return _checked(_by_slug(path))
    if path.startswith(_BY_ID_PREFIX):
        return _by_id(path)
    return None


def parse_bridge_route(path: str) -> Route:
    """The route of a raw path below ``BRIDGE_PREFIX``; whether there is such an operation is the bridge's to say."""
    parts = path.split("/", 3)
    slug, rest = parts[2], parts[3] if len(parts) > 3 else ""
    return _checked(Route("bridge", slug, rest))


def _by_slug(path: str) -> Route:
    parts = path.split("/", 4)
    intent = _INTENTS.get(parts[2])
    if intent is None:
        return Route("call", "", "", problem=f"unknown route {parts[2]!r}: use /llm/rest, /llm/stream or /llm/call")
    slug = parts[3] if len(parts) > 3 else ""
    rest = parts[4] if len(parts) > 4 else ""
    if not slug:
        return Route(intent, "", "", problem=f"the path names no LLM: /llm/{intent}/<slug>/<path>")
    return Route(intent, slug, rest)


def _by_id(path: str) -> Route | None:
    parts = path.split("/", 6)
    if len(parts) < 6 or parts[5] != _BY_ID_MARK or not parts[4].isascii() or not parts[4].isdigit():
        return None
    if len(parts[4]) > _MAX_ID_DIGITS:
        return None
    return _checked(Route("call", parts[4], parts[6] if len(parts) > 6 else "", by_id=True))


def _checked(route: Route) -> Route:
    if climbs(route.rest):
        return Route(route.intent, route.slug, "", route.by_id, problem="the path climbs with '..'")
    return route


def climbs(path: str) -> bool:
    """Whether a path could leave the vendor's base path, also where a server decodes it before it resolves it."""
    if "%" in path or "\\" in path:
        path = path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace("\\", "/")
    return ".." in path and ".." in path.split("/")
