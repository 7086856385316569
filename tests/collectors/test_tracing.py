"""Traces of batches: what goes to an OTLP receiver, what it costs where nothing is traced, and receivers that fail."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.columns import Decoder
from collectors.deliveries import Batch, Delivery
from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.interface import Verdict
from collectors.tracing import (
    MAX_LINKS,
    NO_TRACING,
    OtlpTracing,
    TracingSettings,
    missing_of,
    open_tracing,
    traceparents,
)
from collectors.tracker import Lane
from schemas.codec import SchemaBook
from sluice.eventlog.interface import StoredRecord
from tests.collectors.events import make_record, numbered, partition_of
from tests.collectors.fakes import until
from tests.collectors.harness import Harness
from tests.collectors.virtual_time import virtual_time

TRACE = "0af7651916cd43dd8448eb211c80319c"


def traced(record: StoredRecord, number: int) -> StoredRecord:
    """A record of an exchange that was traced."""
    record.headers = [*record.headers, ("traceparent", f"00-{TRACE}-{number + 1:016x}-01".encode())]
    return record


def batch_of(count: int) -> Batch:
    """A batch of traced events."""
    delivery = Delivery()
    for number, record in enumerate(numbered([make_record() for _ in range(count)])):
        delivery.add(traced(record, number), Lane(partition_of()))
    [frame] = Decoder(SchemaBook()).decode(delivery).frames
    return Batch(frame)


class Receiver:
    """An OTLP receiver over HTTP that answers as it is told."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[tuple[dict[str, str], ExportTraceServiceRequest]] = []
        self.url = ""

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((headers, ExportTraceServiceRequest.FromString(await request.read())))
        return web.Response(status=self.status, content_type="application/x-protobuf")

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
        return runner

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for _, request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """One that listens."""
    receiver = Receiver()
    runner = await receiver.start()
    yield receiver
    await runner.cleanup()


def attributes(span: Any) -> dict[str, Any]:
    """By name; numbers and texts."""
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def tracing_to(receiver: Receiver, **more: Any) -> OtlpTracing:
    """Every batch is in the sample, unless it is told otherwise."""
    return OtlpTracing(TracingSettings.model_validate({"endpoint": receiver.url, "sample": 1.0, **more}))


async def test_a_batch_is_a_span_with_links(receiver: Receiver) -> None:
    """Who wrote how much of what, how often it was tried, and the exchanges that are in it; no value of any."""
    tracing = tracing_to(receiver, headers={"authorization": "Bearer s3cret"})
    batch = batch_of(3)
    with tracing.batch("compliance", "audit", batch) as span:
        batch.attempts = 1
        span.wrote(batch, Verdict(retry=[0, 1], cause=Retryable("away at 10.0.0.7")))
        batch.attempts = 2
        span.wrote(batch, Verdict(poison={0: Unprocessable("bad", "secret detail")}))
    await asyncio.to_thread(tracing.close)
    [(headers, request)] = receiver.requests
    [span] = receiver.spans
    assert headers["authorization"] == "Bearer s3cret"
    assert request.resource_spans[0].resource.attributes[-1].value.string_value
    found = attributes(span)
    assert (span.name, found["sluice.service"], found["sluice.collector"]) == (
        "collect analytics",
        "compliance",
        "audit",
    )
    assert (found["messaging.batch.message_count"], found["sluice.attempts"], found["sluice.dead_letters"]) == (3, 2, 1)
    assert [(link.trace_id.hex(), int.from_bytes(link.span_id)) for link in span.links] == [
        (TRACE, n) for n in (1, 2, 3)
    ]
    assert [event.name for event in span.events] == ["wrote", "wrote"]
    assert b"secret detail" not in request.SerializeToString()
    assert b"10.0.0.7" not in request.SerializeToString()


