"""The client against a real server: bounded, translated, trusting nobody by accident."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from collectors.errors import Halt, Retryable
from collectors.sinks.halving import UnansweredError
from collectors.sinks.http.client import MAX_ANSWER_BYTES, HttpClient, gzipped, reach
from collectors.sinks.http.settings import HttpSettings
from tests.collectors.sinks.scripted_http import Reply, Request, ScriptedHttp, Step, hanging, reply


@pytest.fixture
async def server() -> AsyncIterator[ScriptedHttp]:
    """The place, for one test."""
    made = ScriptedHttp()
    await made.start()
    yield made
    await made.close()


def client_of(server: ScriptedHttp, **settings: object) -> HttpClient:
    """A client of the server, whose path and query must not be shown."""
    return HttpClient(HttpSettings.model_validate({"timeout": 60, **settings}), f"{server.url}/path?key=hidden")


async def test_requests_carry_what_was_set_and_no_more(server: ScriptedHttp) -> None:
    """Headers and the token; nothing of the environment, no cookie that a server has set."""
    client = client_of(server, bearer_token="t0ken", headers={"X-Own": "a b"})
    server.script.append(reply(200, b"first", {"set-cookie": "a=b"}))
    answer = await client.post(f"{server.url}/a", b"body", {"content-type": "text/plain"})
    assert (answer.status, answer.body, answer.is_whole) == (200, b"first", True)
    [request] = server.requests
    assert (request.method, request.target, request.body) == ("POST", "/a", b"body")
    assert request.headers["authorization"] == "Bearer t0ken"
    assert request.headers["x-own"] == "a b"
    assert request.headers["accept-encoding"] == "identity"
    await client.close()


async def test_redirects_are_answers(server: ScriptedHttp) -> None:
    """Events and tokens go where the operator said, and nowhere else."""
    server.script.append(reply(307, b"", {"location": f"{server.url}/elsewhere"}))
    client = client_of(server)
    assert (await client.get(f"{server.url}/")).status == 307
    assert len(server.requests) == 1
    await client.close()


@pytest.mark.parametrize("how", ["hangs", "drips", "cut", "closed"])
async def test_no_answer_is_unanswered(server: ScriptedHttp, how: str) -> None:
    """Within the timeout, as a whole: an answer that drips is none. The error shows no path and no query."""
    released = asyncio.Event()
    steps = {
        "hangs": hanging(released),
        "drips": _step(Reply(200, b"x" * 1_000, drip_seconds=0.05)),
        "cut": _step(Reply(200, b"x" * 1_000, cut_at=10)),
        "closed": _step(Reply(200, cut_at=0)),
    }
    server.script.append(steps[how])
    client = client_of(server, timeout=0.3)
    if how == "closed":
        await server.close()
    with pytest.raises(UnansweredError) as caught:
        await client.post(f"{server.url}/path?key=hidden", b"", {})
    assert "hidden" not in str(caught.value)
    assert "/path" not in str(caught.value)
    released.set()
    await client.close()


def _step(answer: Reply) -> Step:
    async def step(_request: Request) -> Reply:
        return answer

    return step


async def test_long_answers_are_not_read_to_their_end(server: ScriptedHttp) -> None:
    """And what is compressed against our asking is not unpacked: memory has a bound whatever a server sends."""
    server.script.append(reply(200, b"x" * (MAX_ANSWER_BYTES + 1)))
    server.script.append(reply(200, gzip.compress(b"x" * (8 * MAX_ANSWER_BYTES)), {"content-encoding": "gzip"}))
    client = client_of(server)
    for is_whole in (False, True):
        answer = await client.post(f"{server.url}/", b"", {})
        assert answer.is_whole is is_whole
        assert len(answer.body) <= MAX_ANSWER_BYTES + (1 << 20)
    await client.close()


async def test_only_a_trusted_server_is_talked_to(tmp_path: Path) -> None:
    """With its authority in ``ca_file`` it is; without, the service halts and says which key."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = ScriptedHttp(context)
    await server.start()
    trusting = client_of(server, ca_file=str(tmp_path / "ca.pem"))
    assert (await trusting.post(f"{server.url}/", b"", {})).status == 200
    await trusting.close()
    wary = client_of(server)
    with pytest.raises(Halt, match="ca_file"):
        await wary.post(f"{server.url}/", b"", {})
    assert len(server.requests) == 1
    await wary.close()
    await server.close()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_a_bad_ca_file_halts(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty or something else: named, with its key."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    client = HttpClient(HttpSettings(ca_file=str(path)), "https://localhost:1/")
    with pytest.raises(Halt, match=r"ca_file: .*ca\.pem"):
        client.open()
    await client.close()


async def test_a_closed_client_stays_closed(server: ScriptedHttp) -> None:
    """A write that comes late is postponed, and opens nothing that nobody closes."""
    client = client_of(server)
    client.open()
    await client.close()
    await client.close()
    with pytest.raises(Retryable, match="closed"):
        await client.post(f"{server.url}/", b"", {})
    assert server.requests == []


async def test_reach_sends_nothing(server: ScriptedHttp) -> None:
    """It sees whether somebody listens, by TCP alone."""
    await reach(server.url, 1)
    assert server.requests == []
    await server.close()
    with pytest.raises(UnansweredError):
        await reach(server.url + "/secret", 1)
    with pytest.raises(UnansweredError):
        await reach("http://no-such-host.invalid/", 2)


def test_gzip_is_gzip() -> None:
    """Any gzip reads it."""
    assert gzip.decompress(gzipped(b"abc" * 1_000)) == b"abc" * 1_000
