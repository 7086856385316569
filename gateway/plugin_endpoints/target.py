"""Where a request below ``/plugins/`` wants to go, decoded once and for good.

Segments are split before they are decoded, so that ``%2F`` is a character of a segment and splits nothing. What climbs,
encoded or not, what is no UTF-8 and what has control characters is refused: a plugin may take it for a path of files.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import msgspec

from gateway.asgi import ENDPOINTS

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Target(msgspec.Struct, frozen=True):
    """A parsed path; nothing but ``problem`` counts where there is one."""

    slug: str = ""
    segments: tuple[str, ...] = ()
    """Below the slug, decoded: none for ``/plugins/{slug}`` and ``/plugins/{slug}/``."""
    problem: str = ""
    """Why the path cannot be used, or empty."""

    @property
    def relative_path(self) -> str:
        """Below the slug: ``/a/b``."""
        return "/" + "/".join(self.segments)

    @property
    def path(self) -> str:
        """Whole, decoded."""
        return f"/plugins/{self.slug}{self.relative_path}"


def parse_target(raw_path: bytes) -> Target:
    """The target of a raw (still percent-encoded) path that begins with ``/plugins/``."""
    if _BROKEN_ESCAPE.search(raw_path):
        return Target(problem="the path has a '%' that encodes nothing")
    try:
        slug, *segments = [_decoded(part) for part in raw_path[len(ENDPOINTS) :].split(b"/")]
    except ValueError:
        return Target(problem="the path is no UTF-8")
    for segment in segments:
        if ".." in segment and ".." in segment.replace("\\", "/").split("/"):
            return Target(problem="the path climbs with '..'")
        if _CONTROL.search(segment):
            return Target(problem="the path has a control character")
    return Target(slug, () if segments == [""] else tuple(segments))


def _decoded(part: bytes) -> str:
    return (unquote_to_bytes(part) if b"%" in part else part).decode("utf-8")
