"""OTLP/HTTP on the wire: requests as protobuf or JSON, and what an answer says of them."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.http.answers import cause_of, retry_after_seconds
from collectors.sinks.http.client import HttpAnswer, gzipped
from collectors.sinks.otlp.settings import OtlpSettings

ExportRequest = ExportLogsServiceRequest | ExportMetricsServiceRequest

_JSON = "application/json"
_PROTOBUF = "application/x-protobuf"
_REJECTED = ("rejectedLogRecords", "rejectedDataPoints", "rejected_log_records", "rejected_data_points")
_RETRYABLE = frozenset((429, 502, 503, 504))
"""All that the specification lets a client send again."""
_CREDENTIALS = "bearer_token and headers"


class UnreadableAnswerError(Exception):
    """What came with a 2xx is no OTLP answer."""


class Partial(NamedTuple):
    """How many of a request were not taken, and why."""

    rejected: int
    message: str


def encoded(request: ExportRequest, settings: OtlpSettings) -> tuple[bytes, dict[str, str]]:
    """The body of a request and its headers."""
    is_json = settings.encoding == "json"
    body = orjson.dumps(_with_hex_ids(request)) if is_json else request.SerializeToString()
    headers = {"content-type": _JSON if is_json else _PROTOBUF}
    if settings.compress:
        body, headers["content-encoding"] = gzipped(body), "gzip"
    return body, headers


def _with_hex_ids(request: ExportRequest) -> Any:
    """OTLP's JSON is protobuf's, but for enumerations, which are numbers, and the ids of traces, which are hex."""
    found = MessageToDict(request, use_integers_for_enums=True)
    waiting: list[Any] = [found]
    while waiting:
        held = waiting.pop()
        if isinstance(held, list):
            waiting += held
        elif isinstance(held, dict):
            if isinstance(held.get("traceId"), str):
                held["traceId"] = base64.b64decode(held["traceId"]).hex()
            waiting += [value for key, value in held.items() if key not in {"attributes", "body"}]
    return found


def partial_of(answer: HttpAnswer, *, of_logs: bool) -> Partial:
    """What a 2xx says was not taken; raises UnreadableAnswerError where it cannot be told."""
    if not answer.body:
        return Partial(0, "")
    if not answer.is_whole:
        raise UnreadableAnswerError("too long")
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() == _JSON:
        return _from_json(answer.body)
    return _from_protobuf(answer.body, of_logs=of_logs)


def _from_json(body: bytes) -> Partial:
    try:
        found = orjson.loads(body)
        partial = found.get("partialSuccess") or found.get("partial_success") or {}
        rejected = next((int(partial[name]) for name in _REJECTED if name in partial), 0)
        return Partial(max(0, rejected), str(partial.get("errorMessage") or partial.get("error_message") or ""))
    except (ValueError, AttributeError, TypeError) as error:
        raise UnreadableAnswerError("no JSON of OTLP") from error


def _from_protobuf(body: bytes, *, of_logs: bool) -> Partial:
    try:
        if of_logs:
            logs = ExportLogsServiceResponse.FromString(body).partial_success
            return Partial(max(0, logs.rejected_log_records), logs.error_message)
        metrics = ExportMetricsServiceResponse.FromString(body).partial_success
        return Partial(max(0, metrics.rejected_data_points), metrics.error_message)
    except DecodeError as error:
        raise UnreadableAnswerError("no protobuf of OTLP") from error


def cause_of_refusal(answer: HttpAnswer) -> Retryable | Unprocessable | Halt:
    """Why a request was not taken. Beyond the four retryable statuses nothing is sent again as it was."""
    status = answer.status
    if status in _RETRYABLE:
        wait = retry_after_seconds(answer)
        return Retryable(f"status {status}", wait, throttled=status == 429 or (status == 503 and wait is not None))
    cause = cause_of(answer, "endpoint", _CREDENTIALS)
    if isinstance(cause, Retryable):
        return Unprocessable(f"status_{status}", "the server refuses it", status=status)
    return cause
