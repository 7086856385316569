"""What the vendor reads of a request: which of its four answers is wanted, and the few fields that shape it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

AnswerKind = Literal["chat", "completion", "embedding", "response"]

_KINDS: tuple[tuple[str, AnswerKind], ...] = (
    ("/chat/completions", "chat"),
    ("/completions", "completion"),
    ("/embeddings", "embedding"),
    ("/responses", "response"),
)
MAX_CHOICES = 128


class Asked(NamedTuple):
    """With the script, all that an answer depends on."""

    kind: AnswerKind
    model: str
    is_stream: bool
    wants_usage: bool
    choices: int


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    model: str = ""
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None
    input: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Body).decode


def kind_of(path: str) -> AnswerKind | None:
    """Whatever base path stands before it."""
    for ending, kind in _KINDS:
        if path.endswith(ending):
            return kind
    return None


def read_body(kind: AnswerKind, body: bytes) -> Asked:
    """Raises ValueError on a body that is not the JSON it should be."""
    try:
        request = _decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        message = f"the body is not the JSON it should be: {error}"
        raise ValueError(message) from error
    is_stream = bool(request.stream) and kind != "embedding"
    options = request.stream_options
    wants_usage = not is_stream or kind == "response" or bool(options and options.include_usage)
    choices = _inputs(request.input) if kind == "embedding" else request.n or 1
    return Asked(kind, request.model, is_stream, wants_usage, min(max(choices, 1), MAX_CHOICES))


def _inputs(raw: msgspec.Raw) -> int:
    """How many vectors are asked for: a list of texts or of token lists; a flat list of tokens is one."""
    value = msgspec.json.decode(raw) if bytes(raw) else ""
    return len(value) if isinstance(value, list) and value and not isinstance(value[0], int) else 1
