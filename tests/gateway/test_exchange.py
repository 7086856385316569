"""An exchange: what is counted, what is kept, and how its ends are reached."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.asgi import Write
from gateway.exchange import Exchange
from gateway.routes import Route
from gateway.snapshot import Llm, Snapshot
from gateway.upstreams.client import Take
from schemas.events import Attempt
from tests.gateway.flow import settings_of, snapshot_of


class Connection:
    """A client's connection that remembers, and always takes more."""

    def __init__(self) -> None:
        self.aborted = 0
        self.ends_expected = 0
        self.written: list[bytes] = []

    def serve(self, exchange: Exchange) -> None:
        """Nothing to tell."""

    def abort(self) -> None:
        """Remember."""
        self.aborted += 1

    def rest_of_body(self) -> bytes | None:
        """It has to be received."""
        return None

    def body_writer(self) -> Write:
        """Writes to what is remembered."""
        return self.write_body

    def write_body(self, piece: bytes, chunk: bytes = b"") -> bool:
        """Keep it, if it is one."""
        if piece:
            self.written.append(chunk or piece)
        return True

    def expect_end(self) -> None:
        """Remember."""
        self.ends_expected += 1

    def others_begin(self) -> bool:
        """It is the only one."""
        return False

    async def drain(self) -> None:
        """Nothing to wait for."""


class Upstream:
    """An answer that remembers."""

    status = 200
    headers: list[tuple[bytes, bytes]]

    def __init__(self) -> None:
        self.aborted = 0

    async def read(self) -> bytes:
        """At its end."""
        return b""

    async def pump(self, take: Take) -> bool:
        """At its end."""
        return True

    def release(self) -> None:
        """Nothing to give back."""

    def abort(self) -> None:
        """Remember."""
        self.aborted += 1


def an_exchange(**values: Any) -> Exchange:
    """One that has just been accepted, with what a test sets on it."""
    given_values: dict[str, Any] = {
        "exchange_id": "01900000-0000-7000-8000-000000000001",
        "occurred_at": 1_700_000_000_000_000,
        "started_ns": time.monotonic_ns(),
        "method": "POST",
        "route": Route("call", "demo", "chat/completions"),
        "headers": [],
        "query": b"",
        "remote_addr": "192.0.2.7",
        "connection": Connection(),
        "request_id": "request-1",
        "path": "/chat/completions",
    }
    app = values.get("app")
    if app is not None:
        given_values["user_id"] = app.user_id
    return Exchange(**{**given_values, **values})


def an_attempt(*, may_be_billed: bool = True) -> Attempt:
    """A call of the vendor."""
    return {
        "llm_id": 1, "llm_slug": "demo", "status": 200, "error_kind": "", "may_be_billed": may_be_billed, "micros": 1,
    }  # fmt: skip


def a_snapshot(**sections: Any) -> tuple[Snapshot, Llm]:
    """The configuration of the flow's tests, and its LLM."""
    snapshot = snapshot_of(settings_of("http://127.0.0.1:9/v1", **sections))
    return snapshot, snapshot.llms_by_slug["demo"]


def test_an_accepted_exchange_knows_nothing_yet() -> None:
    """No outcome, no app, no cost, no room; and its lists are nobody else's."""
    one, other = an_exchange(), an_exchange()
    assert (one.outcome, one.app, one.llm, one.cost_nanos, one.response_code) == (None,) * 5
    assert (one.has_room, one.slot, one.client_left) == (False, -1, False)
    for name in ("attempts", "timings", "response_copy", "response_headers"):
        assert getattr(one, name) == []
        assert getattr(one, name) is not getattr(other, name)


def test_the_garbage_collector_knows_of_it_from_the_start() -> None:
    """Its setter tells nobody."""
    assert gc.is_tracked(an_exchange())


def test_a_misspelt_field_is_refused() -> None:
    """Slots: what is not in the list cannot be set."""
    with pytest.raises(AttributeError):
        an_exchange().outcom = "ok"  # type: ignore[attr-defined]


def test_time_is_monotonic_and_in_microseconds() -> None:
    """Since the accept, never below zero, whatever the wall clock does."""
    exchange = an_exchange(started_ns=time.monotonic_ns() - 5_000_000)
    first = exchange.elapsed_micros()
    assert 5_000 <= first <= exchange.elapsed_micros()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=12), st.integers(0, 60))
def test_a_copy_is_the_beginning_and_the_count_is_of_all(chunks: list[bytes], max_bytes: int) -> None:
    """Whatever comes in whatever pieces: the copy is cut at its cap, the size is true."""
    exchange, whole = an_exchange(), b"".join(chunks)
    for chunk in chunks:
        exchange.keep_copy(chunk, max_bytes)
    assert b"".join(exchange.response_copy) == whole[:max_bytes]
    assert exchange.response_bytes == len(whole)


def test_a_connection_is_closed_without_its_last_byte() -> None:
    """At once, and only that."""
    connection = Connection()
    an_exchange(connection=connection).abort_connection()
    assert (connection.aborted, connection.written) == (1, [])


def test_a_drain_ends_at_the_answer_where_it_has_begun() -> None:
    """The answer is aborted, and the task, which has more to do, goes on."""
    upstream = Upstream()
    exchange = an_exchange(upstream=upstream)
    exchange.stop_draining()
    assert exchange.drain_expired
    assert upstream.aborted == 1


async def test_a_drain_ends_the_wait_for_the_head() -> None:
    """Before there is an answer the task that waits for it is cancelled."""
    async with asyncio.TaskGroup() as tasks:
        waiting: asyncio.Task[None] = tasks.create_task(asyncio.Event().wait())  # type: ignore[arg-type]
        an_exchange(task=waiting).stop_draining()
    assert waiting.cancelled()


def test_a_drain_without_a_call_is_only_noted() -> None:
    """The call had not begun, or was already over."""
    exchange = an_exchange()
    exchange.stop_draining()
    assert exchange.drain_expired


def test_headers_are_found_by_name() -> None:
    """The first line of each; of the headers that it has now, whoever put them there."""
    exchange = an_exchange(headers=[(b"a", b"1"), (b"b", b""), (b"a", b"2")])
    assert (exchange.values(), exchange.values()) == ({b"a": b"1", b"b": b""},) * 2
    exchange.headers = [(b"a", b"3")]
    assert exchange.values() == {b"a": b"3"}
    assert an_exchange().values() == {}
