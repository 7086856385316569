"""The HTTP server's protocol: httptools over one client connection, below ASGI; uvicorn's server runs it.

uvicorn's own protocol answers what its parser refuses, but tells nobody; ASGI has no word for a client that leaves
while nothing is being received, for closing a connection without its last byte, or for writing without a coroutine; and
a gateway would pay for WebSockets, a timer for each idle connection and two regular expressions for each header.

Requests of one connection are answered one after the other. While one waits behind another nothing more is read. An
``Upgrade`` is never taken up (RFC 9110, 7.8): the request goes on as the ordinary one that it also is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import FlowControl

from gateway.asgi import CONNECTION, FIRST_VALUES
from gateway.cycle import Cycle, refusal
from gateway.headers import all_values, connection_options, first_values
from gateway.outbox import Outbox, Turn

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

    from gateway.asgi import Write
    from gateway.exchange import Exchange
    from gateway.telemetry import GatewayMetrics

MAX_PIPELINED = 64
"""Requests that may wait behind the one that is being answered; they came in one piece."""
LINGER_SECONDS = 1.0
LINGER_BYTES = 4 << 20
"""How long, and how much, a client that is refused while it sends a body may go on sending, unread."""
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
_NOWHERE: deque[tuple[bytes, bytes]] = deque(maxlen=0)
"""Where trailers are put: it keeps nothing."""


class ConnectionProtocol(asyncio.Protocol):
    """One client connection; what all of a worker's have in common is set on the subclass that it makes."""

    metrics: GatewayMetrics
    max_header_bytes: int
    turn: Turn

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - uvicorn's signature
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self._app = config.loaded_app
        self.loop = _loop or asyncio.get_running_loop()
        # Of the class and its turn too, but of an instance they are found in a tenth of the time.
        self.arrivals, self._max_header_bytes = self.turn.arrivals, self.max_header_bytes
        self.state = server_state
        self._parser = _new_parser(self)
        self.transport: asyncio.Transport
        self.flow: FlowControl
        self.outbox: Outbox
        self._scope: dict[str, Any]
        """What the scopes of its requests have in common."""
        self._exchange: Exchange | None = None
        self._active: Cycle | None = None
        """The one that is being answered."""
        self._queue: deque[Cycle] = deque()
        self._receiving: Cycle | None = None
        """The one whose body comes, or came last."""
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        """Of the head that comes, or came last."""
        self._lines: list[tuple[bytes, bytes]] | deque[tuple[bytes, bytes]] = _NOWHERE
        """Where the lines that come are put: there, while a head comes."""
        self._in_head = False
        self._goes_on = False
        """The parser reads a head of ours, made to go on behind an ``Upgrade``."""
        self._head_bytes = 0
        """Of the pieces that came while a head was incomplete."""
        self._piece_bytes = self._body_bytes = 0
        self._head_too_large = False
        self._is_refused = False
        self._refused_bytes = 0
        """What came since then, unread."""
        self._refusal = b""
        """What is to be said when the answers before it are out."""
        self._since = self.loop.time()
        """When the connection was made, a head began or an answer ended."""
        self._was_answered = False

    # what the flow calls

    def serve(self, exchange: Exchange) -> None:
        """Tell this exchange when the connection is lost."""
        self._exchange = exchange
        if self.transport.is_closing():
            exchange.client_left = True

    def abort(self) -> None:
        """Close the connection at once; what its transport still holds is not sent."""
        self.outbox.abort()

    def rest_of_body(self) -> bytes | None:
        """Of the request that is being answered, where its end has come: then it is not received."""
        return self._active.rest_of_body() if self._active is not None else None

    def body_writer(self) -> Write:
        """Writes pieces of the body whose head was sent; returns whether the client takes more now, else ``drain``."""
        if self._active is None:
            message = "no answer is under way"
            raise RuntimeError(message)
        return self._active.body_writer()

    def expect_end(self) -> None:
        """The answer's end follows: what still waits to be written may go out with it."""
        self.outbox.expect_end()

    def others_begin(self) -> bool:
        """Whether other requests, which came in the same turn of the loop, have yet to begin."""
        return self.arrivals.waiting > 0

    async def drain(self) -> None:
        """Until the client takes more, or is gone."""
        await self.flow.drain()

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self.state.connections.add(self)  # type: ignore[arg-type]
        self.transport = cast("asyncio.Transport", transport)
        self.flow, self.outbox = FlowControl(self.transport), Outbox(self.turn, self.transport)
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": transport.get_extra_info("sockname"),
            "client": transport.get_extra_info("peername"),
            "scheme": "http",
            "root_path": "",
            CONNECTION: self,
        }

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The client left, or we closed."""
        self.state.connections.discard(self)
        if self._exchange is not None:
            self._exchange.client_left = True
        if self._active is not None:
            self._active.lose()
        self._queue.clear()
        self.flow.resume_writing()

    def eof_received(self) -> None:
        """The client sends no more: to us it has left. It still gets what was put before that."""
        self.outbox.flush()

    def pause_writing(self) -> None:
        """The client takes no more for the moment."""
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        """It takes more."""
        self.flow.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless this connection has been refused, or its head grows without an end."""
        if self._is_refused:
            self._refused_bytes += len(data)
            if self._refused_bytes > LINGER_BYTES:
                self.transport.abort()
            return
        self._piece_bytes, self._body_bytes = len(data), 0
        if self._in_head:
            self._head_bytes += len(data)
        self._feed(data)
        if self._in_head and not self._is_refused:
            self._check_unfinished(data)

    def _check_unfinished(self, data: bytes) -> None:
        """Refuse a head that grows without an end; of one that began behind another in this piece the rest counts."""
        if not self._head_bytes and b"\r\n\r\n" not in data:
            self._head_bytes = len(data) - self._body_bytes
        if self._head_bytes > 2 * self._max_header_bytes:
            self._head_too_large = True
            self._refuse()

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse()

    def _go_on(self, rest: bytes) -> None:
        """llhttp takes what follows an ``Upgrade`` for another protocol: a new parser, told of the body, reads it."""
        framing = b"".join([b"%b: %b\r\n" % pair for pair in self._headers if pair[0] in _FRAMING])
        self._parser = _new_parser(self)
        self._goes_on = True
        self._feed(b"POST / HTTP/1.1\r\n" + framing + b"\r\n" + rest)

    # what the parser calls

    def on_message_begin(self) -> None:
        """A new request head begins."""
        if self._goes_on:
            return
        self._url = b""
        self._headers = self._lines = []
        self._in_head, self._head_bytes = True, 0
        if self._active is None:
            self._since = self.loop.time()

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        if not self._goes_on:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; a trailer is dropped, for what a request is was decided before its body."""
        self._lines.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete: start the application, or queue behind the answers before. Raises what refuses it."""
        if self._goes_on:
            self._goes_on = False
            return
        headers = self._headers
        self._lines, self._in_head = _NOWHERE, False
        if self._head_bytes + self._piece_bytes > self._max_header_bytes:
            self._check_size()
        parser = self._parser
        method = parser.get_method()
        if len(self._queue) >= MAX_PIPELINED or method == b"CONNECT":
            raise _Refused
        raw_path, query = _split_target(self._url)
        path = raw_path.decode("ascii", "replace")
        values = first_values(headers)
        scope = self._scope.copy()
        scope["headers"], scope[FIRST_VALUES] = headers, values
        scope["method"], scope["query_string"] = method.decode("ascii"), query
        scope["path"], scope["raw_path"] = unquote(path) if "%" in path else path, raw_path
        cycle = self._receiving = Cycle(self, scope)
        if b"expect" in values:
            # An old client knows no interim answer: it would take it for the answer (RFC 9110, 10.1.1).
            cycle.expects_continue = parser.get_http_version() != "1.0" and _expects_continue(headers)
        # HTTP/1.0 goes on only where a header says so; to the parser both of these do.
        if b"connection" in values or b"proxy-connection" in values or not parser.should_keep_alive():
            version = scope["http_version"] = parser.get_http_version()
            cycle.keep_alive = version != "1.0" and (
                parser.should_keep_alive() or (parser.should_upgrade() and not _asks_to_close(headers))
            )
        if self._active is None:
            self._start(cycle)
        else:
            self.flow.pause_reading()
            self._queue.append(cycle)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        if self._receiving is not None:
            self._receiving.take(body)

    def on_message_complete(self) -> None:
        """The request is complete; where an upgrade was asked for only its head is."""
        cycle = self._receiving
        if cycle is None or self._parser.should_upgrade():
            return
        cycle.end_body()
        if cycle is self._active:
            self.flow.resume_reading()  # or a client that leaves now would not be seen

    def _check_size(self) -> None:
        size = len(self._url) + sum([len(name) + len(value) for name, value in self._headers])
        if size > self._max_header_bytes:
            self._head_too_large = True
            raise _Refused

    def _start(self, cycle: Cycle) -> None:
        self._active = cycle
        self.arrivals.waiting += 1
        asyncio.Task(cycle.run(self._app), loop=self.loop, name="exchange")  # else a name is made for each

    # what cycles and the server call

    def finished(self, cycle: Cycle) -> None:
        """An answer is out: close, or turn to the next request; the exchange is no longer told of the connection."""
        self._exchange = self._active = None
        self.state.total_requests += 1
        self._was_answered, self._since = True, self.loop.time()
        if self.transport.is_closing():
            return
        if not cycle.keep_alive:
            self._close_behind(cycle)
        elif self._queue:
            self._start(self._queue.popleft())
            if not self._queue:
                self.flow.resume_reading()  # or a client that leaves now would not be seen
        elif self._refusal:
            self._say(self._refusal)
        else:
            self.flow.resume_reading()

    def _close_behind(self, cycle: Cycle) -> None:
        """Close; while a body is still being sent only our side at first, since a close with bytes unread resets the
        connection, and the client would never see its answer."""
        if not cycle.more_body or not self.transport.can_write_eof():
            self.outbox.close()
            return
        self._is_refused = True  # what still comes is not looked at
        self.outbox.flush()
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def shutdown(self) -> None:
        """uvicorn's graceful end: behind the answer that is under way, or now."""
        if self._active is None:
            self.outbox.close()
        else:
            self._active.keep_alive = False

    def expire(self, now: float, head_seconds: float, idle_seconds: float) -> None:
        """Close a connection that has not completed a request head, or asked again, in time (housekeeping calls it)."""
        if self._active is not None:
            return
        allowed = idle_seconds if self._was_answered and not self._in_head else head_seconds
        if now - self._since > allowed:
            if self.transport.is_closing():
                self.transport.abort()  # closing waits for a client that takes nothing
            else:
                self.outbox.close()

    def _refuse(self) -> None:
        """Answer what the parser refuses: 431 for a head that is too large, 400 for everything else; both counted.

        In its turn: behind the answers to what came before, or instead of the one whose own body it broke.
        """
        self._is_refused = True
        status, code = (431, "request_head_too_large") if self._head_too_large else (400, "request_malformed")
        self.metrics.parser_refusals.add(1, str(status))
        text = refusal(status, code)
        broken = self._receiving if self._receiving is not None and self._receiving.more_body else None
        if broken is not None and broken in self._queue:
            self._queue.remove(broken)
        active = self._active
        if active is None:
            self._say(text)
        elif active is not broken:
            self._refusal = text
            self.flow.pause_reading()
        elif active.has_started:
            self.outbox.abort()
        else:
            active.lose()
            self._say(text)

    def _say(self, text: bytes) -> None:
        self.outbox.put(text)
        self.outbox.close()


