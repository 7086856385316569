"""One request on a client's connection and its answer: ASGI's ``receive`` and ``send`` over plain bytes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Protocol, cast

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.headers import BODILESS, CR, LF
from gateway.outbox import CHUNK

if TYPE_CHECKING:
    from uvicorn.protocols.http.flow_control import FlowControl
    from uvicorn.server import ServerState

    from gateway.asgi import Application, Message, Scope, Write
    from gateway.outbox import Arrivals, Outbox

HIGH_WATER_BYTES = 64 << 10
"""Of a body that nobody has read yet: more is not taken from the socket."""
_INTERNAL_ERROR = b'{"status":500,"message":"the gateway failed","code":"gateway_error"}'

_HEEDED = frozenset((b"content-length", b"connection", b"date"))
"""Headers of an answer that say something to us."""

Framing = Literal["none", "length", "chunked", "close"]

logger = structlog.get_logger(__name__)


class CycleConnection(Protocol):
    """What a cycle needs of its connection."""

    transport: asyncio.Transport
    flow: FlowControl
    outbox: Outbox
    arrivals: Arrivals
    loop: asyncio.AbstractEventLoop
    """Who asks asyncio for the running one asks the system what process this is."""
    state: ServerState
    """uvicorn's: its ``default_headers`` are the date, made anew each second; its ``tasks`` those that run cycles."""

    def finished(self, cycle: Cycle) -> None:
        """The answer's last byte is on its way: in the outbox."""
        ...


