"""The MCP proxy: messages pass, tools that are not allowed do not, however they are written.

At the end the official MCP client talks through a real gateway to a server made with the same SDK, in the protocol's
two ways: with a session and its handshake, and without.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import uvicorn
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context, MCPServer
from pydantic import ValidationError

from sluice.plugins.mcp_proxy import MAX_MESSAGE_BYTES, McpProxy, Refused, checked
from sluice.sdk import EndpointChunk
from sluice.sdk.testing import RecordingServices, make_context, make_endpoint_request, make_plugin
from tests.gateway.plugin_endpoints.serving import Served, serving, until

ALLOWED = frozenset(("add", "slow"))
URL = "http://mcp.example/mcp"
TOOLS = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "add"}, {"name": "secret"}, 3], "nextCursor": "x"}}
FILTERED = {**TOOLS, "result": {"tools": [{"name": "add"}], "nextCursor": "x"}}


class Answers:
    """What the plugin answers, with a scripted server behind it."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response], **server: Any) -> None:
        self.services = RecordingServices(answer=answer)
        config = {"servers": {"calc": {"url": URL, "allowed_tools": sorted(ALLOWED), **server}}}
        self.plugin = make_plugin(McpProxy, **config)

    async def to(self, message: Any, name: str = "calc", method: str = "POST", **headers: str) -> list[EndpointChunk]:
        """The chunks for a message."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        request = make_endpoint_request(
            f"/{name}", method=method, body=body, headers=headers, path_parameters={"server": name}
        )
        chunks = self.plugin.handle_endpoint_request_stream(make_context(services=self.services), request)
        return [each async for each in chunks]

    @property
    def sent(self) -> httpx.Request:
        """The one request that the server got."""
        (request,) = self.services.http_requests
        assert isinstance(request, httpx.Request)
        return request


def body_of(chunks: list[EndpointChunk]) -> bytes:
    """Of all pieces."""
    return b"".join(each.data for each in chunks)


def json_answer(value: Any = None, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    """A server that always answers so."""
    return lambda _request: httpx.Response(200, json=TOOLS if value is None else value, headers=headers)


def call(name: Any = "add", message_id: Any = 1, **params: Any) -> dict[str, Any]:
    """``tools/call``."""
    return {"jsonrpc": "2.0", "id": message_id, "method": "tools/call", "params": {"name": name, **params}}


async def test_it_registers_one_endpoint_for_apps_alone() -> None:
    """Streamed, by the protocol's three methods."""
    (one,) = await make_plugin(McpProxy, servers={}).get_endpoint_registrations()
    assert (one.path, one.methods, one.require_auth, one.stream_response) == (
        "/{server}", ("POST", "GET", "DELETE"), True, True,
    )  # fmt: skip


@pytest.mark.parametrize("servers", [{"a/b": {"url": URL}}, {"": {"url": URL}}, {"a": {"url": "ftp://x"}}, {"a": {}}])
def test_a_server_has_a_name_and_an_address(servers: dict[str, Any]) -> None:
    """What could not be asked for, or not be reached, is refused before it is loaded."""
    with pytest.raises(ValidationError):
        make_plugin(McpProxy, servers=servers)


