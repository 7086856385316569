"""What tests of payloads share: receivers on a real plugin host, a queue, records, and patience that is short."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.payloads.envelope import payload_record
from gateway.payloads.queue import PayloadQueue
from gateway.payloads.receiving import Patience
from schemas.topics import Topics
from sluice.eventlog.interface import PolledRecord, StoredRecord
from sluice.eventlog.settings import JournalSettings
from sluice.plugin_host.host import LoadedPlugin, PluginHealth, PluginHost
from sluice.plugin_host.registration import Instance, PluginRegistration
from sluice.plugin_host.services import ServicesFactory, bare_services
from sluice.sdk import BasePlugin, Context
from sluice.sdk.capabilities import EdgePayloadReceiver, PostAuthHandler
from sluice.sdk.messages import EdgePayload, EnrichedRequest, PluginResponse

TOPICS = Topics()
SOON = Patience(accept=20.0, grace=0.15, first_pause=0.005, max_pause=0.02, look=0.01)
IMPATIENT = SOON._replace(accept=0.2)
"""For receivers that hang: any other may find its machine busy for as long as this."""


class Receiver(BasePlugin, EdgePayloadReceiver):
    """Notes what it gets; ``answers`` are given in order, an exception is raised, ``hang`` waits for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[tuple[Context, EdgePayload]] = []
        self.answers: list[Any] = []
        self.under_way = 0
        self.most_under_way = 0

    async def accept_edge_payload(self, ctx: Context, payload: EdgePayload) -> bool:
        """As the test wants it."""
        self.got.append((ctx, payload))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)
            answer: Any = self.answers.pop(0) if self.answers else True
            if answer == "hang":
                await asyncio.Event().wait()
        finally:
            self.under_way -= 1
        if isinstance(answer, type) and issubclass(answer, BaseException):
            message = "no"
            raise answer(message)
        wanted: bool = answer  # of the wrong type, where the test wants that
        return wanted

    @property
    def payloads(self) -> list[bytes]:
        """What it got, in order."""
        return [payload.payload for _, payload in self.got]


class Deaf(BasePlugin, PostAuthHandler):
    """Receives no payloads."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        """Lets everything pass."""
        return PluginResponse.allow()


class Plugins:
    """A worker's plugins, on a host: what ``receiving.Plugins`` asks."""

    def __init__(self, folder: Path, services: ServicesFactory = bare_services) -> None:
        self.host = PluginHost(folder, services=services)
        self._instances: list[Instance] = []
        self._revision = 0

    @property
    def receivers(self) -> Mapping[int, LoadedPlugin]:
        return {each.plugin_id: each for each in self.host.plugins if each.running.described.receives_payloads}

    def health(self) -> Sequence[PluginHealth]:
        return self.host.health()

    async def add(self, plugin_id: int, kind: type | str = Receiver) -> Any:
        """Register one; the plugin, where it could be loaded."""
        command = kind if isinstance(kind, str) else f"python://{kind.__module__}:{kind.__name__}"
        registration = PluginRegistration(id=plugin_id, name=f"p{plugin_id}", command=command)
        self._instances = [each for each in self._instances if each.registration.id != plugin_id]
        self._revision += 1
        self._instances.append(Instance(str(plugin_id), registration, self._revision))
        await self.host.reconcile(self._instances)
        running: Any = next((each.running for each in self.host.plugins if each.plugin_id == plugin_id), None)
        return running and running.plugin


def queue_in(folder: Path, worker: str = "0", **settings: Any) -> PayloadQueue:
    """A worker's queue below a folder."""
    return PayloadQueue(folder, "gw", worker, JournalSettings(**settings), TOPICS)


def polled(plugin_id: int, payload: bytes, offset: int = 0, **facts: Any) -> StoredRecord:
    """A payload as it is read."""
    record = payload_record(
        TOPICS.edge_payload, plugin_id, f"p{plugin_id}", payload, edge_id="gw", namespace="ns", **facts
    )
    return StoredRecord(record.topic, 0, offset, 0, record.key, record.value, record.headers)


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait for a condition; fails after ``seconds``."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "the condition never came true"
        await asyncio.sleep(0.005)


def headers_of(record: PolledRecord) -> dict[str, str]:
    """As text."""
    return {name: value.decode() for name, value in record.headers}
