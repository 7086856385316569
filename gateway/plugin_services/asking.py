"""Questions that only the control database can answer: bounded in time and number, their errors those of services."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from gateway.control.errors import ControlDatabaseError, InvalidError, NotFoundError
from sluice.sdk.errors import NotFound, ServiceError, ServiceUnavailable
from sluice.secrets import SecretError

ASK_SECONDS = 2.0
_AT_ONCE = 4
"""Of one worker: what plugins ask must leave connections to those who look for changes."""
MAX_REMEMBERED = 4096

K = TypeVar("K")
T = TypeVar("T")


class Asking:
    """One worker's, for all its plugins."""

    def __init__(self, seconds: float = ASK_SECONDS) -> None:
        self._seconds = seconds
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, what: str, question: Callable[[], Awaitable[T]]) -> T:
        """The answer. Raises NotFound, ServiceError for what cannot be asked, ServiceUnavailable where none comes."""
        try:
            async with asyncio.timeout(self._seconds), self._turns:
                return await question()
        except NotFoundError as error:
            raise NotFound(str(error)) from error
        except InvalidError as error:
            raise ServiceError(str(error)) from error
        except TimeoutError as error:
            message = f"{what}: the control database did not answer within {self._seconds:g} s"
            raise ServiceUnavailable(message) from error
        except (ControlDatabaseError, SecretError) as error:
            message = f"{what}: the control database cannot be read now"
            raise ServiceUnavailable(message) from error


class _Entry(NamedTuple, Generic[T]):
    version: object
    until: float
    value: T


class Remembered(Generic[K, T]):
    """Answers by key, each good while its version is the very same object, and at most so many seconds.

    Who asks for what somebody else is asking waits for that, and shares its answer or its failure; whoever asks for
    something else waits for nobody. The least used are forgotten.
    """

    def __init__(self, seconds: float = float("inf"), max_entries: int = MAX_REMEMBERED) -> None:
        self._seconds = seconds
        self._max_entries = max_entries
        self._entries: OrderedDict[K, _Entry[T]] = OrderedDict()
        self._under_way: dict[K, asyncio.Future[Exception | None]] = {}
        """What is being asked; ``None`` is an answer, or that its asker was cancelled."""

    async def get(self, key: K, version: object, load: Callable[[], Awaitable[T]]) -> T:
        """What is known, else what ``load`` finds; raises what it raises, and remembers nothing then."""
        while (found := self._find(key, version)) is None:
            under_way = self._under_way.get(key)
            if under_way is None:
                return await self._load(key, version, load)
            failure = await asyncio.shield(under_way)
            if failure is not None:
                raise failure.with_traceback(None)
        return found.value

    async def _load(self, key: K, version: object, load: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        done = self._under_way[key] = loop.create_future()
        failure: Exception | None = None
        try:
            value = await load()
        except Exception as error:
            failure = error
            raise
        finally:
            del self._under_way[key]
            done.set_result(failure)
        self._entries[key] = _Entry(version, loop.time() + self._seconds, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        return value

    def _find(self, key: K, version: object) -> _Entry[T] | None:
        entry = self._entries.get(key)
        if entry is None or entry.version is not version or entry.until <= asyncio.get_running_loop().time():
            return None
        self._entries.move_to_end(key)
        return entry
