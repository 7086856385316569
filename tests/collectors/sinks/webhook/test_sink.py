"""The webhook sink against a scripted receiver: the status table, retries under their key, floods and lies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable
from collectors.sinks.interface import Verdict
from collectors.sinks.webhook.settings import WebhookSettings
from collectors.sinks.webhook.sink import WebhookSink
from schemas.events import KINDS, Kind
from tests.collectors.events import NOW_MICROS
from tests.collectors.sinks.scripted_http import Reply, reply, then
from tests.collectors.sinks.webhook.receiver import Receiver, events_of, is_signed
from tests.contracts.sink_laws import LogPart, ids_of


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    """The place, for one test."""
    made = Receiver()
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def log() -> LogPart:
    """Where the events come from."""
    return LogPart()


def sink_of(server: Receiver, **settings: Any) -> WebhookSink:
    """A sink on the place, not started."""
    given = {"url": f"{server.url}/T0/hidden-path?code=hidden", "timeout": 60, **settings}
    return WebhookSink(WebhookSettings.model_validate(given), clock=lambda: NOW_MICROS)


async def written(sink: WebhookSink, frame: Frame) -> Verdict:
    """What becomes of a whole frame."""
    return await sink.write(sink.prepare(frame).documents)


@pytest.mark.parametrize("body", ["json", "ndjson"])
@pytest.mark.parametrize("kind", KINDS)
async def test_documents_arrive_as_other_sinks_have_them(server: Receiver, log: LogPart, body: str, kind: Kind) -> None:
    """Whole, under the names of the reference, money as an integer with the decimal beside it; signed and counted."""
    sink = sink_of(server, body=body, signing_secret="s3cret", compress=body == "ndjson", bearer_token="t")
    frame = log.frame(kind, 3)
    assert await written(sink, frame) == Verdict()
    assert server.ids() == ids_of(frame)
    [request] = server.requests
    assert is_signed(request, b"s3cret")
    assert not is_signed(request, b"other")
    assert request.headers["x-sluice-events"] == "3"
    assert request.headers["x-sluice-kind"] == kind
    assert request.headers["authorization"] == "Bearer t"
    assert server.events[0]["@timestamp"] == "2025-11-24T16:00:00.000000Z"
    if kind == "analytics":
        assert server.events[0]["cost_nanos"] == 123_456_789
        assert server.events[0]["cost"] == 0.123456789
    await sink.close()


async def test_requests_have_both_bounds(server: Receiver, log: LogPart) -> None:
    """So many events, so many bytes; a document above the bound goes alone."""
    sink = sink_of(server, max_events=3, max_bytes=4_000)
    assert await written(sink, log.frame(count=7)) == Verdict()
    assert [len(events_of(request)) for request in server.requests] == [3, 3, 1]
    assert await written(sink, log.frame("proxy_log", 2, request_body=b"x" * 9_000)) == Verdict()
    assert [len(events_of(request)) for request in server.requests[3:]] == [1, 1]
    await sink.close()


async def test_a_retry_repeats_the_request_and_its_key(server: Receiver, log: LogPart) -> None:
    """Whatever else was settled meanwhile: only requests of which nothing is known go out, each as it was."""
    sink = sink_of(server, max_events=2)
    ok = server.behave
    server.script.extend([ok, reply(500), ok, then(server, Reply(200, b"x" * 50, cut_at=5))])
    frame = log.frame(count=8)
    documents = sink.prepare(frame).documents
    verdict = await sink.write(documents)
    assert verdict.retry == [2, 3, 6, 7]
    first = {request.headers["idempotency-key"]: request.body for request in server.requests}
    assert await sink.write([documents[at] for at in verdict.retry]) == Verdict()
    again = {request.headers["idempotency-key"]: request.body for request in server.requests[4:]}
    assert len(again) == 2
    assert again.items() <= first.items()
    assert Counter(server.keys) == {key: 1 + (body == server.requests[3].body) for key, body in first.items()}
    await sink.close()


@pytest.mark.parametrize("refusal", [Reply(400), Reply(422, b"<html>"), Reply(418)])
async def test_the_event_at_fault_is_found(server: Receiver, log: LogPart, refusal: Reply) -> None:
    """Alone it is a dead letter, with the status; all others are delivered once."""
    sink = sink_of(server)
    frame = log.frame(count=20)
    ids = frame.rows["event_id"].to_list()
    server.refused, server.refusal = {ids[3], ids[19]}, refusal
    verdict = await written(sink, frame)
    assert {at: error.status for at, error in verdict.poison.items()} == {3: refusal.status, 19: refusal.status}
    assert server.ids() == Counter(event_id for at, event_id in enumerate(ids) if at not in {3, 19})
    await sink.close()


async def test_too_large_is_halved_down_to_one(server: Receiver, log: LogPart) -> None:
    """A 413 of many is no poison; of a single one it is."""
    sink = sink_of(server)
    server.max_body_bytes = 2_500
    small = log.frame(count=9)
    assert await written(sink, small) == Verdict()
    assert server.ids() == ids_of(small)
    verdict = await written(sink, log.frame("proxy_log", 1, request_body=b"x" * 5_000))
    assert [error.status for error in verdict.poison.values()] == [413]
    await sink.close()


@pytest.mark.parametrize(
    ("step", "throttled", "seconds"),
    [
        (reply(429), True, None),
        (reply(429, b"", {"Retry-After": "3"}), True, 3.0),
        (reply(503, b"", {"Retry-After": "Mon, 24 Nov 2025 16:00:09 GMT"}), True, 9.0),
    ],
)
async def test_a_receiver_that_asks_for_rest_gets_it(
    server: Receiver, log: LogPart, step: Any, throttled: bool, seconds: float | None
) -> None:
    """Its time goes to the pipeline, and nothing more is sent in this write."""
    sink = sink_of(server, max_events=2)
    server.script.append(step)
    verdict = await written(sink, log.frame(count=6))
    assert isinstance(verdict.cause, Retryable)
    assert (verdict.cause.throttled, verdict.cause.retry_after_seconds) == (throttled, seconds)
    assert sorted(verdict.retry) == list(range(6))
    assert len(server.requests) == 1
    await sink.close()


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404, 405])
async def test_what_is_not_set_up_halts_and_recovers(server: Receiver, log: LogPart, status: int) -> None:
    """Nothing is dead-lettered; when the receiver takes requests again they are there."""
    sink = sink_of(server)
    server.script.append(reply(status, b"hidden", {"location": "http://elsewhere/hidden"}))
    frame = log.frame(count=4)
    documents = sink.prepare(frame).documents
    verdict = await sink.write(documents)
    assert isinstance(verdict.cause, Halt)
    assert not verdict.poison
    assert "hidden" not in str(verdict.cause)
    assert await sink.write([documents[at] for at in verdict.retry]) == Verdict()
    assert server.ids() == ids_of(frame)
    await sink.close()


@pytest.mark.parametrize(
    "step", [reply(500), reply(502, b"<html>"), reply(503), reply(504), reply(408), reply(409), reply(599)]
)
async def test_what_may_pass_is_written_again(server: Receiver, log: LogPart, step: Any) -> None:
    """Without an end, and without a dead letter; 409 says that the same key is being worked on."""
    sink = sink_of(server)
    server.script.append(step)
    documents = sink.prepare(log.frame(count=2)).documents
    verdict = await sink.write(documents)
    assert verdict.retry == [0, 1]
    assert isinstance(verdict.cause, Retryable)
    assert not verdict.cause.throttled
    assert await sink.write(documents) == Verdict()
    await sink.close()


async def test_answers_for_each_event(server: Receiver, log: LogPart) -> None:
    """With ``answer: items`` the body decides; an answer without one is no delivery."""
    sink = sink_of(server, answer="items")
    frame = log.frame(count=3)
    ids = frame.rows["event_id"].to_list()
    listed = ",".join(
        f'{{"event_id":"{i}","status":"{s}"}}' for i, s in zip(ids, ("accepted", "rejected", "retry"), strict=True)
    )
    server.script.extend([reply(200, f'{{"results":[{listed}]}}'.encode()), reply(200), reply(202, b"queued")])
    verdict = await written(sink, frame)
    assert (list(verdict.poison), verdict.retry) == ([1], [2])
    for _ in range(2):
        assert (await written(sink, frame)).retry == [0, 1, 2]
    await sink.close()


async def test_absent_at_the_start_and_slow_later(server: Receiver, log: LogPart) -> None:
    """``start`` waits for a listener; an answer past the timeout is a retry that shows no part of the URL."""
    sink, impatient = sink_of(server), sink_of(server, timeout=0.3)
    await server.close()
    with pytest.raises(Retryable) as caught:
        await sink.start()
    await server.start()
    await sink.start()
    assert server.requests == []
    never = asyncio.Event()

    async def hang(_request: object) -> Reply:
        await never.wait()
        return Reply()

    server.script.append(hang)
    with structlog.testing.capture_logs() as logs:
        verdict = await written(impatient, log.frame(count=1))
    assert verdict.retry == [0]
    assert "hidden" not in f"{caught.value} {verdict.cause} {logs}"
    never.set()
    await impatient.close()
    await sink.close()
