"""The parts of OpenAI's response bodies that say what a call was worth.

What a vendor writes is read as far as it can be: a field of an unexpected type costs that field's group, never the
counts beside it.
"""

from __future__ import annotations

import msgspec

from gateway.upstreams.vendors.dialect import Answer
from sluice.money.usage import Usage

MAX_CHOICES = 1 << 15
"""No vendor gives more than 128; a larger number is nonsense, and must still fit into an event."""
_MAX_TOKENS = 1 << 40
"""No count of one exchange is near it; so sums of money stay within 64 bits."""
_MAX_RAW_USAGE_BYTES = 8192
"""Real ones have a few hundred bytes. A larger text would crowd an event's bodies out."""


ABSENT = msgspec.Raw(b"")
"""A field that is not there: in a union with None msgspec takes a Raw for nothing but null."""


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _ResponseDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Counts(msgspec.Struct):
    """``usage`` of chat, completions and embeddings; the responses API uses the second set of names."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class _DetailedCounts(_Counts):
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _ResponseDetails | None = None
    input_tokens_details: _PromptDetails | None = None
    output_tokens_details: _ResponseDetails | None = None


class _Message(msgspec.Struct):
    tool_calls: list[msgspec.Raw] | None = None


class _ToolCallStart(msgspec.Struct):
    id: str | None = None


class _Delta(msgspec.Struct):
    tool_calls: list[_ToolCallStart] | None = None


class _Choice(msgspec.Struct):
    index: int | None = None
    message: _Message | None = None
    delta: _Delta | None = None


class _Output(msgspec.Struct):
    type: str | None = None

    @property
    def is_call(self) -> bool:
        """``function_call``, ``web_search_call`` and so on."""
        return self.type is not None and self.type.endswith("_call")


class _Inner(msgspec.Struct):
    """``response`` inside an event of the responses API."""

    model: str | None = None
    usage: msgspec.Raw = ABSENT
    output: list[_Output] | None = None


class WireResponse(msgspec.Struct):
    """A response body or one streamed event."""

    model: str | None = None
    usage: msgspec.Raw = ABSENT
    choices: list[_Choice] | None = None
    output: list[_Output] | None = None
    response: _Inner | None = None
    type: msgspec.Raw = ABSENT

    @property
    def kind(self) -> bytes:
        """The JSON text of ``type``: which event it is."""
        return bytes(self.type)


class _BareInner(msgspec.Struct):
    usage: msgspec.Raw = ABSENT


class _BareResponse(msgspec.Struct):
    """Of a body whose other fields cannot be read."""

    usage: msgspec.Raw = ABSENT
    response: _BareInner | None = None
    type: msgspec.Raw = ABSENT


_decode_whole = msgspec.json.Decoder(WireResponse).decode
_decode_bare = msgspec.json.Decoder(_BareResponse).decode
_decode_detailed = msgspec.json.Decoder(_DetailedCounts).decode
_decode_counts = msgspec.json.Decoder(_Counts).decode


def decode_response(body: bytes) -> WireResponse:
    """A response or event; raises ``msgspec.DecodeError`` or ``RecursionError``."""
    try:
        return _decode_whole(body)
    except msgspec.ValidationError:
        bare = _decode_bare(body)
        inner = _Inner(usage=bare.response.usage) if bare.response else None
        return WireResponse(usage=bare.usage, response=inner, type=bare.type)


def usage_of(raw: msgspec.Raw) -> tuple[Usage | None, str | None]:
    """Usage and its own JSON text; negative, absurd or wrongly typed counts are no usage at all."""
    json = bytes(raw)
    if not json or json == b"null":
        return None, None
    text = json.decode("utf-8", "replace") if len(json) <= _MAX_RAW_USAGE_BYTES else "{}"
    usage = _decode_usage(json)
    known = False
    for count in (usage.prompt_tokens, usage.response_tokens, usage.cache_read_prompt_tokens, usage.reasoning_tokens):
        if count is not None:
            if not 0 <= count <= _MAX_TOKENS:
                return None, text
            known = True
    return usage if known else None, text


def _decode_usage(raw: bytes) -> Usage:
    try:
        return _normalised(_decode_detailed(raw))
    except msgspec.DecodeError:
        pass
    try:
        counts = _decode_counts(raw)
    except msgspec.DecodeError:
        return Usage()
    return _normalised(_DetailedCounts(*msgspec.structs.astuple(counts)))


def _normalised(wire: _DetailedCounts) -> Usage:
    prompt = wire.prompt_tokens if wire.prompt_tokens is not None else wire.input_tokens
    response = wire.completion_tokens if wire.completion_tokens is not None else wire.output_tokens
    cached = wire.prompt_tokens_details or wire.input_tokens_details
    reasoning = wire.completion_tokens_details or wire.output_tokens_details
    return Usage(
        prompt_tokens=prompt,
        response_tokens=response,
        cache_read_prompt_tokens=cached.cached_tokens if cached else None,
        reasoning_tokens=reasoning.reasoning_tokens if reasoning else None,
    )


def answer_of(response: WireResponse) -> Answer:
    """What a whole response body says."""
    inner = response.response or response
    usage, raw = usage_of(inner.usage)
    choices = response.choices or []
    outputs = inner.output or []
    calls = 0
    for choice in choices:
        if choice.message and choice.message.tool_calls:
            calls += len(choice.message.tool_calls)
    for output in outputs:
        calls += output.is_call
    return Answer(usage, raw, inner.model, min(len(choices) or len(outputs), MAX_CHOICES), calls)
