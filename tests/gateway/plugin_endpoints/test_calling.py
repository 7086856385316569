"""Plugins that answer well and badly, over real HTTP: whatever they do is an answer that names them, and a record."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.gateway.plugin_endpoints import endpoint_plugins
from tests.gateway.plugin_endpoints.endpoint_plugins import EVENTS, FLOODED
from tests.gateway.plugin_endpoints.serving import PLUGINS, Served, serving, until

SCRIPTED = {"name": "scripted", "command": f"{PLUGINS}:Scripted", "breaker_failures": 0}
FAILED = {"error": "plugin 'scripted' failed", "code": "plugin_failed", "plugin": "scripted"}


pytestmark = pytest.mark.asyncio(loop_scope="module")
"""One gateway serves most of these tests: starting and draining it takes longer than what they ask of it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="shared")
async def served_for_all(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One plugin; deadlines that one test each waits for, and that no other meets."""
    bounds = {"timeout_seconds": 2.0, "stream_timeout_seconds": 2.0, "max_response_bytes": 1 << 20}
    async with serving(tmp_path_factory.mktemp("calling"), SCRIPTED, bounds=bounds) as served:
        yield served


@pytest.fixture(name="served")
def served_afresh(shared: Served) -> Served:
    """With nothing recorded yet."""
    shared.log.exchanges.clear()
    return shared


@pytest.fixture(autouse=True)
def nothing_happened_yet() -> None:
    """Each test sees its own events."""
    EVENTS.clear()
    FLOODED[0] = 0


@pytest.mark.parametrize(
    ("script", "status", "reason"),
    [
        ("raise", 502, "raised RuntimeError: the plugin's own secret"),
        ("exit", 502, "raised SystemExit"),
        ("wait", 504, "no answer within 2 s"),
        ("none", 502, "answered NoneType, not EndpointResponse"),
        ("dict", 502, "answered dict, not EndpointResponse"),
        ("text-body", 502, "body is of type str"),
        ("huge", 502, "body has 104857600 bytes, more than 1048576"),
        ("status-99", 502, "status 99"),
        ("status-600", 502, "status 600"),
        ("status-text", 502, "status '200'"),
        ("status-true", 502, "status True"),
        ("header-crlf", 502, "headers cannot be sent"),
        ("header-name", 502, "headers cannot be sent"),
        ("header-list", 502, "not a mapping"),
        ("header-flood", 502, "headers are larger"),
        ("header-number", 502, "headers cannot be sent"),
        ("message-bytes", 502, "message is of type bytes"),
        ("unknown", 502, "raised KeyError"),
    ],
)
async def test_a_bad_answer_is_named_and_its_reason_recorded(
    served: Served, script: str, status: int, reason: str
) -> None:
    """502, or 504 for none at all; the client gets the plugin's name, the operator the reason; the gateway lives."""
    response = await served.get(f"/scripted/do/{script}")
    assert (response.status_code, response.json()) == (status, FAILED)
    log = await served.recorded()
    assert (log["outcome"], log["error_kind"], log["response_code"]) == ("plugin_failed", "plugin_failed", status)
    assert log["error_message"].startswith("plugin 'scripted' failed: ")
    assert reason in log["error_message"]
    (timing,) = log["plugins"]
    assert (timing["plugin"], timing["hook"], timing["decision"]) == ("scripted", "endpoint", "failed")
    assert (await served.get("/scripted/do/brief")).text == "after a while"


@pytest.mark.parametrize(
    ("script", "status", "body", "headers"),
    [
        ("brief", 200, b"after a while", {"content-length": "13"}),
        ("status-0", 200, b"unset", {}),
        ("framing", 200, b"four", {"content-length": "4", "x-ok": "1"}),
        ("message", 409, b'{"error":"it is taken"}', {"content-type": "application/json", "x-why": "taken"}),
        ("message-200", 500, b'{"error":"went wrong"}', {"content-type": "application/json"}),
        ("message-and-body", 400, b"the body", {}),
        ("no-content", 204, b"", {}),
        ("not-modified", 304, b"", {"etag": '"1"'}),
        ("teapot", 418, b"short and stout", {}),
        ("cookies", 200, b"two", {"set-cookie": "a=1, b=2"}),
    ],
)
async def test_a_good_answer_goes_out_as_it_is(
    served: Served, script: str, status: int, body: bytes, headers: dict[str, str]
) -> None:
    """Whatever its status: it is the plugin's own, so the outcome is ok. Framing and ids are the host's."""
    response = await served.get(f"/scripted/do/{script}")
    assert (response.status_code, response.content) == (status, body)
    assert {name: response.headers.get(name) for name in headers} == headers
    log = await served.recorded()
    assert (log["outcome"], log["response_code"], log["response_body_bytes"]) == ("ok", status, len(body))
    assert response.headers["x-sluice-exchange-id"] == log["exchange_id"]
    assert "transfer-encoding" not in response.headers
    assert log["error_kind"] == ("endpoint_error" if script in {"message", "message-200"} else "")
    assert (await served.get("/scripted/do/brief")).status_code == 200  # on the same connection


async def test_head_has_the_length_and_not_the_body(served: Served) -> None:
    """What GET would have; of a stream the head alone, and its generator is closed."""
    response = await served.ask("HEAD", "/scripted/do/teapot")
    assert (response.status_code, response.content, response.headers["content-length"]) == (418, b"", "15")
    response = await served.ask("HEAD", "/scripted/stream/endless")
    assert (response.status_code, response.content) == (200, b"")
    assert EVENTS == ["began", "closed"]
    assert (await served.recorded(2))["response_body_bytes"] == 0


@pytest.mark.parametrize(
    ("script", "status", "body"),
    [
        ("sse", 200, b"data: 0\n\ndata: 1\n\ndata: 2\n\n"),
        ("plain", 200, b"without a head"),
        ("empty", 200, b""),
        ("status", 418, b"short"),
        ("no-content", 204, b""),
        ("early-error", 503, b'{"error":"not today"}'),
    ],
)
async def test_a_stream_goes_out_as_it_comes(served: Served, script: str, status: int, body: bytes) -> None:
    """With or without a head of its own; an error before it is an ordinary answer."""
    response = await served.get(f"/scripted/stream/{script}")
    assert (response.status_code, response.content) == (status, body)
    log = await served.recorded()
    assert (log["outcome"], log["response_code"], log["response_body_bytes"]) == ("ok", status, len(body))
    assert log["is_stream"] is (script != "early-error")
    assert (log["partial"], log["plugins"][0]["decision"]) == (False, "allow")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("early-raises", "raised RuntimeError"),
        ("garbage", "yielded bytes"),
        ("none", "yielded NoneType"),
        ("kind", "kind 'nonsense'"),
        ("text", "type str"),
        ("huge", "104857600 bytes"),
        ("bad-head", "headers cannot be sent"),
        ("bad-status", "status 42"),
    ],
)
async def test_a_stream_that_breaks_before_its_head_is_an_ordinary_answer(
    served: Served, script: str, reason: str
) -> None:
    """502 that names the plugin; the connection goes on."""
    response = await served.get(f"/scripted/stream/{script}")
    assert (response.status_code, response.json()) == (502, FAILED)
    log = await served.recorded()
    assert (log["outcome"], log["partial"]) == ("plugin_failed", False)
    assert reason in log["error_message"]


