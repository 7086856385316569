"""For plugins that limit: what was used within a window that slides, and what is under way now.

A process counts for itself; where all workers of a host shall count together, give each call ``ctx.services.kv``.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress

from sluice.sdk.caching import now_seconds
from sluice.sdk.errors import NotFound
from sluice.sdk.services import KeyValue

_MAX_KEY_CHARACTERS = 200


class SlidingCounters:
    """Sums by key over the last ``window_seconds``, of two buckets: the present one, and the part of the one before
    that still lies within the window, as if it had been used evenly."""

    def __init__(self, window_seconds: int, now: Callable[[], float] = now_seconds, max_keys: int = 100_000) -> None:
        """``now`` says seconds of the epoch, so that workers have the same buckets. Beyond ``max_keys`` those that were
        not added to for longest are forgotten."""
        self._window = window_seconds
        self._now = now
        self._max_keys = max_keys
        self._buckets: dict[tuple[int, str], int] = {}
        self._bucket = 0
        self._worker = secrets.token_hex(6)
        self.turn = asyncio.Lock()
        """To be held between looking and adding, where nobody else shall add meanwhile: a ``kv`` lets others run."""

    def __len__(self) -> int:
        return len(self._buckets)

    def seconds_left(self) -> int:
        """Until the next bucket begins, rounded up."""
        return math.ceil(self._left())

    async def add(self, key: str, amount: int = 1, kv: KeyValue | None = None) -> None:
        """Use so much; raises what ``kv`` raises."""
        await self.add_all((key,), amount, kv)

    async def add_all(self, keys: Iterable[str], amount: int = 1, kv: KeyValue | None = None) -> None:
        """Use so much of each; raises what ``kv`` raises, and has counted all for this process then."""
        used = [self._add((self._turned(), _short(key)), amount) for key in keys]
        if kv is None:
            return
        for place, total in used:
            await kv.write_with_ttl(_name(place) + self._worker, b"%d" % total, 2 * self._window)

    def _add(self, place: tuple[int, str], amount: int) -> tuple[tuple[int, str], int]:
        self._buckets[place] = used = self._buckets.pop(place, 0) + amount
        if len(self._buckets) > self._max_keys:
            del self._buckets[next(iter(self._buckets))]
        return place, used

    async def used(self, key: str, kv: KeyValue | None = None) -> float:
        """How much was used within the window; raises what ``kv`` raises."""
        bucket, name = self._turned(), _short(key)
        present, before = await self._sum((bucket, name), kv), await self._sum((bucket - 1, name), kv)
        return present + before * self._left() / self._window

    def _left(self) -> float:
        return self._window - self._now() % self._window

    async def _sum(self, place: tuple[int, str], kv: KeyValue | None) -> int:
        """Of a bucket: what this process counted, and in ``kv`` what others did, each under a key of its own."""
        total = self._buckets.get(place, 0)
        for name in await kv.list(_name(place)) if kv is not None else ():
            if kv is not None and not name.endswith(self._worker):
                with suppress(NotFound):
                    total += int(await kv.read(name))
        return total

    def _turned(self) -> int:
        """The present bucket; those that lie behind the window are dropped when a new one begins."""
        bucket = int(self._now() // self._window)
        if bucket != self._bucket:
            self._bucket = bucket
            self._buckets = {place: used for place, used in self._buckets.items() if place[0] >= bucket - 1}
        return bucket


class Lease:
    """One thing under way. Whoever drops it gives it back: kept in ``ctx.state`` it ends with its exchange."""

    def __init__(self, held: dict[str, dict[int, float]], key: str, expires_at: float) -> None:
        self._held = held
        self._key = key
        held.setdefault(key, {})[id(self)] = expires_at

    def release(self) -> None:
        """Give it back; once is enough."""
        leases = self._held.get(self._key, {})
        leases.pop(id(self), None)
        if not leases:
            self._held.pop(self._key, None)

    __del__ = release


class Leases:
    """How many things are under way, by key; one that is held for longer than ``max_seconds`` does not count."""

    def __init__(self, max_seconds: float, now: Callable[[], float] = now_seconds) -> None:
        self._max_seconds = max_seconds
        self._now = now
        self._held: dict[str, dict[int, float]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    def held(self, key: str) -> int:
        """How many there are."""
        leases, now = self._held.get(key, {}), self._now()
        for lease, expires_at in list(leases.items()):  # a copy: garbage may be collected in any thread
            if expires_at <= now:
                leases.pop(lease, None)
        return len(leases)

    def take(self, key: str) -> Lease:
        """One more, whatever the limit is."""
        return Lease(self._held, key, self._now() + self._max_seconds)


def _short(key: str) -> str:
    """A key may be of the client's choice, and as long as its request; what is kept for a window is not."""
    return key if len(key) <= _MAX_KEY_CHARACTERS else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _name(place: tuple[int, str]) -> str:
    return f"used:{place[0]}:{hashlib.sha256(place[1].encode('utf-8', 'surrogatepass')).hexdigest()[:32]}:"
