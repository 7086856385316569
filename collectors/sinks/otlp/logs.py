"""Proxy logs as log records: one for each event, with the attributes of the conventions and ours beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber

from collectors.sinks.otlp.attributes import (
    SCOPE,
    Value,
    attribute,
    fill,
    nanos_of,
    operation_of,
    provider_of,
    resource,
    text_list,
    trace_id_of,
)
from collectors.sinks.otlp.settings import OtlpSettings

EVENT_NAME = "gen_ai.client.inference.operation.details"

_ATTRIBUTES_BYTES = 2_048
_BODIES = (("request", "request_body"), ("response", "response_body"))
_SEVERITIES = {
    "INFO": SeverityNumber.SEVERITY_NUMBER_INFO,
    "WARN": SeverityNumber.SEVERITY_NUMBER_WARN,
    "ERROR": SeverityNumber.SEVERITY_NUMBER_ERROR,
}


class LogItem(NamedTuple):
    """One event's record, who made the event, and the request it belongs to."""

    event_id: str
    gateway_id: str
    record: LogRecord
    request: int


def log_records(rows: pl.DataFrame, settings: OtlpSettings) -> list[LogRecord]:
    """A record for each row."""
    return [_record(row, settings) for row in rows.iter_rows(named=True)]


def record_sizes(rows: pl.DataFrame, settings: OtlpSettings) -> list[int]:
    """About how many bytes each record takes: to know it exactly costs half of what making it does."""
    size = pl.lit(_ATTRIBUTES_BYTES)
    for side in ("request", "response"):
        if settings.include_bodies:
            size += pl.col(f"{side}_body").bin.size().fill_null(0)
        if settings.include_headers:
            size += pl.col(f"{side}_headers").list.join("").str.len_bytes() * 2
    return rows.select(pl.repeat(0, pl.len(), dtype=pl.Int64) + size).to_series().to_list()


def _record(row: Mapping[str, Any], settings: OtlpSettings) -> LogRecord:
    severity = _severity(row)
    record = LogRecord(
        time_unix_nano=nanos_of(row["occurred_at"]),
        observed_time_unix_nano=nanos_of(row["completed_at"]),
        severity_number=_SEVERITIES[severity],
        severity_text=severity,
        event_name=EVENT_NAME,
    )
    fill(record.attributes, _pairs(row))
    if row["labels"]:
        record.attributes.append(text_list("sluice.labels", row["labels"]))
    if trace_id := trace_id_of(row["trace_id"]):
        record.trace_id = trace_id
    if settings.include_headers:
        record.attributes.extend(_headers(row))
    if settings.include_bodies:
        record.body.CopyFrom(_body(row))
    return record


def _severity(row: Mapping[str, Any]) -> str:
    status = row["response_code"]
    if row["outcome"] == "ok":
        return "INFO"
    return "ERROR" if status is None or status >= 500 else "WARN"


def _pairs(row: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    yield "gen_ai.operation.name", operation_of(row["path"])
    yield "gen_ai.provider.name", provider_of(row["vendor"])
    yield "gen_ai.request.model", row["model_name"]
    yield "http.request.method", row["method"]
    yield "url.path", row["path"].partition("?")[0]
    yield "http.response.status_code", row["response_code"]
    yield "http.request.body.size", row["request_body_bytes"]
    yield "http.response.body.size", row["response_body_bytes"]
    yield "client.address", row["remote_addr"]
    yield "error.type", row["error_kind"] or (row["outcome"] if row["outcome"] != "ok" else None)
    yield "error.message", row["error_message"]
    for name in _OURS:
        yield f"sluice.{name}", row[name]


_OURS = (
    "event_id",
    "sequence",
    "exchange_id",
    "request_id",
    "gateway_id",
    "worker",
    "boot_id",
    "app_id",
    "user_id",
    "llm_id",
    "llm_slug",
    "outcome",
    "is_stream",
    "upstream_status",
    "chunk_count",
    "total_micros",
    "upstream_micros",
    "first_byte_micros",
    "partial",
    "request_body_truncated",
    "response_body_truncated",
)


def _headers(row: Mapping[str, Any]) -> Iterator[KeyValue]:
    for side in ("request", "response"):
        values: dict[str, list[str]] = {}
        for line in row[f"{side}_headers"]:
            name, _, value = line.partition(":")
            values.setdefault(name.strip().lower(), []).append(value.strip())
        for name, held in values.items():
            yield text_list(f"http.{side}.header.{name}", held)


def _body(row: Mapping[str, Any]) -> AnyValue:
    texts = [(side, row[name]) for side, name in _BODIES if row[name] is not None]
    pairs = [attribute(side, body.decode("utf-8", "replace")) for side, body in texts]
    return AnyValue(kvlist_value=KeyValueList(values=pairs))


def logs_request(items: Sequence[LogItem], settings: OtlpSettings) -> ExportLogsServiceRequest:
    """These in one request, by the gateway that made them."""
    by_gateway: dict[str, list[LogRecord]] = {}
    for item in items:
        by_gateway.setdefault(item.gateway_id, []).append(item.record)
    further = settings.resource_attributes.items()
    return ExportLogsServiceRequest(
        resource_logs=[
            ResourceLogs(
                resource=resource(settings.service_name, gateway_id, further),
                scope_logs=[ScopeLogs(scope=SCOPE, log_records=records)],
            )
            for gateway_id, records in by_gateway.items()
        ]
    )
