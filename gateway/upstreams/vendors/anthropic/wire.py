"""The parts of Anthropic's response bodies and streamed events that say what a call was worth."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.upstreams.vendors.dialect import Answer
from sluice.money.usage import Usage
from sluice.usage.anthropic import usage_of
from sluice.usage.reading import MISFIT, UNREADABLE

ABSENT = msgspec.Raw(b"")
"""A field that is not there: in a union with None msgspec takes a Raw for nothing but null."""


class Block(msgspec.Struct):
    """Of content, what says whether it is a call; unknown kinds are as good as known ones."""

    type: str | None = None
    name: str | None = None

    @property
    def is_call(self) -> bool:
        """``tool_use``, ``server_tool_use``, ``mcp_tool_use`` and so on."""
        return self.type is not None and self.type.endswith("tool_use")

    @property
    def is_code(self) -> bool:
        """Whether the vendor runs code, which it bills by time."""
        return self.type == "server_tool_use" and self.name is not None and "code_execution" in self.name

    @property
    def is_web(self) -> bool:
        """Whether the vendor searches or fetches; code that it runs on the way is free then."""
        return self.type == "server_tool_use" and self.name in {"web_search", "web_fetch"}


class Message(msgspec.Struct):
    """A whole response, or the one that ``message_start`` begins."""

    model: str | None = None
    usage: msgspec.Raw = ABSENT
    content: list[Block] | None = None
    type: msgspec.Raw = ABSENT


class Event(msgspec.Struct):
    """One streamed event."""

    type: msgspec.Raw = ABSENT
    message: Message | None = None
    usage: msgspec.Raw = ABSENT
    content_block: Block | None = None


class _BareMessage(msgspec.Struct):
    """Of a body whose other fields cannot be read."""

    usage: msgspec.Raw = ABSENT
    type: msgspec.Raw = ABSENT


class _BareEvent(_BareMessage):
    message: _BareMessage | None = None


_decode_message = msgspec.json.Decoder(Message).decode
_decode_bare_message = msgspec.json.Decoder(_BareMessage).decode
_decode_event = msgspec.json.Decoder(Event).decode
_decode_bare_event = msgspec.json.Decoder(_BareEvent).decode


def decode_event(data: bytes) -> Event | None:
    """An event, as far as it can be read; ``None`` where it is none."""
    try:
        return _decode_event(data)
    except MISFIT:
        pass
    except UNREADABLE:
        return None
    try:
        bare = _decode_bare_event(data)
    except UNREADABLE:
        return None
    inner = bare.message
    message = None if inner is None else Message(usage=inner.usage, type=inner.type)
    return Event(type=bare.type, message=message, usage=bare.usage)


def answer_of(body: bytes) -> Answer:
    """What a whole message says; raises ``msgspec.DecodeError`` or ``RecursionError``."""
    try:
        message = _decode_message(body)
    except MISFIT:
        bare = _decode_bare_message(body)
        message = Message(usage=bare.usage, type=bare.type)
    blocks = message.content or ()
    usage, raw, problem = usage_of(message.usage)
    return Answer(
        usage=usage,
        raw_usage=raw,
        model=message.model or None,
        choices=1 if bytes(message.type) == b'"message"' else 0,
        tool_calls=sum(block.is_call for block in blocks),
        problem=problem or (uncounted(blocks) if usage is not None else ""),
    )


def tokens_of_count(body: bytes) -> Answer:
    """A count of tokens: it is free, whatever it counts."""
    return Answer(usage=Usage(prompt_tokens=0, response_tokens=0), raw_usage=usage_of(body).text)


def uncounted(blocks: Iterable[Block]) -> str:
    """Why not all of an answer's worth is in its usage, or empty."""
    blocks = list(blocks)
    has_code = any(block.is_code for block in blocks)
    return "tool_uncounted" if has_code and not any(block.is_web for block in blocks) else ""
