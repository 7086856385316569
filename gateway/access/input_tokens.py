"""How many prompt tokens a request may be charged for: an upper bound, or that there is none.

All strings, names and numbers of the body are counted, whatever field they are in: with the tokenizer where it is
installed and knows the model, else a token for each byte of UTF-8. No text has more tokens than bytes, and the names
around a message or a tool outweigh what the vendor adds for it.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import orjson

from gateway.access.input_watch import Watch
from gateway.access.tokenizer import Count, counter_of

if TYPE_CHECKING:
    from gateway.snapshot import Llm

MAX_PARTS = 10_000
"""Commas and brackets of a body that is walked through: 5 to 15 ms. One with more is counted by its bytes."""
MAX_SEARCHED_BYTES = 4 << 20
"""Of a body that is not walked through: 40 ms. One that is larger is longer than what models read."""
MAX_TOKENIZED_BYTES = 128 << 10
"""Of a body's text: 6 ms, 11 at worst. What lies beyond is counted by bytes."""
_REQUEST_TOKENS = 16
"""What frames a request and opens its answer: 3 to 7, by OpenAI's cookbook on counting tokens."""


@dataclass(frozen=True, slots=True)
class InputCount:
    """Tokens of a request's input; a bound of what the vendor will count where ``is_bounded``."""

    tokens: int
    how: Literal["tokenizer", "bytes"]
    """``bytes`` where any of it was."""
    is_bounded: bool = True
    unbounded_because: str = ""
    """What of the request may bring in tokens that are not in it; for the client's eyes."""
    answers: int = 1
    """How many times the most output may be generated: prompts of a batch, times ``n`` or ``best_of`` of each."""


_ABSENT = msgspec.Raw()


class _Members(msgspec.Struct):
    """What of a large body may be unbounded, not decoded yet."""

    messages: msgspec.Raw = _ABSENT
    input: msgspec.Raw = _ABSENT
    inputs: msgspec.Raw = _ABSENT
    prompt: msgspec.Raw = _ABSENT
    tools: msgspec.Raw = _ABSENT
    conversation: msgspec.Raw = _ABSENT
    previous_response_id: msgspec.Raw = _ABSENT
    web_search_options: msgspec.Raw = _ABSENT
    assistant_id: msgspec.Raw = _ABSENT
    thread: msgspec.Raw = _ABSENT
    additional_messages: msgspec.Raw = _ABSENT
    input_file_id: msgspec.Raw = _ABSENT
    training_file: msgspec.Raw = _ABSENT
    background: msgspec.Raw = _ABSENT
    service_tier: msgspec.Raw = _ABSENT
    requests: msgspec.Raw = _ABSENT
    mcp_servers: msgspec.Raw = _ABSENT
    container: msgspec.Raw = _ABSENT
    fallbacks: msgspec.Raw = _ABSENT
    context_management: msgspec.Raw = _ABSENT
    speed: msgspec.Raw = _ABSENT
    inference_geo: msgspec.Raw = _ABSENT
    contents: msgspec.Raw = _ABSENT
    system_instruction: msgspec.Raw = _ABSENT
    systemInstruction: msgspec.Raw = _ABSENT  # noqa: N815 - as Google has them
    cached_content: msgspec.Raw = _ABSENT
    cachedContent: msgspec.Raw = _ABSENT  # noqa: N815
    serviceTier: msgspec.Raw = _ABSENT  # noqa: N815
    n: msgspec.Raw = _ABSENT
    best_of: msgspec.Raw = _ABSENT


_decode_members = msgspec.json.Decoder(_Members).decode
_SEARCHES = re.compile(r"-search-(preview|api)|deep-research")
"""Models that look up what they answer from: what they find is charged as input."""

_STORED_PROMPT = ":prompt/"
"""In the ARN of one that Bedrock keeps: its words are in no request, and it may name any model."""


