"""MCP servers behind the gateway (streamable HTTP): its tokens, and of each server only the tools that are allowed."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field

from sluice.sdk import BasePlugin, Context, CustomEndpointHandler, EndpointChunk, EndpointRegistration, EndpointRequest

SILENCE_SECONDS = 300.0
MAX_MESSAGE_BYTES = 10 << 20
SENT = frozenset(("accept", "content-type", "last-event-id", "traceparent", "tracestate"))
RETURNED = frozenset(("content-type", "cache-control", "retry-after"))
MESSAGE_KEYS = frozenset(("jsonrpc", "id", "method", "params", "result", "error"))
FRAME_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
LINE_END = re.compile(rb"\r\n|\n|\r")


class Server(BaseModel):
    """An MCP server."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    headers: dict[str, str] = {}
    """Sent along, its credential say; ``sluice.yaml`` takes ``${NAME}`` from the environment."""
    allowed_tools: frozenset[str] | None = None
    """By name; others are neither listed nor called. ``None`` is all."""


class Config(BaseModel):
    """Which servers there are, each at ``/plugins/{slug}/{name}``."""

    servers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")], Server]


class Refused(Exception):  # noqa: N818 - an answer
    """The client's message is answered here, with a JSON-RPC error: its id, code and message."""


class McpProxy(BasePlugin[Config], CustomEndpointHandler):
    """Passes messages, sessions and streams through; the client's own token stays here."""

    name = "mcp_proxy"
    version = "1.0.0"

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        """One, for every server."""
        return [EndpointRegistration(path="/{server}", methods=("POST", "GET", "DELETE"), stream_response=True)]

    async def handle_endpoint_request_stream(
        self, ctx: Context, request: EndpointRequest
    ) -> AsyncIterator[EndpointChunk]:
        """The server's answer, piece by piece."""
        name = request.path_parameters["server"]
        server = self.config.servers.get(name)
        if server is None:
            yield EndpointChunk.error(f"no MCP server {name!r} is configured", 404)
            return
        try:
            body = request.body if server.allowed_tools is None else checked(request.body, server.allowed_tools)
        except Refused as refused:
            message_id, code, text = refused.args
            error = {"jsonrpc": "2.0", "id": message_id, "error": {"code": code, "message": text}}
            yield EndpointChunk.head(200, {"content-type": "application/json"})
            yield EndpointChunk(data=json.dumps(error).encode())
            return
        headers = {**_chosen(request.headers, SENT), "accept-encoding": "identity", **server.headers}
        options = {"content": body, "headers": headers, "timeout": SILENCE_SECONDS}
        client: Any = ctx.services.http
        try:
            async with client.stream(request.method, server.url, **options) as response:
                yield EndpointChunk.head(response.status_code, _chosen(response.headers, RETURNED))
                async for piece in _pieces(response, server.allowed_tools):
                    yield EndpointChunk(data=piece)
        except Exception as error:  # noqa: BLE001 - whatever the client raises, it is the server that failed
            ctx.services.logger.warning("mcp server failed", server=name, error=type(error).__name__)
            yield EndpointChunk.error(f"MCP server {name!r} cannot be reached, or broke off", 502)


def checked(body: bytes, allowed: frozenset[str]) -> bytes:
    """The message as it was understood, written anew: a server that reads JSON in another way (keys twice, keys in
    other case) must not find a tool in it that was not seen here. Raises Refused."""
    try:
        message = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        raise Refused(None, -32700, "the message is no JSON") from None
    if not isinstance(message, dict) or not message.keys() <= MESSAGE_KEYS:
        raise Refused(None, -32600, "one JSON-RPC message at a time, with its own keys alone")
    if message.get("method") == "tools/call":
        params: Any = message.get("params")
        names = [key for key in params if key.lower() == "name"] if isinstance(params, dict) else []
        if names != ["name"] or not isinstance(params["name"], str):
            raise Refused(message.get("id"), -32602, "tools/call needs the name of a tool")
        if params["name"] not in allowed:
            raise Refused(message.get("id"), -32602, f"tool {params['name']!r} is not allowed here")
    return json.dumps(message).encode() if body else body


async def _pieces(response: Any, allowed: frozenset[str] | None) -> AsyncIterator[bytes]:
    """The body as it comes where all is allowed; else message by message, without other tools."""
    is_stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
    held, looked_at = bytearray(), 0
    async for piece in response.aiter_bytes():
        if allowed is None:
            yield piece
            continue
        held += piece
        while is_stream and (end := FRAME_END.search(held, looked_at)):
            yield _filtered_frame(bytes(held[: end.end()]), allowed)
            del held[: end.end()]
            looked_at = 0
        looked_at = max(0, len(held) - 4)
        if len(held) > MAX_MESSAGE_BYTES:
            message = f"a message is larger than {MAX_MESSAGE_BYTES} bytes"
            raise ValueError(message)
    if held and allowed is not None:
        yield _filtered_frame(bytes(held), allowed) if is_stream else _filtered(bytes(held), allowed)


def _filtered_frame(frame: bytes, allowed: frozenset[str]) -> bytes:
    """An SSE frame; its data is written anew where it lists tools, else it stays byte for byte."""
    lines = LINE_END.split(frame)
    data = b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))
    changed = _filtered(data, allowed)
    others = [line for line in lines if line and not line.startswith(b"data:")]
    return frame if changed is data else b"\n".join([*others, b"data: " + changed, b"", b""])


def _filtered(data: bytes, allowed: frozenset[str]) -> bytes:
    """A message, or several; the very same bytes where no tools are listed."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return data
    messages = message if isinstance(message, list) else [message]
    results = [each.get("result") for each in messages if isinstance(each, dict)]
    listings = [result for result in results if isinstance(result, dict) and isinstance(result.get("tools"), list)]
    for listing in listings:
        listing["tools"] = [tool for tool in listing["tools"] if isinstance(tool, dict) and tool.get("name") in allowed]
    return json.dumps(message).encode() if listings else data


def _chosen(headers: Any, names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in names or name.startswith("mcp-")}
