"""One exchange: what is known of it, from the accept to the record.

A msgspec struct: it has sixty fields and is made for every request, at a fifth of what a dataclass costs.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from gateway.headers import first_values
from schemas.events import Attempt, PluginTiming
from sluice.money.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.access.limits import LimitHold
    from gateway.asgi import Write
    from gateway.bridge.bridging import Bridging
    from gateway.outcomes import Outcome
    from gateway.routes import Route
    from gateway.snapshot import App, Llm
    from gateway.stream_copy import StreamCopy
    from gateway.tracing.trace import Trace
    from gateway.upstreams.client import Headers, UpstreamResponse
    from gateway.upstreams.failover import Candidate
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

    def rest_of_body(self) -> bytes | None:
        """The rest of the request's body, where its end has come: then it is not received. Else ``None``."""
        ...

    def body_writer(self) -> Write:
        """Writes pieces of the body whose head was sent; returns whether the client takes more for now."""
        ...

    def expect_end(self) -> None:
        """The answer's end follows: what still waits to be written may go out with it."""
        ...

    def others_begin(self) -> bool:
        """Whether other requests, which came in the same turn of the loop, have yet to begin."""
        ...

    async def drain(self) -> None:
        """Until the client takes more, or is gone."""
        ...


class Exchange(msgspec.Struct, eq=False):
    """One client request with its response. Times ending in ``_ns`` are monotonic, ``_at`` micros of the epoch.

    It is equal to itself alone, so that others can keep it by itself.
    """

    exchange_id: str
    occurred_at: int
    started_ns: int
    method: str
    route: Route
    headers: Headers
    """Never changed; plugins may put another list in its place."""
    query: bytes
    remote_addr: str
    connection: ClientConnection

    request_id: str = ""
    traceparent: str = ""
    trace_id: str = ""
    trace: Trace | None = None
    """Set where it is traced; ``traceparent`` and ``trace_id`` are then its own."""
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
    is_batch: bool = False
    """Whether its vendor takes the batch price."""
    is_batch_tier: bool = False
    """Whether that is what its answer said, and not what was asked for."""
    is_free: bool = False
    """Whether its vendor takes nothing for it: counts of tokens, lists, the cancelling of work."""
    further_models: tuple[str, ...] = ()
    """Models that may answer or help as well, as the request says; all must be allowed."""
    further_prices: tuple[Price, ...] = ()
    """Of those that have one."""
    wants_cost: bool = False
    """Whether its answer says what it cost."""
    choices: int = 0
    user_id: int | None = None
    """The person behind the app; an ``auth`` plugin may know another than the app's own."""
    user: str = ""
    """The same as text, where an ``auth`` plugin said so; it need not be a number."""
    may_manage: bool = False
    """Whether its token has the scope ``admin`` too."""
    claims: dict[str, str] | None = None
    """What an ``auth`` plugin said of the caller."""
    upstream_override: str = ""
    """A base URL of the LLM's own list, chosen by a plugin; for the LLM that was asked, not where it fails over."""
    plugins_body: bytes | None = None
    """The request's body as plugins left it, before edits of ours; kept for ``stream_complete`` alone."""
    max_response_tokens: int | None = None
    facts: ExchangeFacts | None = None
    """What plugins see of it; made with the first hook that has any."""
    bridge: Bridging | None = None
    """Where its client speaks OpenAI's dialect to any vendor: ``llm`` and the others are then such views of it."""

    # the upstream call
    attempts: list[Attempt] = msgspec.field(default_factory=list)
    failover: tuple[Candidate, ...] = ()
    """LLMs that may be asked in order where ``llm`` gives no first byte; pinned at admission."""
    served_by: Llm | None = None
    """Which of them was asked last; ``None`` is ``llm`` itself. ``model``, ``body`` and ``price`` are then its."""
    upstream: UpstreamResponse | None = None
    upstream_status: int | None = None
    upstream_started_ns: int = 0
    first_byte_ns: int = 0
    upstream_ended_ns: int = 0
    terminal_ns: int = 0
    """When a stream's terminal event came: nothing more of it was waited for."""

    # the response
    response_code: int | None = None
    response_headers: Headers = msgspec.field(default_factory=list)
    response_copy: list[bytes] = msgspec.field(default_factory=list)
    """The beginning of what came, as far as the log keeps it."""
    response_bytes: int = 0
    stream_copy: StreamCopy | None = None
    """What the client got of a stream; kept where the LLM has a ``stream_complete`` chain."""
    chunk_count: int = 0
    sse_frames: int = 0
    partial: bool = False

    # usage and money
    price: Price | None = None
    usage: Usage | None = None
    raw_usage: str | None = None
    usage_problem: str = ""
    """Why usage could not be trusted, as a stable code; the cost is then an estimate."""
    response_model: str | None = None
    priced_model: str | None = None
    """Of the models that it names beside its own, the one that answered, whose price it has."""
    tool_calls: int = 0
    cost_nanos: int | None = None
    cost_status: str = ""
    abandoned_nanos: int | None = None
    """What LLMs that were given up for another may have charged, estimated; ``None`` is nothing at all."""
    reserved_nanos: int = 0

    timings: list[PluginTiming] = msgspec.field(default_factory=list)

    # of the headers that ``values`` was asked of last
    known_headers: Headers | None = None
    known_values: dict[bytes, bytes] = msgspec.field(default_factory=dict)

    # life in the worker
    total_micros: int | None = None
    """From the accept until its outcome was known: set when its record begins, whose disk may take its time."""
    holds: tuple[int, ...] = ()
    """Rows of the budgets in each of which ``reserved_nanos`` are held for it."""
    limit_hold: LimitHold | None = None
    """What it has to give back to the limits it was counted in."""
    has_room: bool = False
    slot: int = -1
    client_left: bool = False
    left_at: float = 0.0
    drain_expired: bool = False
    deadline: float = 0.0
    """Monotonic seconds after which the sweep closes the client's connection; 0 is never."""
    task: asyncio.Task[None] | None = None
    """Set while the upstream's head is awaited, so that the sweep can end the wait."""

    def values(self) -> Mapping[bytes, bytes]:
        """The first value of each of the request's headers: they are asked for often, so found once for each list."""
        if self.known_headers is not self.headers:
            self.known_headers, self.known_values = self.headers, first_values(self.headers)
        return self.known_values

    def elapsed_micros(self) -> int:
        """Since the accept."""
        return (time.monotonic_ns() - self.started_ns) // 1000

    @property
    def only_looks(self) -> bool:
        """Whether nothing is generated by it: an SDK that lists its models, or cancels a batch, names none, and there
        is none to deny."""
        if self.model is not None:
            return False
        return self.is_free or (self.method in {"GET", "HEAD", "DELETE"} and not self.body)

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

    def keep_copy(self, chunk: bytes, max_bytes: int) -> int:
        """Count a chunk of the response and keep its beginning for the log, up to the cap; returns all bytes so far."""
        before = self.response_bytes
        after = self.response_bytes = before + len(chunk)
        if after <= max_bytes:
            self.response_copy.append(chunk)
        elif before < max_bytes:
            self.response_copy.append(chunk[: max_bytes - before])
        return after


# A struct's own setter looks each time whether the garbage collector has to know of it from now on, and keeps CPython
# from remembering where an attribute is: ten times as much, sixty times an exchange. It knows of these from the start,
# for their lists. Both names lead to one slot; in the class's body msgspec would fill it behind them.
if not TYPE_CHECKING:
    Exchange.__setattr__, Exchange.__delattr__ = object.__setattr__, object.__delattr__