async def test_headers_of_the_protocol_pass_and_credentials_do_not() -> None:
    """Session, version and resumption go on; the gateway's token, cookies and the rest stay; the server's own come."""
    answers = Answers(
        json_answer({}, **{"mcp-session-id": "s-1", "set-cookie": "a=1", "server": "x", "cache-control": "no-store"}),
        headers={"Authorization": "Bearer of the server"},
    )
    chunks = await answers.to(
        call(),
        **{"Authorization": "Bearer of the gateway", "Cookie": "c=1", "Mcp-Session-Id": "s-1", "Last-Event-Id": "7",
           "MCP-Protocol-Version": "2025-06-18", "Accept": "text/event-stream", "X-Other": "1", "Host": "gateway",
           "Accept-Encoding": "br"},
    )  # fmt: skip
    got = answers.sent.headers
    assert (got["authorization"], got["mcp-session-id"], got["last-event-id"]) == ("Bearer of the server", "s-1", "7")
    assert (got["mcp-protocol-version"], got["accept"], got["accept-encoding"]) == (
        "2025-06-18", "text/event-stream", "identity",
    )  # fmt: skip
    assert (got["host"], "cookie" in got, "x-other" in got) == ("mcp.example", False, False)
    assert chunks[0].headers == {
        "mcp-session-id": "s-1", "cache-control": "no-store", "content-type": "application/json",
    }  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_requests_without_a_message_pass(method: str) -> None:
    """Streams that are opened, sessions that are ended; the server's status comes back."""
    answers = Answers(lambda _: httpx.Response(405, headers={"allow": "POST"}))
    chunks = await answers.to(b"", method=method)
    assert (answers.sent.method, answers.sent.content, chunks[0].status_code) == (method, b"", 405)


async def test_an_allowed_tool_is_called() -> None:
    """The message as it was understood."""
    answers = Answers(json_answer({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}))
    chunks = await answers.to(call("add", arguments={"a": 1, "name": "secret"}))
    assert json.loads(answers.sent.content) == call("add", arguments={"a": 1, "name": "secret"})
    assert json.loads(body_of(chunks))["result"] == {"content": []}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (call("secret"), -32602),
        (call("ADD"), -32602),
        (call("add\x00"), -32602),
        (call(None), -32602),
        (call(["add"]), -32602),
        ({**call(), "params": None}, -32602),
        ({**call(), "params": ["add"]}, -32602),
        ({**call(), "params": {"Name": "secret"}}, -32602),
        ({**call(), "params": {"name": "add", "NAME": "secret"}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "Method": "tools/call", "params": {"name": "secret"}}, -32600),
        ({**call("add"), "Params": {"name": "secret"}}, -32600),
        ([call("secret")], -32600),
        ([call("add")], -32600),
        ("tools/call", -32600),
        (b'{"method":"tools/call","params":{"name":"add"},"params":{"name":"secret"}}', -32602),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 100_000, -32700),
    ],
)  # fmt: skip
async def test_what_could_call_another_tool_is_refused_here(message: Any, code: int) -> None:
    """A JSON-RPC error, to its id where it can be told; the server hears nothing, however it may read JSON."""
    answers = Answers(json_answer())
    chunks = await answers.to(message)
    assert (chunks[0].status_code, chunks[0].headers) == (200, {"content-type": "application/json"})
    said = json.loads(body_of(chunks))
    assert (said["jsonrpc"], said["error"]["code"]) == ("2.0", code)
    assert said["id"] == (1 if code == -32602 and isinstance(message, dict) else None)
    assert answers.services.http_requests == []


def test_a_key_that_comes_twice_is_sent_once() -> None:
    """The server reads what was read here, not the first of two where we took the last."""
    sent = checked(b'{"method":"tools/call","params":{"name":"secret","name":"add"}}', ALLOWED)
    assert sent == b'{"method": "tools/call", "params": {"name": "add"}}'
    with pytest.raises(Refused):
        checked(b'{"method":"tools/list","method":"tools/call","params":{"name":"secret"}}', ALLOWED)


async def test_without_a_list_every_message_passes_as_it_is() -> None:
    """Byte for byte, both ways."""
    answers = Answers(json_answer(), allowed_tools=None)
    chunks = await answers.to(b'{ "method":"tools/call", "params":{"name":"secret"}}')
    assert answers.sent.content == b'{ "method":"tools/call", "params":{"name":"secret"}}'
    assert body_of(chunks) == json.dumps(TOOLS, separators=(",", ":")).encode()


async def test_an_empty_list_allows_nothing() -> None:
    """It is a list, not the lack of one."""
    answers = Answers(json_answer(), allowed_tools=[])
    assert json.loads(body_of(await answers.to({"method": "tools/list"})))["result"]["tools"] == []
    assert b"not allowed" in body_of(await answers.to(call("add")))


