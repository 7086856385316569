"""From an exchange that is over to its spans: a tree with the exchange at its root, every time within it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from gateway.tracing.finished import Finished

SpanKind = Literal["internal", "server", "client"]
Value = str | int | bool | tuple[str, ...]

_random = random.Random()  # as the sampler's
_NOTICED_NS = 1_000_000
"""An admission that took less asked nobody."""
_FAULTS = frozenset(
    ("plugin_failed", "upstream_error", "upstream_unreachable", "upstream_timeout", "overloaded",
     "eventlog_unavailable", "gateway_error")
)  # fmt: skip
_FINE = frozenset(("ok", "answered_by_plugin"))
_RESPONSE_HOOKS = frozenset(("response_headers", "response_body"))
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"))
_ROUTES = {"bridge": "/ai/{slug}/v1", "plugin": "/plugins/{slug}"}
_OPERATIONS = (
    ("/chat/completions", "chat"),
    ("/messages", "chat"),
    ("/responses", "chat"),
    ("/api/chat", "chat"),
    ("/converse", "chat"),
    ("/converse-stream", "chat"),
    (":generateContent", "chat"),
    (":streamGenerateContent", "chat"),
    ("/completions", "text_completion"),
    ("/api/generate", "text_completion"),
    ("/embeddings", "embeddings"),
    ("/api/embed", "embeddings"),
    (":embedContent", "embeddings"),
    (":batchEmbedContents", "embeddings"),
)
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "google_ai": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
    "mistral": "mistral_ai",
    "xai": "x_ai",
}
"""Vendors that OpenTelemetry has another word for (semantic conventions for generative AI)."""


class Span(msgspec.Struct):
    """One span, its times in nanoseconds since the epoch, its ids in hex."""

    key: str
    """Of the catalogue."""
    name: str
    kind: SpanKind
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: list[tuple[str, Value]] = msgspec.field(default_factory=list)
    is_error: bool = False


class SpanMaker:
    """Makes spans of one worker's exchanges."""

    def __init__(self, bits: Callable[[int], int] = _random.getrandbits) -> None:
        self._bits = bits

    def spans(self, done: Finished) -> list[Span]:
        """The exchange's own first, each behind its parent."""
        root = Span(
            "exchange",
            _name(done),
            "server",
            done.trace.span_id,
            done.trace.parent_id,
            _wall(done, done.started_ns),
            _wall(done, done.ended_ns),
            _attributes(done),
            done.outcome in _FAULTS or (done.status or 0) >= 500,
        )
        spans = [root, *self._steps(done)]
        respond = next((span for span in spans if span.key == "respond"), root)
        spans += self._hooks(done, respond.span_id)
        spans += self._attempts(done)
        return spans

    def _steps(self, done: Finished) -> Iterator[Span]:
        accepted, settled = done.trace.accepted_ns, done.trace.settled_ns
        if accepted:
            yield self._step(done, "accept", done.started_ns, accepted)
        if done.upstream_started_ns:
            since = max([accepted or done.started_ns, *_ends_before(done, done.upstream_started_ns)])
            if done.upstream_started_ns - since >= _NOTICED_NS:
                yield self._step(done, "admit", since, done.upstream_started_ns)
        if done.first_byte_ns:
            yield self._step(done, "respond", done.first_byte_ns, settled or done.ended_ns)
        if settled:
            yield self._step(done, "record", settled, done.ended_ns)

    def _step(self, done: Finished, key: str, start_ns: int, end_ns: int) -> Span:
        return self._span(done, key, key, done.trace.span_id, start_ns, end_ns)

    def _hooks(self, done: Finished, respond_id: str) -> Iterator[Span]:
        """One for each hook, and below it one for each of its plugins."""
        timed = zip(done.timings, done.timing_starts_ns, strict=False)
        for hook, group in groupby(timed, lambda each: each[0]["hook"]):
            parts = [(timing, start, start + timing["micros"] * 1_000) for timing, start in group]
            parent_id = respond_id if hook in _RESPONSE_HOOKS else done.trace.span_id
            start_ns, end_ns = min(part[1] for part in parts), max(part[2] for part in parts)
            whole = self._span(done, "hook", hook, parent_id, start_ns, end_ns)
            yield whole
            for timing, start, end in parts:
                span = self._span(done, "plugin", f"{hook} {timing['plugin']}", whole.span_id, start, end)
                span.attributes = [("sluice.plugin", timing["plugin"]), ("sluice.decision", timing["decision"])]
                span.is_error = timing["decision"] == "failed"
                yield span

    def _attempts(self, done: Finished) -> Iterator[Span]:
        vendors = {done.llm_slug: done.vendor, done.served_by: done.served_vendor}
        for count, (attempt, start) in enumerate(zip(done.attempts, done.attempt_starts_ns, strict=False)):
            end_ns = start + attempt["micros"] * 1_000
            span = self._span(done, "upstream", f"upstream {attempt['llm_slug']}", done.trace.span_id, start, end_ns)
            status = attempt["status"]
            error = attempt["error_kind"] or (str(status) if status is not None and status >= 400 else "")
            span.kind = "client"
            span.is_error = bool(error)
            span.attributes = _present(
                *_provider(vendors.get(attempt["llm_slug"], "")),
                ("sluice.llm.id", attempt["llm_id"]),
                ("sluice.llm.slug", attempt["llm_slug"]),
                ("http.response.status_code", status),
                ("http.request.resend_count", count or None),
                ("sluice.may_be_billed", attempt["may_be_billed"]),
                ("error.type", error),
            )
            yield span

    def _span(self, done: Finished, key: str, name: str, parent_id: str, start_ns: int, end_ns: int) -> Span:
        start = min(max(start_ns, done.started_ns), done.ended_ns)
        end = min(max(end_ns, start), done.ended_ns)
        span_id = f"{self._bits(64) or 1:016x}"
        return Span(key, name, "internal", span_id, parent_id, _wall(done, start), _wall(done, end))


