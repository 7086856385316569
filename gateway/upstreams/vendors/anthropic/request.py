"""What a request in Anthropic's dialect says.

Bodies are decoded by msgspec structs that name only the fields we need: everything else is skipped, not built.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.upstreams.vendors.anthropic.paths import endpoint_of
from gateway.upstreams.vendors.dialect import Asked
from gateway.upstreams.vendors.further_models import NamesMore, further_models
from gateway.upstreams.vendors.openai.request import with_model as with_model_member
from sluice.usage.reading import UNREADABLE

_MAX_RESPONSE_TOKENS = (1 << 31) - 1
"""No model gives more; so a reservation stays within 64 bits."""


class _Request(NamesMore):
    model: str | None = None
    stream: bool | None = None
    max_tokens: int | None = None
    max_tokens_to_sample: int | None = None  # the older completions


class _BatchEntry(msgspec.Struct):
    params: _Request | None = None


class _Batch(msgspec.Struct):
    requests: list[_BatchEntry] | None = None


_decode_request = msgspec.json.Decoder(_Request).decode
_decode_batch = msgspec.json.Decoder(_Batch).decode
_NOTHING_ASKED = Asked()
_NOTHING_FREE = Asked(wants_usage=True, max_response_tokens=0, is_free=True)


def ask(body: bytes, path: str) -> Asked:
    """Decode the fields that matter; a body that is not JSON is an error only where the path wants JSON."""
    endpoint = endpoint_of(path)
    if endpoint == "batch":
        return _NOTHING_FREE
    if not body:
        return _NOTHING_ASKED
    try:
        if endpoint == "batches":
            return _ask_batch(_decode_batch(body).requests or ())
        request = _decode_request(body)
    except UNREADABLE as error:
        if body[:1] == b"{" or endpoint != "other":
            raise ValueError(str(error)) from error
        return _NOTHING_ASKED
    if endpoint == "count_tokens":
        return Asked(model=request.model or None, wants_usage=True, max_response_tokens=0, is_free=True)
    return Asked(
        model=request.model or None,
        is_stream=bool(request.stream),
        wants_usage=True,  # given unasked
        max_response_tokens=_maximum(request),
        further_models=further_models(request, request.model),
    )


def with_model(body: bytes, path: str, model: str) -> bytes:
    """The body with a model; each request of a batch names its own, which stay."""
    return body if endpoint_of(path) == "batches" else with_model_member(body, model)


def _ask_batch(entries: Sequence[_BatchEntry]) -> Asked:
    """A batch is one exchange: of one model, which is allowed and priced as any, and of as many response tokens as all
    its requests may have together. Raises ``ValueError`` where it names several."""
    requests = [entry.params for entry in entries if entry.params is not None]
    models = {request.model for request in requests if request.model}
    if len(models) > 1:
        named = ", ".join(repr(model[:64]) for model in sorted(models)[:3])
        message = f"a batch names several models ({named}); send one batch for each model"
        raise ValueError(message)
    limits = [limit for request in requests if (limit := _maximum(request)) is not None]
    return Asked(
        model=models.pop() if models else None,
        wants_usage=True,
        max_response_tokens=min(sum(limits), _MAX_RESPONSE_TOKENS) if limits else None,
        is_batch=True,
        further_models=tuple(dict.fromkeys(name for each in requests for name in further_models(each, each.model))),
    )


def _maximum(request: _Request) -> int | None:
    """The most response tokens, thinking included; a negative number is none."""
    named = request.max_tokens if request.max_tokens is not None else request.max_tokens_to_sample
    return min(named, _MAX_RESPONSE_TOKENS) if named is not None and named >= 0 else None