class _Refused(Exception):  # noqa: N818 - raised into the C parser, which turns it into its own error
    """Stops the parser."""


def _new_parser(protocol: ConnectionProtocol) -> Any:
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # what follows the last request is not looked at
    return parser


def _expects_continue(headers: list[tuple[bytes, bytes]]) -> bool:
    for name, value in headers:  # noqa: SIM110 - a generator costs more than the look at all of them
        if name == b"expect" and value.lower() == b"100-continue":
            return True
    return False


def _asks_to_close(headers: list[tuple[bytes, bytes]]) -> bool:
    """Of a request with an ``Upgrade``, of which the parser does not say it."""
    return b"close" in connection_options(all_values(headers, b"connection"))


def _split_target(target: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request target; of one in absolute form (as to a proxy) those within it."""
    target = target.partition(b"#")[0]
    if target[:1] != b"/":
        _, scheme, rest = target.partition(b"://")
        authority, slash, path = rest.partition(b"/")
        query = authority.partition(b"?")[2]
        target = b"/" + path if slash else b"/?" + query
        if not scheme:
            target = b"/"
    raw_path, _, query_string = target.partition(b"?")
    return raw_path, query_string


def make_protocol(metrics: GatewayMetrics, max_header_bytes: int) -> type[ConnectionProtocol]:
    """The protocol class of one worker."""
    parts = {"metrics": metrics, "max_header_bytes": max_header_bytes, "turn": Turn()}
    return type("WorkerConnection", (ConnectionProtocol,), parts)
