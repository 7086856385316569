"""Usage wherever it stands: for paths and answers that a dialect does not know, so that nothing is free by accident.

A guess, but a careful one: counts are taken from the objects and under the names that vendors use, and nothing is read
from texts. What is found is believed as a vendor's own count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.scanning import NdjsonScanner, SseFrame, SseScanner, Verdict
from sluice.usage.counts import raw_text
from sluice.usage.generic import usage_in

_MAX_BODY_BYTES: Final = 4 << 20
_HOLDERS: Final = (
    "usage", "usageMetadata", "usage_metadata", "x_groq", "response", "message", "meta", "metadata", "billed_units",
    "tokens", "details", "amazon-bedrock-invocationMetrics", "timings", "result", "data",
)  # fmt: skip
"""Objects that counts stand in, or those again that do."""
_MAX_DEPTH: Final = 3


def answer_of_anything(body: bytes) -> Answer:
    """What a body says of its worth, whoever wrote it; never raises."""
    if len(body) > _MAX_BODY_BYTES or not may_count(body):
        return Answer()
    try:
        value = orjson.loads(body)
    except (ValueError, RecursionError):
        return Answer()
    if not isinstance(value, dict):
        return Answer()
    answer = Answer(model=_model_in(value) or _model_in(value.get("message")) or _model_in(value.get("response")))
    for holder in _holders(value, 0):
        usage, is_odd = usage_in(holder)
        if usage is not None or is_odd:
            answer.usage = usage
            answer.raw_usage = raw_text(orjson.dumps(_scalars(holder) if holder is value else holder))
            answer.problem = "" if usage is not None else "wrong_type"
            break
    return answer


def _model_in(value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    model = value.get("model") or value.get("modelVersion")
    return model if isinstance(model, str) else None


def _scalars(counts: Mapping[str, Any]) -> dict[str, int]:
    """Of an object in which counts stand beside the answer: the numbers."""
    return {name: value for name, value in counts.items() if isinstance(value, int)}


def may_count(chunk: bytes) -> bool:
    """Whether some name of a count may be in it."""
    return b"oken" in chunk or b"eval_count" in chunk or b"predicted_n" in chunk


def _holders(value: Mapping[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    """The objects in which counts may stand, the nearest first, and this one last."""
    for name in _HOLDERS:
        inner = value.get(name)
        if isinstance(inner, dict) and depth < _MAX_DEPTH:
            yield from _holders(inner, depth + 1)
    if isinstance(value, dict):
        yield value


class _Counting:
    """What the scanners of unknown streams have in common: the last count of each kind that can be read."""

    answer: Answer
    looks_left: int

    def _note(self, data: bytes) -> None:
        found = answer_of_anything(data)
        answer = self.answer
        answer.model = answer.model or found.model
        if answer.model:
            self.looks_left = 0
        if found.usage is None:
            return
        known = answer.usage
        if known is not None:
            for name in found.usage.__struct_fields__:
                if getattr(found.usage, name) is None:
                    setattr(found.usage, name, getattr(known, name))
        answer.usage, answer.raw_usage = found.usage, found.raw_usage


class GenericStream(_Counting, SseScanner):
    """Server-sent events of unknown meaning; ``[DONE]`` and ``message_stop`` end them."""

    has_end = False

    def may_matter(self, chunk: bytes) -> bool:
        """Counts and ends."""
        return may_count(chunk) or b"[DONE]" in chunk or b"message_stop" in chunk

    def inspect(self, frame: SseFrame) -> Verdict:
        """Take note of counts."""
        if frame.data.startswith(b"[DONE]"):
            return "hold"
        self._note(frame.data)
        return "hold" if frame.name == b"message_stop" else "pass"


class GenericLines(_Counting, NdjsonScanner):
    """Lines of JSON of unknown meaning, which end where they end."""

    has_end = False

    def may_matter(self, chunk: bytes) -> bool:
        """Counts."""
        return may_count(chunk)

    def inspect(self, line: bytes) -> Verdict:
        """Take note of counts."""
        self._note(line)
        return "pass"
