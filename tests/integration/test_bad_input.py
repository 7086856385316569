"""Whatever comes in at the port: it is refused and counted, others are served, and the process stays the same."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.hostile import (
    connected,
    deaf,
    others_are_served,
    peak_bytes,
    pour,
    request,
    worker_of,
)
from tests.integration.stack import Stack
from tests.integration.stores import read_database
from tests.integration.waiting import until, until_found

READ_SECONDS, WRITE_SECONDS, DRAIN_SECONDS = 4.0, 4.0, 1.0
LATE_SECONDS = 10.0
"""Housekeeping looks once a second, and the machine is shared."""

CLOSE_SECONDS = 20.0
"""A connection whose request was refused is closed at once."""

PER_SECOND = 5
SETTINGS = {
    "gateway": {
        "client_read_timeout_seconds": READ_SECONDS,
        "client_write_timeout_seconds": WRITE_SECONDS,
        "drain_timeout_seconds": DRAIN_SECONDS,
    },
    "record": {"unauthenticated_per_second": PER_SECOND},
}
BAD_TOKENS = 2_000
LARGE_BYTES = 100_000_000
GROWTH_BYTES = 20 << 20
LONG_STREAM = "chunks=4000;piece_bytes=8192"
"""32 MB, more than all buffers between a vendor and a client together."""

GARBAGE = (
    b"\x00" * 64,
    b"\xff\xfe\xfd\xfc" * 8 + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 64,  # a TLS greeting
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"NONSENSE / HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost a\r\n\r\n",
    b"GET / HTTP/1.1\r\nho\x00st: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\x00b\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5x\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\nhello",
    random.Random(3).randbytes(4_000),
)


@pytest.fixture
async def stack(tmp_path: Path, unique_name: str) -> AsyncIterator[Stack]:
    """A gateway that is attacked: behind each test it is the same process, serves, and has logged no error."""
    stack = Stack(tmp_path, unique_name, settings=SETTINGS)
    async with stack.running(collector=False):
        pid = worker_of(stack)
        async with connected(stack) as connection:
            assert (await connection.ask(request()))[0] == 200
        yield stack
        assert worker_of(stack) == pid
        async with connected(stack) as connection:
            assert (await connection.ask(request()))[0] == 200
        assert '"level": "error"' not in stack.gateway.log_path.read_text()


async def flood_of_bad_tokens(stack: Stack) -> float:
    """All are 401; returns how long it took. Twenty connections, each kept alive through its refusals."""
    clients = 20

    async def flood(number: int) -> None:
        async with connected(stack) as connection:
            for count in range(BAD_TOKENS // clients):
                status, _ = await connection.ask(request(token=f"slc_guess-{number}-{count}"))
                assert status == 401

    started = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(clients):
            tasks.create_task(flood(number))
    return time.monotonic() - started


async def recorded_refusals(stack: Stack, seconds: float) -> int:
    """How many of the flood were recorded: within the cap; the rest was counted by outcome and network."""
    label = 'outcome="auth_failed"'
    assert await stack.gateway.metric("sluice_exchanges_total", label) == BAD_TOKENS
    counted = await stack.gateway.metric("sluice_unrecorded_exchanges_total", label, 'network="127.0.0.0/16"')
    recorded = int(BAD_TOKENS - counted)
    assert PER_SECOND <= recorded <= PER_SECOND * (seconds + 1) + 1
    return recorded


async def large_bodies(stack: Stack) -> None:
    """Declared or in chunks: 413 long before its end, and memory does not grow with it."""
    before = peak_bytes(worker_of(stack))
    piece = b"x" * 1_000_000
    chunk = b"%x\r\n%b\r\n" % (len(piece), piece)
    for head, part in (
        (request(declared=f"content-length: {LARGE_BYTES}"), piece),
        (request(declared="transfer-encoding: chunked"), chunk),
    ):
        sent, answer = await asyncio.to_thread(pour, stack, head, part, LARGE_BYTES // len(piece))
        assert answer.startswith(b"HTTP/1.1 413 "), answer[:200]
        assert b"gateway.max_request_bytes" in answer
        assert sent < LARGE_BYTES / 2
    assert peak_bytes(worker_of(stack)) - before < GROWTH_BYTES


async def slow_senders(stack: Stack) -> None:
    """A byte a second of a head, of a body, or none at all: the connection is closed in time."""
    whole = request()
    head, _, body = whole.partition(b"\r\n\r\n")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(trickle(stack, b"", head))
        tasks.create_task(trickle(stack, head + b"\r\n\r\n", body))
        tasks.create_task(trickle(stack, b"", b""))


async def trickle(stack: Stack, at_once: bytes, slowly: bytes) -> None:
    """Send one byte each second until the other side has had enough."""
    async with connected(stack) as connection:
        connection.writer.write(at_once)
        started, position = time.monotonic(), 0
        while True:
            if await connection.is_closed_within(1):
                break
            assert time.monotonic() - started < READ_SECONDS + LATE_SECONDS, "it is still open"
            connection.writer.write(slowly[position : position + 1])
            position += 1
        assert time.monotonic() - started < READ_SECONDS + LATE_SECONDS


async def deaf_clients(stack: Stack) -> None:
    """Five that ask for a long stream and never read are given up in time; what they did not take is not kept."""
    before, clients = peak_bytes(worker_of(stack)), 5
    data = request(script=LONG_STREAM, stream=True)
    with contextlib.ExitStack() as opened:
        for _ in range(clients):
            opened.enter_context(await asyncio.to_thread(deaf, stack, data))

        async def given_up() -> bool:
            return await stack.gateway.metric("sluice_exchanges_total", 'outcome="client_closed"') >= clients

        await until_found(given_up, WRITE_SECONDS + DRAIN_SECONDS + LATE_SECONDS, "five clients given up")
    assert peak_bytes(worker_of(stack)) - before < GROWTH_BYTES


async def garbage(stack: Stack) -> None:
    """What is no HTTP is answered 400, closed and counted."""
    for data in GARBAGE:
        await refused(stack, data, 400)
    assert await stack.gateway.metric("sluice_http_refusals_total", 'status="400"') == len(GARBAGE)


async def refused(stack: Stack, data: bytes, status: int) -> None:
    """One answer comes, with this status, and then the connection is closed at once."""
    async with asyncio.timeout(CLOSE_SECONDS):
        _, answer = await asyncio.to_thread(pour, stack, data, b"", 0)
    assert answer.startswith(b"HTTP/1.1 %d " % status), f"{data[:60]!r}: {answer[:60]!r}"
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_flood_of_bad_tokens(stack: Stack) -> None:
    """2,000 guesses are all 401; few are recorded, without bodies, the rest is counted; nobody else waits."""
    async with others_are_served(stack):
        seconds = await flood_of_bad_tokens(stack)
    recorded = await recorded_refusals(stack, seconds)
    await stack.collector.start()
    await until(lambda: len(refusals_in_sink(stack)) >= recorded, 60, "recorded refusals in the sink")
    found = refusals_in_sink(stack)
    assert len(found) == recorded
    assert all(row["request_body"] is None and row["app_id"] is None for row in found)
    assert not any("slc_guess" in str(row) for row in found)


def refusals_in_sink(stack: Stack) -> list[dict[str, object]]:
    """Proxy logs of the flood."""
    return [dict(row) for row in read_database(stack.database)["proxy_log"] if row["outcome"] == "auth_failed"]


async def test_a_large_body(stack: Stack) -> None:
    """100 MB, declared or not, are refused with 413, at a cost in memory that does not depend on their size."""
    async with others_are_served(stack):
        await large_bodies(stack)


async def test_slow_senders(stack: Stack) -> None:
    """Whoever sends a byte a second is closed in time and keeps nobody from being served."""
    async with others_are_served(stack):
        await slow_senders(stack)


async def test_clients_that_never_read(stack: Stack) -> None:
    """Whoever does not read its stream is closed in time, costs no memory, and keeps nobody from being served."""
    async with others_are_served(stack):
        await deaf_clients(stack)


async def test_garbage(stack: Stack) -> None:
    """Bytes that are no HTTP are answered 400, closed and counted."""
    async with others_are_served(stack):
        await garbage(stack)


async def test_a_head_without_end(stack: Stack) -> None:
    """A head that grows beyond twice ``gateway.max_header_bytes`` is answered 431 there and then, and counted."""
    async with others_are_served(stack):
        await refused(stack, b"GET / HTTP/1.1\r\nx: " + b"a" * 200_000, 431)
    assert await stack.gateway.metric("sluice_http_refusals_total", 'status="431"') == 1


async def test_everything_at_once(stack: Stack) -> None:
    """All of it together changes nothing: each attack ends as it does alone, and others are served."""
    async with others_are_served(stack), asyncio.TaskGroup() as tasks:
        for attack in (flood_of_bad_tokens, large_bodies, slow_senders, deaf_clients, garbage):
            tasks.create_task(attack(stack))
