"""Bytes out, status and bytes back: whatever answers, and where nothing does one error."""

from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from sluice.eventstore.elasticsearch_http import (
    NDJSON_TYPE,
    Answer,
    ElasticsearchHttp,
    ElasticsearchUnreachableError,
    Flavour,
    api_key_authorization,
)

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}"


@dataclass
class Request:
    """What came over the wire."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """Answers every request with the same raw bytes; nothing at all where there are none; then may hang up."""

    raw: bytes = OK
    hangs_up: bool = False
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append(Request(head[0], headers, body))
                writer.write(self.raw)
                await writer.drain()
                if self.hangs_up:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def client(self, path: str = "", **more: object) -> ElasticsearchHttp:
        """A client of it."""
        return ElasticsearchHttp(f"http://127.0.0.1:{self.port}{path}", **more)  # type: ignore[arg-type]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Listening."""
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()


def answer(status: int, body: bytes = b"", *lines: str) -> bytes:
    """Raw bytes of an answer."""
    head = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


@pytest.mark.parametrize("status", [200, 201, 400, 401, 404, 409, 413, 429, 500, 502, 503, 504])
async def test_every_status_comes_back_as_it_is(server: Server, status: int) -> None:
    """No exception, no retry of its own: who asked decides what it means."""
    server.raw = answer(status, b'{"a":1}', "content-type: application/json")
    client = server.client()
    assert await client.request("GET", "_bulk") == Answer(status, b'{"a":1}')
    assert len(server.requests) == 1
    await client.close()


async def test_a_body_is_sent_as_the_bytes_it_is(server: Server) -> None:
    """Not parsed, not serialised again, not ended with anything; whatever its type is said to be."""
    client = server.client()
    for body, headers in ((b'{ "a" : 1 }', {}), (b"{}\n{}\n", {"content-type": NDJSON_TYPE}), (b"\xff\0", {})):
        await client.request("POST", "_bulk?filter_path=items.*", body, headers)
    assert [request.body for request in server.requests] == [b'{ "a" : 1 }', b"{}\n{}\n", b"\xff\0"]
    assert [request.headers["content-type"] for request in server.requests] == [
        "application/json",
        "application/x-ndjson",
        "application/json",
    ]
    assert {request.line for request in server.requests} == {"POST /_bulk?filter_path=items.* HTTP/1.1"}
    await client.close()


async def test_a_request_without_a_body_has_no_type(server: Server) -> None:
    """Servers refuse a type of nothing; JSON is asked for back."""
    client = server.client()
    await client.request("GET", "_cluster/health")
    (request,) = server.requests
    assert "content-type" not in request.headers
    assert request.headers["accept"] == "application/json"
    assert request.body == b""
    await client.close()


@pytest.mark.parametrize("body", [b"<html>gateway timeout</html>", b"", b"{broken", b"\xff\xfe"])
@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/vnd.elasticsearch+json", "x/y"])
async def test_any_answer_is_bytes(server: Server, body: bytes, kind: str) -> None:
    """A proxy's page under any type does not raise in the client."""
    server.raw = answer(502, body, f"content-type: {kind}")
    client = server.client()
    assert await client.request("POST", "_bulk", b"{}") == Answer(502, body)
    await client.close()


async def test_an_answer_without_a_type_is_bytes_too(server: Server) -> None:
    """Some proxies say nothing; a HEAD has no body at all."""
    client = server.client()
    server.raw = answer(503)
    assert await client.request("GET", "x") == Answer(503, b"")
    server.raw = answer(200)
    assert (await client.request("HEAD", "x")).body == b""
    await client.close()


async def test_a_compressed_answer_is_unpacked(server: Server) -> None:
    """What a proxy compressed is read as what it was."""
    server.raw = answer(200, gzip.compress(b'{"a":1}'), "content-encoding: gzip", "content-type: application/json")
    client = server.client()
    assert (await client.request("GET", "x")).body == b'{"a":1}'
    await client.close()


