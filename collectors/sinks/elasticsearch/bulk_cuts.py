"""Makes bulks smaller: into several, or a document without most of its bodies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

KEPT_CHARACTERS = 4_096
"""What is left of a body that a server would not take; the reference keeps as much."""

_BODIES = ("request_body", "response_body")


def split_by_bytes(lines: Sequence[bytes], max_bytes: int) -> Iterator[Sequence[bytes]]:
    """Runs of documents of at most ``max_bytes``; a document above it is a run of its own."""
    start, size = 0, 0
    for at, line in enumerate(lines):
        if size and size + len(line) > max_bytes:
            yield lines[start:at]
            start, size = at, 0
        size += len(line)
    if size:
        yield lines if start == 0 else lines[start:]


def cut_bodies(lines: bytes) -> bytes:
    """An action and its document with bodies cut to ``KEPT_CHARACTERS`` and flagged; the same where nothing is cut."""
    action, _, text = lines.partition(b"\n")
    document = orjson.loads(text)
    cut = False
    for name in _BODIES:
        body = document.get(name)
        if isinstance(body, str) and len(body) > KEPT_CHARACTERS:
            document[name] = body[:KEPT_CHARACTERS]
            document[f"{name}_truncated"] = True
            cut = True
    return action + b"\n" + orjson.dumps(document) + b"\n" if cut else lines
