"""What goes out, and what a receiver that is away, slow or wrong costs: traces, never anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.telemetry import GatewayMetrics
from gateway.tracing.exporter import MAX_ATTEMPTS, MAX_PAUSE_SECONDS, Exporter
from gateway.tracing.receiver import Answer
from gateway.tracing.settings import TracingSettings
from tests.gateway.tracing.making import a_finished

EXPORTED = Answer("exported")
LATER = Answer("later", "status 503")


class Scripted:
    """A receiver that answers as it is told, then always the same."""

    address = "http://receiver:4318/v1/traces"

    def __init__(self, *answers: Answer | Exception | Callable[[], Awaitable[Answer]]) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []
        self.closed = False

    async def send(self, body: bytes) -> Answer:
        """The next answer."""
        self.bodies.append(body)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Answer) else await answer()

    async def close(self) -> None:
        """Remember."""
        self.closed = True


class Bench:
    """An exporter, its receiver, and the pauses that it made."""

    def __init__(self, *answers: Any, **settings: Any) -> None:
        self.receiver = Scripted(*answers)
        self.metrics = GatewayMetrics()
        self.pauses: list[float] = []
        tree = {"endpoint": "http://r:1/", "interval_seconds": 0.01, "shutdown_seconds": 20, **settings}
        self.exporter = Exporter(
            TracingSettings.model_validate(tree), self.receiver, self.metrics, {"service.name": "s"}, self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def outcomes(self) -> dict[str, int]:
        """What became of how many exchanges."""
        return {labels[0]: count for labels, count in self.metrics.traced.series()}

    async def run_until(self, condition: Callable[[], bool]) -> None:
        """Run the task until it is so, then end it."""
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.exporter.run())
            while not condition():  # noqa: ASYNC110 - another task's end
                await asyncio.sleep(0.001)
            running.cancel()


async def test_what_is_offered_goes_out_in_batches() -> None:
    """No larger than is said, and all of it."""
    bench = Bench(EXPORTED, max_batch_exchanges=10)
    for _ in range(25):
        bench.exporter.offer(a_finished())
    await bench.run_until(lambda: bench.exporter.waiting == 0)
    assert (len(bench.receiver.bodies), bench.outcomes()) == (3, {"exported": 25})


async def test_a_full_queue_drops_and_counts() -> None:
    """A flood costs a bound's worth of memory, and nobody waits."""
    bench = Bench(EXPORTED, max_queued_exchanges=5)
    for _ in range(1_000):
        bench.exporter.offer(a_finished())
    assert (bench.exporter.waiting, bench.outcomes()) == (5, {"dropped": 995})


async def test_what_may_be_repeated_is_repeated() -> None:
    """The same bytes, with pauses that grow, or as long as the receiver asks for, within a bound."""
    asks = Answer("later", "status 429", retry_after_seconds=7.0)
    for_ever = Answer("later", "status 503", retry_after_seconds=float("inf"))
    bench = Bench(LATER, asks, for_ever, EXPORTED)
    bench.exporter.offer(a_finished())
    await bench.run_until(lambda: bench.exporter.waiting == 0)
    assert bench.pauses == [1.0, 7.0, MAX_PAUSE_SECONDS]
    assert (len(set(bench.receiver.bodies)), bench.outcomes()) == (1, {"exported": 1})


async def test_a_receiver_that_stays_away_costs_the_batch_alone() -> None:
    """After a few attempts it is given up, counted, and the next one has its turn; the log has one line."""
    bench = Bench(LATER, max_batch_exchanges=1)
    for _ in range(3):
        bench.exporter.offer(a_finished())
    with capture_logs() as logs:
        await bench.run_until(lambda: bench.exporter.waiting == 0)
    assert (len(bench.receiver.bodies), bench.outcomes()) == (3 * MAX_ATTEMPTS, {"failed": 3})
    assert [line["event"] for line in logs] == ["traces cannot be exported"]
    assert logs[0]["problem"] == "status 503"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(Answer("refused", "status 400"), "refused"), (Answer("garbled", "no protobuf"), "garbled"),
     (RuntimeError("a fault of ours"), "failed"), (ValueError("cannot be written"), "failed")],
)  # fmt: skip
async def test_what_cannot_be_repeated_is_not(answer: Any, outcome: str) -> None:
    """One request, one count, one line; the next batch goes out, which is told too. No fault ends the worker."""
    bench = Bench(answer, EXPORTED, max_batch_exchanges=1)
    bench.exporter.offer(a_finished())
    bench.exporter.offer(a_finished())
    with capture_logs() as logs:
        await bench.run_until(lambda: bench.exporter.waiting == 0)
    assert (len(bench.receiver.bodies), bench.outcomes()) == (2, {outcome: 1, "exported": 1})
    assert [line["event"] for line in logs] == ["traces cannot be exported", "traces are exported again"]


async def test_spans_that_were_left_out_are_counted() -> None:
    """The exchange was taken all the same."""
    bench = Bench(Answer("exported", rejected=4))
    bench.exporter.offer(a_finished())
    await bench.run_until(lambda: bench.exporter.waiting == 0)
    assert (bench.metrics.rejected_spans.value(), bench.outcomes()) == (4, {"exported": 1})


async def test_the_end_sends_what_waits_and_what_was_in_hand() -> None:
    """Also a batch whose request was cut when the task was ended."""
    sent = asyncio.Event()

    async def hang() -> Answer:
        sent.set()
        await asyncio.sleep(3_600)
        raise AssertionError

    bench = Bench(hang, EXPORTED, max_batch_exchanges=2)
    for _ in range(3):
        bench.exporter.offer(a_finished())
    await bench.run_until(sent.is_set)
    await bench.exporter.close()
    assert (bench.outcomes(), bench.receiver.closed, bench.exporter.waiting) == ({"exported": 3}, True, 0)


async def test_the_end_has_a_bound() -> None:
    """A receiver that hangs holds a worker no longer than is said; what was left is counted."""

    async def hang() -> Answer:
        await asyncio.sleep(3_600)
        raise AssertionError

    bench = Bench(hang, shutdown_seconds=0.05)
    for _ in range(3):
        bench.exporter.offer(a_finished())
    async with asyncio.timeout(15):
        await bench.exporter.close()
    assert (bench.outcomes(), bench.receiver.closed) == ({"unsent": 3}, True)


async def test_a_large_batch_lets_others_have_their_turn() -> None:
    """Encoding a thousand exchanges never holds the loop for long: others run in between."""
    bench = Bench(EXPORTED, max_batch_exchanges=1_000)
    for _ in range(1_000):
        bench.exporter.offer(a_finished())
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        other = tasks.create_task(others())
        await bench.exporter.close()
        other.cancel()
    assert turns > 100
