"""For plugins that keep things: a cache with bounds, one question instead of many equal ones, and what is equal.

They are of one process, and of its event loop; what workers shall share belongs into ``ctx.services.kv``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from operator import itemgetter
from typing import Any, Final, Generic, NamedTuple, TypeVar

from sluice.sdk.context import Context
from sluice.sdk.messages import PluginRequest, ResponseWriteRequest, StreamCompleteRequest

T = TypeVar("T")

_CHANGES_NO_ANSWER: Final = frozenset(("user", "metadata", "safety_identifier", "prompt_cache_key"))
_HAS_FAILED: Final = re.compile(
    rb'"error"\s*:\s*\{|"type"\s*:\s*"(?:error|response\.failed)"|"finish_?[rR]eason"\s*:\s*"error"|^event: ?error\b',
    re.MULTILINE,
)
"""In JSON within a text the quotes are escaped: what a model says of errors does not match, as in ``_HAS_ENDED``."""
_HAS_ENDED: Final = re.compile(
    rb'^data: ?\[DONE\]|"type"\s*:\s*"(?:message_stop|response\.(?:completed|incomplete))"|"finish_?[rR]eason"\s*:\s*"',
    re.MULTILINE,
)
_VENDORS_OWN: Final = (b"anthropic-", b"openai-")
_OK = 200
_ENTRY_BYTES = 200
"""What an entry costs beside its value: its key, and its place."""


def now_seconds() -> float:
    """Seconds of the epoch."""
    return time.time_ns() / 1_000_000_000


class _Kept(NamedTuple, Generic[T]):
    value: T
    size_bytes: int
    expires_at: float


class BoundedCache(Generic[T]):
    """Forgets what is older than ``ttl_seconds``, and when ``max_bytes`` are full what was not used for longest."""

    def __init__(self, max_bytes: int, ttl_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        """``now`` says seconds, of whatever epoch."""
        self._max_bytes = max_bytes
        self._ttl_seconds = ttl_seconds
        self._now = now
        self._kept: OrderedDict[str, _Kept[T]] = OrderedDict()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> T | None:
        """The value; ``None`` where there is none, or none any more."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.expires_at <= self._now():
            self.forget(key)
            return None
        self._kept.move_to_end(key)
        return kept.value

    def put(self, key: str, value: T, size_bytes: int) -> bool:
        """Keep a value of so many bytes; whether there was room for it at all."""
        self.forget(key)
        size_bytes += _ENTRY_BYTES
        if size_bytes > self._max_bytes:
            return False
        while self.used_bytes + size_bytes > self._max_bytes:
            self.forget(next(iter(self._kept)))
        self._kept[key] = _Kept(value, size_bytes, self._now() + self._ttl_seconds)
        self.used_bytes += size_bytes
        return True

    def forget(self, key: str) -> None:
        """Drop one, if it is there."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.used_bytes -= kept.size_bytes

    def clear(self) -> None:
        """Drop all."""
        self._kept.clear()
        self.used_bytes = 0


class Flight:
    """One question under way. Whoever drops it lands it: kept in ``ctx.state`` it ends with its exchange."""

    def __init__(self, flights: dict[str, asyncio.Event], key: str) -> None:
        self.key = key
        self._flights = flights
        self._loop = asyncio.get_running_loop()
        self._landed = asyncio.Event()
        flights[key] = self._landed

    def land(self) -> None:
        """Let those who wait look for the answer; once is enough."""
        if self._flights.get(self.key) is self._landed:
            del self._flights[self.key]
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._landed.set)  # garbage may be collected in any thread

    __del__ = land


class SingleFlight:
    """Of several who ask the same, one asks and the others wait for what it finds."""

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Event] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def answer(self, key: str, find: Callable[[], Awaitable[T | None]], seconds: float) -> T | Flight:
        """What ``find`` finds, now or within so many seconds; else the flight of the caller, who has to ask.

        ``find`` looks where the answer of a flight is put; it must not ask itself.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (found := await find()) is None:
                    landed = self._flights.get(key)
                    if landed is None:
                        return Flight(self._flights, key)
                    await landed.wait()
                return found
        return Flight(self._flights, key)


def is_good_answer(answer: ResponseWriteRequest | StreamCompleteRequest) -> bool:
    """Whether an answer may be given again: status 200, not coded, nothing missing, and no word of an error in it, as
    there may be in an answer with status 200."""
    is_coded = answer.headers.get("content-encoding", "identity") != "identity"
    if not answer.body or answer.status_code != _OK or is_coded or _HAS_FAILED.search(answer.body):
        return False
    return isinstance(answer, ResponseWriteRequest) or (answer.is_whole and _HAS_ENDED.search(answer.body) is not None)


def fingerprint(body: bytes, parts: Iterable[str] = (), *, normalize: bool = False) -> str | None:
    """SHA-256, in hex, of what a request asks and of ``parts``; ``None`` for a body that is no JSON object.

    The order of members and the white space of the JSON do not matter, nor do members that change no answer, such as
    ``user``; every other does, also the first of two of one name. With ``normalize`` neither do case and white space
    within texts; names of members are no texts.
    """
    try:
        value = json.loads(body, object_pairs_hook=_Members)
        if not isinstance(value, _Members):
            return None
        asked = _members(value, normalize, _CHANGES_NO_ANSWER)
        text = json.dumps([*parts, asked])
    except (ValueError, RecursionError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()


def request_fingerprint(
    ctx: Context, request: PluginRequest, parts: Iterable[str] = (), *, normalize: bool = False
) -> str | None:
    """``fingerprint`` of a request: of its LLM and upstream, path, query, and the versions and betas that its vendor is
    asked for in headers too; ``parts`` say for whom."""
    where = [request.method, ctx.llm_slug, ctx.metadata.get("upstream_override", ""), request.path, request.query]
    asked = sorted(
        b": ".join(line).decode("latin-1") for line in request.headers.raw if line[0].startswith(_VENDORS_OWN)
    )
    return fingerprint(request.body, [*where, *parts, *asked], normalize=normalize)


class _Members(list[tuple[str, Any]]):
    """The members of an object, all of them."""


def _canonical(value: Any, normalize: bool) -> Any:
    if isinstance(value, str):
        return " ".join(value.split()).casefold() if normalize else value
    if isinstance(value, _Members):
        return {"": _members(value, normalize)}
    if isinstance(value, list):
        return [_canonical(item, normalize) for item in value]
    return value


def _members(members: _Members, normalize: bool, but_for: frozenset[str] = frozenset()) -> list[list[Any]]:
    """By name; those of one name in their order."""
    named = ([name, _canonical(value, normalize)] for name, value in members if name not in but_for)
    return sorted(named, key=itemgetter(0))
