"""Kafka is away while exchanges go on: no client notices, and afterwards everything is there once."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from schemas.events import KINDS
from tests.integration.accounts import Exchanged, Ledger
from tests.integration.asks import CASES
from tests.integration.outages import kafka_killed, kafka_silent
from tests.integration.stack import Stack
from tests.integration.traffic import Traffic
from tests.servers import Kafka

Outage = Callable[[Kafka], AbstractAsyncContextManager[None]]

QUICK = {"plain", "plain_tool_calls", "plain_without_usage", "stream", "stream_hidden_usage", "stream_without_usage",
         "upstream_429", "bad_token", "unlinked_llm", "blocked"}  # fmt: skip
"""Cases that the vendor answers in a few tens of milliseconds: a slow one would hide what the gateway adds."""

MIN_EXCHANGES = 200
MAX_RATIO = 2.0
SLACK_SECONDS = 0.02
PROBE_SECONDS = 0.05
SETTLE_SECONDS = 60.0


def p99(accounts: list[Exchanged]) -> float:
    """Seconds that all but one in a hundred took at most."""
    seconds = sorted(account.seconds for account in accounts)
    return seconds[math.ceil(len(seconds) * 0.99) - 1]


def began_between(accounts: list[Exchanged], start: float, end: float) -> list[Exchanged]:
    """Those that began in this time; whenever they ended, that counts."""
    return [account for account in accounts if start <= account.at - account.seconds < end]


async def keep_going_until(moment: float, traffic: Traffic) -> None:
    """Return at this moment; TimeoutError where exchanges stop coming to their end before."""
    while (left := moment - time.monotonic()) > 0:
        await traffic.more(1, 10)
        await asyncio.sleep(min(0.2, left))


def check_no_client_noticed(traffic: Traffic) -> None:
    """Every answer was whole, and what it was asked to be."""
    cases = {case.name: case for case in CASES}
    for account in traffic.accounts:
        assert account.ending == "complete", traffic.summary()
        expects_error = cases[account.case].outcomes != ("ok",)
        assert (account.status >= 400) == expects_error, f"{account.case}: {account.status}"


class Machine:
    """What the machine itself adds meanwhile: a client of the vendor alone, far from gateway and Kafka."""

    def __init__(self, url: str) -> None:
        self.accounts: list[Exchanged] = []
        self._url = url

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[Machine]:
        """As long as the block lasts, one exchange after the other."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            yield self
            watching.cancel()

    async def _watch(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=30) as client:
            while True:
                account = Exchanged("", "probe", "complete", False)
                began = time.monotonic()
                (await client.get("/v1/models")).raise_for_status()  # which its log does not have
                account.at = time.monotonic()
                account.seconds = account.at - began
                self.accounts.append(account)
                await asyncio.sleep(PROBE_SECONDS)


def check_it_is_as_fast(before: list[Exchanged], during: list[Exchanged], probes: list[Exchanged]) -> None:
    """The slowest of a hundred took at most twice as long as before, and what the machine itself made others wait."""
    assert len(before) >= MIN_EXCHANGES
    assert len(during) >= MIN_EXCHANGES
    allowed = MAX_RATIO * (p99(before) + p99(probes)) + SLACK_SECONDS
    shown = (
        f"p99 {p99(before):.3f} s of {len(before)} before, {p99(during):.3f} s of {len(during)} during the outage, "
        f"{p99(probes):.3f} s of {len(probes)} beside it"
    )
    print(shown)
    assert p99(during) <= allowed, shown


def check_each_is_on_kafka(ledger: Ledger, *, at_most: int) -> None:
    """Every event lies on its topic; ``at_most`` so many times, as a round whose answer was lost is sent again."""
    assert ledger.records is not None
    (documents, *_) = ledger.sinks.values()
    for kind in KINDS:
        counts = Counter(record["event_id"] for record in ledger.records[kind])
        assert counts.keys() == {document["event_id"] for document in documents[kind]}
        assert max(counts.values()) <= at_most, counts.most_common(3)


async def go_through(stack: Stack, kafka: Kafka, outage: Outage, seconds: float) -> Ledger:
    """So long with Kafka, so long without, and then until everything has arrived."""
    traffic = Traffic(stack.url, seed=11, clients=(1, 2, 3), pause_seconds=0.05,
                      cases=tuple(case for case in CASES if case.name in QUICK))  # fmt: skip
    async with stack.running():
        machine = Machine(stack.vendor.url)
        async with machine.watched(), traffic.flowing():
            await traffic.more(50, 30)  # connections are open, code is warm
            start = time.monotonic()
            await keep_going_until(start + seconds, traffic)
            middle = time.monotonic()
            async with outage(kafka):
                away = time.monotonic()
                await keep_going_until(away + seconds, traffic)
                end = time.monotonic()
                assert await stack.gateway.metric("sluice_relay_lag_records") > MIN_EXCHANGES
            await traffic.more(50, 30)
        check_no_client_noticed(traffic)
        check_it_is_as_fast(
            began_between(traffic.accounts, start, middle),
            began_between(traffic.accounts, away, end),
            began_between(machine.accounts, away, end),
        )
        return await stack.until_the_ledger_holds(traffic.accounts, SETTLE_SECONDS)


async def test_a_quarter_of_a_minute(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """Kafka is killed and away for 15 s: no error, p99 at most doubled, afterwards every event is in the sink once."""
    stack = Stack(tmp_path, unique_name, kafka=kafka_server)
    ledger = await go_through(stack, kafka_server, kafka_killed, 15)
    check_each_is_on_kafka(ledger, at_most=2)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("outage", [kafka_killed, kafka_silent])
async def test_a_minute(kafka_server: Kafka, unique_name: str, tmp_path: Path, outage: Outage) -> None:
    """The same for 60 s, killed or silent: longer than every timeout of the relay's."""
    stack = Stack(tmp_path, unique_name, kafka=kafka_server)
    ledger = await go_through(stack, kafka_server, outage, 60)
    check_each_is_on_kafka(ledger, at_most=2)