async def test_links_have_a_bound_and_a_halt_is_an_error(receiver: Receiver) -> None:
    """How many exchanges there are in all is told beside them."""
    tracing, batch = tracing_to(receiver), batch_of(MAX_LINKS + 50)
    with tracing.batch("s", "c", batch) as span:
        span.wrote(batch, Verdict(retry=[0], cause=Halt("403", "grant it")))
    await asyncio.to_thread(tracing.close)
    [span] = receiver.spans
    assert len(span.links) == MAX_LINKS
    assert attributes(span)["sluice.exchanges.traced"] == MAX_LINKS + 50
    assert (span.status.code, span.status.message) == (2, "halted")


async def test_only_the_sample_is_traced(receiver: Receiver) -> None:
    """Whoever is not in it costs a comparison: not even its headers are looked at."""
    chances = iter([0.2, 0.3, 0.1, 0.9])
    tracing = OtlpTracing(TracingSettings(endpoint=receiver.url, sample=0.25), lambda: next(chances))
    batch = batch_of(1)
    for _ in range(4):
        with tracing.batch("s", "c", batch):
            pass
    await asyncio.to_thread(tracing.close)
    assert len(receiver.spans) == 2


@pytest.mark.parametrize("status", [200, 400, 503])
async def test_a_receiver_that_fails_costs_spans_alone(
    receiver: Receiver, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch goes on at once: no thread of a batch ever sends; and the end comes within its bound."""
    senders: list[int] = []
    export = OTLPSpanExporter.export

    def sends(self: OTLPSpanExporter, spans: Any) -> Any:
        senders.append(threading.get_ident())
        return export(self, spans)

    monkeypatch.setattr(OTLPSpanExporter, "export", sends)
    receiver.status = status
    tracing, batch = tracing_to(receiver, timeout=0.5), batch_of(1)
    with tracing.batch("s", "c", batch) as span:
        span.wrote(batch, Verdict())
    async with asyncio.timeout(30):
        await asyncio.to_thread(tracing.close)
    assert senders
    assert threading.get_ident() not in senders


def test_nothing_is_traced_by_default() -> None:
    """One object for every batch, which does nothing, and the SDK is not imported for it."""
    tracing, batch = open_tracing(TracingSettings()), batch_of(1)
    assert tracing is NO_TRACING
    with tracing.batch("s", "c", batch) as first, tracing.batch("s", "c", batch) as second:
        first.wrote(batch, Verdict())
    assert first is second
    tracing.close()


def test_what_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything starts; of who does not trace nothing is needed."""
    monkeypatch.setattr("sluice.otlp.find_spec", lambda name: None if "exporter" in name else sys)
    assert missing_of(TracingSettings()) == ""
    problem = missing_of(TracingSettings(endpoint="http://c:4318/v1/traces"))
    assert "opentelemetry.exporter.otlp.proto.http" in problem
    assert "pip install 'sluice-gateway[otel]'" in problem


@pytest.mark.parametrize(
    "value",
    [b"", b"00-0-0-0", b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01", b"zz-" + b"1" * 32 + b"-" + b"1" * 16 + b"-01"],
)
def test_what_is_no_trace_context_is_no_link(value: bytes) -> None:
    """It comes from clients: any bytes may stand there."""
    record = make_record()
    record.headers = [("traceparent", value)]
    assert traceparents([record]) == []


def test_an_exchange_is_linked_once() -> None:
    """Its three events carry the same context."""
    records = [traced(make_record(), 1), traced(make_record(), 1), make_record(), traced(make_record(), 2)]
    assert [span for _, span, _ in traceparents(records)] == [2, 3]


@virtual_time
async def test_a_service_traces_its_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch once, under the names of its service and collector, for as long as it is not done."""
    seen: list[tuple[str, str, int]] = []

    class Noting:
        def batch(self, service: str, collector: str, batch: Batch) -> Any:
            seen.append((service, collector, len(batch)))
            return NO_TRACING.batch(service, collector, batch)

        def close(self) -> None:
            pass

    harness = Harness(monkeypatch)
    harness.service.tracing = Noting()
    harness.log.append(partition_of(), [make_record() for _ in range(5)])
    async with harness.running():
        await until(lambda: harness.log.is_done)
    assert seen == [("test", "test", 5)]
