"""The pace of the remote sinks in their services, on a virtual clock: how they wait, slow down, leave alone, recover.

The servers are functions here: nothing but the loop is waited for, and what blocks runs in the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from collectors.backoff import MAX_RETRY_AFTER_SECONDS, Backoff
from collectors.entries import ClickHouseEntry, OtlpEntry, WebhookEntry
from collectors.sinks.clickhouse.sink import ClickHouseSink
from collectors.sinks.halving import UnansweredError
from collectors.sinks.http.client import HttpAnswer, HttpClient
from collectors.sinks.interface import Sink
from collectors.sinks.kafka.settings import KafkaSinkSettings
from collectors.sinks.kafka.sink import KafkaSink
from collectors.sinks.otlp.sink import OtlpSink
from collectors.sinks.webhook.sink import WebhookSink
from schemas.events import KINDS
from sluice.eventlog.kafka.config import KafkaUnreachableError
from sluice.eventlog.kafka.forwarder import Forwarder
from sluice.eventlog.settings import KafkaSettings
from tests.collectors.events import NOW_MICROS, event_id_of, make_record, partition_of
from tests.collectors.fakes import until
from tests.collectors.harness import Harness
from tests.collectors.virtual_time import virtual_time

NAMES = ("webhook", "otlp", "clickhouse", "kafka")
HTTP = NAMES[:3]
RECORDS = 200
BATCH = 20


class Server:
    """What stands at the other end of every one of them. ``step`` decides each write; by default all is taken."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.step: Callable[[], Awaitable[HttpAnswer | Exception | None]] | None = None
        self.in_flight = self.most_in_flight = 0

    async def take(self) -> HttpAnswer:
        """One write: when it came, and what becomes of it."""
        self.at.append(asyncio.get_running_loop().time())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0.05)
            found = None if self.step is None else await self.step()
        finally:
            self.in_flight -= 1
        if isinstance(found, Exception):
            raise found
        return found or HttpAnswer(200)


def sink_of(name: str, monkeypatch: pytest.MonkeyPatch, server: Server) -> Sink[Any]:
    """The real sink on that server."""

    async def post(_client: HttpClient, _url: str, body: bytes, _headers: object) -> HttpAnswer:
        return HttpAnswer(200) if body.startswith((b"SELECT", b"CREATE", b"ALTER")) else await server.take()

    async def inline(work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)

    async def nothing(*_: object) -> None:
        return None

    async def partitions(*_: object) -> list[int]:
        return [0]

    async def send(*_: object) -> None:
        answer = await server.take()
        if answer.status != 200:
            raise KafkaUnreachableError("away")

    monkeypatch.setattr(HttpClient, "post", post)
    monkeypatch.setattr(asyncio, "to_thread", inline)
    for module in ("webhook", "otlp"):
        monkeypatch.setattr(f"collectors.sinks.{module}.sink.reach", nothing)
    for method in ("check_topics", "refuse_loops"):
        monkeypatch.setattr(f"collectors.sinks.kafka.sink.{method}", nothing)
    for method, fake in {"start": nothing, "close": nothing, "partitions": partitions, "send": send}.items():
        monkeypatch.setattr(Forwarder, method, fake)
    return _MAKERS[name]()


def _now() -> int:
    return NOW_MICROS


def _webhook() -> Sink[Any]:
    entry = WebhookEntry.model_validate({"name": "s", "path": "sink://webhook", "config": {"url": "http://h/"}})
    return WebhookSink(entry.config, clock=_now)


_MAKERS: dict[str, Callable[[], Sink[Any]]] = {
    "webhook": _webhook,
    "otlp": lambda: OtlpSink(OtlpEntry(name="s", path="sink://otlp").config, clock=_now),
    "clickhouse": lambda: ClickHouseSink(ClickHouseEntry(name="s", path="sink://clickhouse").config, KINDS, clock=_now),
    "kafka": lambda: KafkaSink(
        KafkaSinkSettings(topic="copies"), KINDS, KafkaSettings(bootstrap_servers="nowhere:9092")
    ),
}


