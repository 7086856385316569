"""The parts of OpenAI's response bodies and streamed events that say what a call was worth."""

from __future__ import annotations

import msgspec

from gateway.upstreams.vendors.dialect import Answer
from sluice.usage.counts import BATCH_TIER, Counted, usage_of
from sluice.usage.reading import MISFIT, UNREADABLE

MAX_CHOICES = 1 << 15
"""No vendor gives more than 128; a larger number is nonsense, and must still fit into an event."""

ABSENT = msgspec.Raw(b"")
"""A field that is not there: in a union with None msgspec takes a Raw for nothing but null."""
_SEARCH = "web_search_call"
"""What the vendor bills one by one, as ``Usage.tool_requests``."""
_UNCOUNTED = frozenset(("file_search_call", "code_interpreter_call", "image_generation_call"))
"""What it bills in ways that no usage tells."""
_USUAL_TIERS = frozenset((b'"default"', b'"auto"', b'"standard"', b'"on_demand"', b'""'))
"""Service tiers that are billed at the model's prices, or none; flex, priority, scale and whatever comes are not."""


# Without ``gc`` as in ``sluice/usage/counts.py``.
class _Message(msgspec.Struct, gc=False):
    tool_calls: list[msgspec.Raw] | None = None


class _ToolCallStart(msgspec.Struct, gc=False):
    id: str | None = None


class _Delta(msgspec.Struct, gc=False):
    tool_calls: list[_ToolCallStart] | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int | None = None
    message: _Message | None = None
    delta: _Delta | None = None


class _Action(msgspec.Struct, gc=False):
    type: str | None = None


class _Output(msgspec.Struct, gc=False):
    type: str | None = None
    action: msgspec.Raw = ABSENT

    @property
    def is_call(self) -> bool:
        """``function_call``, ``web_search_call`` and so on."""
        return self.type is not None and self.type.endswith("_call")

    @property
    def is_billed(self) -> bool:
        """Whether it is a search; opening a page that was found is not."""
        if self.type != _SEARCH:
            return False
        try:
            return not self.action or (_decode_action(self.action).type or "search") == "search"
        except UNREADABLE:
            return True


class _Inner(msgspec.Struct, gc=False):
    """``response`` inside an event of the responses API."""

    model: str | None = None
    usage: msgspec.Raw = ABSENT
    output: list[_Output] | None = None
    service_tier: msgspec.Raw = ABSENT


class _BareInner(msgspec.Struct, gc=False):
    usage: msgspec.Raw = ABSENT


class WireResponse(msgspec.Struct, gc=False):
    """A response body or one streamed event."""

    model: str | None = None
    usage: msgspec.Raw = ABSENT
    choices: list[_Choice] | None = None
    output: list[_Output] | None = None
    response: _Inner | None = None
    type: msgspec.Raw = ABSENT
    service_tier: msgspec.Raw = ABSENT
    x_groq: _BareInner | None = None

    @property
    def kind(self) -> bytes:
        """The JSON text of ``type``: which event it is."""
        return bytes(self.type)


class _BareResponse(msgspec.Struct, gc=False):
    """Of a body whose other fields cannot be read."""

    usage: msgspec.Raw = ABSENT
    response: _BareInner | None = None
    type: msgspec.Raw = ABSENT


_decode_whole = msgspec.json.Decoder(WireResponse).decode
_decode_bare = msgspec.json.Decoder(_BareResponse).decode
_decode_action = msgspec.json.Decoder(_Action).decode


def decode_response(body: bytes) -> WireResponse:
    """A response or event; raises ``msgspec.DecodeError`` or ``RecursionError``."""
    try:
        return _decode_whole(body)
    except MISFIT:
        bare = _decode_bare(body)
        inner = _Inner(usage=bare.response.usage) if bare.response else None
        return WireResponse(usage=bare.usage, response=inner, type=bare.type)


def counted(response: WireResponse) -> Counted:
    """What it says of usage, wherever that stands; what was searched for is a part of it."""
    inner = response.response or response
    found = usage_of(inner.usage)
    usage, text, problem = found
    if text is None and response.x_groq is not None:
        found = usage_of(response.x_groq.usage)
        usage, text, problem = found
    if usage is None:
        return found
    for output in inner.output or ():
        if output.is_billed:
            usage.tool_requests = (usage.tool_requests or 0) + 1
        elif output.type in _UNCOUNTED:
            problem = problem or "tool_uncounted"
    if inner.service_tier:
        tier = bytes(inner.service_tier)
        if tier not in _USUAL_TIERS and tier[:1] == b'"':
            problem = problem or (BATCH_TIER if tier == b'"batch"' else "service_tier")
    return found._replace(problem=problem) if problem else found


def answer_of(response: WireResponse) -> Answer:
    """What a whole response body says."""
    inner = response.response or response
    usage, raw, problem = counted(response)
    choices = response.choices or ()
    outputs = inner.output or ()
    calls = 0
    for choice in choices:
        message = choice.message
        if message is not None and message.tool_calls:
            calls += len(message.tool_calls)
    for output in outputs:
        calls += output.is_call
    return Answer(usage, raw, inner.model, min(len(choices) or len(outputs), MAX_CHOICES), calls, problem)
