"""What several ask at the same time is asked of the store once; nothing is kept for those who come later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Questions that are under way, by what they ask; for tasks of one loop."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Future[T]] = {}

    async def once(self, asked: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, of whoever asked first. Raises what that raised; where the first has gone, the next asks."""
        while (found := self._under_way.get(asked)) is not None:
            await asyncio.wait([found])
            if not found.cancelled():
                return found.result()
        return await self._first(asked, ask)

    async def _first(self, asked: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        found = self._under_way[asked] = asyncio.get_running_loop().create_future()
        try:
            answer = await ask()
        except Exception as error:
            found.set_exception(error)
            found.exception()  # there may be nobody else to hear of it
            raise
        else:
            found.set_result(answer)
            return answer
        finally:
            found.cancel()  # does nothing to one that has its answer
            del self._under_way[asked]