@pytest.mark.parametrize("value", [TOOLS, [TOOLS, {"method": "x"}, 3]])
async def test_lists_have_the_allowed_tools_alone(value: Any) -> None:
    """In one message or several; what else is in it stays."""
    answers = Answers(json_answer(value))
    said = json.loads(body_of(await answers.to({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})))
    assert said == (FILTERED if value is TOOLS else [FILTERED, {"method": "x"}, 3])


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b'{"result":3}', b'{"result":{"tools":3}}', b"[[[]]]", b'{"result": {"content":[]}}', b"null"],
)
async def test_other_messages_pass_as_they_are(body: bytes) -> None:
    """Byte for byte: nothing that lists no tools is written anew."""
    answers = Answers(lambda _: httpx.Response(200, content=body, headers={"content-type": "application/json"}))
    assert body_of(await answers.to(call())) == body


def sse(*pieces: bytes) -> Callable[[httpx.Request], httpx.Response]:
    """A server that streams these."""

    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return lambda _: httpx.Response(200, content=stream(), headers={"content-type": "text/event-stream"})


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_lists_in_streams_are_filtered_however_they_are_cut(end: bytes, size: int) -> None:
    """Frames in whatever pieces and with whatever line ends; those that list no tools stay byte for byte."""
    other = b"id: 7" + end + b"data: {}" + end + end
    first, second, rest = json.dumps(TOOLS).encode().partition(b'"tools"')
    listing = b"event: message" + end + b"data: " + first + end + b"data:" + second + rest + end + end
    whole = other + listing + other
    answers = Answers(sse(*(whole[at : at + size] for at in range(0, len(whole), size))))
    passed = body_of(await answers.to({"method": "tools/list"}))
    assert b"secret" not in passed
    frames = passed.replace(b"\r\n", b"\n").replace(b"\r", b"\n").strip(b"\n").split(b"\n\n")
    assert [frame.strip() for frame in frames[::2]] == [b"id: 7\ndata: {}"] * 2
    event, line = frames[1].strip().split(b"\n")
    assert (event, json.loads(line.removeprefix(b"data: "))) == (b"event: message", FILTERED)


async def test_frames_pass_as_soon_as_they_are_whole() -> None:
    """A server that goes on for long is not waited for."""
    answers = Answers(sse(b"data: 1\n\ndata", b": 2\n\n", b": ping\n\n"))
    assert [each.data for each in await answers.to(call())][1:] == [b"data: 1\n\n", b"data: 2\n\n", b": ping\n\n"]


async def test_a_frame_without_an_end_is_filtered_too() -> None:
    """At the end of a stream what is left may still be read by somebody."""
    answers = Answers(sse(b"data: " + json.dumps(TOOLS).encode()))
    assert b"secret" not in body_of(await answers.to({"method": "tools/list"}))


async def test_a_message_without_end_is_not_gathered_for_ever() -> None:
    """A bound, and an error that names the server."""
    answers = Answers(sse(*[b"x" * (1 << 20)] * (1 + (MAX_MESSAGE_BYTES >> 20))))
    *_, last = await answers.to(call())
    assert (last.kind, "'calc'" in last.message) == ("error", True)


async def test_a_server_that_is_not_there_is_an_error_that_names_it() -> None:
    """502, and a line in the log without what was sent."""

    def refuse(request: httpx.Request) -> httpx.Response:
        message = "secret address"
        raise httpx.ConnectError(message, request=request)

    answers = Answers(refuse)
    (chunk,) = await answers.to(call())
    assert (chunk.kind, chunk.status_code) == ("error", 502)
    assert chunk.message == "MCP server 'calc' cannot be reached, or broke off"
    (entry,) = answers.services.logger.entries
    assert entry.values == {"server": "calc", "error": "ConnectError"}


async def test_an_unknown_server_is_404() -> None:
    """By name; nobody is asked."""
    answers = Answers(json_answer())
    (chunk,) = await answers.to(call(), name="other")
    assert (chunk.kind, chunk.status_code, chunk.message) == ("error", 404, "no MCP server 'other' is configured")
    assert answers.services.http_requests == []


