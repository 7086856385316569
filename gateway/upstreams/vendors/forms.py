"""The small text fields of a multipart form: uploads name their model there."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import Final

_MAX_PARTS: Final = 64
_MAX_VALUE_BYTES: Final = 256
_NAME = re.compile(rb'\bname="?([^";\r\n]{1,64})')


def form_fields(body: bytes, names: AbstractSet[bytes]) -> dict[bytes, str] | None:
    """The values of these fields of a ``multipart/form-data`` body; ``None`` where it is none. Files are skipped."""
    end = body.find(b"\r\n", 0, 256)
    if end < 3 or not body.startswith(b"--"):
        return None
    boundary = b"\r\n" + body[:end]
    found: dict[bytes, str] = {}
    place = end + 2
    for _ in range(_MAX_PARTS):
        head_end = body.find(b"\r\n\r\n", place, place + 4096)
        part_end = body.find(boundary, place)
        if head_end < 0 or part_end < head_end:
            break
        head = body[place:head_end]
        name = _NAME.search(head)
        if name is not None and name[1] in names and b"filename" not in head:
            value = body[head_end + 4 : part_end]
            if len(value) <= _MAX_VALUE_BYTES:
                found[name[1]] = value.decode("utf-8", "replace").strip()
        place = part_end + len(boundary) + 2
    return found
