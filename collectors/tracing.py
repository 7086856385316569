"""OpenTelemetry traces of what collectors do: a span for each batch, linked to the exchanges that it carries.

Off unless ``tracing.endpoint`` is set, and then a sample of the batches: whoever is not in it pays one comparison a
batch, never anything a record. Spans go out in a thread of the SDK, from a queue with a bound; a receiver that is away
costs spans, not events.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Self, cast

import structlog
from pydantic import Field

from collectors.criteria import Share
from collectors.errors import Halt
from collectors.sinks.settings import Duration
from sluice.otlp import OtlpSettings, missing_packages

if TYPE_CHECKING:
    from collectors.deliveries import Batch
    from collectors.sinks.interface import Verdict

MAX_LINKS = 128
"""The SDK's own bound; how many exchanges there are in all is an attribute."""
_QUEUE = 2_048
_EXPORT_SECONDS = 5.0
_CLOSE_MILLIS = 3_000
_TRACEPARENT = "traceparent"
_FORM = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_log = structlog.get_logger(__name__)


class TracingSettings(OtlpSettings):
    """``tracing`` of ``collectors.yaml``."""

    sample: Share = 0.05
    """Of all batches."""
    timeout: Duration = 5.0
    """Of one request of the exporter."""
    service_name: Annotated[str, Field(examples=["sluice-collectors-eu"])] = "sluice-collectors"
    """``service.name`` of its spans."""


class BatchSpan(Protocol):
    """What is told of one batch while it is written."""

    def wrote(self, batch: Batch, verdict: Verdict) -> None:
        """One attempt, and what came of it."""
        ...


class Tracing(Protocol):
    """Traces batches, or does not."""

    def batch(self, service: str, collector: str, batch: Batch) -> Any:
        """A context with a ``BatchSpan``, for as long as the batch is not done."""
        ...

    def close(self) -> None:
        """Send what waits, within a bound; called in a thread."""
        ...


class _Untraced:
    """A span, and its context, of nothing."""

    def wrote(self, batch: Batch, verdict: Verdict) -> None:
        """Nobody looks."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


_UNTRACED = _Untraced()


class NoTracing:
    """Nothing is traced."""

    def batch(self, service: str, collector: str, batch: Batch) -> Any:  # noqa: ARG002 - as Tracing
        """The same one each time."""
        return _UNTRACED

    def close(self) -> None:
        """Nothing waits."""


NO_TRACING = NoTracing()


def missing_of(settings: TracingSettings) -> str:
    """What to install for these settings; empty where nothing is missing."""
    return missing_packages(settings, ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"))


def open_tracing(settings: TracingSettings) -> Tracing:
    """As the settings want it; ``missing_of`` says beforehand what it needs."""
    return OtlpTracing(settings) if settings.endpoint else NO_TRACING


class OtlpTracing:
    """Sends spans with the OpenTelemetry SDK, which is imported here alone."""

    def __init__(self, settings: TracingSettings, chance: Callable[[], float] = random.random) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an extra
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider, sampling  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        for name in ("opentelemetry.sdk", "opentelemetry.exporter"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # a line for each failed request; ours is below
        exporter = OTLPSpanExporter(
            endpoint=settings.endpoint,
            headers={name: value.get_secret_value() for name, value in settings.headers.items()},
            timeout=settings.timeout,
        )
        self._provider = TracerProvider(
            sampler=sampling.ALWAYS_ON,  # who is in the sample was decided before
            resource=Resource.create({"service.name": settings.service_name}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                cast("Any", _Telling(exporter, settings.endpoint)),
                max_queue_size=_QUEUE,
                schedule_delay_millis=_EXPORT_SECONDS * 1_000,
            )
        )
        self._tracer = self._provider.get_tracer("sluice.collectors")
        self._trace = trace
        self._sample = settings.sample
        self._chance = chance

    def batch(self, service: str, collector: str, batch: Batch) -> Any:
        """A span of a batch in the sample; nothing of any other."""
        return self._span(service, collector, batch) if self._chance() < self._sample else _UNTRACED

    @contextmanager
    def _span(self, service: str, collector: str, batch: Batch) -> Iterator[BatchSpan]:
        delivery = batch.frame.delivery
        parents = traceparents(delivery.records)
        attributes: dict[str, str | int] = {
            "sluice.service": service,
            "sluice.collector": collector,
            "sluice.kind": batch.frame.kind,
            "sluice.exchanges.traced": len(parents),
            "messaging.batch.message_count": len(delivery),
            "messaging.operation.type": "process",
        }
        span = self._tracer.start_span(
            f"collect {batch.frame.kind}",
            kind=self._trace.SpanKind.CONSUMER,
            attributes=attributes,
            links=[self._link(each) for each in parents[:MAX_LINKS]],
        )
        with self._trace.use_span(span, end_on_exit=True, record_exception=False):
            yield _Span(span, self._trace)

    def _link(self, parent: tuple[int, int, int]) -> Any:
        trace = self._trace
        trace_id, span_id, flags = parent
        return trace.Link(trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags)))

    def close(self) -> None:
        """Send what waits, within three seconds."""
        self._provider.force_flush(_CLOSE_MILLIS)
        self._provider.shutdown()


class _Span:
    """One batch's."""

    def __init__(self, span: Any, trace: Any) -> None:
        self._span = span
        self._trace = trace

    def wrote(self, batch: Batch, verdict: Verdict) -> None:
        """An event of the span; numbers and codes, never a value."""
        self._span.set_attribute("sluice.attempts", batch.attempts)
        self._span.set_attribute("sluice.dead_letters", len(verdict.poison))
        self._span.add_event(
            "wrote",
            {
                "attempt": batch.attempts,
                "duplicates": verdict.duplicates,
                "dead_letters": len(verdict.poison),
                "retry": len(verdict.retry),
                "cause": type(verdict.cause).__name__ if verdict.cause is not None else "",
            },
        )
        if isinstance(verdict.cause, Halt):
            self._span.set_status(self._trace.StatusCode.ERROR, "halted")


class _Telling:
    """An exporter that says once when spans stop going out, and once when they go out again."""

    def __init__(self, exporter: Any, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._fails = False

    def export(self, spans: Sequence[Any]) -> Any:
        """As the exporter within; called in the SDK's thread."""
        result = self._exporter.export(spans)
        fails = result.name != "SUCCESS"
        if fails and not self._fails:
            _log.warning("spans cannot be exported", endpoint=self._endpoint)
        elif self._fails and not fails:
            _log.info("spans are exported again", endpoint=self._endpoint)
        self._fails = fails
        return result

    def shutdown(self) -> None:
        """The exporter's own."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """The exporter's own."""
        return bool(self._exporter.force_flush(timeout_millis))


def traceparents(records: Sequence[Any]) -> list[tuple[int, int, int]]:
    """Trace id, span id and flags of each exchange once, in the order of the records; what is none is left out."""
    found: dict[bytes, tuple[int, int, int] | None] = {}
    for record in records:
        for name, value in record.headers:
            if name == _TRACEPARENT and value and value not in found:
                found[value] = _parsed(value)
    return [each for each in found.values() if each is not None]


def _parsed(value: bytes) -> tuple[int, int, int] | None:
    match = _FORM.match(value)
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    return (trace_id, span_id, flags) if trace_id and span_id else None
