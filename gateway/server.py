"""The HTTP server: uvicorn on httptools, with what a gateway needs below ASGI.

uvicorn's protocol answers what its parser refuses, but tells nobody; and ASGI has no word for a client that leaves
while nothing is being received, for closing a connection without its last byte, or for writing without a coroutine.
``ConnectionProtocol`` adds the four, and leaves out what a gateway pays for and does not use: WebSockets, a timer for
each idle connection, two regular expressions for each header of each answer.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.asgi import CONNECTION

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.telemetry import GatewayMetrics

_BODILESS = frozenset((204, 304))


class ConnectionProtocol(HttpToolsProtocol):
    """One client connection. ``metrics`` and ``max_header_bytes`` are set on the subclass that a worker makes."""

    metrics: GatewayMetrics
    max_header_bytes: int

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._exchange: Exchange | None = None
        self._head_bytes = 0
        """What came while a head was being received: never less than the head."""
        self._in_head = False
        self._head_too_large = False
        self._waiting_since = self.loop.time()
        """Since when a request head is awaited or incomplete; 0 while there is one."""
        self._idle_since = 0.0
        """Since when the client has its answer and asks nothing; 0 while it does."""
        self._refused = False

    def serve(self, exchange: Exchange) -> None:
        """Tell this exchange when the connection is lost."""
        self._exchange = exchange
        if self.transport.is_closing():
            exchange.client_left = True

    def abort(self) -> None:
        """Close the connection at once; what is buffered is not sent."""
        self.transport.abort()

    def write_body(self, piece: bytes) -> bool:
        """Write a piece of a body whose head was sent, at once; whether the client takes more for now, else ``drain``.

        What ``send`` of uvicorn's cycle does, for callers that are no coroutine.
        """
        cycle = self.cycle
        if cycle.disconnected or cycle.scope["method"] == "HEAD":
            return True
        if cycle.chunked_encoding:
            self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            cycle.expected_content_length -= len(piece)
            self.transport.write(piece)
        return not self.flow.write_paused

    async def drain(self) -> None:
        """Until the client takes more, or is gone."""
        await self.flow.drain()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left, or we closed."""
        if self._exchange is not None:
            self._exchange.client_left = True
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The exchange's last byte is out: what happens to the connection is no longer its business."""
        self._exchange = None
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._idle_since = self.loop.time()

    def on_message_begin(self) -> None:
        """A new request head begins."""
        super().on_message_begin()
        self._in_head = True
        self._idle_since = 0.0
        self._waiting_since = self.loop.time()
        self.scope[CONNECTION] = self  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        """The head is complete. Raises where it is larger than its limit; what came with it was bounded before."""
        self._in_head = False
        self._waiting_since = 0.0
        if self._head_bytes > self.max_header_bytes:
            size = len(self.url) + sum([len(name) + len(value) for name, value in self.headers])
            if size > self.max_header_bytes:
                self._head_too_large = True
                raise _HeadTooLarge
        self._begin_cycle()

    def _begin_cycle(self) -> None:
        """Fill the scope and start the application, or queue it behind the answer to the request before."""
        scope, parser = self.scope, self.parser
        version = parser.get_http_version()
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version
        raw_path, scope["query_string"] = _split_target(self.url)
        path = raw_path.decode("ascii", "replace")
        scope["raw_path"], scope["path"] = raw_path, unquote(path) if "%" in path else path
        before: RequestResponseCycle | None = self.cycle
        cycle = self.cycle = Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def expire(self, now: float, head_seconds: float, idle_seconds: float) -> None:
        """Close a connection that has not completed a request head, or asked again, in time (housekeeping calls it)."""
        is_late = self._waiting_since and now - self._waiting_since > head_seconds
        is_idle = self._idle_since and now - self._idle_since > idle_seconds
        if (is_late or is_idle) and not self.transport.is_closing():
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless this connection has been refused, or its head grows without an end of line."""
        if self._refused:
            return
        if not self._in_head:
            self._head_bytes = len(data)  # a head may begin in it
        else:
            self._head_bytes += len(data)
            if self._head_bytes > 2 * self.max_header_bytes:
                self._head_too_large = True
                self.send_400_response("")
                return
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Answer what the parser refuses: 431 for a head that is too large, 400 for everything else; both counted."""
        self._refused = True
        status, code = (431, "request_head_too_large") if self._head_too_large else (400, "request_malformed")
        self.metrics.parser_refusals.add(1, str(status))
        body = b'{"status":%d,"message":"the request head was refused","code":"%s"}' % (status, code.encode())
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()


class Cycle(RequestResponseCycle):
    """uvicorn's, with a ``send`` for headers that are lower-case and were parsed or checked before they come here."""

    async def send(self, message: Any) -> None:
        """ASGI's ``send``; raises RuntimeError for messages out of turn and for what would split the answer."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._send_head(message)
        elif self.response_complete:
            error = f"unexpected ASGI message {message['type']!r} behind the end of the answer"
            raise RuntimeError(error)
        else:
            self._send_body(message.get("body", b""), is_last=not message.get("more_body", False))

    def _send_head(self, message: Any) -> None:
        status: int = message["status"]
        headers = list(message.get("headers", ()))
        has_date = False
        for name, value in headers:
            if name == b"content-length":
                self.expected_content_length, self.chunked_encoding = int(value), False
            elif name == b"date":
                has_date = True
            elif name == b"connection" and value.lower() == b"close":
                self.keep_alive = False
        if not has_date:
            headers += self.default_headers  # uvicorn's date; the vendor's own says when the answer was made
        if not self.keep_alive:
            headers = [*(pair for pair in headers if pair[0] != b"connection"), (b"connection", b"close")]
        if self.chunked_encoding is None and status not in _BODILESS and self.scope["method"] != "HEAD":
            self.chunked_encoding = True
            headers.append((b"transfer-encoding", b"chunked"))
        head = STATUS_LINE[status] + b"".join([b"%b: %b\r\n" % pair for pair in headers]) + b"\r\n"
        if head.count(b"\n") != len(headers) + 2 or head.count(b"\r") != len(headers) + 2:
            error = "a header of the answer has a line end in it"
            raise RuntimeError(error)
        self.response_started, self.waiting_for_100_continue = True, False
        self.transport.write(head)

    def _send_body(self, body: bytes, *, is_last: bool) -> None:
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
        elif self.chunked_encoding:
            data = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            self.transport.write(data + b"0\r\n\r\n" if is_last else data)
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (is_last and self.expected_content_length):
                error = "the body of the answer is not as long as its content-length says"
                raise RuntimeError(error)
            self.transport.write(body)
        if is_last:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()


def _split_target(target: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request target; of one in absolute form (as to a proxy) those within it."""
    if target[:1] != b"/":
        _, scheme, rest = target.partition(b"://")
        target = b"/" + rest.partition(b"/")[2] if scheme else b"/"
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return path, query


class _HeadTooLarge(Exception):  # noqa: N818 - raised into the C parser, which turns it into its own error
    """Stops the parser."""


def make_protocol(metrics: GatewayMetrics, max_header_bytes: int) -> type[ConnectionProtocol]:
    """The protocol class of one worker."""
    return type("WorkerConnection", (ConnectionProtocol,), {"metrics": metrics, "max_header_bytes": max_header_bytes})