def calculator() -> MCPServer:
    """An MCP server of the official SDK."""
    server = MCPServer("calculator", log_level="ERROR")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @server.tool()
    async def slow(ctx: Context) -> str:
        for step in range(3):
            await ctx.report_progress(step, 3)
        return "done"

    @server.tool()
    def secret() -> str:
        CALLED.append("secret")
        return "secret"

    return server


CALLED: list[str] = []


@contextlib.asynccontextmanager
async def mcp_server(*, json_response: bool) -> AsyncIterator[str]:
    """It, on a port of its own."""
    app = calculator().streamable_http_app(json_response=json_response)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        async with asyncio.TaskGroup() as tasks:
            serving_mcp = tasks.create_task(server.serve(sockets=[listener]))
            await until(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
            server.should_exit = True
            await serving_mcp


def proxy_of(**server: Any) -> dict[str, Any]:
    """A registration of the plugin with one server."""
    command = "python://sluice.plugins.mcp_proxy:McpProxy"
    return {"name": "mcp", "command": command, "config": {"servers": {"calc": server}}}


@contextlib.asynccontextmanager
async def connected(served: Served, mode: Any) -> AsyncIterator[Client]:
    """The official client, through the gateway."""
    async with httpx2.AsyncClient(headers={"authorization": "Bearer api"}, trust_env=False) as http:
        transport = streamable_http_client(f"{served.url}/plugins/mcp/calc", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


@pytest.fixture(autouse=True)
def quiet() -> None:
    """The SDK's libraries log each request."""
    for name in ("httpx", "httpx2", "mcp"):
        logging.getLogger(name).setLevel(logging.WARNING)
    CALLED.clear()


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("json_response", [False, True])
async def test_the_official_client_talks_through_the_gateway(tmp_path: Path, mode: str, json_response: bool) -> None:
    """Tools are listed and called, progress arrives, sessions begin and end; what is not allowed is neither seen nor
    called; each request leaves a record of its app."""
    async with (
        mcp_server(json_response=json_response) as url,
        serving(tmp_path, proxy_of(url=url, allowed_tools=sorted(ALLOWED))) as served,
    ):
        steps: list[float] = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            steps.append(progress)

        async with connected(served, mode) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["add", "slow"]
            assert (await client.call_tool("add", {"a": 2, "b": 3})).structured_content == {"result": 5}
            slow = await client.call_tool("slow", {}, progress_callback=note)
            assert slow.structured_content == {"result": "done"}
            with pytest.raises(MCPError, match="tool 'secret' is not allowed here"):
                await client.call_tool("secret", {})
        assert CALLED == []
        assert steps == ([] if json_response else [0, 1, 2])
        await until(lambda: not served.sweep.in_flight)
        logs = [each["proxy_log"] for each in served.log.exchanges]
        assert {(log["app_id"], log["path"]) for log in logs} == {(1, "/plugins/mcp/calc")}
        assert {log["outcome"] for log in logs} <= {"ok", "client_closed"}
        assert ("DELETE" in {log["method"] for log in logs}) is (mode == "legacy")


async def test_who_has_no_token_does_not_reach_the_server(tmp_path: Path) -> None:
    """The gateway's tokens are the only way in."""
    async with serving(tmp_path, proxy_of(url="http://127.0.0.1:1/mcp")) as served:
        for method in ("GET", "POST", "DELETE"):
            assert (await served.ask(method, "/mcp/calc")).status_code == 401
        response = await served.ask("POST", "/mcp/calc", "api", content=b"{}")
        assert (response.status_code, response.json()) == (
            502,
            {"error": "MCP server 'calc' cannot be reached, or broke off"},
        )
        assert (await served.ask("POST", "/mcp/other", "api")).status_code == 404
        assert (await served.ask("PUT", "/mcp/calc", "api")).status_code == 405
