"""The benches of sinks that speak HTTP, each on a scripted server; all are at least once."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from collectors.deliveries import Frame
from collectors.sinks.clickhouse.settings import ClickHouseSettings
from collectors.sinks.clickhouse.sink import ClickHouseSink
from collectors.sinks.interface import Sink
from collectors.sinks.otlp.settings import OtlpSettings
from collectors.sinks.otlp.sink import OtlpSink
from collectors.sinks.webhook.settings import WebhookSettings
from collectors.sinks.webhook.sink import WebhookSink
from schemas.events import KINDS
from tests.collectors.events import NOW_MICROS
from tests.collectors.sinks.clickhouse.front import ClickHouseFront
from tests.collectors.sinks.otlp.receiver import OtlpReceiver
from tests.collectors.sinks.webhook.receiver import Receiver
from tests.contracts.sink_laws import SinkBench

Server = Receiver | OtlpReceiver | ClickHouseFront


class _HttpBench(SinkBench):
    """A server that is away while it does not listen."""

    is_exact: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server: Server = self.make_server()

    @abstractmethod
    def make_server(self) -> Server:
        """What the sink writes to."""

    async def open(self) -> None:
        await self.server.start()

    async def close(self) -> None:
        await self.server.close()

    async def go_away(self) -> None:
        await self.server.close()

    async def come_back(self) -> None:
        await self.server.start()

    async def ids(self) -> Counter[str]:
        return self.server.ids()

    async def refuse(self, frame: Frame, position: int) -> set[int]:
        self.server.refused.add(frame.rows["event_id"][position])
        return {position}


class WebhookBench(_HttpBench):
    """Requests of a few events, so that most writes need several."""

    def make_server(self) -> Receiver:
        return Receiver()

    def make(self) -> Sink[Any]:
        settings = WebhookSettings.model_validate({"url": f"{self.server.url}/hook", "max_events": 4, "timeout": 60})
        return WebhookSink(settings, clock=lambda: NOW_MICROS)


class OtlpBench(_HttpBench):
    """A single item is refused of logs alone: metrics are sums."""

    refuses_single_ones: ClassVar[bool] = False

    def make_server(self) -> OtlpReceiver:
        return OtlpReceiver()

    def make(self) -> Sink[Any]:
        settings = OtlpSettings.model_validate({"endpoint": self.server.url, "max_events": 10, "timeout": 60})
        return OtlpSink(settings, clock=lambda: NOW_MICROS)


class ClickHouseBench(_HttpBench):
    """The scripted front; the real engine is in ``test_chdb.py``."""

    def make_server(self) -> ClickHouseFront:
        return ClickHouseFront()

    def make(self) -> Sink[Any]:
        settings = {"url": self.server.url, "max_block_rows": 5, "timeout": 60, "oldest_days": 3650}
        return ClickHouseSink(ClickHouseSettings.model_validate(settings), KINDS, clock=lambda: NOW_MICROS)
