"""The clients themselves, against the scripted vendor alone: each case ends as it says, and its account is true."""

from __future__ import annotations

import asyncio

import pytest

from sluice.dev.servers.ports import free_port
from sluice.dev.vendor import MockVendor
from tests.integration.accounts import Exchanged
from tests.integration.asks import CASES, Ask, Asker, Case, Way
from tests.integration.clients import AsyncSdkClient, HttpClient, SdkClient
from tests.integration.traffic import Traffic
from tests.integration.waiting import until

PASSED_ON = [case for case in CASES if case.knows_app and set(case.outcomes) <= {"ok", "upstream_error"}]
"""Those that the vendor alone answers as a gateway would."""


async def exchange(url: str, ask: Ask, way: Way) -> Exchanged:
    """One exchange over a client of its own."""
    if way == "sdk":
        client = SdkClient(url)
        try:
            return await asyncio.to_thread(client.exchange, ask)
        finally:
            client.close()
    other = AsyncSdkClient(url) if way == "async_sdk" else HttpClient(url)
    try:
        return await other.exchange(ask)
    finally:
        await other.close()


@pytest.mark.parametrize(
    ("case", "way"),
    [(case, way) for case in PASSED_ON for way in case.ways],
    ids=lambda value: getattr(value, "name", value),
)
async def test_each_case_ends_as_it_says(mock_vendor: MockVendor, case: Case, way: Way) -> None:
    """Whichever way it is asked for; what was sent and received is counted."""
    ask = Asker(1, (case,)).ask(way)
    account = await exchange(mock_vendor.url.removesuffix("/v1"), ask, way)
    assert account.ending in case.ends
    assert account.request_id == ask.request_id
    sent = len(mock_vendor.requests[-1].body)
    assert account.sent_bytes == ask.sent_bytes(sent)
    if "without_usage" in case.name and case.is_stream:
        assert account.received_tokens == 6 + 3  # the pieces of text, the frames before and behind them, [DONE]


@pytest.mark.parametrize("way", ["sdk", "async_sdk", "http"])
async def test_where_nobody_listens_the_connection_is_refused(way: Way) -> None:
    """Which is not a broken connection: nobody can have seen the request."""
    ask = Asker(1, (CASES[0],)).ask(way)
    account = await exchange(f"http://127.0.0.1:{free_port()}", ask, way)
    assert account.ending == "refused"
    assert account.exchange_id == ""


@pytest.mark.parametrize("way", ["sdk", "async_sdk", "http"])
async def test_silence_after_the_answer_s_middle_is_a_broken_connection(mock_vendor: MockVendor, way: Way) -> None:
    """A stream whose end never comes is not complete."""
    ask = Asker(1, (Case("hung", "chunks=4;hang=body", is_stream=True),)).ask(way)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(exchange(mock_vendor.url.removesuffix("/v1"), ask, way))
        await until(lambda: mock_vendor.served, 60, "the vendor was asked")
        mock_vendor.disconnect()
    assert running.result().ending == "broken"


def test_requests_have_ids_and_counts_of_their_own() -> None:
    """No two requests share an id, also not those of two runs from one seed; the mix is the seed's."""
    first, second = Asker(7), Asker(7)
    asks = [(first.ask("http"), second.ask("http")) for _ in range(300)]
    assert len({ask.request_id for pair in asks for ask in pair}) == 600
    assert [one.case for one, _ in asks] == [other.case for _, other in asks]
    assert {one.case.name for one, _ in asks} == {case.name for case in CASES}


async def test_traffic_flows_until_it_is_stopped(mock_vendor: MockVendor) -> None:
    """Every client takes part, and what is under way at the end is led to its end."""
    case = Case("plain", "delay_ms=20")
    traffic = Traffic(mock_vendor.url.removesuffix("/v1"), seed=3, clients=(1, 1, 1), pause_seconds=0, cases=(case,))
    async with traffic.flowing():
        await traffic.reach(30, seconds=60)
    assert len(traffic.accounts) == mock_vendor.served_count
    assert {account.ending for account in traffic.accounts} == {"complete"}
