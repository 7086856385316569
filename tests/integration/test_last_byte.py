"""A kill at the held last byte: the vendor has answered, Kafka has not, and the client must not believe it was told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest

from schemas.events import KINDS
from sluice.dev.vendor import MockVendor
from tests.integration.accounts import Exchanged, Ledger
from tests.integration.asks import PRICE, Ask, Asker, Case
from tests.integration.clients import chain_of, note_head
from tests.integration.ledger import violations
from tests.integration.outages import kafka_killed
from tests.integration.stack import Stack
from tests.integration.stores import read_kafka
from tests.integration.waiting import until, until_found
from tests.servers import Kafka

DONE = b"data: [DONE]\n\n"
STRICT = {"eventlog": {"durability": "strict"}, "strict": {"timeout_seconds": 60}}
"""Longer than any of these tests: what is held is held until the kill."""

STREAM = Case("held_stream", "chunks=12;pace_ms=200", is_stream=True, asks_usage=True)
PLAIN = Case("held_plain", "chunks=40;drip=90;pace_ms=200")
CUT = Case("cut_stream", "chunks=12;pace_ms=50;hang=body;cut_after=5", is_stream=True, asks_usage=True)
HELD_SECONDS = 60.0
SETTLE_SECONDS = 60.0


@dataclass
class Seen:
    """What one client was given before its connection broke."""

    ask: Ask
    account: Exchanged
    raw: bytes = b""
    pieces: int = 0
    is_complete: bool = False
    error: Exception | None = None

    @property
    def broke(self) -> bool:
        """Whether its HTTP library said that the connection ended too soon."""
        names = set() if self.error is None else {type(found).__name__ for found in chain_of(self.error)}
        return not self.is_complete and bool(names & {"RemoteProtocolError", "ReadError"})


def ask_for(case: Case) -> Seen:
    """A request of this case, not sent yet."""
    ask = Asker(1, (case,)).ask("http")
    return Seen(ask, ask.begin())


def read_with_the_sdk(url: str, seen: Seen) -> None:
    """A stream through the real SDK, to its end or to its error; blocks."""
    with openai.OpenAI(base_url=f"{url}/llm/call/main", api_key="from the header", max_retries=0) as client:
        try:
            stream = client.chat.completions.create(**seen.ask.arguments, extra_headers=seen.ask.headers)
            for _ in stream:
                seen.pieces += 1
            seen.is_complete = True
        except Exception as error:  # noqa: BLE001 (whatever it is: the test looks at it)
            seen.error = error


async def ask_with_the_sdk(url: str, seen: Seen) -> None:
    """A plain call through the real SDK."""
    async with openai.AsyncOpenAI(base_url=f"{url}/llm/call/main", api_key="from the header", max_retries=0) as client:
        try:
            await client.chat.completions.create(**seen.ask.arguments, extra_headers=seen.ask.headers)
            seen.is_complete = True
        except Exception as error:  # noqa: BLE001
            seen.error = error


async def read_raw(url: str, seen: Seen) -> None:
    """Plain HTTP: the bytes as they come."""
    headers = {**seen.ask.headers, "content-type": "application/json"}
    target = f"{url}/llm/call/main/v1/chat/completions"
    seen.account.sent_bytes = len(seen.ask.body)
    try:
        async with (
            httpx.AsyncClient(timeout=60) as client,
            client.stream("POST", target, content=seen.ask.body, headers=headers) as response,
        ):
            note_head(seen.account, response.status_code, response)
            async for chunk in response.aiter_raw():
                seen.raw += chunk
                seen.pieces += 1
        seen.is_complete = True
    except httpx.TransportError as error:
        seen.error = error


async def answer_of_a_vendor(vendor: MockVendor, ask: Ask) -> bytes:
    """The same answer, had it been let go whole; by another vendor, whose log is no part of the ledger."""
    script = ask.headers["x-mock"].replace("pace_ms=200", "pace_ms=0")
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(f"{vendor.url}/chat/completions", content=ask.body, headers={"x-mock": script})
    return answer.content


class Clients:
    """Four whose last byte is held at the kill, and one whose vendor had not finished."""

    def __init__(self) -> None:
        self.sdk_stream, self.raw_stream, self.cut = ask_for(STREAM), ask_for(STREAM), ask_for(CUT)
        self.sdk_plain, self.raw_plain = ask_for(PLAIN), ask_for(PLAIN)
        self.held = (self.sdk_stream, self.raw_stream, self.sdk_plain, self.raw_plain)

    def start(self, tasks: asyncio.TaskGroup, url: str) -> None:
        """Send the four."""
        tasks.create_task(asyncio.to_thread(read_with_the_sdk, url, self.sdk_stream))
        tasks.create_task(ask_with_the_sdk(url, self.sdk_plain))
        for seen in (self.raw_stream, self.raw_plain):
            tasks.create_task(read_raw(url, seen))

    def are_broken(self) -> bool:
        """Whether all four have ended without their end."""
        return all(seen.broke for seen in self.held)

    def are_midway(self) -> bool:
        """Whether every client whose pieces can be seen has some."""
        return all(seen.pieces >= 2 for seen in (self.sdk_stream, self.raw_stream, self.raw_plain))


async def until_each_worker_may_answer(stack: Stack, workers: int) -> None:
    """A gateway is ready when one worker is; another whose relay has not reached Kafka yet refuses in ``strict``."""

    async def acknowledge() -> bool:
        return await stack.gateway.metric("sluice_relay_acknowledging") == workers

    await until_found(acknowledge, SETTLE_SECONDS, "each worker's relay is connected")


async def wait_until_held(stack: Stack, clients: Clients) -> None:
    """Return when the vendor has said everything and the gateway holds the end of four answers that wait for it."""

    async def is_held() -> bool:
        journaled = await stack.gateway.metric("sluice_journal_records")
        ended = await stack.gateway.metric("sluice_exchanges_total", 'outcome="ok"')
        return journaled >= len(clients.held) * len(KINDS) and ended == len(clients.held)

    await until_found(is_held, HELD_SECONDS, "four exchanges in the journal, none acknowledged")
    assert not any(seen.is_complete or seen.error for seen in clients.held)


async def kill_the_gateway(stack: Stack) -> None:
    """Every process of it."""
    await stack.gateway.kill()


async def kill_its_workers(stack: Stack) -> None:
    """All at once; their supervisor starts them again while Kafka is still away."""
    await asyncio.gather(*(stack.gateway.kill_worker(name) for name in stack.gateway.workers()))


async def check_what_was_seen(clients: Clients, vendor: MockVendor) -> None:
    """Nobody was told the end: neither by an SDK's success nor by bytes."""
    for seen in clients.held:
        assert seen.broke, f"{seen.account.case}: {seen.error!r}, {seen.raw!r}"
    whole = await answer_of_a_vendor(vendor, clients.raw_stream.ask)
    assert whole.endswith(DONE)
    assert clients.raw_stream.raw == whole.removesuffix(DONE)
    body = await answer_of_a_vendor(vendor, clients.raw_plain.ask)
    assert body.startswith(clients.raw_plain.raw)
    assert 0 < len(body) - len(clients.raw_plain.raw) <= 90
    with pytest.raises(json.JSONDecodeError):
        json.loads(clients.raw_plain.raw)


