"""What the results of a batch add up to: lines of JSON, each with the message of one request.

They are not charged: a client may read them again and again, or never. The batch was, when it was made, as an
estimate; what its results count stands in ``raw_usage`` of whoever reads them, for comparison.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.upstreams.vendors.anthropic.wire import ABSENT
from gateway.upstreams.vendors.dialect import Answer
from sluice.money.usage import Usage
from sluice.usage.anthropic import usage_of
from sluice.usage.reading import UNREADABLE


class _Message(msgspec.Struct):
    model: str | None = None
    usage: msgspec.Raw = ABSENT


class _Result(msgspec.Struct):
    message: _Message | None = None


class _Line(msgspec.Struct):
    result: _Result | None = None


_decode_line = msgspec.json.Decoder(_Line).decode


def answer_of_results(body: bytes) -> Answer:
    """The sum of all lines that can be read; ``batch_results`` is its problem where one cannot."""
    answer = Answer()
    total = Usage()
    requests = 0
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        try:
            result = _decode_line(line).result
        except UNREADABLE:
            answer.problem = "batch_results"
            continue
        if result is None or result.message is None:
            continue
        found = usage_of(result.message.usage)
        if found.usage is None:
            answer.problem = "batch_results"
            continue
        requests += 1
        answer.model = answer.model or result.message.model
        _add(total, found.usage)
    if requests:
        answer.usage, answer.choices = total, min(requests, 1 << 15)
        answer.raw_usage = msgspec.json.encode(_described(total, requests)).decode()
    return answer


def _add(total: Usage, usage: Usage) -> None:
    for name in Usage.__struct_fields__:
        count = getattr(usage, name)
        if count is not None:
            setattr(total, name, (getattr(total, name) or 0) + count)


def _described(total: Usage, requests: int) -> dict[str, Any]:
    counts = {name: getattr(total, name) for name in Usage.__struct_fields__}
    return {"succeeded_requests": requests} | {name: count for name, count in counts.items() if count is not None}
