"""An OpenTelemetry collector as far as our sink uses one: it takes both encodings and can refuse records in part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from tests.collectors.sinks.scripted_http import Reply, Request, ScriptedHttp

_PROTOBUF = "application/x-protobuf"


class OtlpReceiver(ScriptedHttp):
    """Keeps records and metrics; records of ``refused`` events are rejected, the others of their request are not."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.records: list[LogRecord] = []
        self.metrics: list[Metric] = []
        self.refused: set[str] = set()

    async def behave(self, request: Request) -> Reply:
        if request.path == "/v1/logs":
            return self._take_logs(request)
        assert request.path == "/v1/metrics"
        for metric in metrics_in(metrics_of(request)):
            self.metrics.append(metric)
        return answer(request, ExportMetricsServiceResponse())

    def _take_logs(self, request: Request) -> Reply:
        records = list(records_in(logs_of(request)))
        kept = [record for record in records if id_of(record) not in self.refused]
        self.records += kept
        response = ExportLogsServiceResponse()
        if len(kept) < len(records):
            response.partial_success.rejected_log_records = len(records) - len(kept)
            response.partial_success.error_message = "rejected: 'secret value'"
        return answer(request, response)

    def ids(self) -> Counter[str]:
        """Of records, and of the exemplars in metrics."""
        return Counter([id_of(record) for record in self.records] + list(exemplar_ids(self.metrics)))


def answer(request: Request, response: Any) -> Reply:
    """In the encoding of the request."""
    if request.headers["content-type"] == _PROTOBUF:
        return Reply(200, response.SerializeToString(), {"content-type": _PROTOBUF})
    return Reply(200, json_format.MessageToJson(response).encode(), {"content-type": "application/json"})


def logs_of(request: Request) -> ExportLogsServiceRequest:
    """What a request of logs holds."""
    found = ExportLogsServiceRequest()
    if request.headers["content-type"] == _PROTOBUF:
        found.ParseFromString(request.body)
        return found
    return json_format.Parse(request.body, found)


def metrics_of(request: Request) -> ExportMetricsServiceRequest:
    """What a request of metrics holds."""
    found = ExportMetricsServiceRequest()
    if request.headers["content-type"] == _PROTOBUF:
        found.ParseFromString(request.body)
        return found
    return json_format.Parse(request.body, found)


def records_in(request: ExportLogsServiceRequest) -> Iterator[LogRecord]:
    """All of them."""
    for within in request.resource_logs:
        for scope in within.scope_logs:
            yield from scope.log_records


def metrics_in(request: ExportMetricsServiceRequest) -> Iterator[Metric]:
    """All of them."""
    for within in request.resource_metrics:
        for scope in within.scope_metrics:
            yield from scope.metrics


def attributes_of(held: Any) -> dict[str, Any]:
    """As plain values."""
    return {pair.key: _plain(pair.value) for pair in held.attributes}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(inner) for inner in value.array_value.values]
    return getattr(value, kind)


def id_of(record: LogRecord) -> str:
    """The event's."""
    return str(attributes_of(record)["sluice.event_id"])


def exemplar_ids(metrics: list[Metric]) -> Iterator[str]:
    """The events behind metrics."""
    for metric in metrics:
        points: Any = metric.sum.data_points if metric.HasField("sum") else metric.histogram.data_points
        for point in points:
            for exemplar in point.exemplars:
                yield next(pair.value.string_value for pair in exemplar.filtered_attributes)
