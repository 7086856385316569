"""A configuration service is asked with bounds of time and size, and whatever it answers is a line that names it."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from collectors.configuration import service as service_module
from collectors.configuration.last_good import LastGood
from collectors.configuration.service import ServiceOrigin, address_of
from sluice.settings import SettingsError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Bench:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[web.Request] = []
        self.answer: Handler | None = None
        app = web.Application(handler_args={"max_line_size": 16_384})
        app.router.add_get("/{path:.*}", self._handle)
        self.server = TestServer(app)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        assert self.answer is not None
        return await self.answer(request)

    def says(self, status: int, body: bytes = b"", **headers: str) -> None:
        async def answer(_request: web.Request) -> web.Response:
            return web.Response(status=status, body=body, headers=headers)

        self.answer = answer

    def origin(self, token: str = "") -> ServiceOrigin:
        url = str(self.server.make_url("/base/"))
        return ServiceOrigin(url, SecretStr(token), 30.0, LastGood(self.folder, url))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """One on a port of its own."""
    bench = Bench(tmp_path)
    await bench.server.start_server()
    yield bench
    await bench.server.close()


async def said_by(origin: ServiceOrigin) -> str:
    """The problem, which names the address."""
    with pytest.raises(SettingsError) as caught:
        await origin.read(insists=False)
    assert str(caught.value).startswith(origin.where)
    return str(caught.value)


async def test_it_is_asked_as_the_reference_s_is(bench: Bench) -> None:
    """``GET <url>/plugins/data-collection`` with the token as a bearer; the body is given as it is."""
    bench.says(200, b'{"version": "1.0"}')
    assert await bench.origin("hush").read(insists=False) == b'{"version": "1.0"}'
    [asked] = bench.asked
    assert asked.path == "/base/plugins/data-collection"
    assert asked.headers["authorization"] == "Bearer hush"
    await bench.origin().read(insists=False)
    assert "authorization" not in bench.asked[-1].headers


async def test_what_did_not_change_is_not_sent_again(bench: Bench) -> None:
    """The answer's ETag comes back as it was; a 304 is nothing new, and one without an ETag is a fault."""
    origin = bench.origin()
    bench.says(304)
    assert "answers 304" in await said_by(origin)
    bench.says(200, b"a: 1", etag='W/"7"')
    await origin.read(insists=False)
    bench.says(304)
    assert await origin.read(insists=True) is None
    assert bench.asked[-1].headers["if-none-match"] == 'W/"7"'
    bench.says(200, b"a: 2")
    assert await origin.read(insists=False) == b"a: 2"
    await origin.read(insists=False)
    assert "if-none-match" not in bench.asked[-1].headers


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "it does not take PLUGINS_CONFIG_SERVICE_TOKEN"),
        (403, "it does not take PLUGINS_CONFIG_SERVICE_TOKEN"),
        (404, "there is no /plugins/data-collection"),
        (301, "redirects are not followed"),
        (204, "answers 204"),
        (500, "answers 500"),
    ],
)
async def test_any_other_answer_is_named(bench: Bench, status: int, said: str) -> None:
    """With what to do; a redirect is not followed, since the token would go along; its body is not shown."""
    bench.says(status, b"" if status == 204 else b"body with hush", location=str(bench.server.make_url("/elsewhere")))
    problem = await said_by(bench.origin("hush"))
    assert said in problem
    assert "hush" not in problem
    assert len(bench.asked) == 1


async def test_an_answer_without_end_is_cut(bench: Bench) -> None:
    """No more is taken than a settings file may have, whether its length is told or not."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(200):
            await response.write(b"x" * (64 << 10))
        return response

    bench.answer = endless
    assert "more than 4194304 bytes" in await said_by(bench.origin())


async def test_a_compressed_answer_is_refused(bench: Bench) -> None:
    """It was not asked for: what is small could become large."""
    bench.says(200, gzip.compress(b"a: 1"), **{"content-encoding": "gzip"})
    assert "answers compressed" in await said_by(bench.origin())
    assert bench.asked[-1].headers["accept-encoding"] == "identity"


async def test_a_slow_answer_has_an_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole answer within the bound, not each piece of it."""
    monkeypatch.setattr(service_module, "TIMEOUT_SECONDS", 0.2)

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.02)

    bench.answer = slow
    assert "does not answer within 0.2 s" in await said_by(bench.origin())


async def test_a_broken_answer_is_named(bench: Bench) -> None:
    """A connection that ends in the middle is no shorter configuration."""

    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "100"})
        await response.prepare(request)
        await response.write(b"a: 1")
        assert request.transport is not None
        request.transport.abort()
        return response

    bench.answer = broken
    assert "cannot be reached (ClientPayloadError)" in await said_by(bench.origin())


async def test_a_service_that_is_away_is_named(bench: Bench) -> None:
    """In the system's words."""
    origin = bench.origin()
    await bench.server.close()
    assert "Connect call failed" in await said_by(origin) or "refused" in (await said_by(origin)).lower()


async def test_a_token_that_no_header_takes_is_not_shown(bench: Bench) -> None:
    """A line's end in the middle of it would be two headers."""
    bench.says(200)
    assert "hush" not in await said_by(bench.origin("hush\r\nx: y"))
    assert bench.asked == []


async def test_a_certificate_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    """And its remedy named; with its own authority it is trusted."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    bench = Bench(tmp_path)
    bench.says(200, b"a: 1")
    await bench.server.start_server(ssl=context)
    try:
        url = f"https://127.0.0.1:{bench.server.port}"
        kept = LastGood(tmp_path, url)
        assert "PLUGINS_CONFIG_SERVICE_CA_FILE" in await said_by(ServiceOrigin(url, SecretStr("t"), 30.0, kept))
        assert bench.asked == []
        trusting = ServiceOrigin(url, SecretStr("t"), 30.0, kept, str(tmp_path / "ca.pem"))
        assert await trusting.read(insists=False) == b"a: 1"
    finally:
        await bench.server.close()


def test_the_path_is_added_once() -> None:
    """Of an address that has it already it is not added again."""
    whole = "https://x/base/plugins/data-collection"
    assert [address_of(url) for url in ("https://x/base", "https://x/base/", whole, whole + "/")] == [whole] * 4


async def test_what_could_be_used_is_kept(bench: Bench) -> None:
    """For a start without the service."""
    origin = bench.origin()
    assert origin.kept() is None
    origin.keep(b"a: 1")
    assert bench.origin().kept() == b"a: 1"
