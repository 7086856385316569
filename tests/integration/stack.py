"""The whole path as real processes: a scripted vendor, a gateway with its workers, a collector, over real servers or
embedded; everything under names, ports and folders of one test alone."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import yaml

from schemas.events import KINDS, Kind
from schemas.topics import Topics
from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.dev.vendor import Served
from tests.integration.accounts import Documents, Exchanged, Ledger
from tests.integration.asks import FORBIDDEN, LLM, OTHER_LLM, PRICE, PRICES, TOKEN
from tests.integration.ledger import violations
from tests.integration.service import Service
from tests.integration.stores import count_dead_letters, read_database, read_elasticsearch, read_kafka
from tests.integration.waiting import until_found
from tests.servers import Elasticsearch, Kafka

PARTITIONS = 6


class Stack:
    """One test's processes. ``name`` is its namespace, and the stem of its indices."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        kafka: Kafka | None = None,
        elasticsearch: Elasticsearch | None = None,
        workers: int = 1,
        settings: Mapping[str, Any] | None = None,
        entries: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """``entries`` are further ones of the collector, or changes of one by its name."""
        self.folder = folder
        self.name = name
        self.topics = Topics(name, PARTITIONS)
        self._kafka = kafka
        self._elasticsearch = elasticsearch
        self._vendor_port, self._gateway_port, self._collector_port = free_port(), free_port(), free_port()
        self.database = folder / "events.db"
        self._config = write_yaml(folder / "sluice.yaml", merged(self._settings(), settings or {}))
        self._collectors = write_yaml(folder / "collectors.yaml", self._collector_settings(entries))
        self.vendor = Service(
            "vendor", ["mock-vendor", "--port", str(self._vendor_port)],
            folder=folder, url=f"http://{LOOPBACK}:{self._vendor_port}", ready="/v1/models",
        )  # fmt: skip
        self.gateway = self.make_gateway(workers)
        self.collector = Service(
            "collector", ["collect", "--config", str(self._config), "--collectors", str(self._collectors)],
            folder=folder, url=f"http://{LOOPBACK}:{self._collector_port}",
        )  # fmt: skip

    def make_gateway(self, workers: int) -> Service:
        """The gateway's command with so many workers; not started."""
        return Service(
            "gateway", ["gateway", "--config", str(self._config), "--workers", str(workers)],
            folder=self.folder, url=f"http://{LOOPBACK}:{self._gateway_port}",
        )  # fmt: skip

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self.gateway.url

    @property
    def services(self) -> tuple[Service, ...]:
        """In the order in which they are started."""
        return self.vendor, self.gateway, self.collector

    def _settings(self) -> dict[str, Any]:
        kafka = {"namespace": self.name, "partitions": PARTITIONS, "single_broker": True}
        if self._kafka is not None:
            kafka["bootstrap_servers"] = self._kafka.address
        llm = {"vendor": "openai", "base_url": f"http://{LOOPBACK}:{self._vendor_port}/v1", "api_key": "vendor-key"}
        return {
            "data_dir": str(self.folder / "data"),
            "kafka": kafka,
            "relay": {"linger_seconds": 0.1},
            "gateway": {"id": self.name, "port": self._gateway_port, "drain_timeout_seconds": 5},
            "plugins": [
                {"id": 1, "name": "firewall", "command": "python://sluice.plugins.firewall:Firewall",
                 "config": {"patterns": [FORBIDDEN]}},
            ],
            "llms": [
                {"id": 1, "slug": LLM, "allowed_models": ["mock-.*"], "plugins": ["firewall"], **llm},
                {"id": 2, "slug": OTHER_LLM, **llm},
            ],
            "apps": [{"id": 1, "name": "tests", "llms": [LLM]}],
            "tokens": [{"app": 1, "sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "prefix": TOKEN[:8]}],
            "prices": [{"id": "mock", "model": "mock-*", **PRICES}],
        }  # fmt: skip

    def _collector_settings(self, others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        retry = {"base_seconds": 0.2, "max_seconds": 1}
        entries: list[dict[str, Any]] = [
            {"name": "rows", "path": "sink://database", "config": {"url": f"sqlite:///{self.database}"}, "retry": retry}
        ]
        if self._elasticsearch is not None:
            indices = {"proxy_logs": self.stems["proxy_log"], "analytics": self.stems["analytics"],
                       "budget": self.stems["budget"]}  # fmt: skip
            config = {"elasticsearch_url": self._elasticsearch.address, "indices": indices}
            entries.append({"name": "search", "path": "sink://elasticsearch", "config": config, "retry": retry})
        named = {entry["name"]: entry for entry in entries}
        for other in others:
            named[other["name"]] = {"retry": retry, **named.get(other["name"], {}), **other}
        return {
            "version": "1.0",
            "data_collection_plugins": [*named.values()],
            "server": {"port": self._collector_port},
        }

    @property
    def stems(self) -> dict[Kind, str]:
        """The stems of its indices."""
        return {kind: f"{self.name}-{kind.replace('_', '-')}" for kind in KINDS}

    @contextlib.asynccontextmanager
    async def running(self, *, collector: bool = True) -> AsyncIterator[Stack]:
        """Everything started and ready; everything gone afterwards. A failure carries the ends of the logs."""
        try:
            await self.vendor.start()
            await self.gateway.start()
            if collector:
                await self.collector.start()
            yield self
        except BaseException as error:
            for service in self.services:
                error.add_note(service.tail())
            raise
        finally:
            for service in reversed(self.services):
                await service.close()

    async def served(self) -> list[Served]:
        """What the vendor served, also what is not finished."""
        async with httpx.AsyncClient(timeout=10) as client:
            lines = (await client.get(f"{self.vendor.url}/__log")).content.splitlines()
        return [msgspec.json.decode(line, type=Served) for line in lines]

    async def sinks(self) -> dict[str, Documents]:
        """Every document of every sink."""
        found = {"database": read_database(self.database)}
        if self._elasticsearch is not None:
            found["elasticsearch"] = await read_elasticsearch(self._elasticsearch.address, self.stems)
        return found

    async def ledger(self, clients: list[Exchanged], **rules: Any) -> Ledger:
        """All accounts as they are now."""
        records, dead_letters = None, 0
        if self._kafka is not None:
            records = await read_kafka(self._kafka.address, self.topics)
            dead_letters = await count_dead_letters(self._kafka.address, self.topics)
        return Ledger(clients, await self.served(), await self.sinks(), PRICE, records, dead_letters, **rules)

    async def until_the_ledger_holds(self, clients: list[Exchanged], seconds: float, **rules: Any) -> Ledger:
        """Wait until everything has arrived; then end gateway and collector and look again at what stays."""

        async def holds() -> bool:
            return not violations(await self.ledger(clients, **rules))

        with contextlib.suppress(TimeoutError):
            await until_found(holds, seconds, "the ledger holds", poll_seconds=0.5)
        await self.gateway.stop()
        await self.collector.stop()
        ledger = await self.ledger(clients, **rules)
        found = violations(ledger)
        assert not found, "\n".join(found)
        return ledger


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with changes, section by section."""
    found = dict(settings)
    for key, value in changes.items():
        inner = found.get(key)
        found[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return found


def write_yaml(path: Path, document: Mapping[str, Any]) -> Path:
    """A settings file."""
    path.write_text(yaml.safe_dump(document))
    return path
