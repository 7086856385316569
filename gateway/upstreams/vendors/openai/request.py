"""What a request in OpenAI's dialect says, and our edits of it.

Bodies are decoded by msgspec structs that name only the fields we need: everything else is skipped, not built.
"""

from __future__ import annotations

import re

import msgspec

from gateway.upstreams.vendors.dialect import Asked
from gateway.upstreams.vendors.forms import form_fields
from gateway.upstreams.vendors.further_models import NamesMore, further_models
from gateway.upstreams.vendors.json_edit import append_member, member_span
from gateway.upstreams.vendors.openai.wire import MAX_CHOICES
from sluice.usage.reading import UNREADABLE

_JSON_PATHS = ("chat/completions", "completions", "embeddings", "responses")


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Request(NamesMore):
    model: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None


_MAXIMUM_NAMES = {
    "/chat/completions": "max_completion_tokens",
    "/completions": "max_tokens",
    "/responses": "max_output_tokens",
}
_decode_request = msgspec.json.Decoder(_Request).decode
_NOTHING_ASKED = Asked()
_NO_MAXIMUM = (None, None, None)
_FREE_ENDS = ("/cancel", "/input_tokens")
_FREE = re.compile(
    r"/(?:responses/input_tokens|(?:batches|responses|fine_tuning/jobs|uploads|threads/[\w-]+/runs)/[\w-]+/cancel)$"
)
"""Counts of tokens, and the cancelling of what was asked for before."""
_NOTHING_FREE = Asked(wants_usage=True, max_response_tokens=0, is_free=True)
_USAGE_OPTIONS = b'{"include_usage":true}'
_MAX_RESPONSE_TOKENS = (1 << 31) - 1
"""No model gives more; so a reservation stays within 64 bits."""
_FORM_FIELDS = frozenset((b"model", b"stream", b"n"))


def ask(body: bytes, path: str) -> Asked:
    """Decode the fields that matter; a body that is not JSON is an error only where the path wants JSON."""
    is_free = path.endswith(_FREE_ENDS) and _FREE.search(path) is not None
    if not body:
        return _NOTHING_FREE if is_free else _NOTHING_ASKED
    try:
        request = _decode_request(body)
    except UNREADABLE as error:
        if body[:1] == b"{" or path.partition("?")[0].endswith(_JSON_PATHS):
            raise ValueError(str(error)) from error
        return _ask_form(body)
    options = request.stream_options
    return Asked(
        model=request.model or None,
        is_stream=request.stream is True,
        wants_usage=(options is not None and options.include_usage is True)
        or not path.rstrip("/").endswith("completions"),
        max_response_tokens=0 if is_free else _maximum(request),
        choices=1 if request.n is None else min(max(request.n or 1, 1), MAX_CHOICES),
        is_free=is_free,
        further_models=further_models(request, request.model),
    )


def _ask_form(body: bytes) -> Asked:
    """An upload: its form names the model; it gives usage without being asked."""
    fields = form_fields(body, _FORM_FIELDS) if body[:2] == b"--" else None
    if not fields:
        return _NOTHING_ASKED
    choices = fields.get(b"n", "")
    return Asked(
        model=fields.get(b"model") or None,
        is_stream=fields.get(b"stream", "").lower() in {"true", "1"},
        wants_usage=True,
        choices=min(max(int(choices), 1), MAX_CHOICES) if choices.isascii() and choices.isdigit() else 1,
    )


def with_usage(body: bytes) -> bytes:
    """Ask for usage, in stream options of our own or, where the client has some, among them."""
    span = member_span(body, "stream_options") if b'"stream_options"' in body else None
    if span is None:
        return append_member(body, "stream_options", _USAGE_OPTIONS)
    options = msgspec.json.decode(body[span[0] : span[1]], type=dict[str, msgspec.Raw] | None) or {}
    options["include_usage"] = msgspec.Raw(b"true")
    return body[: span[0]] + msgspec.json.encode(options) + body[span[1] :]


def with_model(body: bytes, model: str) -> bytes:
    """The body with ``model`` filled in: as a member of its own, or in the place of an empty one. A body that is no
    JSON object (a form, a file) stays as it is."""
    if body.lstrip()[:1] != b"{":
        return body
    name = msgspec.json.encode(model)
    span = member_span(body, "model") if b'"model"' in body else None
    if span is None:
        return append_member(body, "model", name)
    return body[: span[0]] + name + body[span[1] :]


def maximum_name(path: str) -> str | None:
    """What this path calls a maximum; the older ``max_tokens`` of chat is refused by newer models."""
    whole = "/" + path.partition("?")[0].strip("/")
    for end, name in _MAXIMUM_NAMES.items():
        if whole.endswith(end):
            return name
    return None


def with_maximum(body: bytes, name: str | None, tokens: int) -> bytes | None:
    """The body with a member that says so; ``None`` where there is none to say it."""
    if name is None or body.lstrip()[:1] != b"{":
        return None
    return append_member(body, name, b"%d" % tokens)


def _maximum(request: _Request) -> int | None:
    """The most response tokens a choice may have: of several the largest, since servers differ in which they heed.

    A negative number means no maximum to those servers that take it.
    """
    named = (request.max_completion_tokens, request.max_output_tokens, request.max_tokens)
    if named == _NO_MAXIMUM:
        return None
    limits = [limit for limit in named if limit is not None]
    return min(max(limits), _MAX_RESPONSE_TOKENS) if limits and min(limits) >= 0 else None
