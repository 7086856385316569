"""Health, readiness and metrics: what an operator's tools ask, and nothing else is answered."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.endpoints import make_application

METRICS = 'sluice_exchanges_total{outcome="ok"} 1\n'


class Worker:
    """What the endpoints ask of one."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.asked: list[str] = []

    def ready(self) -> list[str]:
        """What is wrong now."""
        self.asked.append("ready")
        return self.problems

    def metrics(self) -> str:
        """All of them."""
        self.asked.append("metrics")
        return METRICS


@contextlib.asynccontextmanager
async def asking(worker: Worker) -> AsyncIterator[httpx.AsyncClient]:
    """A client of its endpoints."""
    transport = httpx.ASGITransport(make_application(worker.ready, worker.metrics))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def test_health_is_of_the_process_alone() -> None:
    """Whatever is wrong around it: who answers lives, and need not be started again."""
    worker = Worker()
    worker.problems = ["the journal is full"]
    async with asking(worker) as client:
        answer = await client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert worker.asked == []


async def test_readiness_says_what_is_wrong_now() -> None:
    """503 with every reason while there is one, 200 when there is none; asked anew each time."""
    worker = Worker()
    async with asking(worker) as client:
        for problems in ([], ["the journal is full", "Kafka is away"], []):
            worker.problems = problems
            answer = await client.get("/ready")
            assert answer.status_code == (503 if problems else 200)
            assert answer.json() == {"status": "unready" if problems else "ready", "problems": problems}
    assert worker.asked == ["ready"] * 3


async def test_metrics_are_prometheus_text() -> None:
    """As they are rendered, in the type that scrapers read."""
    async with asking(Worker()) as client:
        answer = await client.get("/metrics")
    assert answer.text == METRICS
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/openapi.json", "/llms", "/metrics/x", "/%2e%2e"])
async def test_what_is_not_there_is_a_404_in_our_shape(path: str) -> None:
    """Also the pages that FastAPI would add."""
    worker = Worker()
    async with asking(worker) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (404, 404, "not_found")
    assert worker.asked == []


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
async def test_they_are_only_read(path: str) -> None:
    """405 for every other method, and it says which one is meant."""
    worker = Worker()
    async with asking(worker) as client:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = await client.request(method, path, content=b"x")
            assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
            assert "GET" in answer.headers["allow"]
    assert worker.asked == []


async def test_two_workers_do_not_share_their_answers() -> None:
    """Each application asks its own."""
    one, other = Worker(), Worker()
    other.problems = ["no room"]
    async with asking(one) as first, asking(other) as second:
        assert (await first.get("/ready")).status_code == 200
        assert (await second.get("/ready")).status_code == 503
