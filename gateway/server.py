"""The HTTP server: uvicorn on httptools, with what a gateway needs below ASGI.

uvicorn's protocol answers what its parser refuses, but tells nobody; and ASGI has no word for a client that leaves
while nothing is being received, nor for closing a connection without its last byte. This subclass adds the three.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.asgi import CONNECTION

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.telemetry import GatewayMetrics


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
        self._waiting_since = time.monotonic()
        self._refused = False

    def serve(self, exchange: Exchange) -> None:
        """Tell this exchange when the connection is lost."""
        self._exchange = exchange
        if self.transport.is_closing():
            exchange.client_left = True

    def abort(self) -> None:
        """Close the connection at once; what is buffered is not sent."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left, or we closed."""
        if self._exchange is not None:
            self._exchange.client_left = True
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The exchange's last byte is out: what happens to the connection is no longer its business."""
        self._exchange = None
        super().on_response_complete()

    def on_message_begin(self) -> None:
        """A new request head begins."""
        super().on_message_begin()
        self._in_head = True
        self._waiting_since = time.monotonic()
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
        super().on_headers_complete()

    def expire(self, now: float, timeout_seconds: float) -> None:
        """Close a connection that has not completed a request head in time (called by the worker's housekeeping)."""
        if self._waiting_since and now - self._waiting_since > timeout_seconds and not self.transport.is_closing():
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


class _HeadTooLarge(Exception):  # noqa: N818 - raised into the C parser, which turns it into its own error
    """Stops the parser."""


def make_protocol(metrics: GatewayMetrics, max_header_bytes: int) -> type[ConnectionProtocol]:
    """The protocol class of one worker."""
    return type("WorkerConnection", (ConnectionProtocol,), {"metrics": metrics, "max_header_bytes": max_header_bytes})
