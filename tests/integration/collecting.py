"""Collectors over topics or a journal that a test fills itself: what was published is what every sink must have."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from schemas.avro_schema import event_schema
from schemas.events import KINDS
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.eventlog.kafka.admin import ensure_topics
from sluice.eventlog.settings import LogSettings
from tests.integration.other_writers import OtherGateway, Written, exchange, framed, other_gateway
from tests.integration.service import Service, descendants
from tests.integration.stack import PARTITIONS, write_yaml
from tests.integration.stores import read_elasticsearch
from tests.integration.waiting import until_found
from tests.servers import Elasticsearch, Kafka

SECONDS = 60.0
QUICK = {"base_seconds": 0.05, "max_seconds": 0.5}


def written(number: int) -> list[Written]:
    """The events of one exchange of today."""
    events = {kind: {**event, "occurred_at": now_micros()} for kind, event in exchange(number).items()}
    return [Written(kind, event, framed(event_schema(kind), event)) for kind, event in events.items()]


class Collecting:
    """Topics of one test alone, its two settings files, and one command that runs on them."""

    def __init__(self, folder: Path, name: str, kafka: Kafka, elasticsearch: Elasticsearch) -> None:
        self.folder = folder
        self.name = name
        self.topics = Topics(name, PARTITIONS)
        self.published: list[str] = []
        self.port = free_port()
        self.kafka = {"bootstrap_servers": kafka.address, "namespace": name, "partitions": PARTITIONS,
                      "single_broker": True}  # fmt: skip
        self.configuration = folder / "collectors.yaml"
        self.elasticsearch = elasticsearch.address
        """Where sinks find it; where documents are counted is its own address."""
        self._elasticsearch = elasticsearch.address
        self._gateway: OtherGateway | None = None
        self._number = 0

    def search(self, name: str = "search", **more: Any) -> dict[str, Any]:
        """An entry whose indices are of its name alone."""
        indices = {"proxy_logs": f"{self.name}-{name}-p", "analytics": f"{self.name}-{name}-a",
                   "budget": f"{self.name}-{name}-b"}  # fmt: skip
        config = {"elasticsearch_url": self.elasticsearch, "indices": indices}
        return {"name": name, "path": "sink://elasticsearch", "config": config, "retry": QUICK, **more}

    def configure(self, *entries: Mapping[str, Any], **more: Any) -> None:
        """Replace the configuration, as careful people do: by a rename."""
        document = {"data_collection_plugins": list(entries), "server": {"port": self.port}, **more}
        write_yaml(self.folder / ".new.yaml", document).replace(self.configuration)

    def collector(self, *options: str, name: str = "collector", **kafka: Any) -> Service:
        """The command, not started; one of another ``name`` is another process of the same services."""
        folder, port = self.folder / name, self.port if name == "collector" else free_port()
        folder.mkdir(exist_ok=True)
        config = write_yaml(folder / "sluice.yaml", {"data_dir": str(folder / "data"), "kafka": self.kafka | kafka})
        configuration = self.configuration
        if name != "collector":
            document = yaml.safe_load(configuration.read_text()) | {"server": {"port": port}}
            configuration = write_yaml(folder / "collectors.yaml", document)
        arguments = ["collect", "--config", str(config), "--collectors", str(configuration), *options]
        return Service(name, arguments, folder=folder, url=f"http://{LOOPBACK}:{port}")

    @contextlib.asynccontextmanager
    async def topics_made(self) -> AsyncIterator[None]:
        """The topics, and whoever publishes to them."""
        await ensure_topics(LogSettings.model_validate({"kafka": self.kafka}), self.topics)
        async with other_gateway(str(self.kafka["bootstrap_servers"]), self.topics) as self._gateway:
            yield

    async def publish(self, exchanges: int) -> None:
        """So many more; returns when all are acknowledged."""
        assert self._gateway is not None
        first, self._number = self._number, self._number + exchanges
        events = [each for number in range(first, self._number) for each in written(number)]
        await self._gateway.publish(events)
        self.published += [each.event["event_id"] for each in events]

    async def stored(self, name: str = "search") -> Counter[str]:
        """How often each event is in the indices of an entry."""
        stems: Any = {kind: f"{self.name}-{name}-{letter}"
                      for kind, letter in (("proxy_log", "p"), ("analytics", "a"), ("budget", "b"))}  # fmt: skip
        found = await read_elasticsearch(self._elasticsearch, stems)
        return Counter(document["event_id"] for documents in found.values() for document in documents)

    async def documents(self, name: str = "search") -> dict[str, dict[str, Any]]:
        """Event id → document of an entry's indices; each is there once."""
        stems: Any = {kind: f"{self.name}-{name}-{kind[0]}" for kind in KINDS}
        found = await read_elasticsearch(self._elasticsearch, stems)
        everything = [dict(document) for documents in found.values() for document in documents]
        by_id = {document["event_id"]: document for document in everything}
        assert len(by_id) == len(everything)
        return by_id

    async def delete_indices(self) -> None:
        """All of this test's, as somebody does by mistake."""
        async with httpx.AsyncClient(base_url=self._elasticsearch, timeout=30) as client:
            listed = (await client.get(f"/_cat/indices/*{self.name}*?format=json&h=index")).json()
            for each in listed:
                (await client.delete(f"/{each['index']}")).raise_for_status()

    async def until_all_stored(self, name: str = "search", suffix: str = "") -> None:
        """Return when every event is, exactly once; of one kind where the ``suffix`` of its ids is given."""
        wanted = Counter([event_id for event_id in self.published if event_id.endswith(suffix)])

        async def are() -> bool:
            return len(await self.stored(name)) >= len(wanted)

        await until_found(are, SECONDS, f"{len(wanted)} events in {name}", poll_seconds=0.3)
        assert await self.stored(name) == wanted


