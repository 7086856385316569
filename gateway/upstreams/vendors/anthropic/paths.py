"""Which of Anthropic's endpoints a path is. Base paths differ (``/v1``, a gateway's own), the ends do not."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

Endpoint = Literal["messages", "count_tokens", "batches", "results", "other"]

_ENDS: tuple[tuple[str, Endpoint], ...] = (
    ("/messages", "messages"),
    ("/messages/count_tokens", "count_tokens"),
    ("/messages/batches", "batches"),
)


@lru_cache(maxsize=256)
def endpoint_of(path: str) -> Endpoint:
    """``results`` are those of one batch; one batch itself, files and models are ``other``."""
    path = path.partition("?")[0].rstrip("/")
    for end, endpoint in _ENDS:
        if path.endswith(end):
            return endpoint
    return "results" if "/messages/batches/" in path and path.endswith("/results") else "other"
