"""Which of Anthropic's endpoints a path is. Base paths differ (``/v1``, a gateway's own), the ends do not."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Endpoint = Literal["messages", "count_tokens", "batches", "batch", "results", "other"]

_ENDS: tuple[tuple[str, Endpoint], ...] = (
    ("/messages", "messages"),
    ("/messages/count_tokens", "count_tokens"),
    ("/messages/batches", "batches"),
)
_ONE_BATCH = re.compile(r"/messages/batches/[^/%;#]+(?P<of_it>/results|/cancel|)$")


@lru_cache(maxsize=256)
def endpoint_of(path: str) -> Endpoint:
    """``batch`` is one batch, looked at, cancelled or deleted, ``results`` are its results; files and models are
    ``other``."""
    path = path.partition("?")[0].rstrip("/")
    for end, endpoint in _ENDS:
        if path.endswith(end):
            return endpoint
    one = _ONE_BATCH.search(path)
    if one is None:
        return "other"
    return "results" if one["of_it"] == "/results" else "batch"
