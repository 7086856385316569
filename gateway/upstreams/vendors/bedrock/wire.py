"""The parts of Bedrock's answers that say what a call was worth."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.generic import answer_of_anything
from gateway.upstreams.vendors.openai.wire import MAX_CHOICES
from sluice.usage.bedrock import (
    BESIDE,
    METRICS,
    other_price,
    other_price_of,
    token_counts,
    usage_beside,
    usage_of_body,
    usage_of_converse,
    usage_of_headers,
)
from sluice.usage.counts import NOTHING_COUNTED, Counted, raw_text
from sluice.usage.reading import MISFIT

ABSENT = msgspec.Raw(b"")
"""A field that is not there: in a union with None msgspec takes a Raw for nothing but null."""
_BILLED_TOOL = "nova_grounding"
"""A search of the vendor's own, billed one by one."""


class ToolUse(msgspec.Struct):
    """A call in an answer of converse."""

    name: str | None = None

    @property
    def is_billed(self) -> bool:
        """Whether the vendor itself answers it, for money."""
        return self.name == _BILLED_TOOL


class _Content(msgspec.Struct):
    toolUse: ToolUse | None = None  # noqa: N815 - the vendor's name


class _Message(msgspec.Struct):
    content: list[_Content] | None = None


class _Output(msgspec.Struct):
    message: _Message | None = None


class _Metadata(msgspec.Struct):
    """Of a whole answer of converse, and of the last event of its stream."""

    usage: msgspec.Raw = ABSENT
    trace: msgspec.Raw = ABSENT
    serviceTier: msgspec.Raw = ABSENT  # noqa: N815 - the vendor's name
    performanceConfig: msgspec.Raw = ABSENT  # noqa: N815


class _Converse(msgspec.Struct):
    output: _Output | None = None


class _Call(msgspec.Struct):
    type: str | None = None


class _InvokeMessage(msgspec.Struct):
    tool_calls: list[msgspec.Raw] | None = None


class _Choice(msgspec.Struct):
    message: _InvokeMessage | None = None


class _Shape(msgspec.Struct):
    """Of a model's own body, what says how many answers and calls there are."""

    model: str | None = None
    content: list[_Call] | None = None  # Anthropic
    choices: list[_Choice] | None = None  # Mistral, OpenAI and others
    output: _Output | None = None  # Nova
    results: list[msgspec.Raw] | None = None  # Titan
    outputs: list[msgspec.Raw] | None = None  # Mistral's texts
    generations: list[msgspec.Raw] | None = None  # Cohere
    generation: msgspec.Raw = ABSENT  # Llama
    tool_calls: list[msgspec.Raw] | None = None  # Cohere


class Counts(msgspec.Struct):
    """Of a model's own body, or a chunk of its stream, what counts tokens."""

    usage: msgspec.Raw = ABSENT
    metrics: msgspec.Raw = msgspec.field(name=METRICS, default=ABSENT)
    inputTextTokenCount: msgspec.Raw = ABSENT  # noqa: N815 - Titan's names
    totalOutputTextTokenCount: msgspec.Raw = ABSENT  # noqa: N815
    results: msgspec.Raw = ABSENT
    prompt_token_count: msgspec.Raw = ABSENT  # Llama
    generation_token_count: msgspec.Raw = ABSENT


_decode_metadata = msgspec.json.Decoder(_Metadata).decode
_decode_converse = msgspec.json.Decoder(_Converse).decode
_decode_shape = msgspec.json.Decoder(_Shape).decode
_decode_counts = msgspec.json.Decoder(Counts).decode


def note_metadata(answer: Answer, body: bytes) -> None:
    """Take what a whole answer of converse, or a stream's ``metadata``, says of its worth; raises
    ``msgspec.DecodeError`` or ``RecursionError``."""
    metadata = _decode_metadata(body)
    usage, text, problem = usage_of_converse(metadata.usage)
    price = other_price_of(_any(metadata.serviceTier), _any(metadata.performanceConfig))
    answer.usage, answer.raw_usage, answer.problem = usage, text, problem or price
    answer.model = _routed_to(_any(metadata.trace))


