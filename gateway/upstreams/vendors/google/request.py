"""What a request in Google's dialect says, and our edits of it.

Protocol buffers in JSON take both ways of writing a name (``maxOutputTokens``, ``max_output_tokens``), and numbers as
texts; so do we, or a maximum could be hidden from us.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from gateway.upstreams.vendors.dialect import Asked
from gateway.upstreams.vendors.google.paths import Place
from gateway.upstreams.vendors.json_edit import member_span, with_member
from gateway.upstreams.vendors.openai.wire import MAX_CHOICES
from gateway.upstreams.vendors.queries import parameter
from sluice.usage.reading import UNREADABLE

_Number = int | float | str | None


class _Config(msgspec.Struct):
    maximum: _Number = msgspec.field(default=None, name="maxOutputTokens")
    snake_maximum: _Number = msgspec.field(default=None, name="max_output_tokens")
    choices: _Number = msgspec.field(default=None, name="candidateCount")
    snake_choices: _Number = msgspec.field(default=None, name="candidate_count")


class _Request(msgspec.Struct):
    config: _Config | None = msgspec.field(default=None, name="generationConfig")
    snake_config: _Config | None = msgspec.field(default=None, name="generation_config")


class _Named(_Request):
    """Of the few paths whose bodies name the model."""

    model: str | None = None
    stream: bool | None = None
    background: bool | None = None


_decode_request: Final = msgspec.json.Decoder(_Request).decode
_decode_named: Final = msgspec.json.Decoder(_Named).decode
_decode_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_MAX_RESPONSE_TOKENS: Final = (1 << 31) - 1
_PREFIXES: Final = ("models/", "google/", "publishers/google/models/")
_BODY_NAMES_MODEL: Final = frozenset(("cache", "interactions"))
_GENERATES: Final = frozenset(("generate", "stream", "interactions"))
_GIVES_NO_TEXT: Final = frozenset(("count", "embed", "cache"))


def ask(body: bytes, place: Place, query: bytes) -> Asked:
    """Decode the fields that matter; a body that is not JSON is an error only where the path wants JSON."""
    kind = place.kind
    if kind == "other":
        return Asked(model=plain_name(place.model), wants_usage=True)
    if kind == "cancel":
        return Asked(wants_usage=True, max_response_tokens=0, is_free=True)
    named = _decoded(body, place)
    choices = [_number(value) for config in _configs(named) for value in (config.choices, config.snake_choices)]
    return Asked(
        model=plain_name(place.model or (named.model or "" if isinstance(named, _Named) else "")),
        is_stream=place.is_stream or bool(isinstance(named, _Named) and named.stream) or wants_events(query),
        wants_usage=True,  # given unasked
        max_response_tokens=0 if kind in _GIVES_NO_TEXT else _maximum(named),
        choices=min(max(*choices, 1), MAX_CHOICES) if choices else 1,
        is_batch=kind == "batch",
        is_free=kind == "count",
    )


def plain_name(model: str) -> str | None:
    """A model without the resource in front of it; ``None`` where none is named."""
    for prefix in _PREFIXES:
        model = model.removeprefix(prefix)
    return model or None


def with_model(body: bytes, path: str, place: Place, model: str) -> tuple[bytes, str]:
    """In the path where that names one, and in the parts of a batch, which must name the same; else in the body."""
    if place.span is not None:
        begin, end = place.span
        path = path[:begin] + quote(model, safe="@") + path[end:]
        return _with_models_inside(body, model) if place.kind == "embed" else body, path
    if place.kind in _BODY_NAMES_MODEL and body.lstrip()[:1] == b"{":
        name = model if place.kind == "interactions" or "/" in model else f"models/{model}"
        return with_member(body, ("model",), msgspec.json.encode(name)), path
    return body, path


def with_maximum(body: bytes, place: Place, tokens: int) -> bytes | None:
    """In ``generationConfig``, however that is written; ``None`` where there is none to say it."""
    if place.kind not in _GENERATES or body.lstrip()[:1] != b"{":
        return None
    is_snake = place.kind == "interactions" or member_span(body, "generation_config") is not None
    config, name = ("generation_config", "max_output_tokens") if is_snake else ("generationConfig", "maxOutputTokens")
    span = member_span(body, config)
    within = body[slice(*span)] if span is not None else b""
    other = "maxOutputTokens" if is_snake else "max_output_tokens"
    if within[:1] == b"{" and member_span(within, other) is not None:
        name = other
    return with_member(body, (config, name), b"%d" % tokens)


def _with_models_inside(body: bytes, model: str) -> bytes:
    """The parts of ``batchEmbedContents`` and the body of ``embedContent`` may say the model again."""
    name = msgspec.json.encode(f"models/{model}")
    if body.lstrip()[:1] != b"{" or b"model" not in body:
        return body
    if member_span(body, "model") is not None:
        body = with_member(body, ("model",), name)
    span = member_span(body, "requests")
    if span is None or body[span[0] : span[0] + 1] != b"[":
        return body
    items = [bytes(item) for item in _decode_items(body[slice(*span)])]
    changed = [with_member(item, ("model",), name) if item[:1] == b"{" else item for item in items]
    return body[: span[0]] + b"[" + b",".join(changed) + b"]" + body[span[1] :]


def _decoded(body: bytes, place: Place) -> _Request:
    decode = _decode_named if place.kind in _BODY_NAMES_MODEL else _decode_request
    if not body:
        return _Request()
    try:
        return decode(body)
    except UNREADABLE as error:
        raise ValueError(str(error)) from error


def _configs(request: _Request) -> list[_Config]:
    return [config for config in (request.config, request.snake_config) if config is not None]


def _maximum(request: _Request) -> int | None:
    """The largest of those named; zero is as good as none to the vendor."""
    named = [_number(value) for config in _configs(request) for value in (config.maximum, config.snake_maximum)]
    largest = max(named, default=0)
    return min(largest, _MAX_RESPONSE_TOKENS) if largest > 0 and min(named) >= 0 else None


def _number(value: _Number) -> int:
    """A count, 0 where none is given; raises ``ValueError`` for what is no whole number."""
    if value is None:
        return 0
    if isinstance(value, str):
        if len(value) > 20 or not value.strip().lstrip("-").isdecimal() or not value.isascii():
            message = f"{value[:20]!r} is no whole number"
            raise ValueError(message)
        return int(value)
    if isinstance(value, float) and not value.is_integer():
        message = f"{value} is no whole number"
        raise ValueError(message)
    return int(value)


def wants_events(query: bytes) -> bool:
    """``alt=sse``."""
    if b"alt" not in query and b"%" not in query:
        return False
    return any((parameter(query, name) or "").lower() == "sse" for name in (b"alt", b"$alt"))