class Bench:
    """A service with that sink, records in its log, and the server."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch, records: int = RECORDS, **settings: Any) -> None:
        self.server = Server()
        self.harness = Harness(monkeypatch, **{"batch": {"max_records": BATCH}, **settings})
        sink = sink_of(name, monkeypatch, self.server)
        monkeypatch.setattr("collectors.service.open_sink", lambda *_: sink)
        made = [make_record() for _ in range(records)]
        self.harness.log.append(partition_of(), made)
        self.harness.log.unhandled = {event_id_of(record) for record in made}  # what is taken is the server's word

    def gaps(self) -> list[float]:
        """Seconds between one write and the next."""
        return [later - earlier for earlier, later in zip(self.server.at, self.server.at[1:], strict=False)]


def failing(times: int, found: Callable[[], HttpAnswer | Exception]) -> Callable[[], Awaitable[Any]]:
    """So many failures, then success."""
    left = [times]

    async def step() -> HttpAnswer | Exception | None:
        left[0] -= 1
        return found() if left[0] >= 0 else None

    return step


def answers(name: str) -> Callable[[], HttpAnswer | Exception]:
    """That the server is away, as each client has it."""
    return (lambda: KafkaUnreachableError("away")) if name == "kafka" else (lambda: UnansweredError("away"))


@pytest.mark.parametrize("name", NAMES)
@virtual_time
async def test_one_that_is_away_is_left_alone_and_comes_back(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The breaker opens after so many failures in a row; then one write tries each time; with a success it closes."""
    bench = Bench(name, monkeypatch, breaker={"max_failures": 5, "open_seconds": 30})
    is_open = bench.harness.metrics.breaker_open
    bench.server.step = failing(1 << 30, answers(name))
    async with bench.harness.running() as service:
        await until(lambda: is_open.value("test", "test") == 1)
        await asyncio.sleep(60)  # those that were on their way have come back
        before = len(bench.server.at)
        await asyncio.sleep(600)
        assert 600 / 45 <= len(bench.server.at) - before <= 600 / 30 + 1  # 30 s, and a moment to find it out again
        assert min(bench.gaps()[before:]) >= 30
        assert not service.health.is_ready
        assert not any(bench.harness.log.committed.values())
        bench.server.step = None
        await until(lambda: bench.harness.log.is_done)
        assert is_open.value("test", "test") == 0
        await until(lambda: service.health.is_ready)
    assert bench.harness.records("delivered") == RECORDS


@pytest.mark.parametrize("name", NAMES)
@virtual_time
async def test_the_wait_doubles_up_to_its_cap(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the batch that failed; every write repeats all of it, and none comes before its time."""
    monkeypatch.setattr("collectors.assembly.Backoff", partial(Backoff, draw=lambda: 1.0))
    retry = {"base_seconds": 1, "max_seconds": 16}
    bench = Bench(name, monkeypatch, records=BATCH, retry=retry, breaker={"max_failures": 0})
    bench.server.step = failing(8, answers(name))
    async with bench.harness.running():
        await until(lambda: bench.harness.log.is_done)
    assert bench.gaps() == pytest.approx([1, 2, 4, 8, 16, 16, 16, 16], abs=0.1)
    assert bench.harness.records("delivered") == BATCH


@pytest.mark.parametrize("name", HTTP)
@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("100000", MAX_RETRY_AFTER_SECONDS)])
@virtual_time
async def test_retry_after_holds_for_every_write(
    name: str, monkeypatch: pytest.MonkeyPatch, asked: str, waited: float
) -> None:
    """Said to one, heard by all that are not on their way; no longer than the longest that is believed."""
    bench = Bench(name, monkeypatch, retry={"base_seconds": 0.01, "max_seconds": 0.01})
    bench.server.step = failing(1, lambda: HttpAnswer(429, headers={"retry-after": asked}))
    async with bench.harness.running() as service:
        await until(lambda: bench.harness.log.is_done, 2 * waited + 60, 0.05)
        assert service.health.is_ready
    pause = max(bench.gaps())
    assert waited - 0.1 <= pause <= waited + 1


@pytest.mark.parametrize("name", HTTP)
@virtual_time
async def test_throttling_halves_and_success_grows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer writes at once while it asks for rest, more again after it; who throttles never opens the breaker."""
    bench = Bench(name, monkeypatch, flow={"max_writes": 8}, retry={"base_seconds": 0.1}, breaker={"max_failures": 2})
    bench.server.step = failing(12, lambda: HttpAnswer(429))
    async with bench.harness.running() as service:
        limits: list[int] = []

        def is_done() -> bool:
            life = service._life
            if life is not None:
                limits.append(life.outlets[0].writer.concurrency.limit)
            return bench.harness.log.is_done

        await until(is_done)
    assert limits[0] == 4
    assert min(limits) == 1
    assert limits[-1] > min(limits)
    assert bench.server.most_in_flight <= 8
    assert bench.harness.metrics.breaker_open.value("test", "test") == 0
    assert bench.harness.records("delivered") == RECORDS


@pytest.mark.parametrize("name", NAMES)
@virtual_time
async def test_never_more_at_once_than_the_entry_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much waits."""
    bench = Bench(name, monkeypatch, flow={"max_writes": 3})
    async with bench.harness.running():
        await until(lambda: bench.harness.log.is_done)
    assert 2 <= bench.server.most_in_flight <= 3
    assert len(bench.server.at) == RECORDS // BATCH
