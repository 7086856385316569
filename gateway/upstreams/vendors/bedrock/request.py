"""What a request to Bedrock says, and our edits of it. The model is in the path; the rest is the family's."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.upstreams.vendors.bedrock.families import CONVERSE, UNKNOWN, Family, Place, family_of
from gateway.upstreams.vendors.bedrock.paths import STREAMS, Call
from gateway.upstreams.vendors.dialect import Asked
from gateway.upstreams.vendors.json_edit import with_member
from gateway.upstreams.vendors.openai.wire import MAX_CHOICES
from sluice.usage.reading import UNREADABLE

_MAX_RESPONSE_TOKENS = (1 << 31) - 1
"""No model gives more; so a reservation stays within 64 bits."""
_PROMPT = ":prompt/"
"""In the ARN of a stored prompt, which has its own configuration and takes no other."""
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def ask(body: bytes, call: Call) -> Asked:
    """Read the maximum and the number of choices; raises ``ValueError`` on a body that is no JSON object."""
    members = _members(body) if body else {}
    if call.operation == "count-tokens":
        return Asked(model=call.model, wants_usage=True, max_response_tokens=0, is_free=True)
    family = _family(call) or UNKNOWN
    return Asked(
        model=call.model,
        is_stream=call.operation in STREAMS,
        wants_usage=True,  # given unasked
        max_response_tokens=_maximum(members, family),
        choices=min(max(_whole(members.get(family.choices)) or 1, 1), MAX_CHOICES),
    )


def with_maximum(body: bytes, call: Call, tokens: int) -> bytes | None:
    """The body with a maximum where the model's family has one; other members of its object stay."""
    family = _family(call)
    if call.operation == "count-tokens" or family is None or not family.maxima or body.lstrip()[:1] != b"{":
        return None
    if _PROMPT in call.identifier:
        return None
    return with_member(body, family.maxima[0], b"%d" % tokens)


def _family(call: Call) -> Family | None:
    return CONVERSE if call.operation.startswith("converse") else family_of(call.identifier)


def _members(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _decode_members(body)
    except UNREADABLE as error:
        raise ValueError(str(error)) from error


def _maximum(members: dict[str, msgspec.Raw], family: Family) -> int | None:
    """The most response tokens an answer may have: of several the largest, since models differ in which they heed."""
    limits = [limit for place in family.maxima if (limit := _at(members, place)) is not None]
    return min(max(limits), _MAX_RESPONSE_TOKENS) if limits and min(limits) >= 0 else None


def _at(members: dict[str, msgspec.Raw], place: Place) -> int | None:
    value = members.get(place[0])
    for name in place[1:]:
        try:
            value = _decode_members(value).get(name) if value is not None else None
        except UNREADABLE:
            return None
    return _whole(value)


def _whole(value: msgspec.Raw | None) -> int | None:
    if value is None:
        return None
    found: Any = msgspec.json.decode(value)
    return found if type(found) is int else None