def count_input(body: bytes, llm: Llm, model: str | None) -> InputCount:
    """Count a request as it goes to the vendor. Never raises, whatever the body is.

    Takes some tenths of a millisecond; 10 MB that somebody made for it, a tenth of a second.
    """
    watch = Watch(model, llm.vendor)
    if model is not None and _SEARCHES.search(model):
        watch.note(f"model {model[:64]!r} searches by itself")
    if model is not None and _STORED_PROMPT in model:
        watch.note("a stored prompt")
    if not body:
        return InputCount(0, "bytes", not watch.reason, watch.reason)
    document = _read(body) if _parts(body) <= MAX_PARTS else None
    if isinstance(document, dict):
        walk = _Walk(counter_of(model) if llm.vendor == "openai" else None, watch)
        walk.add(document)
        tokens, how = walk.tokens + _REQUEST_TOKENS, walk.how
    else:
        document = _look_through(body, watch)
        tokens, how = len(body) + watch.tokens, "bytes"
    return InputCount(tokens, how, not watch.reason, watch.reason, _answers(document))


def _answers(document: dict[str, Any]) -> int:
    prompt = document.get("prompt")
    prompts = prompt if isinstance(prompt, list) and any(isinstance(entry, str | list) for entry in prompt) else ()
    wanted = (document.get("n"), document.get("best_of"))
    each = max((number for number in wanted if isinstance(number, int)), default=1)
    return max(each, 1) * max(len(prompts), 1)


def _parts(document: bytes) -> int:
    """How many values it has at most."""
    return document.count(b",") + document.count(b"{") + document.count(b"[")


def _read(document: bytes) -> Any:
    """The decoded JSON; ``None`` where it is none."""
    try:
        return orjson.loads(document)
    except ValueError:
        return _read_leniently(document)


def _read_leniently(document: bytes) -> Any:
    """As most servers do: with NaN, and with half of a surrogate pair where a client cut a text in two."""
    try:
        return json.loads(document)
    except (ValueError, RecursionError):
        return None


def _look_through(body: bytes, watch: Watch) -> dict[str, Any]:
    """What may be unbounded in a body that is not walked through whole; returns the members that could be read."""
    found: dict[str, Any] = {}
    if len(body) > MAX_SEARCHED_BYTES:
        watch.note("the body is too large to be looked through")
        return found
    try:
        members = _decode_members(body)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        watch.note("the body is no JSON object")
        return found
    left = MAX_PARTS
    for name in _Members.__struct_fields__:
        raw = bytes(getattr(members, name))
        if not raw or raw == b"null":
            continue
        parts = _parts(raw)
        value = _read(raw) if parts <= left else None
        if value is None:
            watch.search(name, raw)
        else:
            found[name], left = value, left - parts
    _Walk(None, watch).add(found)
    return found


class _Walk:
    """Sums up what is in a document, and shows the watch what is not."""

    def __init__(self, count: Count | None, watch: Watch) -> None:
        self._count = count
        self._left = MAX_TOKENIZED_BYTES if count else 0
        self._watch = watch
        self._text_tokens = 0
        self.how: Literal["tokenizer", "bytes"] = "tokenizer" if count else "bytes"

    @property
    def tokens(self) -> int:
        """All that was added, images and audio included."""
        return self._text_tokens + self._watch.tokens

    def add(self, document: object) -> None:
        """Without recursion: bodies may be a thousand levels deep."""
        stack: list[tuple[object, bool]] = [(document, True)]
        while stack:
            value, is_watched = stack.pop()
            if isinstance(value, str):
                self._text_tokens += 1 + self._tokens_of(value)
            elif isinstance(value, dict):
                if is_watched:
                    self._watch.see(value)
                for name, member in value.items():
                    self._text_tokens += 1 + self._tokens_of(name)
                    if not (is_watched and self._watch.takes(name, member)):
                        stack.append((member, is_watched and self._watch.goes_into(name, member)))
            elif isinstance(value, list):
                stack.extend([(member, is_watched) for member in value])
            else:
                self._text_tokens += 1 + len(str(value)) // 3  # a number in a prompt is one token, in a schema digits

    def _tokens_of(self, text: str) -> int:
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if self._count is not None and size <= self._left:
            self._left -= size
            with contextlib.suppress(UnicodeEncodeError):
                return self._count(text)
        self.how = "bytes"
        return size