@pytest.mark.parametrize(
    ("script", "frame"),
    [
        ("sse-raises", b'{"error":"plugin \'scripted\' failed","code":"plugin_failed","plugin":"scripted"}'),
        ("sse-garbage", b'{"error":"plugin \'scripted\' failed","code":"plugin_failed","plugin":"scripted"}'),
        ("head-twice", b'{"error":"plugin \'scripted\' failed","code":"plugin_failed","plugin":"scripted"}'),
        ("late-error", b'{"error":"no more","code":"endpoint_error","plugin":"scripted"}'),
    ],
)
async def test_an_event_stream_that_breaks_says_so(served: Served, script: str, frame: bytes) -> None:
    """Its last frame is an error that names the plugin; then the answer is complete, and the connection goes on."""
    response = await served.get(f"/scripted/stream/{script}")
    assert response.status_code == 200
    assert response.content.endswith(b"\n\nevent: error\ndata: " + frame + b"\n\n") or (
        response.content == b"event: error\ndata: " + frame + b"\n\n"
    )
    log = await served.recorded()
    assert (log["outcome"], log["partial"], log["plugins"][0]["decision"]) == ("plugin_failed", True, "failed")
    assert log["response_body_bytes"] == len(response.content)


async def test_any_other_stream_that_breaks_lacks_its_last_byte(served: Served) -> None:
    """The connection is closed, so nobody takes half for the whole."""
    with pytest.raises(httpx.RemoteProtocolError):
        await served.get("/scripted/stream/plain-raises")
    log = await served.recorded()
    assert (log["outcome"], log["partial"], log["response_code"]) == ("plugin_failed", True, 200)
    assert (await served.get("/scripted/do/brief")).status_code == 200


