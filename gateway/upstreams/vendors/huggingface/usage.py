"""What an answer of text generation says of its worth: a whole one, or one event of a stream.

Only ``details`` count, and they come where ``parameters.details`` asked for them. Without them all is estimated
(``no_details``). Older servers count the output alone (``prompt_missing``), unless they list the prompt's tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from gateway.headers import header
from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.openai.wire import MAX_CHOICES
from gateway.upstreams.vendors.plain_counts import ABSENT, PlainCounts, decode_members, text_of_counts
from gateway.upstreams.vendors.reading import UNREADABLE
from sluice.money.usage import Usage

_MAX_RESULTS: Final = 1 << 12
"""So many results of one answer are looked at; a batch has some dozens."""
_COUNT: Final = re.compile(rb"[0-9]{1,9}")
_LISTS: Final = frozenset(b"[{")
_NUMBER: Final = frozenset(b"-0123456789")
_NOTHING: Final = frozenset((b"", b"null"))
_OF_THE_WRONG_TYPE: Final = {"generated_tokens": msgspec.Raw(b"{}")}
Members = Mapping[str, msgspec.Raw]


class Generated(msgspec.Struct):
    """One result, or one event."""

    generated_text: msgspec.Raw = ABSENT
    details: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT
    model: msgspec.Raw = ABSENT
    usage: msgspec.Raw = ABSENT

    @property
    def has_text(self) -> bool:
        """Whether it is a whole result, or a stream's last event."""
        return bytes(self.generated_text) not in _NOTHING

    @property
    def has_error(self) -> bool:
        """Whether it is an error instead."""
        return bytes(self.error) not in _NOTHING


class _Sequence(msgspec.Struct):
    generated_tokens: msgspec.Raw = ABSENT


_decode_generated = msgspec.json.Decoder(Generated).decode
_decode_sequences = msgspec.json.Decoder(list[_Sequence] | None).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def decode_generated(data: bytes | msgspec.Raw) -> Generated | None:
    """A result or event; ``None`` where it is none."""
    try:
        return _decode_generated(data)
    except UNREADABLE:
        return None


def answer_of(body: bytes) -> Answer | None:
    """What a whole answer says, one result or a list of them; ``None`` where it is not of text generation."""
    body = body.strip()
    if _is_numbers(body):  # embeddings: no tokens come back, and those that went in are not counted
        return Answer(usage=Usage(), problem="prompt_missing")
    try:
        results = [*_results(body)]
    except UNREADABLE:
        return None
    if len(results) == 1 and results[0].has_error and not results[0].has_text:
        return Answer()  # its status says what that is worth
    if not results or not all(result.has_text for result in results):
        return None
    answer = Answer(choices=min(len(results), MAX_CHOICES))
    count(answer, [result.details for result in results])
    return answer


def count_headers(answer: Answer, headers: Headers) -> None:
    """Take the counts of ``x-prompt-tokens`` and ``x-generated-tokens``, which text generation servers send with every
    answer; both or none."""
    prompt, generated = (header(headers, name) for name in (b"x-prompt-tokens", b"x-generated-tokens"))
    if prompt is None or generated is None or not (_COUNT.fullmatch(prompt) and _COUNT.fullmatch(generated)):
        return
    answer.usage = Usage(prompt_tokens=int(prompt), response_tokens=int(generated))
    answer.raw_usage = f'{{"x-prompt-tokens":{int(prompt)},"x-generated-tokens":{int(generated)}}}'
    answer.problem = ""


def count(answer: Answer, details: Iterable[msgspec.Raw]) -> None:
    """Take the counts of these details, one of each result; all of them or none."""
    total, counts, texts = _Total(), PlainCounts(), []
    for raw in details:
        if bytes(raw) in _NOTHING:
            answer.problem = "no_details"
            return
        members = decode_members(raw)
        if members is None:
            members = _OF_THE_WRONG_TYPE
        total.add(members, counts)
        texts.append(_figures(members))
    answer.raw_usage = text_of_counts(texts[0]) if len(texts) == 1 else text_of_counts(_raw_sum(total))
    answer.problem = counts.problem
    if counts.is_impossible or total.response is None:
        answer.problem = answer.problem or "missing"
        return
    if total.prompt is None:
        answer.problem = answer.problem or "prompt_missing"
    answer.usage = Usage(prompt_tokens=total.prompt, response_tokens=total.response)


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
    """The vendor's own members but its lists of tokens."""
    return {name: value for name, value in details.items() if memoryview(value)[0] not in _LISTS}


def _raw_sum(total: _Total) -> Mapping[str, Any]:
    counts = {"generated_tokens": total.response, "input_length": total.prompt}
    return {name: number for name, number in counts.items() if number is not None}


def _results(body: bytes) -> Iterator[Generated]:
    """Results in lists, as many as there are levels of them; raises ``msgspec.DecodeError``."""
    left: list[bytes] = [body]
    for _ in range(_MAX_RESULTS):
        if not left:
            return
        value = left.pop()
        if value.startswith(b"["):
            left.extend(bytes(entry) for entry in reversed(_decode_list(value)))
        else:
            yield _decode_generated(value)


def _is_numbers(body: bytes) -> bool:
    """Whether it is a list of numbers, or of such lists."""
    first = body[:256].lstrip(b"[ \t\r\n")[:1]
    return body.startswith(b"[") and first != b"" and first[0] in _NUMBER
