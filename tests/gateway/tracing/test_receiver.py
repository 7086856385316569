"""What an answer of a receiver means, from real servers: good ones, and all kinds of others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from gateway.tracing.receiver import MAX_ANSWER_BYTES, Answer, Receiver
from gateway.tracing.settings import TracingSettings
from tests.gateway.tracing.otlp_receiver import OtlpReceiver, answers, hangs

PARTIAL = ExportTraceServiceResponse()
PARTIAL.partial_success.rejected_spans = 7
LYING = ExportTraceServiceResponse()
LYING.partial_success.rejected_spans = -7


@contextlib.asynccontextmanager
async def receiver_of(url: str, **more: Any) -> AsyncIterator[Receiver]:
    """Ours, of theirs."""
    receiver = Receiver(TracingSettings.model_validate({"endpoint": url, "timeout_seconds": 20, **more}))
    yield receiver
    await receiver.close()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (answers(200), Answer("exported", "status 200")),
        (answers(202, b"{}", "application/json"), Answer("exported", "status 202")),
        (answers(200, PARTIAL.SerializeToString()), Answer("exported", "status 200", rejected=7)),
        (answers(200, LYING.SerializeToString()), Answer("exported", "status 200")),
        (answers(200, b"<html>welcome</html>", "text/html"), Answer("garbled", "an answer that is no protobuf")),
        (answers(200, b"x" * (MAX_ANSWER_BYTES + 1)), Answer("garbled", "an answer of more than 65536 bytes")),
        (answers(429, Retry_After="3"), Answer("later", "status 429", 3.0)),
        (answers(503, Retry_After="soon"), Answer("later", "status 503", float("inf"))),
        (answers(502), Answer("later", "status 502")),
        (answers(400, b"the span was: secret"), Answer("refused", "status 400")),
        (answers(401), Answer("refused", "status 401")),
        (answers(500), Answer("refused", "status 500")),
        (answers(302, Location="http://elsewhere/"), Answer("refused", "status 302")),
        (hangs, Answer("later", "UpstreamTimeout")),
    ],
)
async def test_answers(script: Any, expected: Answer) -> None:
    """Which may be repeated is OTLP's to say; what a receiver writes is never told."""
    patience = 0.2 if script is hangs else 20
    async with OtlpReceiver().listening() as theirs, receiver_of(theirs.url, timeout_seconds=patience) as ours:
        theirs.script = script
        assert await ours.send(b"") == expected
        assert theirs.asked == 1


async def test_nobody_there_is_later() -> None:
    """It may be back."""
    async with receiver_of("http://127.0.0.1:1/v1/traces") as ours:
        assert await ours.send(b"") == Answer("later", "UpstreamUnreachable")


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx", b"\0" * 99]
)
async def test_what_is_no_http_is_later(said: bytes) -> None:
    """Whoever listens on that port."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with receiver_of(url) as ours:
        answer = await ours.send(b"")
    server.close()
    assert (answer.result, answer.detail) == ("later", "UpstreamProtocolError")


async def test_its_headers_go_along_and_one_connection_serves_all() -> None:
    """With the path and the query of the address; of which logs get no query."""
    async with OtlpReceiver().listening() as theirs:
        headers = {"Authorization": "Bearer s3cret"}
        async with receiver_of(f"{theirs.url}?key=s3cret", headers=headers) as ours:
            assert [(await ours.send(b"")).result for _ in range(3)] == ["exported"] * 3
            assert "s3cret" not in ours.address
        assert {sent["authorization"] for sent, _ in theirs.requests} == {"Bearer s3cret"}
        assert {sent["content-type"] for sent, _ in theirs.requests} == {"application/x-protobuf"}
