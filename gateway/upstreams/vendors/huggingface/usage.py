"""What an answer of text generation says of its worth: a whole one, or one event of a stream.

Only ``details`` count, and they come where ``parameters.details`` asked for them. Without them all is estimated
(``no_details``). Older servers count the output alone (``prompt_missing``), unless they list the prompt's tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from gateway.headers import header
from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.openai.wire import MAX_CHOICES
from sluice.money.usage import Usage
from sluice.usage.huggingface import usage_of
from sluice.usage.plain_counts import ABSENT
from sluice.usage.reading import UNREADABLE

_MAX_RESULTS: Final = 1 << 12
"""So many results of one answer are looked at; a batch has some dozens."""
_COUNT: Final = re.compile(rb"[0-9]{1,9}")
_NUMBER: Final = frozenset(b"-0123456789")
_NOTHING: Final = frozenset((b"", b"null"))


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


_decode_generated = msgspec.json.Decoder(Generated).decode
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
    found = usage_of(details)
    if found.problem != "no_details":
        answer.raw_usage = found.text
    answer.problem = found.problem
    if found.usage is not None:
        answer.usage = found.usage


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