@pytest.mark.parametrize("value", ["7", "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_when_to_come_again_is_told(server: Server, value: str) -> None:
    """As the server said it; empty where it did not."""
    client = server.client()
    server.raw = answer(429, b"", f"Retry-After: {value}")
    assert (await client.request("GET", "x")).retry_after == value
    server.raw = answer(429)
    assert (await client.request("GET", "x")).retry_after == ""
    await client.close()


async def test_credentials_are_sent_where_there_are_any(server: Server) -> None:
    """Whatever characters they have; without a user nothing is sent."""
    client = server.client(username="elastic", password="pä:ss")
    await client.request("GET", "x")
    await client.close()
    client = server.client(password="alone")
    await client.request("GET", "x")
    await client.close()
    first, second = server.requests
    scheme, _, token = first.headers["authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(token).decode() == "elastic:pä:ss"
    assert "authorization" not in second.headers


@pytest.mark.parametrize("prefix", ["", "/", "/es", "/es/", "/a/b"])
async def test_a_server_below_a_path(server: Server, prefix: str) -> None:
    """A slash at the end of the address is not doubled."""
    client = server.client(prefix)
    await client.request("GET", "_cluster/health")
    assert server.requests[0].line == f"GET {prefix.rstrip('/')}/_cluster/health HTTP/1.1"
    await client.close()


async def test_connections_are_kept_and_bounded(server: Server) -> None:
    """Many requests at once wait for one of so many connections; all are answered."""
    client = server.client(connections=2)
    answers = await asyncio.gather(*(client.request("GET", str(number)) for number in range(20)))
    assert {found.status for found in answers} == {200}
    assert len(server.requests) == 20
    assert server.connections <= 2
    await client.close()


async def test_nobody_there(server: Server) -> None:
    """Refused connections are one error, which names the cause."""
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    client = ElasticsearchHttp(f"http://127.0.0.1:{port}")
    with pytest.raises(ElasticsearchUnreachableError, match="ConnectionError"):
        await client.request("GET", "x")
    await client.close()


async def test_a_name_that_no_one_has() -> None:
    """The same error as for a server that is down."""
    client = ElasticsearchHttp("http://nobody.invalid:9200", timeout_seconds=5)
    with pytest.raises(ElasticsearchUnreachableError):
        await client.request("GET", "x")
    await client.close()


async def test_an_answer_too_late_is_a_timeout(server: Server) -> None:
    """Bounded by the client's own time, whether nothing comes or only a part."""
    client = server.client(timeout_seconds=0.1)
    for raw in (b"", OK[:-1]):
        server.raw = raw
        with pytest.raises(ElasticsearchUnreachableError, match=r"^timeout$"):
            await client.request("POST", "_bulk", b"{}")
    await client.close()


@pytest.mark.parametrize(
    "raw", [b"", OK[:10], OK[:-1], b"nonsense\r\n\r\n"], ids=["nothing", "head", "body", "garbage"]
)
async def test_a_cut_answer_is_no_answer(server: Server, raw: bytes) -> None:
    """Whether the request was applied is not known: it is not taken for an empty success, nor sent again."""
    server.raw, server.hangs_up = raw, True
    client = server.client()
    with pytest.raises(ElasticsearchUnreachableError):
        await client.request("POST", "_bulk", b"{}")
    assert len(server.requests) == 1
    await client.close()


async def test_it_goes_on_after_a_failure(server: Server) -> None:
    """A node that failed once is asked again at once: there is no other."""
    server.raw, server.hangs_up = b"", True
    client = server.client()
    for _ in range(3):
        with pytest.raises(ElasticsearchUnreachableError):
            await client.request("GET", "x")
    server.raw, server.hangs_up = OK, False
    assert (await client.request("GET", "x")).status == 200
    await client.close()


@pytest.mark.parametrize(
    ("flavour", "json_type", "lines_type"),
    [
        (None, "application/json", "application/x-ndjson"),
        ("opensearch", "application/json", "application/x-ndjson"),
        ("elasticsearch8", "application/vnd.elasticsearch+json; compatible-with=8",
         "application/vnd.elasticsearch+x-ndjson; compatible-with=8"),
        ("elasticsearch9", "application/vnd.elasticsearch+json; compatible-with=9",
         "application/vnd.elasticsearch+x-ndjson; compatible-with=9"),
    ],
)  # fmt: skip
async def test_each_server_is_spoken_to_in_its_media_types(
    server: Server, flavour: Flavour | None, json_type: str, lines_type: str
) -> None:
    """Of what is sent and of what is wanted back; other headers stay as they are."""
    client = server.client(flavour=flavour)
    await client.request("POST", "_bulk", b"{}\n", {"content-type": NDJSON_TYPE, "content-encoding": "gzip"})
    headers = server.requests[0].headers
    assert (headers["accept"], headers["content-type"]) == (json_type, lines_type)
    assert headers["content-encoding"] == "gzip"
    await client.close()


@pytest.mark.parametrize(("key", "sent"), [("id:se:cret", "aWQ6c2U6Y3JldA=="), ("aWQ6c2VjcmV0", "aWQ6c2VjcmV0")])
async def test_an_api_key_in_either_form(server: Server, key: str, sent: str) -> None:
    """As id and key it is encoded; as Elasticsearch shows it encoded it is sent."""
    client = server.client(authorization=api_key_authorization(key))
    await client.request("GET", "x")
    assert server.requests[0].headers["authorization"] == f"ApiKey {sent}"
    await client.close()


async def two_servers() -> tuple[list[Server], list[asyncio.Server]]:
    """Two nodes."""
    made = [Server(), Server()]
    listening = [await asyncio.start_server(each.serve, "127.0.0.1", 0) for each in made]
    for each, listener in zip(made, listening, strict=True):
        each.port = listener.sockets[0].getsockname()[1]
    return made, listening


async def test_nodes_take_turns_and_a_dead_one_is_left_out() -> None:
    """Every request is answered while one of them lives, and the dead one is asked again once it is back."""
    (first, second), (listener, other) = await two_servers()
    client = ElasticsearchHttp([f"http://127.0.0.1:{each.port}" for each in (first, second)], timeout_seconds=5)
    for number in range(10):
        await client.request("GET", str(number))
    assert (len(first.requests), len(second.requests)) == (5, 5)
    listener.close()
    first.hangs_up = True
    answers = [await client.request("GET", str(number)) for number in range(10)]
    assert {found.status for found in answers} == {200}
    assert len(second.requests) >= 13
    first.hangs_up = False
    listener = await asyncio.start_server(first.serve, "127.0.0.1", first.port)
    before = len(first.requests)
    async with asyncio.timeout(20):
        while len(first.requests) == before:
            await client.request("GET", "again")
            await asyncio.sleep(0.02)
    other.close()
    listener.close()
    await client.close()


async def test_all_nodes_dead_is_one_error() -> None:
    """And none of them is forgotten: the first that is back answers."""
    (first, second), listeners = await two_servers()
    client = ElasticsearchHttp([f"http://127.0.0.1:{each.port}" for each in (first, second)], timeout_seconds=5)
    for listener in listeners:
        listener.close()
        await listener.wait_closed()
    for _ in range(3):
        with pytest.raises(ElasticsearchUnreachableError):
            await client.request("GET", "x")
    back = await asyncio.start_server(second.serve, "127.0.0.1", second.port)
    assert (await client.request("GET", "x")).status == 200
    back.close()
    await client.close()
