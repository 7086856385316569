"""Spans as OpenTelemetry's own messages read them."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.tracing.encoding import SCOPE, Message, rejected_by
from gateway.tracing.spans import SpanMaker
from tests.gateway.tracing.making import SPAN_ID, TRACE_ID, a_finished, a_trace
from tests.gateway.tracing.otlp_receiver import attributes_of


def test_a_message_has_one_resource_and_all_spans() -> None:
    """Of several exchanges, each in its own trace, with the worker that they are of."""
    message = Message({"service.name": "s", "service.instance.id": "g/w0"})
    for number in (1, 2):
        done = a_finished(a_trace(trace_id=f"{number:032x}"))
        message.add(done, SpanMaker().spans(done))
    request = ExportTraceServiceRequest.FromString(message.taken())
    [resource] = request.resource_spans
    assert attributes_of(resource.resource) == {"service.name": "s", "service.instance.id": "g/w0"}
    [scope] = resource.scope_spans
    assert scope.scope.name == SCOPE
    assert [int.from_bytes(span.trace_id) for span in scope.spans] == [1, 2]


def test_every_type_of_value_arrives() -> None:
    """Texts of any letters, half a pair of surrogates, numbers beyond 64 bits, yes and no, lists."""
    done = a_finished(
        a_trace(parent_id="00f067aa0ba902b7", tracestate="a=1"), model="modèle\ud800", cost_nanos=1 << 70, partial=True,
        finish_reasons=("stop", "length"), upstream_started_ns=1_000_000_001,
    )  # fmt: skip
    message = Message({})
    message.add(done, SpanMaker().spans(done))
    [span, *_] = ExportTraceServiceRequest.FromString(message.taken()).resource_spans[0].scope_spans[0].spans
    said = attributes_of(span)
    assert (said["gen_ai.request.model"], said["sluice.cost.nanos"]) == ("modèle?", (1 << 63) - 1)
    assert (said["sluice.partial"], said["sluice.is_stream"]) == (True, False)
    assert said["gen_ai.response.finish_reasons"] == ["stop", "length"]
    assert (span.trace_id.hex(), span.span_id.hex(), span.trace_state) == (TRACE_ID, SPAN_ID, "a=1")
    assert span.flags == 0x301


def test_an_answer_that_is_none_is_told() -> None:
    """An empty one is an answer: everything was taken."""
    assert rejected_by(b"") == 0
    with pytest.raises(ValueError, match="no ExportTraceServiceResponse"):
        rejected_by(b"<html>")
