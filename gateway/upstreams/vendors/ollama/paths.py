"""Which of Ollama's endpoints a path is."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal
from urllib.parse import unquote

Endpoint = Literal["chat", "generate", "embed", "progress", "free", "other", "messages", "compatible"]

_NATIVE: Final[dict[str, Endpoint]] = {
    "chat": "chat",
    "generate": "generate",
    "embed": "embed",
    "embeddings": "embed",
    "pull": "progress",
    "push": "progress",
    "create": "progress",
    "blobs": "free",
    "copy": "free",
    "delete": "free",
    "ps": "free",
    "show": "free",
    "tags": "free",
    "version": "free",
}
_BARE: Final = frozenset(_NATIVE) - {"embeddings"}
"""What names a native endpoint without ``/api``, as where the base URL ends in it; ``/embeddings`` is OpenAI's then."""

_CHANGES: Final = frozenset(("pull", "push", "create", "copy", "delete", "blobs"))


@lru_cache(maxsize=256)
def changes_models(path: str) -> bool:
    """Whether it loads, makes or removes what the server has for all, however the path is written."""
    names = [name for name in unquote(path.partition("?")[0]).lower().split("/") if name not in {"", "."}]
    return not _CHANGES.isdisjoint(names[-1:]) or names[-2:-1] == ["blobs"]


@lru_cache(maxsize=256)
def endpoint_of(path: str) -> Endpoint:
    """``progress`` tells of work on models, line by line; ``other`` is a native path that we do not know; ``messages``
    is Anthropic's, ``compatible`` is OpenAI's and whatever else there is."""
    path = unquote(path.partition("?")[0]).rstrip("/")
    _, is_native, rest = path.rpartition("/api/")
    name = rest if is_native else path.removeprefix("/")
    name = "blobs" if name.startswith("blobs/") else name
    if is_native and not name.startswith("v1/"):
        return _NATIVE.get(name, "other")
    if name in _BARE:
        return _NATIVE[name]
    return "messages" if path.endswith(("/messages", "/messages/count_tokens")) else "compatible"
