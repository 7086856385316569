"""A collector that writes down what it is given, and decides by the exchange's number, which ends its request id."""

import asyncio
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sluice.sdk import BasePlugin, Context
from sluice.sdk.capabilities import DataCollector
from sluice.sdk.collecting import AnalyticsData, BudgetUsageData, DataCollectionResponse, ProxyLogData


class Config(BaseModel):
    """Where to write, and what stops it."""

    log: str
    """A line for each call: event id and answer."""
    hold: str = ""
    """While this file exists no call is answered."""


class Audit(BasePlugin[Config], DataCollector):
    """Of three exchanges it wants none of the first, all of the second, and the third only when it comes again."""

    async def initialize(self, ctx: Context, config: Config) -> None:
        """Open the file."""
        self.file = Path(config.log).open("a", buffering=1)  # noqa: SIM115 - it stays open as long as the plugin lives
        self.hold = Path(config.hold) if config.hold else None
        self.failed: set[str] = set()

    async def _decide(self, event: Any) -> DataCollectionResponse:
        while self.hold is not None and self.hold.exists():  # noqa: ASYNC110 - another process takes it away
            await asyncio.sleep(0.02)
        number = int(event.request_id.rpartition("-")[2])
        if number % 3 == 2 and event.event_id not in self.failed:
            self.failed.add(event.event_id)
            self.file.write(f"{event.event_id} raised\n")
            message = "not the first time"
            raise OSError(message)
        passes = number % 3 == 0
        self.file.write(f"{event.event_id} {'passed' if passes else 'handled'}\n")
        return DataCollectionResponse.passed() if passes else DataCollectionResponse.done()

    async def handle_proxy_log(self, ctx: Context, log: ProxyLogData) -> DataCollectionResponse:
        """The same for all."""
        return await self._decide(log)

    async def handle_analytics(self, ctx: Context, analytics: AnalyticsData) -> DataCollectionResponse:
        """The same for all."""
        return await self._decide(analytics)

    async def handle_budget_usage(self, ctx: Context, usage: BudgetUsageData) -> DataCollectionResponse:
        """The same for all."""
        return await self._decide(usage)
