"""What a request to Hugging Face says, and our edits of it."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.upstreams.vendors.dialect import Asked
from gateway.upstreams.vendors.huggingface.paths import Place, with_model_in_path
from gateway.upstreams.vendors.json_edit import with_member
from gateway.upstreams.vendors.openai.request import with_model as with_model_member
from gateway.upstreams.vendors.openai.wire import MAX_CHOICES
from sluice.usage.plain_counts import ABSENT
from sluice.usage.reading import UNREADABLE

_MAX_RESPONSE_TOKENS: Final = (1 << 31) - 1
"""No model gives more; so a reservation stays within 64 bits."""


class _Parameters(msgspec.Struct):
    max_new_tokens: int | None = None
    best_of: int | None = None
    num_return_sequences: int | None = None


class _Request(msgspec.Struct):
    model: msgspec.Raw = ABSENT
    model_id: msgspec.Raw = ABSENT
    stream: msgspec.Raw = ABSENT
    inputs: msgspec.Raw = ABSENT
    parameters: msgspec.Raw = ABSENT


_decode_request = msgspec.json.Decoder(_Request).decode
_decode_parameters = msgspec.json.Decoder(_Parameters | None).decode
_decode_text = msgspec.json.Decoder(str | None).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def ask(body: bytes, place: Place) -> Asked:
    """Decode the fields that matter. A body that is not JSON is an error only where the path wants JSON: models of
    other tasks take sounds and images."""
    if not body:
        return Asked(model=place.model)
    try:
        request = _decode_request(body)
        named = place.model or _text(request.model) or _text(request.model_id)
        parameters = _parameters_of(request, place)
    except UNREADABLE as error:
        if body[:1] == b"{" or place.is_text:
            raise ValueError(str(error)) from error
        return Asked(model=place.model)
    if place.endpoint == "free":
        return Asked(model=named, wants_usage=True, max_response_tokens=0, is_free=True)
    return Asked(
        model=named,
        is_stream=_is_stream(request, place),
        wants_usage=True,  # it comes with ``details``, inside the last event: asking could not be hidden again
        max_response_tokens=_maximum(parameters),
        choices=_choices(parameters, request.inputs),
    )


def with_model(body: bytes, path: str, place: Place, model: str) -> tuple[bytes, str]:
    """With a model in the path, where that names one. A text generation server has only one and is told none."""
    if place.model is not None:
        return body, with_model_in_path(path, place, model)
    return (body if place.is_text or place.endpoint == "free" else with_model_member(body, model)), path


def with_maximum(body: bytes, place: Place, tokens: int) -> bytes | None:
    """The body with ``parameters.max_new_tokens``; ``None`` where that may be no parameter of the model's task."""
    if not place.is_text or body.lstrip()[:1] != b"{":
        return None
    return with_member(body, ("parameters", "max_new_tokens"), b"%d" % tokens)


def _text(raw: msgspec.Raw) -> str | None:
    return _decode_text(raw) or None if bytes(raw) else None


def _is_stream(request: _Request, place: Place) -> bool:
    """Two paths say it themselves, and heed no member."""
    return place.endpoint == "generate_stream" or (place.endpoint != "generate" and bytes(request.stream) == b"true")


def _parameters_of(request: _Request, place: Place) -> _Parameters:
    """Those of text generation; other tasks may have some of the same names for other things."""
    if not bytes(request.parameters):
        return _Parameters()
    try:
        return _decode_parameters(request.parameters) or _Parameters()
    except UNREADABLE:
        if place.is_text:
            raise
        return _Parameters()


def _maximum(parameters: _Parameters) -> int | None:
    named = parameters.max_new_tokens
    return min(named, _MAX_RESPONSE_TOKENS) if named is not None and named >= 0 else None


def _choices(parameters: _Parameters, inputs: msgspec.Raw) -> int:
    """How many times the most output may be generated: for each input, times the sequences of which one or all come
    back."""
    each = max(parameters.best_of or 1, parameters.num_return_sequences or 1, 1)
    many = len(_decode_list(inputs)) if bytes(inputs).startswith(b"[") else 1
    return min(each * max(many, 1), MAX_CHOICES)
