"""Exchanges as they come, by server-sent events.

They are read from the event store, again each second while somebody looks: so a page shows those of every worker and
every gateway, works in both worlds, and costs an exchange nothing at all, looked at or not. Nothing is queued: a reader
who is slow is asked for less often. What came since the last look and is more than a page is counted, not shown. An
exchange is shown when a collector has written it: a second or two after its end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from gateway.console.answers import readable
from gateway.console.asked import AskedQuery
from gateway.console.door import Looking, door_of, parts_of
from gateway.console.exchanges import find_rows
from gateway.control.api.problems import Problem, problem_of
from sluice.clock import now_micros

if TYPE_CHECKING:
    from gateway.console.parts import ConsoleParts
    from sluice.eventstore.panels.query import Filter

router = APIRouter()
MAX_READERS = 16
"""Pages that a worker serves at once."""
PAGE = 100
_BACK_MICROS = 900 * 1_000_000
"""How far back a look goes: an exchange is ordered by its beginning, and a stream may have begun minutes ago."""
_SEEN = 5_000
_LOOK_SECONDS = 1.0
_TROUBLE_SECONDS = 5.0


class LiveFeed:
    """How many look, and whether the worker still serves."""

    def __init__(self, stopping: asyncio.Event, look_seconds: float = _LOOK_SECONDS) -> None:
        self._stopping = stopping
        self.look_seconds = look_seconds
        self.readers = 0

    @contextlib.contextmanager
    def reader(self) -> Iterator[None]:
        """One more. Raises a ``Problem`` where there are enough."""
        if self.readers >= MAX_READERS:
            message = f"{MAX_READERS} live pages are open at this worker; close one, or look at the list of exchanges"
            raise Problem(503, "too_many_readers", message, headers={"retry-after": "10"})
        self.readers += 1
        try:
            yield
        finally:
            self.readers -= 1

    async def rest(self, seconds: float) -> bool:
        """Wait; False where the worker stops meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return not self._stopping.is_set()


class Look:
    """What one reader has seen."""

    def __init__(self, parts: ConsoleParts, filters: tuple[Filter, ...]) -> None:
        self._parts = parts
        self._filters = filters
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._is_first = True

    async def again(self) -> dict[str, Any]:
        """Rows that are new, oldest first, and whether there were more. Raises a ``Problem``."""
        now = now_micros()
        rows, _ = await find_rows(self._parts, self._filters, now - _BACK_MICROS, now + 60_000_000, None, PAGE)
        fresh = [row for row in rows if row["exchange_id"] not in self._seen]
        is_more = len(fresh) == PAGE and not self._is_first
        self._is_first = False
        self._seen.update((row["exchange_id"], None) for row in fresh)
        while len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        return {"exchanges": fresh[::-1], "is_more": is_more, "at": now}


@router.get("/live")
async def follow(asked: AskedQuery, _visitor: Looking, request: Request) -> Response:
    """An event stream: ``exchanges``, ``trouble`` (and it goes on), ``signed_out`` (and it ends)."""
    parts = parts_of(request)
    look = Look(parts, asked.filters())
    with parts.live.reader():
        first = await look.again()  # what cannot be asked at all is said before the stream begins
    headers = {"x-accel-buffering": "no", "cache-control": "no-store"}
    return StreamingResponse(_frames(request, look, first), media_type="text/event-stream", headers=headers)


async def _frames(request: Request, look: Look, first: dict[str, Any]) -> AsyncIterator[bytes]:
    live, door = parts_of(request).live, door_of(request)
    try:
        with live.reader():
            yield _frame("exchanges", first)
            while await live.rest(live.look_seconds):
                door.admit(request)
                async for frame in _looked(live, look):
                    yield frame
    except Problem as problem:  # signed out, or one reader too many since the first look
        name = "signed_out" if problem.status in {401, 403} else "trouble"
        yield _frame(name, {"code": problem.code, "message": problem.message})


async def _looked(live: LiveFeed, look: Look) -> AsyncIterator[bytes]:
    """What is new; where it cannot be had, that, and some rest."""
    try:
        yield _frame("exchanges", await look.again())
    except Exception as error:  # noqa: BLE001 - said to the page, and logged where it is a fault of ours
        problem = problem_of(error)
        yield _frame("trouble", {"code": problem.code, "message": problem.message})
        await live.rest(_TROUBLE_SECONDS)


def _frame(name: str, content: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(readable(content)))
