"""One exchange: what is known of it, from the accept to the record.

A msgspec struct: it has sixty fields and is made for every request, at a fifth of what a dataclass costs.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from schemas.events import Attempt, PluginTiming
from sluice.money.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.outcomes import Outcome
    from gateway.routes import Route
    from gateway.snapshot import App, Llm
    from gateway.upstreams.client import Headers, UpstreamResponse
    from sluice.money.prices import Price
    from sluice.sdk.context import ExchangeFacts


class ClientConnection(Protocol):
    """What the flow needs of the connection below ASGI; the server's protocol class is one."""

    def serve(self, exchange: Exchange) -> None:
        """Tell this exchange (``client_left``) when the connection is lost."""
        ...

    def abort(self) -> None:
        """Close the connection at once, without the last byte."""
        ...

    def body_writer(self) -> Callable[[bytes], bool]:
        """Writes pieces of the body whose head was sent; returns whether the client takes more for now."""
        ...

    async def drain(self) -> None:
        """Until the client takes more, or is gone."""
        ...


class Exchange(msgspec.Struct):
    """One client request with its response. Times ending in ``_ns`` are monotonic, ``_at`` micros of the epoch."""

    exchange_id: str
    occurred_at: int
    started_ns: int
    method: str
    route: Route
    headers: Headers
    query: bytes
    remote_addr: str
    connection: ClientConnection

    request_id: str = ""
    traceparent: str = ""
    trace_id: str = ""
    outcome: Outcome | None = None
    error_kind: str = ""
    error_message: str = ""
    llm: Llm | None = None
    app: App | None = None

    # the request, as read and as hooks left it
    body: bytes = b""
    path: str = ""
    model: str | None = None
    is_stream: bool = False
    asked_for_usage: bool = False
    choices: int = 0
    max_response_tokens: int | None = None
    facts: ExchangeFacts | None = None
    """What plugins see of it; made with the first hook that has any."""

    # the upstream call
    attempts: list[Attempt] = msgspec.field(default_factory=list)
    upstream: UpstreamResponse | None = None
    upstream_status: int | None = None
    upstream_started_ns: int = 0
    first_byte_ns: int = 0
    upstream_ended_ns: int = 0

    # the response
    response_code: int | None = None
    response_headers: Headers = msgspec.field(default_factory=list)
    response_copy: list[bytes] = msgspec.field(default_factory=list)
    response_copy_bytes: int = 0
    response_bytes: int = 0
    chunk_count: int = 0
    sse_frames: int = 0
    partial: bool = False

    # usage and money
    price: Price | None = None
    usage: Usage | None = None
    raw_usage: str | None = None
    response_model: str | None = None
    tool_calls: int = 0
    cost_nanos: int | None = None
    cost_status: str = ""
    reserved_nanos: int = 0

    timings: list[PluginTiming] = msgspec.field(default_factory=list)

    # life in the worker
    has_room: bool = False
    slot: int = -1
    client_left: bool = False
    left_at: float = 0.0
    drain_expired: bool = False
    deadline: float = 0.0
    """Monotonic seconds after which the sweep closes the client's connection; 0 is never."""
    task: asyncio.Task[None] | None = None
    """Set while the upstream's head is awaited, so that the sweep can end the wait."""

    def elapsed_micros(self) -> int:
        """Since the accept."""
        return (time.monotonic_ns() - self.started_ns) // 1000

    def abort_connection(self) -> None:
        """Close the client's connection without the last byte."""
        self.connection.abort()

    def stop_draining(self) -> None:
        """The client left and its upstream took too long: end the upstream call."""
        self.drain_expired = True
        if self.upstream is not None:
            self.upstream.abort()
        elif self.task is not None:
            self.task.cancel()

    def keep_copy(self, chunk: bytes, max_bytes: int) -> None:
        """Count a chunk of the response and keep its beginning for the log, up to the cap."""
        size = len(chunk)
        self.response_bytes += size
        room = max_bytes - self.response_copy_bytes
        if room > 0:
            self.response_copy.append(chunk if size <= room else chunk[:room])
            self.response_copy_bytes += min(size, room)