async def books_of_kafka(stack: Stack, kafka: Kafka, accounts: list[Exchanged]) -> Ledger:
    """The ledger with the topics themselves as its sink: whoever reads them then needs no patience of its own."""
    records = await read_kafka(kafka.address, stack.topics)
    return Ledger(accounts, await stack.served(), {"kafka": records}, PRICE)


async def until_all_is_on_kafka(
    stack: Stack, kafka: Kafka, *, ok: Sequence[Seen], interrupted: Sequence[Seen] = ()
) -> None:
    """Wait for the ledger to hold; then every event is there once, with the outcome that the journal knew."""
    accounts = [seen.account for seen in (*ok, *interrupted)]

    async def broken_laws() -> list[str]:
        return violations(await books_of_kafka(stack, kafka, accounts))

    async def holds() -> bool:
        return not await broken_laws()

    with contextlib.suppress(TimeoutError):
        await until_found(holds, SETTLE_SECONDS, "the ledger holds", poll_seconds=0.5)
    await stack.gateway.stop()  # what it still has to say it says now
    assert await broken_laws() == []
    outcomes = {seen.account.request_id: "ok" for seen in ok}
    outcomes |= {seen.account.request_id: "interrupted" for seen in interrupted}
    for kind, records in (await read_kafka(kafka.address, stack.topics)).items():
        counts = Counter((record["request_id"], record["outcome"]) for record in records)
        assert counts == dict.fromkeys(outcomes.items(), 1), kind


@pytest.mark.parametrize(("workers", "kill"), [(1, kill_the_gateway), (2, kill_its_workers)])
async def test_a_kill_at_the_held_last_byte(
    kafka_server: Kafka,
    mock_vendor: MockVendor,
    unique_name: str,
    tmp_path: Path,
    workers: int,
    kill: Callable[[Stack], Awaitable[None]],
) -> None:
    """In ``strict`` no client has the last byte before Kafka acknowledged; after a kill every event is there, once."""
    stack = Stack(tmp_path, unique_name, kafka=kafka_server, workers=workers, settings=STRICT)
    clients = Clients()
    async with stack.running(collector=False):
        await until_each_worker_may_answer(stack, workers)
        async with asyncio.TaskGroup() as tasks:
            clients.start(tasks, stack.url)
            tasks.create_task(read_raw(stack.url, clients.cut))
            await until(lambda: clients.are_midway() and clients.cut.pieces, HELD_SECONDS, "answers under way")
            async with kafka_killed(kafka_server):
                assert not any(served.complete for served in await stack.served()), "Kafka was killed too late"
                await wait_until_held(stack, clients)
                await kill(stack)
        assert clients.cut.broke
        await check_what_was_seen(clients, mock_vendor)
        if not stack.gateway.is_running:
            stack.gateway.launch()
        await stack.gateway.wait_until_ready()
        await until_all_is_on_kafka(stack, kafka_server, ok=clients.held, interrupted=(clients.cut,))


async def test_an_acknowledgement_that_does_not_come_in_time(
    kafka_server: Kafka, mock_vendor: MockVendor, unique_name: str, tmp_path: Path
) -> None:
    """Behind ``strict.timeout_seconds`` the connection is closed without its last byte; the events come later, once."""
    settings = {**STRICT, "strict": {"timeout_seconds": 3}}  # longer than a busy machine's acknowledgement takes
    stack = Stack(tmp_path, unique_name, kafka=kafka_server, settings=settings)
    clients, late = Clients(), ask_for(PLAIN)
    async with stack.running(collector=False):
        async with asyncio.TaskGroup() as tasks:
            clients.start(tasks, stack.url)
            await until(clients.are_midway, HELD_SECONDS, "answers under way")
            async with kafka_killed(kafka_server):
                await until(clients.are_broken, HELD_SECONDS, "connections closed")
        await check_what_was_seen(clients, mock_vendor)
        assert await stack.gateway.metric("sluice_commit_failures_total") == len(clients.held)
        await stack.gateway.wait_until_ready()
        await read_raw(stack.url, late)
        assert late.is_complete
        late.account.ending = "complete"
        await until_all_is_on_kafka(stack, kafka_server, ok=(*clients.held, late))
