"""The Elasticsearch sink against a server in trouble: how few requests it makes, and what it leaves for later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.halving import MAX_REFUSED
from collectors.sinks.interface import Verdict
from tests.collectors.scripted_elasticsearch import Bulk, Reply, ScriptedElasticsearch, error_body
from tests.collectors.sinks.elasticsearch.test_sink import frame, make_sink, write


@pytest.fixture
async def server() -> AsyncIterator[ScriptedElasticsearch]:
    """A scripted server for one test."""
    scripted = ScriptedElasticsearch()
    await scripted.start()
    yield scripted
    await scripted.close()


async def test_a_proxy_that_refuses_everything_drains_no_batch(server: ScriptedElasticsearch) -> None:
    """Refused one by one, a write ends after so many dead letters: their limits are asked before there are more."""
    sink = make_sink(server)

    async def refuse(_bulk: Bulk) -> Reply:
        return Reply(400, b"<html>no</html>")

    server.always = refuse
    verdict = await write(sink, frame(400))
    assert len(verdict.poison) == MAX_REFUSED
    assert len(verdict.retry) == 400 - MAX_REFUSED
    assert isinstance(verdict.cause, Retryable)
    assert len(server.bulks) <= 2 * MAX_REFUSED + 20
    await sink.close()


async def test_a_server_that_hangs_is_waited_for_once(server: ScriptedElasticsearch) -> None:
    """Of a batch in many requests the first that gets no answer is the last: the others would wait as long."""
    sink = make_sink(server, max_bulk_bytes="4KB", timeout=1)

    async def hang(_bulk: Bulk) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    server.always = hang
    verdict = await write(sink, frame(40))
    assert verdict.retry == list(range(40))
    assert len(server.bulks) == 1
    await sink.close()


async def test_a_server_that_asks_for_rest_gets_it(server: ScriptedElasticsearch) -> None:
    """After an item was refused for load the further requests of a batch wait as that item does."""
    sink = make_sink(server, max_bulk_bytes="4KB")
    documents = frame(40)
    first = documents.rows["event_id"][0]
    server.item_rules = lambda item: (429, "es_rejected_execution_exception", "full") if item.id == first else None
    verdict = await write(sink, documents)
    assert len(server.bulks) == 1
    assert isinstance(verdict.cause, Retryable)
    assert verdict.cause.throttled
    assert sorted(verdict.retry) == [0, *range(len(server.bulks[0].ids), 40)]
    await sink.close()


async def test_a_halt_ends_a_write(server: ScriptedElasticsearch) -> None:
    """Wrong credentials are tried once a batch and not once a request: accounts are locked for less."""
    sink = make_sink(server, max_bulk_bytes="4KB")

    async def refuse(_bulk: Bulk) -> Reply:
        return Reply(401, error_body("security_exception", "no"))

    server.always = refuse
    verdict = await write(sink, frame(40))
    assert len(verdict.retry) == 40
    assert len(server.bulks) == 1
    await sink.close()


async def test_an_index_that_nobody_may_make_is_a_halt_beside_others(server: ScriptedElasticsearch) -> None:
    """Templates are installed once for it, however much goes well elsewhere meanwhile; and again once it was there."""
    sink = make_sink(server)
    await sink.start()
    budgets, missing = frame(1, "budget"), (404, "index_not_found_exception", "no such index")
    server.item_rules = lambda item: missing if item.id in budgets.rows["event_id"].to_list() else None
    found = []
    for _ in range(3):
        found.append(type((await write(sink, budgets)).cause))
        assert await write(sink, frame(2)) == Verdict()
    assert found[0] is Retryable
    assert all(issubclass(each, Halt) for each in found[1:])
    installed = [request for request in server.requests if request.startswith("PUT")]
    server.item_rules = lambda _item: None
    assert await write(sink, budgets) == Verdict()
    server.item_rules = lambda _item: missing
    assert type((await write(sink, frame(1, "budget"))).cause) is Retryable
    again = [request for request in server.requests if request.startswith("PUT")]
    assert len(again) - len(installed) == len(installed) // 2
    await sink.close()
