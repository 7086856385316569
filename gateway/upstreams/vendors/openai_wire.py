"""The parts of OpenAI's response bodies that say what a call was worth."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.upstreams.vendors.dialect import Answer
from sluice.money.usage import Usage

_ABSENT = msgspec.Raw(b"")
"""In a union with None msgspec takes a Raw for nothing but null."""


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _ResponseDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """``usage`` of chat, completions and embeddings; the responses API uses the second set of names."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _ResponseDetails | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _PromptDetails | None = None
    output_tokens_details: _ResponseDetails | None = None


class _Message(msgspec.Struct):
    tool_calls: list[msgspec.Raw] | None = None


class _ToolCallStart(msgspec.Struct):
    id: str | None = None


class _Delta(msgspec.Struct):
    tool_calls: list[_ToolCallStart] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    message: _Message | None = None
    delta: _Delta | None = None


class _Output(msgspec.Struct):
    type: str = ""


class _Inner(msgspec.Struct):
    """``response`` inside an event of the responses API."""

    model: str | None = None
    usage: msgspec.Raw = _ABSENT
    output: list[_Output] | None = None


class WireResponse(msgspec.Struct):
    """A response body or one streamed event."""

    model: str | None = None
    usage: msgspec.Raw = _ABSENT
    choices: list[_Choice] | None = None
    output: list[_Output] | None = None
    response: _Inner | None = None


decode_response = msgspec.json.Decoder(WireResponse).decode
_decode_usage = msgspec.json.Decoder(WireUsage).decode


def usage_of(raw: msgspec.Raw) -> tuple[Usage | None, str | None]:
    """Usage and its own JSON text; negative or wrongly typed counts are no usage at all."""
    text = bytes(raw).decode("utf-8", "replace")
    if text in {"", "null"}:
        return None, None
    try:
        wire = _decode_usage(raw)
    except msgspec.DecodeError:
        return None, text
    usage = _normalised(wire)
    counts = (usage.prompt_tokens, usage.response_tokens, usage.cache_read_prompt_tokens, usage.reasoning_tokens)
    if all(count is None for count in counts) or any(count is not None and count < 0 for count in counts):
        return None, text
    return usage, text


def _normalised(wire: WireUsage) -> Usage:
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


def answer_of(response: WireResponse, _body: bytes) -> Answer:
    """What a whole response body says."""
    inner: Any = response.response or response
    usage, raw = usage_of(inner.usage)
    choices = response.choices or []
    outputs = inner.output or []
    calls = sum(len(choice.message.tool_calls or ()) for choice in choices if choice.message)
    calls += sum(1 for output in outputs if output.type.endswith("_call"))
    return Answer(usage, raw, inner.model, len(choices) or len(outputs), calls)
