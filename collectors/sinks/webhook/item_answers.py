"""The optional answer for each event: ``{"results": [{"event_id": …, "status": …, "reason": …}]}``.

| status | class |
|---|---|
| ``accepted`` | delivered |
| ``duplicate`` | delivered, and counted as known |
| ``retry`` | written again |
| ``rejected`` | poison, with ``reason`` |
| no result of that event | written again |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from collectors.errors import Retryable, Unprocessable, without_values
from collectors.sinks.http.client import HttpAnswer
from collectors.sinks.interface import Verdict
from collectors.sinks.webhook.requests import Item

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises of bytes that are no answer; the second and third are no ``DecodeError``."""


class _Result(msgspec.Struct):
    event_id: str
    status: Literal["accepted", "duplicate", "retry", "rejected"]
    reason: str = ""


class _Results(msgspec.Struct):
    results: list[_Result]


_DECODER = msgspec.json.Decoder(_Results)


def judge_items(answer: HttpAnswer, items: Sequence[Item]) -> Verdict:
    """What became of the items of a request that was answered with success."""
    verdict = Verdict()
    try:
        results = {result.event_id: result for result in _DECODER.decode(answer.body).results}
    except _UNREADABLE as error:
        why = "too long" if not answer.is_whole else without_values(str(error))
        verdict.postpone(range(len(items)), Retryable(f"unreadable answer for items: {why}"))
        return verdict
    again, unnamed = [], []
    for position, item in enumerate(items):
        result = results.get(item.event_id)
        if result is None:
            unnamed.append(position)
        elif result.status == "retry":
            again.append(position)
        elif result.status == "rejected":
            verdict.poison[position] = Unprocessable("rejected_by_receiver", without_values(result.reason))
        else:
            verdict.duplicates += result.status == "duplicate"
    if again:
        verdict.postpone(again, Retryable("the receiver asks for some events again"))
    if unnamed:
        verdict.postpone(unnamed, Retryable(f"the answer does not name {len(unnamed)} of {len(items)} events"))
    return verdict
