"""One answer that aiohttp received: read as it came, bounded by our deadlines, closed when it is given up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.errors import UpstreamFault, UpstreamProtocolError, UpstreamTimeout
from gateway.upstreams.aiohttp_wire import FAILURES, as_fault
from gateway.upstreams.client import MAX_RELEASED_BYTES, RELEASE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import ClientResponse

    from gateway.upstreams.aiohttp_wire import WireCall
    from gateway.upstreams.client import Headers, Take
    from gateway.upstreams.limits import ClientLimits

_LENGTHS = frozenset((b"content-length", b"transfer-encoding"))
_WITHOUT_BODY = frozenset((204, 304))


class AiohttpResponse:
    """An ``UpstreamResponse`` over aiohttp's."""

    def __init__(
        self, answer: ClientResponse, call: WireCall, total_at: float, forget: Callable[[AiohttpResponse], None]
    ) -> None:
        self.status = answer.status
        self.headers: Headers = [(name.lower(), value.rstrip()) for name, value in answer.raw_headers]
        self._answer = answer
        self._call = call
        self._forget = forget
        self._fault: UpstreamFault | None = None
        self._at_end = False
        self._is_reading = False
        self._releasing: asyncio.Task[None] | None = None
        self._total = asyncio.get_running_loop().call_at(total_at, self._expire)

    async def read(self) -> bytes:
        """The next bytes, or ``b""`` at the end."""
        if self._fault is not None:
            raise self._fault
        if self._at_end:
            return b""
        if self._is_reading:
            message = "another task is reading this answer"
            raise RuntimeError(message)
        self._is_reading = True
        try:
            return await self._next()
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._is_reading = False

    async def pump(self, take: Take) -> bool:
        """Give each piece to ``take``."""
        try:
            while chunk := await self.read():
                if take(chunk, b""):
                    return False
        except UpstreamFault:
            raise
        except BaseException:
            self.abort()
            raise
        return True

    def release(self) -> None:
        """Read what still comes in a task of its own."""
        if not self._at_end and self._fault is None:
            self._releasing = asyncio.create_task(self._drop_rest())  # noqa: TID251 - bounded; we are held by the client

    async def _drop_rest(self) -> None:
        size = 0
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                while size <= MAX_RELEASED_BYTES and (chunk := await self.read()):
                    size += len(chunk)
        except (TimeoutError, UpstreamFault):
            pass
        self.abort()

    def abort(self) -> None:
        """Close the connection; a pending or later ``read`` raises."""
        self.fail(UpstreamProtocolError("the answer was given up before its end"))

    def fail(self, fault: UpstreamFault) -> None:
        """End the answer with a fault, unless it ended already, and its connection with it."""
        if self._at_end or self._fault is not None:
            return
        self._fault = fault
        self._settle()
        self._call.drop()
        self._answer.close()

    def check(self, limits: ClientLimits) -> None:
        """Refuse what aiohttp lets pass. Raises ``UpstreamProtocolError``."""
        reason = self._objection(limits)
        if reason:
            fault = UpstreamProtocolError(f"upstream answer refused: {reason}")
            self.fail(fault)
            raise fault

    async def _next(self) -> bytes:
        idle_seconds = self._call.request.timeouts.idle_seconds
        try:
            async with asyncio.timeout(idle_seconds):
                chunk = await self._answer.content.readany()
        except TimeoutError:
            self.fail(UpstreamTimeout("idle", idle_seconds))
            chunk = b""
        except FAILURES as error:
            self.fail(as_fault(error, self._call.request.origin, sent=True))
            chunk = b""
        if not chunk and self._fault is None and self._was_cut():
            self.fail(UpstreamProtocolError("upstream closed the connection inside the answer's body"))
        if self._fault is not None:
            raise self._fault
        if not chunk:
            self._at_end = True
            self._settle()
        return chunk

    def _was_cut(self) -> bool:
        """A body that ends with its connection is whole only where that was closed properly."""
        protocol = self._call.protocol
        return not self._has_framing() and protocol is not None and not protocol.ended

    def _has_framing(self) -> bool:
        if self.status in _WITHOUT_BODY or self._call.request.method == b"HEAD":
            return True
        return not _LENGTHS.isdisjoint([pair[0] for pair in self.headers])

    def _objection(self, limits: ClientLimits) -> str:
        if self.status < 200:
            return f"status {self.status}"
        if len(self.headers) > limits.max_headers:
            return f"more than {limits.max_headers} headers"
        if sum(len(name) + len(value) + 4 for name, value in self.headers) > limits.max_header_bytes:
            return f"more than {limits.max_header_bytes} bytes of headers"
        return self._framing_objection()

    def _framing_objection(self) -> str:
        version = self._answer.version
        if version not in {(1, 0), (1, 1)}:
            return f"HTTP/{'.'.join(map(str, version or ()))}"
        lengths = [value for name, value in self.headers if name == b"content-length"]
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if len(lengths) + len(codings) > 1:
            return "more than one length"
        if codings and (codings != [b"chunked"] or version == (1, 0)):
            return "a transfer coding other than chunked, or in HTTP/1.0"
        return ""

    def _expire(self) -> None:
        self.fail(UpstreamTimeout("total", self._call.request.timeouts.total_seconds))

    def _settle(self) -> None:
        self._total.cancel()
        self._forget(self)
