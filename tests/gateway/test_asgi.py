"""The outermost callable: what is the data plane's goes to the flow, everything else to the application.

And what stands under ``CONNECTION`` in each scope: the client's connection, below ASGI. Also the server of these and of
``test_server.py``: the protocol on a port of its own, and applications that do what a test says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, Self, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from gateway.asgi import CONNECTION, Application, Gateway, Receive, Scope, Send
from gateway.plugin_endpoints.flow import PluginEndpoints
from gateway.proxy import Proxy
from gateway.routes import Route
from gateway.server import ConnectionProtocol, make_protocol
from gateway.telemetry import GatewayMetrics
from tests.contracts.scripted_upstream import SECONDS, until
from tests.gateway.test_exchange import an_exchange

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
LIMIT = 1_000


class Client:
    """One connection, seen from the client's side."""

    def __init__(self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._house = house

    async def send(self, *pieces: bytes) -> Self:
        """Each piece by itself: the next is sent when the server has read the one before, unless it has closed: a write
        to a socket that is gone may overtake its answer."""
        for piece in pieces:
            self.writer.write(piece)
            self._house.sent += len(piece)
            if len(pieces) > 1:
                await until(lambda: self._house.received == self._house.sent or not self._house.connections)
                if not self._house.connections:
                    break
        return self

    async def read(self, end: bytes = b"") -> bytes:
        """What comes up to ``end``, or to the connection's end."""
        async with asyncio.timeout(SECONDS):
            return await (self.reader.readuntil(end) if end else self.reader.read())

    async def head(self) -> bytes:
        """The head of an answer."""
        return await self.read(b"\r\n\r\n")


class House:
    """The protocol on a port of its own."""

    def __init__(self, app: Application, max_header_bytes: int) -> None:
        self.metrics = GatewayMetrics()
        self.sent = self.received = 0
        self.clients: list[Client] = []
        self._state = ServerState()
        self._protocol = make_protocol(self.metrics, max_header_bytes)
        self._config = uvicorn.Config(
            app, interface="asgi3", ws="none", lifespan="off", log_config=None, proxy_headers=False
        )

    @property
    def connections(self) -> list[ConnectionProtocol]:
        """Those that are open."""
        return [each for each in self._state.connections if isinstance(each, ConnectionProtocol)]

    def make(self) -> ConnectionProtocol:
        """One connection; what it receives is counted."""
        connection = self._protocol(config=self._config, server_state=self._state, app_state={})
        take = connection.data_received

        def counted(data: bytes) -> None:
            self.received += len(data)
            take(data)

        connection.data_received = counted  # type: ignore[method-assign]
        return connection

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.get_running_loop().create_server(self.make, "127.0.0.1", 0)

    async def connect(self, *pieces: bytes) -> Client:
        """A client that has sent these."""
        streams = await asyncio.open_connection("127.0.0.1", self._server.sockets[0].getsockname()[1])
        client = Client(self, *streams)
        self.clients.append(client)
        return await client.send(*pieces)

    async def whole(self, *pieces: bytes) -> bytes:
        """All that is answered until the server closes."""
        return await (await self.connect(*pieces)).read()

    async def close(self) -> None:
        """Nothing is left running."""
        self._server.close()
        for client in self.clients:
            client.writer.transport.abort()
        for connection in self.connections:
            connection.abort()
        for task in self._state.tasks:
            task.cancel()
        await until(lambda: not self._state.connections and not self._state.tasks)


@contextlib.asynccontextmanager
async def serving(app: Application, max_header_bytes: int = LIMIT) -> AsyncIterator[House]:
    """Until the test is over."""
    house = House(app, max_header_bytes)
    await house.start()
    try:
        yield house
    finally:
        await house.close()


class Seen(NamedTuple):
    """A request as the application had it."""

    method: str
    target: bytes
    body: bytes


class Desk:
    """An application that reads each request whole, keeps it, and answers with its number."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.scopes.append(scope)
        self.seen.append(Seen(scope["method"], scope["raw_path"] + b"?" + scope["query_string"], body))
        await answer(send, b"%d" % len(self.seen))


def post(body: bytes, *lines: bytes, target: bytes = b"/") -> bytes:
    """A request with a body."""
    head = [b"POST %b HTTP/1.1" % target, b"host: a", b"content-length: %d" % len(body), *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def codes(data: bytes) -> list[bytes]:
    """The status of each answer in what came."""
    return [part[:3] for part in data.split(b"HTTP/1.1 ")[1:]]


async def answer(send: Send, *pieces: bytes, status: int = 200, length: int | None = -1, **headers: str) -> None:
    """Head and body; with the body's length, another, or none."""
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if length is not None:
        lines.append((b"content-length", b"%d" % (sum(map(len, pieces)) if length < 0 else length)))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    for piece in pieces[:-1]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": pieces[-1] if pieces else b"", "more_body": False})


def answering(*pieces: bytes, **options: Any) -> Application:
    """An application that answers without reading."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, *pieces, **options)

    return app


class Erring:
    """An application whose steps may raise; it keeps what they raise, and lets it go on."""

    def __init__(self, step: Callable[[Send], Awaitable[None]]) -> None:
        self.errors: list[Exception] = []
        self._step = step

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._step(send)
        except Exception as error:
            self.errors.append(error)
            raise


class Held:
    """An application that begins an answer and gives the rest into the test's hands."""

    def __init__(self, **options: Any) -> None:
        self.exchange = an_exchange()
        self.connection: ConnectionProtocol
        self.send: Send
        self.begun = asyncio.Event()
        self.over = asyncio.Event()
        self.count = 0
        self._headers = options.pop("headers", [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.count += 1
        if self.count > 1:
            await answer(send, b"next")
            return
        self.connection, self.send = scope[CONNECTION], send
        self.connection.serve(self.exchange)
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        self.begun.set()
        await self.over.wait()

    async def end(self, body: bytes = b"") -> None:
        """The last byte."""
        await self.send({"type": "http.response.body", "body": body, "more_body": False})
        self.over.set()


@contextlib.asynccontextmanager
async def streaming() -> AsyncIterator[tuple[Held, Client]]:
    """An answer whose head its client has; the rest is the test's."""
    held = Held()
    async with serving(held) as house:
        client = await house.connect(GET)
        await held.begun.wait()
        await client.head()
        yield held, client


class Flow:
    """Stands for the proxy: keeps the routes it is given."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    async def handle(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in its own name."""
        self.routes.append(route)
        await answer(send, b"flow")


def gateway(flow: Flow, app: Application) -> Gateway:
    """Before these two."""
    return Gateway(cast("Proxy", flow), app)


OURS = ["/llm/call/demo/x", "/llm/rest/demo/x?y=1", "/llm/", "/llm/no/such", "/llm/call/demo/%2e%2e/x",
        "/api/v1/llms/1/proxy/x", "http://host/llm/call/demo/x"]  # fmt: skip
OTHERS = ["/", "/health", "/llm", "/llms/call/demo/x", "/LLM/call/demo/x", "/%6clm/call/demo/x", "//llm/call/demo/x",
          "/api/v1/llms/x/proxy/y", "/api/v1/llms/1/other", "http://llm/call/demo/x", "*"]  # fmt: skip


@pytest.mark.parametrize(("target", "who"), [*((each, b"flow") for each in OURS), *((each, b"app") for each in OTHERS)])
async def test_the_raw_path_says_whose_a_request_is(target: str, who: bytes) -> None:
    """As it came, not as it decodes: what is spelt otherwise is not the data plane's."""
    flow = Flow()
    async with serving(gateway(flow, answering(b"app"))) as house:
        got = await house.whole(f"GET {target} HTTP/1.0\r\n\r\n".encode())
    assert got.endswith(b"\r\n\r\n" + who)
    assert len(flow.routes) == (who == b"flow")


async def test_the_flow_gets_the_route_and_the_rest_as_it_came() -> None:
    """Percent-encoded, without the query."""
    flow = Flow()
    async with serving(gateway(flow, answering())) as house:
        await house.whole(b"POST /llm/stream/my-llm/a%2Fb/c?d=e HTTP/1.0\r\n\r\n")
    (route,) = flow.routes
    assert (route.intent, route.slug, route.rest, route.problem) == ("stream", "my-llm", "a%2Fb/c", "")


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
async def test_what_is_no_request_is_the_application_s(kind: str) -> None:
    """Even under a path of the data plane; such a scope may have no path at all."""
    flow, kinds = Flow(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        kinds.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError("not called")

    scope = {"type": kind} | ({"raw_path": b"/llm/call/demo/x"} if kind == "websocket" else {})
    await gateway(flow, app)(scope, nothing, nothing)
    assert (kinds, flow.routes) == ([kind], [])


@pytest.mark.parametrize("ending", ["closes", "resets"])
async def test_a_client_that_leaves_is_told_to_its_exchange(ending: str) -> None:
    """At once, while its answer is under way; what is written then is nobody's."""
    held = Held()
    async with serving(held) as house:
        client = await house.connect(GET)
        await held.begun.wait()
        assert not held.exchange.client_left
        if ending == "closes":
            client.writer.close()
        else:
            client.writer.transport.abort()
        await until(lambda: held.exchange.client_left)
        assert held.connection.body_writer()(b"nobody reads this")
        await held.connection.drain()
        late = an_exchange()
        held.connection.serve(late)
        assert late.client_left, "one that is served by a closing connection is told at once"
        await held.end()


async def test_an_exchange_that_is_over_is_not_told() -> None:
    """What happens to the connection behind the last byte is no longer its business."""
    held = Held()
    async with serving(held) as house:
        client = await house.connect(GET)
        await held.begun.wait()
        await held.end(b"all of it")
        await client.read(b"0\r\n\r\n")
        client.writer.transport.abort()
        await until(lambda: not house.connections)
        assert not held.exchange.client_left


@pytest.mark.parametrize(
    ("request_head", "length", "expected"),
    [(GET, None, b"3\r\nabc\r\n2\r\nDE\r\n0\r\n\r\n"), (GET, 5, b"abcde"), (b"HEAD" + GET[3:], 5, b"")],
)
async def test_pieces_are_written_without_a_coroutine(request_head: bytes, length: int | None, expected: bytes) -> None:
    """Framed as the head said, one that is a chunk already as it is; the end is sent as ever, and the connection is
    kept."""
    held = Held(headers=[] if length is None else [(b"content-length", b"%d" % length)])
    async with serving(held) as house:
        client = await house.connect(request_head)
        await held.begun.wait()
        assert held.connection.body_writer()(b"abc")
        assert held.connection.body_writer()(b"de", b"2\r\nDE\r\n")
        await held.end()
        await client.head()
        assert await client.reader.readexactly(len(expected)) == expected
        assert (await (await client.send(GET)).read(b"next")).startswith(OK)


async def test_a_slow_client_is_waited_for() -> None:
    """A body writer says when it is enough, ``drain`` when there is room again; not a byte is lost."""
    held, piece, count = Held(), b"x" * 65_536, 0
    async with serving(held) as house:
        client = await house.connect(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
        await held.begun.wait()
        while held.connection.body_writer()(piece):
            count += 1
            assert count < 1_000, "a client that does not read holds no more than buffers do"
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(held.connection.drain())
            reading = tasks.create_task(client.read())
            await draining
            await held.end()
        assert reading.result().count(b"x") == (count + 1) * len(piece)


async def test_who_drains_for_a_client_that_leaves_is_released() -> None:
    """Else its exchange would wait for ever."""
    held = Held()
    async with serving(held) as house:
        client = await house.connect(GET)
        await held.begun.wait()
        while held.connection.body_writer()(b"x" * 65_536):
            pass
        client.writer.transport.abort()
        await asyncio.wait_for(held.connection.drain(), SECONDS)
        assert held.exchange.client_left
        await held.end()


@pytest.mark.parametrize("length", [None, 6])
async def test_an_abort_is_seen_as_one(length: int | None) -> None:
    """The client lacks the end of its answer, by whatever framing."""
    held = Held(headers=[] if length is None else [(b"content-length", b"%d" % length)])
    async with serving(held) as house:
        client = await house.connect(GET)
        await held.begun.wait()
        held.connection.body_writer()(b"abc")
        await client.read(b"abc")
        held.connection.abort()
        with contextlib.suppress(ConnectionError):
            assert (await client.read()).strip() == b""
        await until(lambda: held.exchange.client_left)
        await held.end(b"def")


async def test_an_empty_piece_is_nothing() -> None:
    """It is not the last byte, which waits for the record."""
    async with streaming() as (held, client):
        for piece in (b"", b"a"):
            held.connection.body_writer()(piece)
        assert await client.reader.readexactly(6) == b"1\r\na\r\n"
        await held.end()


class Endpoints:
    """Stands for plugins' endpoints."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in their own name."""
        await answer(send, b"endpoints")


@pytest.mark.parametrize(
    ("target", "who"),
    [
        *((each, b"endpoints") for each in ("/plugins/echo", "/plugins/", "/plugins/echo/%2e%2e", "/plugins//x?y")),
        *((each, b"flow") for each in OURS),
        *((each, b"app") for each in (*OTHERS, "/plugins", "/Plugins/echo", "/%70lugins/echo", "//plugins/echo")),
    ],
)
async def test_plugins_have_their_own_paths(target: str, who: bytes) -> None:
    """What begins with ``/plugins/``, as it came; the data plane and the application keep theirs."""
    app = Gateway(cast("Proxy", Flow()), answering(b"app"), cast("PluginEndpoints", Endpoints()))
    async with serving(app) as house:
        got = await house.whole(f"GET {target} HTTP/1.0\r\n\r\n".encode())
    assert got.endswith(b"\r\n\r\n" + who)


@pytest.mark.parametrize(
    ("target", "is_bridge"),
    [
        *((each, True) for each in ("/ai/claude/v1/models", "/ai/", "/ai/x", "/ai//v1", "/ai/a/v1/%2e%2e?x")),
        *((each, False) for each in (*OURS, *OTHERS, "/ai", "/AI/x", "/%61i/x", "//ai/x")),
    ],
)
async def test_the_bridge_has_its_own_paths(target: str, *, is_bridge: bool) -> None:
    """What begins with ``/ai/``, as it came; without a bridge that is the application's."""
    bridge = Flow()
    for has_bridge in (True, False):
        app = Gateway(cast("Proxy", Flow()), answering(b"app"), None, cast("Proxy", bridge) if has_bridge else None)
        async with serving(app) as house:
            await house.whole(f"GET {target} HTTP/1.0\r\n\r\n".encode())
    assert [route.intent for route in bridge.routes] == ["bridge"] * is_bridge
