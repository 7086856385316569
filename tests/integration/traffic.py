"""Mixed exchanges that go on and on while others kill things; every one leaves an account."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from tests.integration.accounts import Exchanged
from tests.integration.asks import CASES, Ask, Asker, Case, Way
from tests.integration.clients import AsyncSdkClient, HttpClient, SdkClient, sleep_unless

_UNREACHABLE_PAUSE_SECONDS = 0.1


class Traffic:
    """So many clients of each way, each with a pause between its exchanges."""

    def __init__(
        self,
        url: str,
        *,
        seed: int,
        clients: tuple[int, int, int] = (3, 4, 5),
        pause_seconds: float = 0.1,
        cases: tuple[Case, ...] = CASES,
    ) -> None:
        self.accounts: list[Exchanged] = []
        self._url = url
        self._asker = Asker(seed, cases)
        self._clients = clients
        self._pause_seconds = pause_seconds
        self._stop = asyncio.Event()
        self._stop_threads = threading.Event()
        self._lock = threading.Lock()

    @property
    def complete(self) -> list[Exchanged]:
        """Those whose clients saw the last byte."""
        return [account for account in self.accounts if account.ending == "complete"]

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncIterator[Traffic]:
        """Traffic until the block ends; then every exchange is led to its end."""
        threads, async_sdks, plain = self._clients
        with ThreadPoolExecutor(max(threads, 1)) as pool:
            async with asyncio.TaskGroup() as tasks:
                loop = asyncio.get_running_loop()
                futures = [loop.run_in_executor(pool, self._run_sdk) for _ in range(threads)]
                for _ in range(async_sdks):
                    tasks.create_task(self._run_async_sdk())
                for _ in range(plain):
                    tasks.create_task(self._run_plain())
                try:
                    yield self
                finally:
                    self._stop.set()
                    self._stop_threads.set()
                    await asyncio.gather(*futures)

    async def reach(self, count: int, seconds: float) -> None:
        """Wait until ``count`` exchanges are complete."""
        deadline = time.monotonic() + seconds
        while len(self.complete) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.complete)} of {count} exchanges after {seconds:g} s: {self.summary()}")
            await asyncio.sleep(0.05)

    async def more(self, count: int, seconds: float) -> None:
        """Wait until ``count`` more exchanges are complete than now."""
        await self.reach(len(self.complete) + count, seconds)

    def summary(self) -> str:
        """How many ended how, by case."""
        counts = Counter((account.case, account.ending) for account in self.accounts)
        return ", ".join(f"{case} {ending} {count}" for (case, ending), count in sorted(counts.items()))

    def _next(self, way: Way) -> Ask:
        with self._lock:
            return self._asker.ask(way)

    def _run_sdk(self) -> None:
        client = SdkClient(self._url)
        try:
            while not self._stop_threads.is_set():
                account = client.exchange(self._next("sdk"))
                self.accounts.append(account)
                self._stop_threads.wait(self._pause_after(account))
        finally:
            client.close()

    async def _run_async_sdk(self) -> None:
        client = AsyncSdkClient(self._url)
        await self._run(client.exchange, client.close, "async_sdk")

    async def _run_plain(self) -> None:
        client = HttpClient(self._url)
        await self._run(client.exchange, client.close, "http")

    async def _run(
        self, exchange: Callable[[Ask], Awaitable[Exchanged]], close: Callable[[], Awaitable[None]], way: Way
    ) -> None:
        try:
            while not self._stop.is_set():
                account = await exchange(self._next(way))
                self.accounts.append(account)
                await sleep_unless(self._stop, self._pause_after(account))
        finally:
            await close()

    def _pause_after(self, account: Exchanged) -> float:
        return _UNREACHABLE_PAUSE_SECONDS if account.ending == "refused" else self._pause_seconds
