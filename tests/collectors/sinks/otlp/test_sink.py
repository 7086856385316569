"""The OTLP sink against a scripted collector: what is taken in part, what is refused, what comes again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable
from collectors.sinks.interface import Verdict
from collectors.sinks.otlp.metrics import DURATION
from collectors.sinks.otlp.settings import OtlpSettings
from collectors.sinks.otlp.sink import OtlpSink
from tests.collectors.events import NOW_MICROS
from tests.collectors.sinks.otlp.receiver import OtlpReceiver, answer
from tests.collectors.sinks.scripted_http import Reply, Request, reply, then
from tests.contracts.sink_laws import LogPart, ids_of


@pytest.fixture
async def server() -> AsyncIterator[OtlpReceiver]:
    """The place, for one test."""
    made = OtlpReceiver()
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def log() -> LogPart:
    """Where the events come from."""
    return LogPart()


def sink_of(server: OtlpReceiver, **settings: Any) -> OtlpSink:
    """A sink on the place, not started."""
    given = OtlpSettings.model_validate({"endpoint": f"{server.url}/", "timeout": 60, **settings})
    return OtlpSink(given, clock=lambda: NOW_MICROS)


async def written(sink: OtlpSink, frame: Frame) -> Verdict:
    """What becomes of a whole frame."""
    return await sink.write(sink.prepare(frame).documents)


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
async def test_both_signals_in_both_encodings(server: OtlpReceiver, log: LogPart, encoding: str) -> None:
    """Logs of proxy logs, metrics of the others, each at its own path."""
    sink = sink_of(server, encoding=encoding)
    frames = [log.frame("proxy_log", 3), log.frame("analytics", 2), log.frame("budget", 2)]
    for frame in frames:
        assert await written(sink, frame) == Verdict()
    assert [request.path for request in server.requests] == ["/v1/logs", "/v1/metrics", "/v1/metrics"]
    assert server.ids() == sum(map(ids_of, frames), Counter())
    await sink.close()


@pytest.mark.parametrize("refused", [{0}, {13}, {29}, {3, 17}, set(range(30)), set(range(29))])
async def test_the_rejected_records_are_found(server: OtlpReceiver, log: LogPart, refused: set[int]) -> None:
    """The answer has a count only. All of them are dead letters, none of the others, and each came at most thrice."""
    sink = sink_of(server)
    frame = log.frame("proxy_log", 30)
    ids = frame.rows["event_id"].to_list()
    server.refused = {ids[at] for at in refused}
    verdict = await written(sink, frame)
    assert set(verdict.poison) == refused
    assert (verdict.retry, verdict.cause) == ([], None)
    assert all("secret" not in str(error) for error in verdict.poison.values())
    assert set(server.ids()) == {event_id for at, event_id in enumerate(ids) if at not in refused}
    assert max(server.ids().values(), default=0) <= 3
    assert len(server.requests) <= 1 + 6 + 30
    await sink.close()


async def test_a_search_that_is_cut_short_loses_nothing(server: OtlpReceiver, log: LogPart) -> None:
    """The receiver goes away while the rejected are looked for: what is not known is written again."""
    sink = sink_of(server)
    frame = log.frame("proxy_log", 16)
    ids = frame.rows["event_id"].to_list()
    server.refused = {ids[2], ids[9]}
    ok = server.behave
    server.script.extend([ok, ok, ok, ok, reply(429)])
    documents = sink.prepare(frame).documents
    verdict = await sink.write(documents)
    assert isinstance(verdict.cause, Retryable)
    poison, pending = {*verdict.poison}, verdict.retry
    verdict = await sink.write([documents[at] for at in pending])
    poison |= {pending[at] for at in verdict.poison}
    assert (poison, verdict.cause) == ({2, 9}, None)
    assert set(server.ids()) == set(ids) - server.refused
    await sink.close()


async def test_a_receiver_s_words_are_logged_once_and_without_values(server: OtlpReceiver, log: LogPart) -> None:
    """Also a warning that rejects nothing."""
    sink = sink_of(server, max_events=1)
    frame = log.frame("proxy_log", 4)
    server.refused = set(frame.rows["event_id"].to_list()[:3])
    with structlog.testing.capture_logs() as logs:
        await written(sink, frame)
        message = b'{"partialSuccess":{"errorMessage":"slow down"}}'
        server.script.extend([reply(200, message, {"content-type": "application/json"})] * 2)
        assert await written(sink, log.frame("proxy_log", 2)) == Verdict()
    assert [entry["message"] for entry in logs] == ["slow down"]
    assert "secret" not in str(logs)
    await sink.close()


async def test_metrics_that_are_rejected_are_dead_letters(server: OtlpReceiver, log: LogPart) -> None:
    """As a whole or in part: which points were taken is not said, and none may be sent twice to find out."""
    sink = sink_of(server)

    def rejecting(points: int) -> Any:
        async def step(request: Request) -> Reply:
            response = ExportMetricsServiceResponse()
            response.partial_success.rejected_data_points = points
            response.partial_success.error_message = "no"
            return answer(request, response)

        return step

    server.script.extend([rejecting(4), rejecting(1)])
    assert set((await written(sink, log.frame(count=3))).poison) == {0, 1, 2}
    with structlog.testing.capture_logs() as logs:
        verdict = await written(sink, log.frame(count=3))
    assert {at: error.reason for at, error in verdict.poison.items()} == dict.fromkeys(range(3), "rejected_in_part")
    assert (verdict.retry, verdict.cause) == ([], None)
    assert [entry["rejected"] for entry in logs] == [1]
    assert len(server.requests) == 2
    await sink.close()


async def test_one_request_of_metrics_rejected_in_part_touches_no_other(server: OtlpReceiver, log: LogPart) -> None:
    """Of a batch in several requests only the events of that one are dead letters."""
    sink = sink_of(server, max_events=2)

    async def rejecting(request: Request) -> Reply:
        response = ExportMetricsServiceResponse()
        response.partial_success.rejected_data_points = 1
        return answer(request, response)

    server.script.extend([server.behave, rejecting])
    frame = log.frame(count=6)
    assert set((await written(sink, frame)).poison) == {2, 3}
    assert set(server.ids()) == set(frame.rows["event_id"][[0, 1, 4, 5]])
    await sink.close()


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (reply(429, b"", {"Retry-After": "2"}), Retryable),
        (reply(503), Retryable),
        (reply(200, b"<html>", {"content-type": "text/html"}), Retryable),
        (reply(401), Halt),
        (reply(404), Halt),
        (reply(302), Halt),
    ],
)
async def test_whole_answers(server: OtlpReceiver, log: LogPart, step: Any, expected: type) -> None:
    """Nothing is poison for them, and the next attempt goes through."""
    sink = sink_of(server)
    frame = log.frame("proxy_log", 3)
    documents = sink.prepare(frame).documents
    server.script.append(step)
    verdict = await sink.write(documents)
    assert isinstance(verdict.cause, expected)
    assert (verdict.poison, verdict.retry) == ({}, [0, 1, 2])
    assert await sink.write(documents) == Verdict()
    assert server.ids() == ids_of(frame)
    await sink.close()


async def test_a_refused_request_is_searched(server: OtlpReceiver, log: LogPart) -> None:
    """A 400 is never sent again as it was: halves find what is at fault; 413 likewise."""
    sink = sink_of(server, compress=False)
    server.max_body_bytes = 4_000
    frame = log.frame("proxy_log", 12)
    assert await written(sink, frame) == Verdict()
    assert server.ids() == ids_of(frame)
    server.script.extend([reply(400), reply(400)])
    verdict = await written(sink, log.frame("proxy_log", 2))
    assert [error.status for error in verdict.poison.values()] == [400]
    await sink.close()


async def test_a_retry_of_metrics_repeats_its_window(server: OtlpReceiver, log: LogPart) -> None:
    """Applied and not answered: the sums come again, recognisably; later batches lie behind them."""
    sink = sink_of(server)
    first, second = sink.prepare(log.frame(count=3)).documents, sink.prepare(log.frame(count=2)).documents
    server.script.append(then(server, Reply(200, b"x" * 9, cut_at=1)))
    assert (await sink.write(first)).retry == [0, 1, 2]
    assert await sink.write(first) == Verdict()
    assert await sink.write(second) == Verdict()
    points = [metric.histogram.data_points[0] for metric in server.metrics if metric.name == DURATION]
    windows = [(point.start_time_unix_nano, point.time_unix_nano) for point in points]
    assert windows[0] == windows[1]
    assert windows[1][1] <= windows[2][0]
    await sink.close()


async def test_requests_have_both_bounds(server: OtlpReceiver, log: LogPart) -> None:
    """So many records, so many bytes."""
    sink = sink_of(server, max_events=4, max_bytes=20_000, include_bodies=True)
    assert await written(sink, log.frame("proxy_log", 9)) == Verdict()
    assert len(server.requests) == 3
    assert await written(sink, log.frame("proxy_log", 3, request_body=b"x" * 15_000)) == Verdict()
    assert len(server.requests) == 6
    await sink.close()