def answer_of_converse(body: bytes) -> Answer:
    """What a whole answer of converse says; raises as ``note_metadata``."""
    answer = Answer()
    note_metadata(answer, body)
    try:
        output = _decode_converse(body).output
    except MISFIT:
        return answer
    if output is not None and output.message is not None:
        answer.choices = 1
        calls = [content.toolUse for content in output.message.content or () if content.toolUse]
        answer.tool_calls = len(calls)
        add_billed(answer, sum(call.is_billed for call in calls))
    return answer


def add_billed(answer: Answer, calls: int) -> None:
    """So many calls that are billed one by one."""
    if calls and answer.usage is not None:
        answer.usage.tool_requests = (answer.usage.tool_requests or 0) + calls


def _routed_to(trace: object) -> str | None:
    """The model that a prompt router chose, which is the one that is billed."""
    router = trace.get("promptRouter") if isinstance(trace, dict) else None
    model = router.get("invokedModelId") if isinstance(router, dict) else None
    return model.rpartition("/")[2] or None if isinstance(model, str) else None


def answer_of_invoke(body: bytes, headers: Headers) -> Answer:
    """What a model's own body says, and the headers beside it; raises as ``note_metadata``."""
    counts = _decode_counts(body)
    found = counted(counts)
    if found.usage is None:
        of_headers = usage_of_headers(headers)
        found = of_headers if of_headers.text is not None else found
    if found.usage is None and not found.problem:
        anything = answer_of_anything(body)
        found = Counted(anything.usage, anything.raw_usage, anything.problem)
    answer = Answer(found.usage, found.text, problem=found.problem or other_price(headers))
    with suppress(*MISFIT):
        _note_shape(answer, _decode_shape(body))
    return answer


def _note_shape(answer: Answer, shape: _Shape) -> None:
    answer.model = shape.model
    several = shape.choices or shape.results or shape.outputs or shape.generations or ()
    has_one = shape.content or shape.output or shape.generation
    answer.choices = min(len(several), MAX_CHOICES) or (1 if has_one else 0)
    calls = len(shape.tool_calls or ())
    calls += sum(block.type is not None and block.type.endswith("tool_use") for block in shape.content or ())
    for choice in shape.choices or ():
        calls += len(choice.message.tool_calls or ()) if choice.message else 0
    if shape.output and shape.output.message:
        calls += sum(content.toolUse is not None for content in shape.output.message.content or ())
    answer.tool_calls = calls


def counts_of(body: bytes) -> Counts:
    """What a body or a chunk counts; raises as ``note_metadata``."""
    return _decode_counts(body)


def counted(counts: Counts) -> Counted:
    """Usage from wherever it stands: the model's own ``usage``, Bedrock's metrics, or counts beside the answer."""
    found = (usage_of_body(counts.usage), usage_of_converse(counts.metrics), counted_beside(counts))
    told = [one for one in found if one.text is not None]
    return next((one for one in told if one.usage is not None), told[0] if told else NOTHING_COUNTED)


def counted_beside(counts: Counts) -> Counted:
    """Counts that stand beside the answer: Titan's and Llama's."""
    is_told = (
        counts.inputTextTokenCount is not ABSENT
        or counts.totalOutputTextTokenCount is not ABSENT
        or counts.prompt_token_count is not ABSENT
        or counts.generation_token_count is not ABSENT
    )
    if not is_told:  # nearly always
        return NOTHING_COUNTED
    found = {name: raw for name in BESIDE if bytes(raw := getattr(counts, name)) not in {b"", b"null"}}
    if not found:
        return NOTHING_COUNTED
    results = _any(counts.results)
    told: dict[str, Any] = dict(found)
    if isinstance(results, list):
        told["results"] = token_counts(results)
    return usage_beside({name: _any(raw) for name, raw in found.items()}, results, raw_text(msgspec.json.encode(told)))


def _any(raw: msgspec.Raw) -> Any:
    return msgspec.json.decode(raw) if bytes(raw) else None
