"""Spans as OTLP's protobuf; imported only where traces are on."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.tracing.finished import Finished
    from gateway.tracing.spans import Span, Value

_KINDS = {
    "internal": WireSpan.SPAN_KIND_INTERNAL,
    "server": WireSpan.SPAN_KIND_SERVER,
    "client": WireSpan.SPAN_KIND_CLIENT,
}
_PARENT_IS_KNOWN, _PARENT_IS_REMOTE = 0x100, 0x200
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
SCOPE = "sluice.gateway"


class Message:
    """One export under way; spans are added until it is taken."""

    def __init__(self, resource: Mapping[str, Value]) -> None:
        self._request = ExportTraceServiceRequest()
        of_resource = self._request.resource_spans.add()
        of_resource.resource.attributes.extend(_pair(name, value) for name, value in resource.items())
        self._scope = of_resource.scope_spans.add()
        self._scope.scope.name = SCOPE

    def add(self, done: Finished, spans: Sequence[Span]) -> None:
        """The spans of one exchange."""
        trace_id = bytes.fromhex(done.trace.trace_id)
        for span in spans:
            self._add(done, span, trace_id)

    def _add(self, done: Finished, span: Span, trace_id: bytes) -> None:
        is_root = span.key == "exchange"
        remote = _PARENT_IS_REMOTE if is_root and span.parent_id else 0
        self._scope.spans.add(
            trace_id=trace_id,
            span_id=bytes.fromhex(span.span_id),
            parent_span_id=bytes.fromhex(span.parent_id),
            trace_state=done.trace.tracestate,
            flags=done.trace.flags | _PARENT_IS_KNOWN | remote,
            name=_text(span.name),
            kind=_KINDS[span.kind],
            start_time_unix_nano=span.start_ns,
            end_time_unix_nano=span.end_ns,
            attributes=[_kept_pair(name, value, isinstance(value, bool)) for name, value in span.attributes],
            status=Status(code=Status.STATUS_CODE_ERROR) if span.is_error else None,
        )

    def taken(self) -> bytes:
        """What is sent."""
        return self._request.SerializeToString()


def rejected_by(body: bytes) -> int:
    """How many spans a receiver says that it did not take; raises ``ValueError`` for what is no answer."""
    try:
        return max(0, ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans)
    except DecodeError as error:
        raise ValueError("the answer is no ExportTraceServiceResponse") from error


@lru_cache(maxsize=4_096)
def _kept_pair(name: str, value: Value, _: bool) -> KeyValue:
    """Most attributes of an exchange are those of the one before; ``1`` and yes are one key, but not one type."""
    return _pair(name, value)


def _pair(name: str, value: Value) -> KeyValue:
    return KeyValue(key=name, value=_any(value))


def _any(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=max(_LEAST, min(value, _MOST)))
    if isinstance(value, tuple):
        return AnyValue(array_value=ArrayValue(values=[_any(each) for each in value]))
    return AnyValue(string_value=_text(value))


def _text(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can hold and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