def _wall(done: Finished, moment_ns: int) -> int:
    return done.occurred_at * 1_000 + moment_ns - done.started_ns


def _ends_before(done: Finished, moment_ns: int) -> Iterator[int]:
    for timing, start in zip(done.timings, done.timing_starts_ns, strict=False):
        end = start + timing["micros"] * 1_000
        if end <= moment_ns:
            yield end


def _name(done: Finished) -> str:
    """Of few values: a model is in it only where it was let through to its vendor."""
    if done.upstream_started_ns and done.model:
        return f"{operation_of(done.path)} {done.model}"
    return f"{_method(done)} {_route(done)}"


def _method(done: Finished) -> str:
    return done.method if done.method in _METHODS else "_OTHER"


def _route(done: Finished) -> str:
    return _ROUTES.get(done.intent) or f"/llm/{done.intent}/{{slug}}"


def operation_of(path: str) -> str:
    """What a vendor's path asks for, in OpenTelemetry's words where it has one."""
    return next((operation for end, operation in _OPERATIONS if path.endswith(end)), "llm")


def _provider(vendor: str) -> tuple[tuple[str, str], ...]:
    name = _PROVIDERS.get(vendor, vendor)
    return (("gen_ai.provider.name", name), ("gen_ai.system", name))


def _attributes(done: Finished) -> list[tuple[str, Value]]:
    return _present(
        ("gen_ai.operation.name", operation_of(done.path) if done.llm_slug else ""),
        *_provider(done.served_vendor or done.vendor),
        ("gen_ai.request.model", done.model),
        ("gen_ai.request.max_tokens", done.max_tokens),
        ("gen_ai.response.model", done.response_model),
        ("gen_ai.response.finish_reasons", done.finish_reasons or None),
        ("gen_ai.usage.input_tokens", done.input_tokens),
        ("gen_ai.usage.output_tokens", done.output_tokens),
        ("gen_ai.usage.cache_read.input_tokens", done.cached_tokens),
        ("http.request.method", _method(done)),
        ("http.route", _route(done)),
        ("http.response.status_code", done.status),
        ("http.request.body.size", done.request_bytes),
        ("http.response.body.size", done.response_bytes),
        ("error.type", "" if done.outcome in _FINE else done.error_kind or done.outcome),
        ("sluice.exchange_id", done.exchange_id),
        ("sluice.request_id", done.request_id),
        ("sluice.outcome", done.outcome),
        ("sluice.app.id", done.app_id),
        ("sluice.llm.id", done.llm_id),
        ("sluice.llm.slug", done.llm_slug),
        ("sluice.served_by", done.served_by),
        ("sluice.is_stream", done.is_stream),
        ("sluice.partial", done.partial),
        ("sluice.cost.nanos", done.cost_nanos),
        ("sluice.cost.status", done.cost_status),
        ("sluice.first_byte.micros", (done.first_byte_ns - done.started_ns) // 1_000 if done.first_byte_ns else None),
        ("sluice.spans_dropped", done.dropped or None),
    )


def _present(*attributes: tuple[str, Value | None]) -> list[tuple[str, Value]]:
    """Those that have a value: what is not known is not said."""
    return [(name, value) for name, value in attributes if value is not None and value != ""]
