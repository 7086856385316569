"""``sluice collectors`` against a real server: what it shows, what it changes, and what it says of silence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from collectors.errors import Halt, Retryable
from collectors.metrics import CollectorMetrics
from collectors.operations.collectors import collectors, server_of
from collectors.operations.running import UsageError
from collectors.server import HealthServer
from collectors.service import Service
from collectors.settings import ServerSettings
from tests.collectors.operations.benches import Seen
from tests.collectors.test_server import Clock, services_on


class Bench:
    """Two services behind a server, and a file that says where."""

    def __init__(self, folder: Path, token: str = "") -> None:
        metrics = CollectorMetrics()
        self.file = folder / "collectors.yaml"
        self.services: list[Service] = services_on(Clock(), metrics, "a", "b")
        self.server = HealthServer(ServerSettings.model_validate({"port": 0, "token": token}), self.services, metrics)
        self.token = token

    async def start(self) -> None:
        port = int((await self.server.start()).rpartition(":")[2])
        self.file.write_text(f"server: {{port: {port}, token: '{self.token}'}}\n")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Without a token."""
    bench = Bench(tmp_path)
    await bench.start()
    yield bench
    await bench.server.close()


async def test_services_are_listed(bench: Bench) -> None:
    """A line each for eyes, a document each for scripts; 0 where all are well."""
    eyes, seen = Seen(as_json=False), Seen()
    assert await collectors(bench.file, "", "", "", eyes.printer) == 0
    assert [line.split()[:2] for line in eyes.lines[1:]] == [["a", "running"], ["b", "running"]]
    await collectors(bench.file, "", "", "", seen.printer)
    assert [each["service"] for each in seen.documents] == ["a", "b"]


async def test_one_that_does_not_run_is_wrong(bench: Bench) -> None:
    """1, with its last error; an error's text is not obeyed by the terminal."""
    bench.services[1].health.halt("sink", Halt("\x1b[31m403", "grant it"))
    seen = Seen(as_json=False)
    assert await collectors(bench.file, "", "", "", seen.printer) == 1
    assert "halted" in seen.lines[2]
    assert "sink: \\x1b[31m403; grant it" in seen.lines[2]
    assert await collectors(bench.file, "", "a", "", seen.printer) == 0


async def test_a_service_is_paused_and_resumed(bench: Bench) -> None:
    """And shown whole; that an operator paused it is not wrong."""
    for action, is_paused in (("pause", True), ("resume", False)):
        seen = Seen(as_json=False)
        assert await collectors(bench.file, "", "b", action, seen.printer) == 0
        assert [each.health.is_paused for each in bench.services] == [False, is_paused]
        assert f"paused                     {is_paused}" in seen.lines


async def test_a_token_is_shown(tmp_path: Path) -> None:
    """As the file has it; where the server wants another it says so, and nothing changes."""
    bench = Bench(tmp_path, "s3cret")
    await bench.start()
    url = f"http://127.0.0.1:{bench.file.read_text().split('port: ')[1].split(',')[0]}"
    other = tmp_path / "other.yaml"
    other.write_text("server: {token: wrong}\n")
    seen = Seen()
    try:
        assert await collectors(other, url, "a", "pause", seen.printer) == 1
        assert "server.token" in seen.err.getvalue()
        assert not bench.services[0].health.is_paused
        assert await collectors(bench.file, "", "a", "pause", seen.printer) == 0
    finally:
        await bench.server.close()


async def test_a_service_that_is_not_there_names_those_that_are(bench: Bench) -> None:
    """Before anything is changed."""
    with pytest.raises(UsageError, match="no service 'c' in this process; there are: a, b"):
        await collectors(bench.file, "", "c", "pause", Seen().printer)
    with pytest.raises(UsageError, match="pause, resume"):
        await collectors(bench.file, "", "a", "stop", Seen().printer)


