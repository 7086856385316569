"""``details`` of text generation, brought to one: of one answer, or of several that were asked for together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from sluice.money.usage import Usage
from sluice.usage.counts import Counted
from sluice.usage.plain_counts import ABSENT, PlainCounts, decode_members, text_of_counts
from sluice.usage.reading import UNREADABLE

Members = Mapping[str, msgspec.Raw]
_LISTS: Final = frozenset(b"[{")
_NOTHING: Final = frozenset((b"", b"null"))
_OF_THE_WRONG_TYPE: Final = {"generated_tokens": msgspec.Raw(b"{}")}


class _Sequence(msgspec.Struct):
    generated_tokens: msgspec.Raw = ABSENT


_decode_sequences = msgspec.json.Decoder(list[_Sequence] | None).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def usage_of(details: Iterable[msgspec.Raw]) -> Counted:
    """The counts of these details, one of each result; all of them or none (``no_details``)."""
    total, counts, texts = _Total(), PlainCounts(), []
    for raw in details:
        if bytes(raw) in _NOTHING:
            return Counted(None, None, "no_details")
        members = decode_members(raw)
        if members is None:
            members = _OF_THE_WRONG_TYPE
        total.add(members, counts)
        texts.append(_figures(members))
    text = text_of_counts(texts[0]) if len(texts) == 1 else text_of_counts(_raw_sum(total))
    problem = counts.problem
    if counts.is_impossible or total.response is None:
        return Counted(None, text, problem or "missing")
    if total.prompt is None:
        problem = problem or "prompt_missing"
    return Counted(Usage(prompt_tokens=total.prompt, response_tokens=total.response), text, problem)


class _Total:
    """The sum of several details; ``None`` where one of them says nothing."""

    def __init__(self) -> None:
        self.prompt: int | None = 0
        self.response: int | None = 0

    def add(self, details: Members, counts: PlainCounts) -> None:
        """Those of ``best_of`` that were not chosen were generated as well."""
        prompt = counts.read(details.get("input_length"))
        if prompt is None:
            prompt = _length_of(details.get("prefill", ABSENT)) or None
        self.prompt = None if prompt is None or self.prompt is None else self.prompt + prompt
        others = [sequence.generated_tokens for sequence in _sequences_of(details)]
        for raw in (details.get("generated_tokens"), *others):
            made = counts.read(raw)
            self.response = None if made is None or self.response is None else self.response + made


def _length_of(raw: msgspec.Raw) -> int:
    try:
        return len(_decode_list(raw)) if bytes(raw) not in _NOTHING else 0
    except UNREADABLE:
        return 0


def _sequences_of(details: Members) -> list[_Sequence]:
    raw = details.get("best_of_sequences", ABSENT)
    try:
        return (_decode_sequences(raw) if bytes(raw) else None) or []
    except UNREADABLE:
        return []


def _figures(details: Members) -> dict[str, msgspec.Raw]:
    """The vendor's own members but its lists of tokens; of those what they count."""
    found = {name: value for name, value in details.items() if memoryview(value)[0] not in _LISTS}
    if others := _sequences_of(details):
        found["best_of_sequences"] = msgspec.Raw(msgspec.json.encode(others))
    if "input_length" not in found and (length := _length_of(details.get("prefill", ABSENT))):
        found["input_length"] = msgspec.Raw(b"%d" % length)
    return found


def _raw_sum(total: _Total) -> Mapping[str, Any]:
    counts = {"generated_tokens": total.response, "input_length": total.prompt}
    return {name: number for name, number in counts.items() if number is not None}
