"""The parts of Google's response bodies and streamed elements that say what a call was worth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.google.interactions import answer_of_interaction
from gateway.upstreams.vendors.google.paths import Place
from gateway.upstreams.vendors.google.request import plain_name
from gateway.upstreams.vendors.openai.wire import ABSENT, MAX_CHOICES
from sluice.money.usage import Usage
from sluice.usage.counts import Counted, raw_text
from sluice.usage.google import usage_of
from sluice.usage.reading import MISFIT, UNREADABLE

_PAID_BY_PROMPT: Final = ("gemini-1", "gemini-2")
"""Models whose searches are billed once for a prompt, however many there were; later ones' are billed one by one
(Google's price list of the Gemini API, grounding with Google Search)."""


class _Call(msgspec.Struct):
    name: str | None = None


class _Part(msgspec.Struct):
    call: _Call | None = msgspec.field(default=None, name="functionCall")


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _GroundingChunk(msgspec.Struct):
    maps: msgspec.Raw = ABSENT


class _Grounding(msgspec.Struct, rename="camel"):
    web_search_queries: list[str] | None = None
    grounding_chunks: list[_GroundingChunk] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One of the answers, or what has been streamed of it."""

    index: int | None = None
    content: _Content | None = None
    finish_reason: str | None = None
    grounding_metadata: _Grounding | None = None

    @property
    def calls(self) -> int:
        """Tools it calls. Arguments that come in pieces repeat the call without its name."""
        parts = self.content.parts if self.content is not None else None
        return sum([1 for part in parts if part.call is not None and part.call.name]) if parts else 0


class _Statistics(msgspec.Struct):
    token_count: int | float | None = None


class _Embeddings(msgspec.Struct):
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct):
    embeddings: _Embeddings | None = None


class _Predictions(msgspec.Struct):
    predictions: list[_Prediction] | None = None


class WireResponse(msgspec.Struct):
    """A response body or one streamed element."""

    candidates: list[Candidate] | None = None
    usage: msgspec.Raw = msgspec.field(default=ABSENT, name="usageMetadata")
    version: str | None = msgspec.field(default=None, name="modelVersion")
    feedback: msgspec.Raw = msgspec.field(default=ABSENT, name="promptFeedback")
    error: msgspec.Raw = ABSENT


class _BareResponse(msgspec.Struct):
    """Of a body whose other fields cannot be read."""

    usage: msgspec.Raw = msgspec.field(default=ABSENT, name="usageMetadata")


class _CacheCounts(msgspec.Struct):
    total: int | None = msgspec.field(default=None, name="totalTokenCount")


_decode_whole: Final = msgspec.json.Decoder(WireResponse).decode
_decode_bare: Final = msgspec.json.Decoder(_BareResponse).decode
_decode_predictions: Final = msgspec.json.Decoder(_Predictions).decode
_decode_cache: Final = msgspec.json.Decoder(_CacheCounts).decode


def decode_response(body: bytes) -> WireResponse:
    """A response or element; raises ``msgspec.DecodeError`` or ``RecursionError``."""
    try:
        return _decode_whole(body)
    except MISFIT:
        return WireResponse(usage=_decode_bare(body).usage)


def answer_of(body: bytes, place: Place) -> Answer:
    """What a whole response body says, on a path whose answers we know; raises as ``decode_response``."""
    kind = place.kind
    if kind == "interactions":
        return answer_of_interaction(body)
    if kind == "predict":
        return _answer_of_predictions(body, place)
    response = decode_response(body)
    if kind == "count":  # free, whatever it counts
        return Answer(Usage(prompt_tokens=0, response_tokens=0), raw_text(body), plain_name(place.model))
    if kind == "cache":
        return _answer_of_cache(response.usage)
    candidates = response.candidates or []
    found = usage_of(response.usage)
    answer = Answer(
        found.usage,
        found.text,
        plain_name(response.version or place.model),
        min(len(candidates), MAX_CHOICES),
        sum(candidate.calls for candidate in candidates),
        found.problem,
    )
    note_grounding(answer, searches_in(candidates), has_maps=has_maps(candidates))
    return answer


def searches_in(candidates: Iterable[Candidate]) -> set[str]:
    """What was searched for; empty queries are not billed."""
    grounded = [candidate.grounding_metadata for candidate in candidates if candidate.grounding_metadata is not None]
    return {query for grounding in grounded for query in grounding.web_search_queries or () if query}


def has_maps(candidates: Iterable[Candidate]) -> bool:
    """Whether an answer stands on Google Maps: billed at a price of its own."""
    grounded = [candidate.grounding_metadata for candidate in candidates if candidate.grounding_metadata is not None]
    return any(chunk.maps for grounding in grounded for chunk in grounding.grounding_chunks or ())


def note_grounding(answer: Answer, searches: set[str], *, has_maps: bool) -> None:
    """Add what is billed one by one to the usage, and say where something has no price."""
    if answer.usage is None:
        return
    if searches:
        by_prompt = answer.model is not None and answer.model.startswith(_PAID_BY_PROMPT)
        answer.usage.tool_requests = 1 if by_prompt else len(searches)
    if has_maps:
        answer.problem = answer.problem or "tool_uncounted"


def _answer_of_predictions(body: bytes, place: Place) -> Answer:
    """Embeddings count their tokens each; images and the like are not counted in tokens."""
    predictions = _decode_predictions(body).predictions or []
    counts = [
        entry.embeddings.statistics.token_count
        for entry in predictions
        if entry.embeddings is not None and entry.embeddings.statistics is not None
    ]
    tokens = [int(count) for count in counts if count is not None and 0 <= count < 1 << 40]
    usage = Usage(prompt_tokens=sum(tokens), response_tokens=0) if tokens else None
    raw = msgspec.json.encode({"token_count": sum(tokens)}).decode() if tokens else None
    problem = "wrong_type" if len(tokens) < len(counts) else ""
    return Answer(usage, raw, plain_name(place.model), min(len(predictions), MAX_CHOICES), problem=problem)


def _answer_of_cache(raw: msgspec.Raw) -> Answer:
    """Content is written to a cache at the price of a prompt; how long it lies there, which costs too, nobody knows."""
    found: Counted = usage_of(raw)
    try:
        total = _decode_cache(raw).total if raw else None
    except UNREADABLE:
        return Answer(raw_usage=found.text, problem="wrong_type")
    if total is None or total < 0:
        return Answer(raw_usage=found.text, problem="negative_tokens" if total else "")
    return Answer(Usage(prompt_tokens=total, response_tokens=0), found.text, problem="storage_uncounted")
