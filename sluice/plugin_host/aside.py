"""Work of a plugin's code that may never end, in a thread that nobody has to wait for.

The loop's own pool has few threads, and is waited for when the process ends: a module that hangs while it is imported
would first keep others from theirs, and then the gateway from its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

_late: set[str] = set()
"""What was begun in this process, took too long and has not ended: it is not begun again beside itself."""


class StillUnderWay(Exception):  # noqa: N818 - what happened
    """The same work was begun before, took too long then, and has not ended yet."""


async def run_aside(name: str, work: Callable[[], T], seconds: float) -> T:
    """What ``work`` returns or raises; what is no ``Exception`` comes as RuntimeError.

    Raises TimeoutError when it takes longer; it goes on, and until it has ended work of this name is StillUnderWay.
    """
    if name in _late:
        raise StillUnderWay(name)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Any] = loop.create_future()

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - handed on
            error = raised
        try:
            loop.call_soon_threadsafe(_settle, ended, result, error)
        except RuntimeError:  # the loop is closed: nobody asks any more
            pass
        finally:
            _late.discard(name)

    Thread(target=run, name=f"aside: {name}", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            found: T = await ended
    except TimeoutError:
        if not ended.done() or ended.cancelled():
            _late.add(name)
        raise
    return found


def _settle(ended: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if ended.done():
        return
    if error is None:
        ended.set_result(result)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):  # which no future takes
        ended.set_exception(error)
    else:
        ended.set_exception(RuntimeError(type(error).__name__))