async def test_nobody_and_somebody_else_are_said(bench: Bench) -> None:
    """With what to check: a closed port, a web page, JSON that is none of ours."""
    await bench.server.close()
    with pytest.raises(Retryable, match=r"does not answer .*server\.port"):
        await collectors(bench.file, "", "", "", Seen().printer)

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>" if request.path == "/services" else "[]")

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        with pytest.raises(Retryable, match="does not answer"):
            await collectors(bench.file, url, "", "", Seen().printer)
        with pytest.raises(Retryable, match="answers something else"):
            await collectors(bench.file, url, "a", "", Seen().printer)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("{}", "http://127.0.0.1:9464"),
        ("server: {host: 0.0.0.0, port: 1}", "http://127.0.0.1:1"),
        ("server: {host: '::', port: 1}", "http://[::1]:1"),
        ("server: {host: collectors.internal}", "http://collectors.internal:9464"),
    ],
)
def test_where_it_listens_is_in_the_file(text: str, url: str, tmp_path: Path) -> None:
    """An address that means all of them is asked at the loopback one."""
    path = tmp_path / "collectors.yaml"
    path.write_text(text)
    assert server_of("", path) == (url, "")
    assert server_of("https://elsewhere:1/", path) == ("https://elsewhere:1", "")


def test_where_it_is_not_known_is_said(tmp_path: Path) -> None:
    """Port 0 is any; a URL must be one; without a file one must be given."""
    path = tmp_path / "collectors.yaml"
    path.write_text("server: {port: 0}")
    with pytest.raises(UsageError, match=r"server\.port is 0.*--url"):
        server_of("", path)
    for bad in ("localhost:9464", "ftp://x", "http://"):
        with pytest.raises(UsageError, match="--url"):
            server_of(bad, path)
    with pytest.raises(UsageError, match="cannot be read"):
        server_of("", tmp_path / "none.yaml")
    assert server_of("http://x:1", tmp_path / "none.yaml") == ("http://x:1", "")


@asynccontextmanager
async def answering(document: object, status: int = 200) -> AsyncIterator[str]:
    """A server that says this on every page; its URL."""

    async def page(_: web.Request) -> web.Response:
        return web.json_response(document, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_long_answer_is_read_to_its_end(tmp_path: Path) -> None:
    """Hundreds of services and partitions do not come in one piece; what does not end is no answer of ours."""
    lag = {f"sluice.analytics.v1/{number}": number for number in range(400)}
    services = [{"service": f"s{at}", "state": "running", "lag_by_partition": lag} for at in range(100)]
    async with answering({"services": services}) as url:
        seen = Seen()
        assert await collectors(tmp_path / "none.yaml", url, "", "", seen.printer) == 0
        assert len(seen.documents) == 100
    async with answering({"services": ["x" * (9 << 20)]}) as url:
        with pytest.raises(Retryable, match="does not answer"):
            await collectors(tmp_path / "none.yaml", url, "", "", Seen().printer)


async def test_a_worker_that_does_not_answer_is_wrong(tmp_path: Path) -> None:
    """1, named, in a list and of one service: what is shown is not of all."""
    one = {"service": "s", "state": "running", "workers": {"0": "running", "1": "does not answer"}}
    for service, document in (("", {"services": [], "workers": {"0": "ok", "1": "does not answer"}}), ("s", one)):
        async with answering(document) as url:
            seen = Seen()
            assert await collectors(tmp_path / "none.yaml", url, service, "", seen.printer) == 1
            assert seen.err.getvalue() == "worker 1 does not answer\n"


async def test_a_configuration_that_is_not_taken_up_is_said(tmp_path: Path) -> None:
    """With its problems, beside services that run on: that alone is not wrong."""
    standing = {"source": "c.yaml", "state": "refused", "problems": ["version: is missing"], "waiting": {"s": "401"}}
    async with answering({"services": [], "configuration": standing}) as url:
        seen = Seen()
        assert await collectors(tmp_path / "none.yaml", url, "", "", seen.printer) == 0
        assert seen.err.getvalue() == "configuration c.yaml is refused: version: is missing; s: 401\n"


async def test_a_file_that_is_refused_keeps_nobody_from_asking(bench: Bench, tmp_path: Path) -> None:
    """It is when it is broken that one asks what runs: by --url, which the error names."""
    broken = tmp_path / "broken.yaml"
    broken.write_text("server: {port: ninety}\n")
    with pytest.raises(UsageError, match=r"server\.port.*\n.*--url"):
        await collectors(broken, "", "", "", Seen().printer)
    seen = Seen()
    url, _ = server_of("", bench.file)
    assert await collectors(broken, url, "", "", seen.printer) == 0
    assert "server.port" in seen.err.getvalue()
    assert "no token is shown" in seen.err.getvalue()
