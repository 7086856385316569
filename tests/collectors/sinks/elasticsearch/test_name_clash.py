"""A name is a data stream or the alias of dated indices; where it is the other, the service halts before it writes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.elasticsearch.access import open_http
from collectors.sinks.elasticsearch.name_clash import refuse_clashes
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from tests.collectors.sinks.scripted_http import ScriptedHttp, reply


@pytest.fixture
async def server() -> AsyncIterator[ScriptedHttp]:
    """For one test."""
    made = ScriptedHttp()
    await made.start()
    yield made
    await made.close()


async def check(server: ScriptedHttp, *, data_streams: bool) -> None:
    """One name, as a sink with these settings would write to it."""
    settings = ElasticsearchSettings.model_validate({"elasticsearch_url": server.url, "data_streams": data_streams})
    http = open_http(settings)
    try:
        await refuse_clashes(http, settings, ["events"])
    finally:
        await http.close()


@pytest.mark.parametrize("what", ["indices", "aliases", "data_streams"])
@pytest.mark.parametrize("data_streams", [False, True])
async def test_what_a_name_may_be(server: ScriptedHttp, what: str, data_streams: bool) -> None:
    """An alias where indices are dated, a data stream where those are wanted, and never an index itself."""
    found = {"indices": [], "aliases": [], "data_streams": [], what: [{"name": "events", "indices": ["x"]}]}
    server.script.append(reply(200, orjson.dumps(found)))
    if what == ("data_streams" if data_streams else "aliases"):
        await check(server, data_streams=data_streams)
    else:
        with pytest.raises(Halt, match="events is"):
            await check(server, data_streams=data_streams)
    assert server.requests[0].target == "/_resolve/index/events"


@pytest.mark.parametrize(("status", "body"), [(404, b"{}"), (403, b"{}"), (405, b""), (200, b"<html>"), (200, b"[]")])
async def test_who_may_not_ask_is_not_refused(server: ScriptedHttp, status: int, body: bytes) -> None:
    """Nothing there, no right to look, or an answer of somebody else's: the first write will tell."""
    server.script.append(reply(status, body))
    await check(server, data_streams=True)


async def test_silence_is_waited_for(server: ScriptedHttp) -> None:
    """As everywhere."""
    await server.close()
    with pytest.raises(Retryable):
        await check(server, data_streams=False)
