"""An Elasticsearch as far as our sink uses one, over real HTTP, that answers bulks as it is told.

Without a script it behaves: ``create`` makes a document or answers 409. Each bulk request takes the next step of
``script``; a step sees the request and gives the reply, so that it can fail before, during or after the documents are
applied. ``item_rules`` say what is wrong with single documents.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

Error = tuple[int, str, str]
"""Status, type and reason of an item that is refused."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back; with ``cut_at`` the connection is reset after so many bytes of the body."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None


@dataclass(frozen=True, slots=True)
class BulkItem:
    """Two lines of a bulk."""

    index: str
    id: str
    document: dict[str, Any]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Bulk:
    """One bulk request."""

    items: Sequence[BulkItem]
    headers: dict[str, str]
    size_bytes: int

    @property
    def ids(self) -> list[str]:
        """The documents' ids, in order."""
        return [item.id for item in self.items]


Step = Callable[[Bulk], Awaitable[Reply]]


class ScriptedElasticsearch:
    """Listens on the loopback interface from ``start`` to ``close``; can be started again on the same port."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.bulks: list[Bulk] = []
        self.requests: list[str] = []
        self.templates: dict[str, dict[str, Any]] = {}
        self.script: deque[Step] = deque()
        self.always: Step | None = None
        """Every bulk's step while the script is empty."""
        self.item_rules: Callable[[BulkItem], Error | None] = lambda _item: None
        self.max_body_bytes = 100 << 20
        self.guard: Callable[[str, dict[str, str]], Reply | None] = lambda _request, _headers: None
        """Asked before anything else: a reply of its own refuses the request, as a security layer does."""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """``http://host:port``."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append(f"{method} {target}")
        reply = await self._answer(method, target, headers, body)
        lines = [f"HTTP/1.1 {reply.status} X", f"content-length: {len(reply.body)}", "x-elastic-product: Elasticsearch"]
        lines += [f"{name}: {value}" for name, value in ({"content-type": "application/json"} | reply.headers).items()]
        sent = reply.body if reply.cut_at is None else reply.body[: reply.cut_at]
        writer.write("\r\n".join([*lines, "", ""]).encode() + sent)
        await writer.drain()
        if reply.cut_at is not None:
            writer.transport.abort()
        return reply.cut_at is None

    async def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        path = target.partition("?")[0]
        if refusal := self.guard(f"{method} {path}", headers):
            return refusal
        if path == "/_cluster/health":
            return Reply(200, b'{"status":"green"}')
        if "_template/" in path:
            return self._template(method, path, body)
        if path == "/_bulk":
            return await self._bulk(headers, body)
        return Reply(405)

    def _template(self, method: str, path: str, body: bytes) -> Reply:
        if method == "PUT":
            self.templates[path] = orjson.loads(body)
            return Reply(200, b'{"acknowledged":true}')
        if path not in self.templates:
            return Reply(404, b"{}")
        kind = "index_template" if path.startswith("/_index") else "component_template"
        return Reply(200, orjson.dumps({f"{kind}s": [{"name": path, kind: self.templates[path]}]}))

    async def _bulk(self, headers: dict[str, str], body: bytes) -> Reply:
        if len(body) > self.max_body_bytes:
            return Reply(413)
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        lines = body.split(b"\n")
        assert lines.pop() == b"", "a bulk ends with a newline"
        items = []
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            meta = orjson.loads(action)["create"]
            items.append(BulkItem(meta["_index"], meta["_id"], orjson.loads(source), len(source)))
        bulk = Bulk(items, headers, len(body))
        self.bulks.append(bulk)
        step = self.script.popleft() if self.script else (self.always or self.behave)
        return await step(bulk)

    async def behave(self, bulk: Bulk) -> Reply:
        """Apply a bulk and answer as Elasticsearch does, with what ``filter_path`` leaves."""
        return self.apply(bulk)

    def apply(self, bulk: Bulk) -> Reply:
        """The documents that no rule refuses, once by their id."""
        results = [self._apply(item) for item in bulk.items]
        return bulk_reply(results)

    def _apply(self, item: BulkItem) -> dict[str, Any]:
        if error := self.item_rules(item):
            status, kind, reason = error
            return {"status": status, "error": {"type": kind, "reason": reason}}
        key = (item.index, item.id)
        if key in self.documents:
            reason = f"[{item.id}]: version conflict, document already exists (current version [1])"
            return {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": reason}}
        self.documents[key] = item.document
        return {"status": 201}


def bulk_reply(results: Sequence[dict[str, Any]]) -> Reply:
    """A bulk's answer with these results."""
    errors = any("error" in result for result in results)
    return Reply(200, orjson.dumps({"errors": errors, "items": [{"create": result} for result in results]}))


def reply(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Step:
    """A step that applies nothing and answers so."""

    async def step(_bulk: Bulk) -> Reply:
        return Reply(status, body, dict(headers or {}))

    return step


def error_body(kind: str, reason: str) -> bytes:
    """The body of a request that Elasticsearch refuses as a whole."""
    return orjson.dumps({"error": {"type": kind, "reason": reason, "root_cause": []}, "status": 0})
