"""Both encodings as the specification has them, and what answers say."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.http.client import HttpAnswer
from collectors.sinks.otlp.encoding import Partial, UnreadableAnswerError, cause_of_refusal, encoded, partial_of
from collectors.sinks.otlp.logs import LogItem, log_records, logs_request
from collectors.sinks.otlp.metrics import metrics_request, usages_of
from collectors.sinks.otlp.settings import OtlpSettings
from tests.contracts.sink_laws import LogPart

JSON = {"content-type": "application/json; charset=utf-8"}
PROTOBUF = {"content-type": "application/x-protobuf"}


def settings(**given: Any) -> OtlpSettings:
    """With what is given, and defaults."""
    return OtlpSettings.model_validate(given)


def request() -> ExportLogsServiceRequest:
    """Of two records."""
    records = log_records(LogPart().frame("proxy_log", 2).rows, settings())
    return logs_request([LogItem("e", "gw", record, 0) for record in records], settings())


def test_protobuf_packed_and_plain() -> None:
    """The bytes are the message's; gzip is said."""
    body, headers = encoded(request(), settings(compress=False))
    assert ExportLogsServiceRequest.FromString(body).resource_logs
    assert headers == {"content-type": "application/x-protobuf"}
    packed, headers = encoded(request(), settings())
    assert ExportLogsServiceRequest.FromString(gzip.decompress(packed)).resource_logs
    assert headers["content-encoding"] == "gzip"


def test_json_is_otlp_s_own_form() -> None:
    """Ids of traces in hex, enumerations as numbers, 64-bit integers as text, names in lower camel case."""
    body, headers = encoded(request(), settings(encoding="json", compress=False))
    record = orjson.loads(body)["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]
    assert record["traceId"] == "0af7651916cd43dd8448eb211c80319c"
    assert record["severityNumber"] == 9
    assert record["timeUnixNano"].isdigit()
    assert headers == {"content-type": "application/json"}


def test_exemplars_have_hex_ids_too() -> None:
    """Wherever an id stands; an attribute of that name is nobody's id."""
    frame = LogPart().frame("analytics", 1)
    made = metrics_request(usages_of(frame, settings(), (1, 2), [0]), settings(), "me")
    body, _ = encoded(made, settings(encoding="json", compress=False))
    assert b'"traceId":"0af7651916cd43dd8448eb211c80319c"' in body


def test_partial_success_in_both_encodings() -> None:
    """Of logs and of metrics; a warning alone rejects nothing."""
    logs = ExportLogsServiceResponse()
    logs.partial_success.rejected_log_records, logs.partial_success.error_message = 3, "why"
    metrics = ExportMetricsServiceResponse()
    metrics.partial_success.rejected_data_points = 2
    assert partial_of(HttpAnswer(200, logs.SerializeToString(), PROTOBUF), of_logs=True) == Partial(3, "why")
    assert partial_of(HttpAnswer(200, metrics.SerializeToString(), PROTOBUF), of_logs=False) == Partial(2, "")
    for body, expected in (
        (b'{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"why"}}', Partial(3, "why")),
        (b'{"partialSuccess":{"rejectedDataPoints":2}}', Partial(2, "")),
        (b'{"partialSuccess":{"errorMessage":"soon"}}', Partial(0, "soon")),
        (b'{"partialSuccess":{"rejectedLogRecords":-4}}', Partial(0, "")),
        (b'{"partialSuccess":null}', Partial(0, "")),
        (b"{}", Partial(0, "")),
        (b"", Partial(0, "")),
    ):
        assert partial_of(HttpAnswer(200, body, JSON), of_logs=True) == expected


@pytest.mark.parametrize(
    "answer",
    [
        HttpAnswer(200, b"<html>welcome</html>", {"content-type": "text/html"}),
        HttpAnswer(200, b"[]", JSON),
        HttpAnswer(200, b"null", JSON),
        HttpAnswer(200, b"{", JSON),
        HttpAnswer(200, b'{"partialSuccess":{"rejectedLogRecords":"many"}}', JSON),
        HttpAnswer(200, b'{"partialSuccess":7}', JSON),
        HttpAnswer(200, b"\xff\xff\xff", PROTOBUF),
        HttpAnswer(200, b"\n", PROTOBUF, is_whole=False),
    ],
)
def test_a_page_is_no_success(answer: HttpAnswer) -> None:
    """A portal that answers everything with 200 takes nothing."""
    with pytest.raises(UnreadableAnswerError):
        partial_of(answer, of_logs=True)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, Retryable), (502, Retryable), (503, Retryable), (504, Retryable),
        (400, Unprocessable), (408, Unprocessable), (413, Unprocessable), (422, Unprocessable), (500, Unprocessable),
        (507, Unprocessable), (301, Halt), (401, Halt), (403, Halt), (404, Halt), (415, Halt), (501, Halt),
    ],
)  # fmt: skip
def test_only_four_statuses_are_sent_again(status: int, expected: type) -> None:
    """As the specification says; the rest is searched for what is at fault, or halts."""
    assert isinstance(cause_of_refusal(HttpAnswer(status)), expected)


def test_throttling_keeps_its_time() -> None:
    """429, and 503 with Retry-After."""
    for status, header, throttled in ((429, "4", True), (503, "4", True), (503, "", False), (502, "4", False)):
        cause = cause_of_refusal(HttpAnswer(status, b"", {"retry-after": header}))
        assert isinstance(cause, Retryable)
        assert cause.throttled is throttled
        assert cause.retry_after_seconds == (4.0 if header else None)
