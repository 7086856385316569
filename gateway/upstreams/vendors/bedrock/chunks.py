"""One chunk of ``invoke-with-response-stream``: what a model says in it, in its family's way."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from gateway.upstreams.vendors.bedrock.wire import ABSENT, Counts, ToolUse, counts_of
from sluice.usage.reading import MISFIT


class ChunkEvent(NamedTuple):
    """What a chunk tells beside its counts."""

    model: str | None = None
    choices: int = 0
    calls: int = 0
    usage: bytes = b""
    """JSON of a ``usage`` that stands within another object."""
    is_final: bool = False
    """Whether that is the last one."""


class _Start(msgspec.Struct):
    """Anthropic's ``message_start`` begins a message."""

    model: str | None = None
    usage: msgspec.Raw = ABSENT


class _Block(msgspec.Struct):
    type: str | None = None


class _Call(msgspec.Struct):
    id: str | None = None


class _Delta(msgspec.Struct):
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None


class _NovaStart(msgspec.Struct):
    toolUse: ToolUse | None = None  # noqa: N815 - the vendor's name


class _NovaBlock(msgspec.Struct):
    start: _NovaStart | None = None


class _Metadata(msgspec.Struct):
    usage: msgspec.Raw = ABSENT


class _Chunk(Counts):
    model: str | None = None
    message: _Start | None = None
    content_block: _Block | None = None
    choices: list[_Choice] | None = None  # OpenAI, Mistral and others
    contentBlockStart: _NovaBlock | None = None  # noqa: N815 - Nova's names
    metadata: _Metadata | None = None


_decode = msgspec.json.Decoder(_Chunk).decode
_NOTHING = ChunkEvent()


def read_chunk(data: bytes) -> tuple[ChunkEvent, Counts]:
    """A chunk's event, an empty one where it is of another shape, and what it counts. Raises ``msgspec.DecodeError``
    for what is no JSON object."""
    try:
        chunk = _decode(data)
    except MISFIT:
        return _NOTHING, counts_of(data)
    return _event_of(chunk), chunk


def _event_of(chunk: _Chunk) -> ChunkEvent:
    calls = 0
    if chunk.content_block is not None and (chunk.content_block.type or "").endswith("tool_use"):
        calls += 1
    if chunk.contentBlockStart is not None and chunk.contentBlockStart.start is not None:
        calls += chunk.contentBlockStart.start.toolUse is not None
    for choice in chunk.choices or ():
        said = choice.delta or choice.message
        calls += sum(call.id is not None for call in said.tool_calls or ()) if said is not None else 0
    if chunk.message is not None:
        return ChunkEvent(chunk.message.model, 1, calls, bytes(chunk.message.usage))
    usage = bytes(chunk.metadata.usage) if chunk.metadata is not None else b""
    return ChunkEvent(chunk.model, 0, calls, usage, is_final=True)