class Door:
    """A way to a server that can be shut: what is under way then waits, and is not refused."""

    def __init__(self, url: str) -> None:
        self._host, self._port = urlsplit(url).hostname, urlsplit(url).port
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._server: asyncio.Server | None = None
        self.url = ""

    @contextlib.asynccontextmanager
    async def built(self) -> AsyncIterator[Door]:
        """It, until the block ends."""
        self._server = await asyncio.start_server(self._pass, LOOPBACK, 0)
        self.url = f"http://{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self._server.close()

    def shut(self) -> None:
        self._is_open.clear()

    def open(self) -> None:
        self._is_open.set()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection(self._host, self._port)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._pump(reader, back))
                    tasks.create_task(self._pump(there, writer))
            finally:
                back.close()
                writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._is_open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


async def page(collector: Service, path: str) -> dict[str, Any]:
    """One of its pages."""
    async with httpx.AsyncClient(timeout=10) as client:
        found: dict[str, Any] = (await client.get(collector.url + path)).json()
        return found


async def configuration_of(collector: Service) -> dict[str, Any]:
    """How the configuration stands."""
    found: dict[str, Any] = (await page(collector, "/services"))["configuration"]
    return found


def names_of(document: Mapping[str, Any]) -> Sequence[str]:
    """The services of a page."""
    return [each["service"] for each in document["services"]]


def pids_of(collector: Service) -> dict[str, int]:
    """Its processes: ``collect``, and where that is a supervisor its workers by their number."""
    found: dict[str, int] = {}
    for pid in descendants(collector._process.pid):
        with contextlib.suppress(OSError):
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            if "collect" in arguments and "sluice" in arguments:
                worker = [each.partition("=")[2] for each in arguments if each.startswith("--worker=")]
                found.setdefault(worker[0] if worker else "collect", pid)
    return found


def tell(collector: Service) -> None:
    """SIGHUP to the command."""
    os.kill(pids_of(collector)["collect"], signal.SIGHUP)


async def reloaded(collector: Service, result: str = "applied") -> int:
    """How many reloads came to this."""
    return int(await collector.metric("sluice_collector_reloads_total", f'result="{result}"'))


async def reload(collector: Service, result: str = "applied", processes: int = 1) -> None:
    """Tell it, and return when it has taken the configuration up, or refused it."""
    before = await reloaded(collector, result)
    tell(collector)

    async def is_done() -> bool:
        return await reloaded(collector, result) >= before + processes

    await until_found(is_done, SECONDS, f"a reload {result}")
