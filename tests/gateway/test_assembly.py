"""The parts of a worker, joined: what the settings name is what serves, and a snapshot is swapped whole."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.assembly import make_client
from gateway.errors import UpstreamUnreachable
from gateway.settings import UpstreamSettings
from gateway.snapshot import Snapshot
from gateway.upstreams.aiohttp_client import AiohttpClient
from gateway.upstreams.client import Timeouts, UpstreamClient, UpstreamRequest
from gateway.upstreams.http1 import LeanClient
from sluice.dev.vendor import MockVendor
from tests.contracts.scripted_upstream import SECONDS, Peer, ScriptedUpstream
from tests.gateway.flow import running

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def test_a_new_snapshot_holds_from_the_next_request_on(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """An exchange that is under way ends by the configuration with which it began."""
    async with running(tmp_path, mock_vendor.url) as flow:
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(SECONDS):
            slow = tasks.create_task(flow.post(script="delay_ms=100"))
            while not mock_vendor.requests:  # noqa: ASYNC110 - the vendor is a server of its own
                await asyncio.sleep(0.002)
            flow.parts.snapshots.replace(Snapshot())
            refused = await flow.post()
            assert not slow.done()
        assert (refused.status_code, slow.result().status_code) == (404, 200)
        await flow.recorded(2)


async def test_one_application_answers_for_both(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """The data plane, and beside it health, readiness and the metrics of what went through."""
    async with running(tmp_path, mock_vendor.url) as flow:
        assert (await flow.post()).status_code == 200
        await flow.recorded()
        answers = [await flow.client.get(path) for path in ("/health", "/ready", "/metrics", "/elsewhere")]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 404]
        assert 'sluice_exchanges_total{outcome="ok"} 1' in answers[2].text
        assert len(flow.log.exchanges) == 1


async def test_what_is_read_of_the_settings_reaches_its_part(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Limits of requests, bodies kept, tokens reserved: each where it acts."""
    gateway = {"max_request_bytes": 100, "bodies": {"max_bytes": 10}}
    async with running(tmp_path, mock_vendor.url, gateway=gateway, budget={"default_output_tokens": 1}) as flow:
        assert (await flow.post(body=b"x" * 101)).status_code == 413
        assert (await flow.post()).status_code == 200
        events = await flow.recorded(2)
    assert len(events["proxy_log"]["response_body"]) == 10
    assert events["budget"]["reserved_nanos"] < 50_000


@pytest.mark.parametrize(("name", "kind"), [("lean", LeanClient), ("aiohttp", AiohttpClient)])
async def test_the_client_is_the_one_that_is_named(name: str, kind: type[Any]) -> None:
    """The lean one where nothing is said."""
    client = make_client(UpstreamSettings.model_validate({"client": name}))
    assert isinstance(client, kind)
    await client.close()
    assert isinstance(make_client(UpstreamSettings()), LeanClient)


@pytest.mark.parametrize("name", ["lean", "aiohttp"])
async def test_the_client_trusts_the_file_that_is_named(name: str, tmp_path: Path) -> None:
    """A vendor behind a private authority is reached with ``ca_file``, and not without."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    for ca_file, trusted in ((str(tmp_path / "ca.pem"), True), ("", False)):
        client = make_client(UpstreamSettings.model_validate({"client": name, "ca_file": ca_file}))
        async with ScriptedUpstream(answer, tls=tls) as upstream:
            if trusted:
                assert await get(client, upstream) == b"ok"
            else:
                with pytest.raises(UpstreamUnreachable):
                    await get(client, upstream)
            await client.close()


@pytest.mark.parametrize("name", ["lean", "aiohttp"])
async def test_the_client_opens_no_more_connections_than_it_may(name: str) -> None:
    """``max_connections_per_origin``: what is beyond it waits its turn."""
    settings = UpstreamSettings.model_validate({"client": name, "max_connections_per_origin": 2})
    client = make_client(settings)
    async with ScriptedUpstream(answer) as upstream:
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(get(client, upstream)) for _ in range(8)]
        assert [task.result() for task in asking] == [b"ok"] * 8
        assert upstream.most_open <= 2
        await client.close()


async def answer(peer: Peer) -> None:
    """The same to everything."""
    while await peer.request():
        await peer.send(ANSWER)


async def get(client: UpstreamClient, upstream: ScriptedUpstream) -> bytes:
    """One request; the answer's body."""
    response = await client.send(UpstreamRequest(upstream.origin, b"GET", b"/", [], b"", Timeouts(SECONDS, SECONDS)))
    parts = []
    while chunk := await response.read():
        parts.append(chunk)
    return b"".join(parts)