async def test_a_stream_ends_when_its_time_is_up(served: Served) -> None:
    """Its reader is told; that is how streams end that nobody ends, so the outcome is ok, and the generator closed."""
    response = await served.get("/scripted/stream/silent")
    assert b"event: error" in response.content
    assert b'"code":"stream_timeout"' in response.content
    log = await served.recorded()
    assert (log["outcome"], log["error_kind"], log["partial"]) == ("ok", "stream_timeout", True)
    assert EVENTS == ["silent", "closed"]


@pytest.mark.parametrize(
    ("path", "events"),
    [
        ("do/wait", ["began", "cancelled"]),
        ("stream/endless", ["began", "closed"]),
        ("stream/silent", ["silent", "closed"]),
    ],
)
async def test_a_client_that_leaves_cancels_the_plugin(tmp_path: Path, path: str, events: list[str]) -> None:
    """At once, long before any deadline; recorded as such, and no failure of the plugin's."""
    async with serving(tmp_path, SCRIPTED) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
        writer.write(f"GET /plugins/scripted/{path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        await until(lambda: events[0] in EVENTS)
        if path.startswith("stream"):
            await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await until(lambda: events == EVENTS)
        log = await served.recorded()
        assert (log["outcome"], log["plugins"][0]["decision"]) == ("client_closed", "cancelled")
        assert log["partial"] is path.startswith("stream")
        gate = served.plugins.endpoints["scripted"].gate
        assert (gate.under_way, gate.failures_in_row) == (0, 0)


async def test_a_client_that_takes_nothing_stops_a_flood(tmp_path: Path) -> None:
    """The plugin is not asked for more than the buffers hold; the client is given up in time."""
    async with serving(tmp_path, SCRIPTED, gateway={"client_write_timeout_seconds": 0.5}) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]), limit=1)
        writer.write(b"GET /plugins/scripted/stream/flood HTTP/1.1\r\nhost: a\r\n\r\n")
        await until(lambda: EVENTS == ["closed"])
        assert 0 < FLOODED[0] < 500
        assert (await served.recorded())["outcome"] == "client_closed"
        writer.close()


async def test_a_bound_on_calls_under_way_is_kept(tmp_path: Path) -> None:
    """One more is refused with 503, named and recorded; the next is served when there is room again."""
    async with serving(tmp_path, {**SCRIPTED, "max_concurrent": 1}) as served, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(served.get("/scripted/do/wait"))
        await until(lambda: "began" in EVENTS)
        for path in ("do/brief", "stream/sse"):
            busy = await served.get(f"/scripted/{path}")
            assert (busy.status_code, busy.json()["code"], busy.headers["retry-after"]) == (503, "overloaded", "1")
            assert "max_concurrent" in busy.json()["error"]
        first.cancel()
        await until(lambda: "cancelled" in EVENTS and not served.sweep.in_flight)
        assert (await served.get("/scripted/do/brief")).status_code == 200
        assert sorted(each["proxy_log"]["outcome"] for each in served.log.exchanges) == [
            "client_closed", "ok", "overloaded", "overloaded",
        ]  # fmt: skip


async def test_a_breaker_leaves_a_broken_plugin_in_peace(tmp_path: Path) -> None:
    """After so many failures it is not called for a while: 503 at once; then one call tries it, and all is well."""
    plugin = {**SCRIPTED, "breaker_failures": 3, "breaker_pause_seconds": 600}
    async with serving(tmp_path, plugin) as served:
        for _ in range(3):
            assert (await served.get("/scripted/do/raise")).status_code == 502
        shut = await served.get("/scripted/do/brief")
        assert (shut.status_code, shut.json(), shut.headers["retry-after"]) == (503, FAILED, "1")
        log = await served.recorded(4)
        assert (log["outcome"], "its breaker is open" in log["error_message"]) == ("plugin_failed", True)
        gate = served.plugins.endpoints["scripted"].gate
        gate._retry_at = time.monotonic()  # the while is over
        await until(lambda: gate.state == "half_open")
        assert (await served.get("/scripted/do/brief")).status_code == 200
        assert gate.state == "closed"


