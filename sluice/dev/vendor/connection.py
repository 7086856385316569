"""One client's connection: reads a request, plays its plan, reads the next. Callbacks only, no task."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

from sluice.dev.vendor.formats.openai import error_body
from sluice.dev.vendor.plan import Plan, json_plan
from sluice.dev.vendor.served import Served
from sluice.dev.vendor.wire import BadRequestError, Request, cut_request

Answerer = Callable[[Request], tuple[Plan, Served | None]]
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: the close is a reset
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.Protocol):
    """Answers in order; while a plan is played, what else arrives waits."""

    def __init__(self, answer: Answerer, finish: Callable[[Served], None], connections: set[Connection]) -> None:
        self._answer = answer
        self._finish = finish
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._plan: Plan | None = None
        self._served: Served | None = None
        self._next = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._head_sent = False
        self._paused = False
        self._continued = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """It is gone: what was being played stays incomplete."""
        self._connections.discard(self)
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._served is not None:
            self._finish(self._served)
            self._served = None

    def data_received(self, data: bytes) -> None:
        """A request, or a part of one."""
        if self._plan is not None or self._buffer:
            self._buffer += data
            self._read_on()
        else:
            self._read(data)

    def pause_writing(self) -> None:
        """The client reads slower than the plan: wait for it."""
        self._paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._paused = False
        if self._plan is not None and self._timer is None:
            self._play()

    # Reading.

    def _read(self, data: bytes | bytearray) -> None:
        try:
            found = cut_request(data)
        except BadRequestError as error:
            self._begin(*self._refusal(str(error)))
            return
        if found is None:
            if data is not self._buffer:
                self._buffer += data
            self._continue_if_asked()
            return
        request, taken = found
        if data is self._buffer:
            del self._buffer[:taken]
        elif taken < len(data):
            self._buffer += data[taken:]
        self._continued = False
        self._begin(*self._answer(request))

    def _refusal(self, message: str) -> tuple[Plan, None]:
        plan = json_plan(400, error_body(400, message))
        self._buffer.clear()
        return Plan(400, plan.head + b"connection: close\r\n", plan.pieces, "close"), None

    def _continue_if_asked(self) -> None:
        if not self._continued and b"\r\n\r\n" in self._buffer and b"100-continue" in self._buffer.lower():
            self._continued = True
            if self._transport is not None:
                self._transport.write(_CONTINUE)

    # Playing.

    def _begin(self, plan: Plan, served: Served | None) -> None:
        self._plan, self._served, self._next, self._head_sent = plan, served, 0, False
        if plan.delay_seconds or plan.pace_seconds:
            self._play_at(asyncio.get_running_loop().time() + plan.delay_seconds)
        else:
            self._play()

    def _play_at(self, moment: float) -> None:
        """Moments are reckoned from the first, so that a slow loop does not stretch a paced stream."""
        self._due = moment
        self._timer = asyncio.get_running_loop().call_at(moment, self._play)

    def _play(self) -> None:
        """Write what is due; come back for the rest."""
        self._timer = None
        plan, transport = self._plan, self._transport
        if plan is None or transport is None or transport.is_closing():
            return
        while self._next < len(plan.pieces):
            if self._paused:
                return
            piece = plan.pieces[self._next]
            transport.write(piece if self._head_sent else self._with_head(plan, piece))
            self._next += 1
            if plan.is_endless and self._next == len(plan.pieces):
                self._next = min(1, len(plan.pieces) - 1)
            if plan.pace_seconds and self._next < len(plan.pieces):
                self._play_at(self._due + plan.pace_seconds)
                return
        if not self._head_sent and (head := self._with_head(plan, b"")):
            transport.write(head)
        self._end(plan, transport)

    def _with_head(self, plan: Plan, piece: bytes) -> bytes:
        self._head_sent = True
        if not plan.head:
            return piece
        number = self._served.number if self._served is not None else 0
        return b"%bx-request-id: mock-%d\r\n\r\n%b" % (plan.head, number, piece)

    def _end(self, plan: Plan, transport: asyncio.Transport) -> None:
        """Silence keeps the plan, so that nothing further is read."""
        if plan.end == "hang":
            return
        served, self._served, self._plan = self._served, None, None
        if served is not None:
            served.complete = plan.is_whole
            self._finish(served)
        if plan.end == "keep":
            if self._buffer:
                asyncio.get_running_loop().call_soon(self._read_on)
        elif plan.end == "close":
            transport.close()
        else:
            self.reset()

    def _read_on(self) -> None:
        if self._plan is None and self._buffer and self._transport is not None:
            self._read(self._buffer)

    def reset(self) -> None:
        """Break the connection: the client sees a reset, not an end."""
        if self._transport is not None:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
