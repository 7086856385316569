"""What Google's paths say: they name the model and the method (``…/models/<model>:<method>``).

Segments are compared as a server decodes them, so that no escape hides a model from what it is allowed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote

Kind = Literal[
    "generate", "stream", "count", "embed", "predict", "batch", "cancel", "cache", "interactions", "compatible",
    "anthropic", "mistral", "other",
]  # fmt: skip
"""``generate`` answers whole, ``stream`` streams; ``count`` and ``cancel`` are free. The fourth from last and the two
behind it are other vendors' dialects; ``other`` is everything that we do not know."""

_METHODS: Final[dict[str, Kind]] = {
    "generatecontent": "generate",
    "streamgeneratecontent": "stream",
    "counttokens": "count",
    "computetokens": "count",
    "embedcontent": "embed",
    "batchembedcontents": "embed",
    "batchgeneratecontent": "batch",
    "asyncbatchembedcontent": "batch",
    "predict": "predict",
    "rawpredict": "mistral",
    "streamrawpredict": "mistral",
}
_RESOURCES: Final[dict[str, Kind]] = {"cachedcontents": "cache", "interactions": "interactions"}
_PARENTS: Final = frozenset(("models", "tunedmodels", "endpoints"))
_WORK: Final = frozenset(("batches", "batchpredictionjobs", "operations"))
_CANCEL: Final = re.compile(r"^[\w-]+:cancel$")
_COMPATIBLE: Final = frozenset(("openai", "openapi"))
_SLASH: Final = re.compile(r"/|%2f", re.IGNORECASE)
_COLON: Final = re.compile(r":|%3a", re.IGNORECASE)
_COUNTING_MODEL: Final = "count-tokens"
"""Of Anthropic's on Vertex: no model but the method that counts."""


class Place(NamedTuple):
    """A path, read."""

    kind: Kind
    model: str = ""
    """The one it names, decoded."""
    span: tuple[int, int] | None = None
    """Where in the path that stands; ``None`` where the body names the model, or nothing does."""
    is_stream: bool = False
    path: str = ""
    """What it is called in the other vendor's dialect, where it is one's."""


@lru_cache(maxsize=1024)
def place_of(path: str) -> Place:
    """What a path, raw as it came, with or without a query, stands for."""
    path = path.partition("?")[0]
    spans = _segments(path)
    names = [unquote(path[begin:end]) for begin, end in spans]
    lowered = [name.lower() for name in names]
    if len(names) > 1 and lowered[-2] in _PARENTS and (colon := _COLON.search(path, *spans[-1])) is not None:
        return _of_method(path, (spans[-1][0], colon.start()), unquote(path[colon.end() :]), lowered)
    for place, name in enumerate(lowered[:-1]):
        if name in _COMPATIBLE:
            return Place("compatible", path="/v1/" + path[spans[place + 1][0] :])
    if len(names) > 1 and lowered[-2] in _WORK and _CANCEL.search(lowered[-1]):
        return Place("cancel")
    return Place(_RESOURCES.get(lowered[-1], "other") if names else "other")


def _segments(path: str) -> list[tuple[int, int]]:
    """Where the segments are that are not empty."""
    begin, spans = 0, []
    for slash in (*_SLASH.finditer(path), None):
        end = slash.start() if slash is not None else len(path)
        if end > begin:
            spans.append((begin, end))
        begin = slash.end() if slash is not None else end
    return spans


def _of_method(path: str, span: tuple[int, int], method: str, names: list[str]) -> Place:
    model = unquote(path[slice(*span)])
    kind = _METHODS.get(method.lower().rstrip("/"), "other")
    is_stream = method.lower().startswith("stream")
    if kind != "mistral":
        return Place(kind, model, span, is_stream)
    if len(names) > 3 and names[-4:-2] == ["publishers", "anthropic"]:
        if model == _COUNTING_MODEL:
            return Place("anthropic", path="/v1/messages/count_tokens")
        return Place("anthropic", model, span, is_stream, "/v1/messages")
    return Place("mistral", model, span, is_stream, "/v1/chat/completions")