async def test_a_stream_that_stays_open_keeps_nobody_from_trying(tmp_path: Path) -> None:
    """It was let in to try a plugin whose breaker was open, and answers: nobody waits for its end, hooks least of all.
    Nor does one that was given up by its client leave the breaker waiting for it."""
    plugin = {**SCRIPTED, "breaker_failures": 1, "breaker_pause_seconds": 0.1}
    async with serving(tmp_path, plugin) as served:
        gate = served.plugins.endpoints["scripted"].gate
        for path in ("stream/silent", "do/wait"):
            EVENTS.clear()
            await served.get("/scripted/do/raise")
            await until(lambda: gate.state == "half_open")
            reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
            writer.write(f"GET /plugins/scripted/{path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            await until(lambda: bool(EVENTS))
            if path.startswith("stream"):
                await reader.readuntil(b"\r\n\r\n")
                assert (await served.get("/scripted/do/brief")).status_code == 200
                assert gate.state == "closed"
            writer.close()
            await until(lambda: not served.sweep.in_flight)
            assert (await served.get("/scripted/do/brief")).status_code == 200


async def test_what_a_plugin_says_itself_is_no_failure_of_it(tmp_path: Path) -> None:
    """Errors that it chose, and streams whose time is up, do not open its breaker."""
    plugin, bounds = {**SCRIPTED, "breaker_failures": 1}, {"stream_timeout_seconds": 0.3}
    async with serving(tmp_path, plugin, bounds=bounds) as served:
        for path in ("do/message", "do/teapot", "stream/early-error", "stream/late-error", "stream/silent"):
            await served.get(f"/scripted/{path}")
        assert served.plugins.endpoints["scripted"].gate.state == "closed"


@pytest.mark.parametrize("path", ["unary", "stream"])
async def test_a_method_that_is_none_is_a_failure_too(tmp_path: Path, path: str) -> None:
    """Not what the interface says it is: seen when it is called."""
    async with serving(tmp_path, {"name": "liar", "command": f"{PLUGINS}:Liar"}) as served:
        response = await served.get(f"/liar/{path}")
        assert (response.status_code, response.json()["plugin"]) == (502, "liar")
        assert (await served.recorded())["outcome"] == "plugin_failed"


async def test_calls_are_counted_by_slug(tmp_path: Path) -> None:
    """How many, how many failed, and how many kept the loop, which nobody can cut short."""
    async with serving(tmp_path, SCRIPTED) as served:
        for path in ("do/brief", "do/raise", "stream/sse-raises", "do/block", "stream/block"):
            await served.get(f"/scripted/{path}")
        (figures,) = served.endpoints.figures().values()
        assert (figures.calls, figures.failures, figures.blocked_loop) == (5, 2, 2)
        assert figures.max_micros > 100_000
        assert list(served.endpoints.figures()) == ["scripted"]


EXECUTABLE = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from sluice.sdk import serve
from tests.gateway.plugin_endpoints.endpoint_plugins import Scripted
serve(Scripted("scripted"))
"""


async def test_a_plugin_in_a_process_of_its_own_is_no_different(tmp_path: Path) -> None:
    """The same answers, failures and deadlines; and a client that leaves ends the call over there."""
    executable = tmp_path / "plugin"
    executable.write_text(EXECUTABLE)
    executable.chmod(0o755)
    plugin = {**SCRIPTED, "command": f"file://{executable}"}
    host, bounds = {"allowed_directories": [str(tmp_path)]}, {"timeout_seconds": 4.0}
    async with serving(tmp_path, plugin, bounds=bounds, plugin_host=host) as served:
        assert (await served.get("/scripted/do/brief")).content == b"after a while"
        assert (await served.get("/scripted/stream/sse")).content == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
        assert (await served.get("/scripted/do/message")).json() == {"error": "it is taken"}
        assert (await served.get("/scripted/stream/early-error")).status_code == 503
        assert (await served.get("/scripted/stream/sse-raises")).content.startswith(
            b"data: cut in the\n\nevent: error\n"
        )
        for path, status in (("do/raise", 502), ("do/wait", 504), ("stream/early-raises", 502)):
            response = await served.get(f"/scripted/{path}")
            assert (response.status_code, response.json()) == (status, FAILED)
        _, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
        writer.write(b"GET /plugins/scripted/stream/endless HTTP/1.1\r\nhost: a\r\n\r\n")
        await _until_told(served, "began")
        writer.close()
        await _until_told(served, "closed")


async def _until_told(served: Served, event: str) -> None:
    async with asyncio.timeout(10):
        while (await served.get("/scripted/events")).json()[-1:] != [event]:  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.01)


async def test_every_script_is_used() -> None:
    """What nobody tests is not kept."""
    source = Path(__file__).read_text("utf-8")
    scripts = [*endpoint_plugins.ANSWERS, *endpoint_plugins.STREAMS]
    assert [script for script in scripts if f'"{script}"' not in source and f"/{script}" not in source] == []