class Cycle:
    """A request with its answer. Headers of an answer are lower-case and were parsed or checked before they come."""

    __slots__ = (
        "_body",
        "_connection",
        "_framing",
        "_has_news",
        "_left",
        "_waiters",
        "disconnected",
        "expects_continue",
        "has_started",
        "is_complete",
        "keep_alive",
        "more_body",
        "scope",
    )

    def __init__(self, connection: CycleConnection, scope: Scope) -> None:
        self._connection = connection
        self.scope = scope
        self.keep_alive = True
        """Whether the connection goes on behind this answer."""
        self.expects_continue = False
        """Whether the client waits for ``100 Continue`` before it sends the body."""
        self.disconnected = False
        self.more_body = True
        """Whether the request's body is not all here yet."""
        self.has_started = False
        """The answer's head is out."""
        self.is_complete = False
        """The answer's last byte is out."""
        self._body: bytes | bytearray = b""
        self._has_news = False
        """Some of the body came, or its end, that ``receive`` has not told yet."""
        self._waiters: list[asyncio.Future[None]] = []
        """Calls of ``receive`` that wait for that or for the disconnect."""
        self._framing: Framing = "none"
        self._left = 0

    async def run(self, app: Application) -> None:
        """Let the application answer, in a task of its own. It enters itself among the server's, and leaves: a callback
        of each would be one more step of the loop, and one that never began would stay."""
        connection = self._connection
        connection.arrivals.waiting -= 1
        tasks, task = connection.state.tasks, cast("asyncio.Task[None]", asyncio.current_task(connection.loop))
        tasks.add(task)
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            connection.outbox.abort()
            raise
        except Exception:
            logger.exception("application failed", path=self.scope["path"])
        finally:
            tasks.discard(task)
        if not (self.is_complete or self.disconnected or connection.transport.is_closing()):
            self._fail()

    def _fail(self) -> None:
        """What the application left open is an error of ours: said, or the connection is cut."""
        if self.has_started:
            self._connection.outbox.abort()
            return
        self.keep_alive = False
        length = str(len(_INTERNAL_ERROR)).encode()
        self._send_head(500, [(b"content-type", b"application/json"), (b"content-length", length)])
        self._send_body(_INTERNAL_ERROR, is_last=True)

    # the request

    def take(self, data: bytes) -> None:
        """Bytes of the body came; what the application does not read in time stays in the socket."""
        if self.is_complete or self.disconnected:
            return
        if not self._body:
            self._body = data
        else:
            if self._body.__class__ is bytes:
                self._body = bytearray(self._body)  # or each of many small pieces would copy all before it
            self._body += data
        if len(self._body) > HIGH_WATER_BYTES:
            self._connection.flow.pause_reading()
        self._has_news = True
        if self._waiters:
            self._wake()

    def end_body(self) -> None:
        """The body is complete."""
        self.more_body = False
        self._has_news = True
        if self._waiters:
            self._wake()

    def lose(self) -> None:
        """The client is gone."""
        if not self.is_complete:
            self.disconnected = True
        if self._waiters:
            self._wake()

    def rest_of_body(self) -> bytes | None:
        """What ``receive`` would give at once, if nothing of the body comes behind it; ``receive`` waits for the
        disconnect then."""
        if self.more_body or self.expects_continue or not self._has_news or self.disconnected or self.is_complete:
            return None
        self._has_news = False
        return self._take_body()

    async def receive(self) -> Message:
        """ASGI's: the next part of the body, or the disconnect."""
        connection = self._connection
        if self.expects_continue and not connection.transport.is_closing():
            self.expects_continue = False
            connection.outbox.put(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self.disconnected and not self.is_complete:
            if self.more_body:
                connection.flow.resume_reading()
            if not self._has_news:
                await self._wait()
            self._has_news = False
        if self.disconnected or self.is_complete:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._take_body(), "more_body": self.more_body}

    def _take_body(self) -> bytes:
        body, self._body = self._body, b""
        return body if isinstance(body, bytes) else bytes(body)

    async def _wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters = [*[each for each in self._waiters if not each.done()], waiter]  # without those given up
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # the answer

    async def send(self, message: Message) -> None:
        """ASGI's; raises RuntimeError for messages out of turn and for what would split the answer."""
        if self._connection.flow.write_paused and not self.disconnected:
            await self._connection.flow.drain()
        if self.disconnected:
            return
        is_head = message["type"] == "http.response.start"
        if self.is_complete or is_head == self.has_started:
            error = f"ASGI message {message['type']!r} out of turn"
            raise RuntimeError(error)
        if is_head:
            self._send_head(message["status"], list(message.get("headers", ())))
        else:
            self._send_body(message.get("body", b""), is_last=not message.get("more_body", False))

    def body_writer(self) -> Write:
        """Writes pieces of the body in this turn of the loop, behind a head that was sent; returns whether the client
        takes more for now."""
        if self._framing != "chunked":
            return self._write_piece
        return self._connection.outbox.chunk_writer(self._connection.flow)

    def _write_piece(self, piece: bytes, _chunk: bytes = b"") -> bool:
        if piece and not self.disconnected:
            self._write(piece)
        return not self._connection.flow.write_paused

    def _send_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        length = self._heed(headers)
        framing = self._framing = self._framing_of(status, length)
        self._left = length
        if framing == "chunked":
            headers.append((b"transfer-encoding", b"chunked"))
        elif status == 204 and length >= 0:
            headers = [pair for pair in headers if pair[0] != b"content-length"]  # RFC 9110, 8.6
        if not self.keep_alive:
            headers = [*(pair for pair in headers if pair[0] != b"connection"), (b"connection", b"close")]
        lines = [*map(b": ".join, headers)]
        text = b"".join(lines)
        if LF in text or CR in text:
            error = "a header of the answer has a line end in it"
            raise RuntimeError(error)
        lines.append(b"\r\n")
        head = STATUS_LINE[status] + b"\r\n".join(lines)
        self.has_started, self.expects_continue = True, False
        self._connection.outbox.put(head)

    def _heed(self, headers: list[tuple[bytes, bytes]]) -> int:
        """What the answer's headers say to us, and the date where they have none; returns the length, or -1."""
        length, has_date = -1, False
        for name, value in headers:
            if name in _HEEDED:
                if name == b"content-length":
                    length = int(value)
                elif name == b"date":
                    has_date = True
                elif value.lower() == b"close":
                    self.keep_alive = False
        if not has_date:
            headers += self._connection.state.default_headers
        return length

    def _framing_of(self, status: int, length: int) -> Framing:
        if status in BODILESS or self.scope["method"] == "HEAD":
            return "none"
        if length >= 0:
            return "length"
        if self.scope["http_version"] == "1.0":
            return "close"
        return "chunked"

    def _send_body(self, body: bytes, *, is_last: bool) -> None:
        framing = self._framing
        if not is_last:
            if body:
                self._write(body)
            return
        if framing == "length" and self._left != len(body):
            error = "the body of the answer is not as long as its content-length says"
            raise RuntimeError(error)
        if framing == "chunked":
            end = b"0\r\n\r\n"
            self._connection.outbox.put(CHUNK % (len(body), body) + end if body else end)
        elif body and framing != "none":
            self._connection.outbox.put(body)
        self.is_complete = True
        if self._waiters:
            self._wake()
        self._connection.finished(self)

    def _write(self, body: bytes) -> None:
        framing = self._framing
        if framing == "chunked":
            self._connection.outbox.put(CHUNK % (len(body), body))
            return
        if framing == "length":
            self._left -= len(body)
            if self._left < 0:
                error = "the body of the answer is longer than its content-length says"
                raise RuntimeError(error)
        if framing != "none":
            self._connection.outbox.put(body)


def refusal(status: int, code: str) -> bytes:
    """A whole answer to what is no request."""
    body = b'{"status":%d,"message":"the request head was refused","code":"%b"}' % (status, code.encode())
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return STATUS_LINE[status] + head + body
