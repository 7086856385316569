"""Which of Hugging Face's endpoints a path is, and the model that it names."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple
from urllib.parse import quote, unquote

Endpoint = Literal["generate", "generate_stream", "inference", "free", "compatible"]

_COMPATIBLE: Final = (
    "/chat/completions", "/completions", "/embeddings", "/responses", "/images/generations", "/audio/speech",
    "/audio/transcriptions",
)  # fmt: skip
_FREE: Final = frozenset(("tokenize", "chat_tokenize", "decode", "info", "health", "ping", "metrics"))
_MODEL_ENDS: Final = ("/v1/", "/pipeline/")
"""What may follow a model in a path."""


class Place(NamedTuple):
    """What a path says."""

    endpoint: Endpoint
    """``inference`` answers for whatever task its model has: a model's path, or the root of its own server."""
    model: str | None
    start: int
    end: int
    """Where the model stands in the path."""

    @property
    def is_text(self) -> bool:
        """Whether text is generated there, and nothing else."""
        return self.endpoint in {"generate", "generate_stream"}


@lru_cache(maxsize=256)
def place_of(path: str) -> Place:
    """``/models/<model>``, with or without an owner, and ``/pipeline/<task>/<model>`` name one."""
    path = path.partition("?")[0].rstrip("/")
    start, end = _model_span(path)
    model = unquote(path[start:end]) or None
    return Place(_endpoint_of(unquote(path), has_model=model is not None), model, start, end)


def with_model_in_path(path: str, place: Place, model: str) -> str:
    """The path with another model."""
    return path[: place.start] + quote(model, safe="/:") + path[place.end :]


def _endpoint_of(path: str, *, has_model: bool) -> Endpoint:
    if path.endswith(_COMPATIBLE) or path.startswith("/v1/"):
        return "compatible"
    last = path.rpartition("/")[2]
    if has_model:
        return "inference"
    if last == "generate":
        return "generate"
    if last == "generate_stream":
        return "generate_stream"
    return "free" if last in _FREE else "inference"


def _model_span(path: str) -> tuple[int, int]:
    _, found, model = path.partition("/models/")
    if not found:
        _, found, task = path.partition("/pipeline/")
        model = task.partition("/")[2] if found else ""
    start = len(path) - len(model)
    for end in _MODEL_ENDS:
        model = model.partition(end)[0]
    return start, start + len(model)
