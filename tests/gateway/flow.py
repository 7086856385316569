"""The gateway's flow behind its real HTTP server, in this process: real sockets, a scripted vendor, an event log that a
test can stop."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from gateway.access.credentials import Credentials
from gateway.access.host_share import HostShare, share_of
from gateway.access.shared_table import SharedTable
from gateway.assembly import WorkerParts, assemble
from gateway.control.entities import Entities
from gateway.control.file_entities import entities_of
from gateway.endpoints import make_application
from gateway.listener import WorkerServer, listen
from gateway.plugins import WorkerPlugins
from gateway.recording.inflight import InFlightFile
from gateway.settings import Settings
from gateway.snapshot import Snapshot, SnapshotHolder
from gateway.snapshot_builder import build_snapshot
from gateway.sweep import INTERVAL_SECONDS, Sweep
from gateway.telemetry import GatewayMetrics
from schemas.events import Kind
from sluice.eventlog.interface import Boot
from tests.gateway.access.memory_ledger import MemoryLedger
from tests.gateway.memory_log import MemoryLog

TOKEN, STRANGER = "flow-token", "stranger-token"
SECONDS = 15.0
PLUGINS = "python://tests.gateway.flow_plugins"


def settings_of(base_url: str, **sections: Any) -> Settings:
    """One LLM with every plugin off, one for each plugin, two apps."""
    llm = {"base_url": base_url, "api_key": "vendor-key"}
    names = ("BlockPreAuth", "BlockPostAuth", "Answer", "Raise", "BlockHeaders", "ChangeBody", "ChangeRequest")
    slugs = {name: name.lower() for name in names}
    tree: dict[str, Any] = {
        "plugins": [{"id": at, "name": name, "command": f"{PLUGINS}:{name}"} for at, name in enumerate(names, 1)],
        "llms": [
            {"id": 1, "slug": "demo", "allowed_models": ["gpt-.*"], "default_model": "gpt-4o-mini", **llm},
            {"id": 2, "slug": "nowhere", "base_url": "http://127.0.0.1:1/v1"},
            *({"id": 10 + at, "slug": slugs[name], "plugins": [name], **llm} for at, name in enumerate(names)),
        ],
        "apps": [
            {"id": 1, "name": "tests", "user_id": 7, "llms": ["demo", "nowhere", *slugs.values()]},
            {"id": 2, "name": "stranger"},
        ],
        "tokens": [
            {"app": 1, "sha256": hashlib.sha256(TOKEN.encode()).hexdigest()},
            {"app": 2, "sha256": hashlib.sha256(STRANGER.encode()).hexdigest()},
        ],
        "budget": {"ask_timeout_seconds": 20},
        "prices": [{"id": "gpt", "model": "gpt-*", "prompt": "0.15", "response": "0.60", "cache_read": "0.075"}],
    }
    for key, value in sections.items():
        tree[key] = {**tree.get(key, {}), **value} if isinstance(value, Mapping) else value
    return Settings.model_validate(tree)


def snapshot_of(settings: Settings) -> Snapshot:
    """What a settings tree configures, without its plugins."""
    entities = entities_of(settings)
    llms = {llm.id: replace(llm, attachments=()) for llm in entities.llms.values()}
    return build_snapshot(replace(entities, llms=llms))


async def started_plugins(settings: Settings, folder: Path, entities: Entities | None = None) -> WorkerPlugins:
    """The plugins of a settings tree, serving."""
    entities = entities or entities_of(settings)
    plugins = WorkerPlugins()
    await plugins.start(settings, folder, entities.llms, entities.plugins)
    return plugins


class Flow:
    """A running gateway."""

    def __init__(self, url: str, log: MemoryLog, parts: WorkerParts, inflight: InFlightFile) -> None:
        self.url = url
        self.log = log
        self.parts = parts
        self.inflight = inflight
        self.metrics: GatewayMetrics
        self.credentials: Credentials
        self.ledger: MemoryLedger
        self.share: HostShare
        self.client = httpx.AsyncClient(
            base_url=url, timeout=SECONDS, headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False
        )

    async def post(self, slug: str = "demo", script: str = "", body: Any = None, **options: Any) -> httpx.Response:
        """One chat request, answered whole."""
        headers = {"x-mock": script, **options.pop("headers", {})}
        sent = {"model": "gpt-4o-mini", "messages": []} if body is None else body
        content = {"content": sent} if isinstance(sent, bytes) else {"json": sent}
        path = options.pop("path", f"/llm/call/{slug}/chat/completions")
        return await self.client.post(path, headers=headers, **content, **options)

    async def recorded(self, count: int = 1) -> dict[Kind, dict[str, Any]]:
        """The events of the last of so many exchanges, once they are there and nothing is held for them any more."""
        async with asyncio.timeout(SECONDS):
            while len(self.log.exchanges) < count or self.parts.sweep.in_flight:  # noqa: ASYNC110 - another task's end
                await asyncio.sleep(0.002)
        assert self.log.reserved == 0
        assert not list(self.inflight.open_slots())
        return self.log.exchanges[-1]


@contextlib.asynccontextmanager
async def running(folder: Path, base_url: str, **sections: Any) -> AsyncIterator[Flow]:
    """Serve until the test is over."""
    settings = settings_of(base_url, **sections)
    metrics, log = GatewayMetrics(), MemoryLog()
    inflight = InFlightFile(folder / "inflight", settings.gateway.max_in_flight)
    entities = entities_of(settings)
    plugins = await started_plugins(settings, folder, entities)
    table, ledger = SharedTable(folder / "access", "w0", max_rows=1024), MemoryLedger()
    share = share_of(settings, table, ledger, metrics)
    credentials = Credentials()
    parts = assemble(
        settings,
        log=log,
        boot=Boot("gateway-1", "w0", "boot-1"),
        inflight=inflight,
        mark=lambda: (1, 0),
        event_ids_since=lambda _: (),
        snapshots=SnapshotHolder(build_snapshot(entities, plugins.chains)),
        credentials=credentials,
        plugins=lambda: plugins.endpoints,
        share=share,
        sweep=Sweep(settings.gateway.drain_timeout_seconds),
        endpoint_sweep=Sweep(settings.gateway.drain_timeout_seconds),
        metrics=metrics,
        application=make_application(list, metrics.registry.render, open_metrics=metrics.registry.render_open),
    )
    stop = asyncio.Event()

    async def sweep() -> None:
        while True:
            await asyncio.sleep(INTERVAL_SECONDS / 5)
            parts.sweep.run_once()
            parts.endpoint_sweep.run_once()

    with listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        flow = Flow(url, log, parts, inflight)
        flow.credentials = credentials
        flow.metrics, flow.ledger, flow.share = metrics, ledger, share
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(WorkerServer(settings.gateway, parts.app, metrics, listener).serve(stop))
            sweeping = tasks.create_task(sweep())
            keeping = tasks.create_task(share.keeper.run())
            outlets = [tasks.create_task(outlet.run()) for outlet in parts.outlets]
            try:
                yield flow
            finally:
                await flow.client.aclose()
                log.released.set()
                stop.set()
                await asyncio.wait([serving])
                sweeping.cancel()
                for task in (keeping, *outlets):
                    task.cancel()
    for outlet in parts.outlets:
        await outlet.close()
    await parts.client.close()
    await plugins.close()
    await share.keeper.close()
    table.close()
    inflight.close()


async def raw(
    flow: Flow, request: bytes, until: bytes = b""
) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
    """Send bytes as they are; what came back up to ``until``, or to the connection's end."""
    host, port = flow.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    await writer.drain()
    async with asyncio.timeout(SECONDS):
        answer = await (reader.readuntil(until) if until else reader.read())
    return answer, reader, writer


def chat_request(slug: str = "demo", *, stream: bool = False, script: str = "", more: str = "") -> bytes:
    """A chat request as bytes."""
    body = b'{"model":"gpt-4o-mini","messages":[],"stream":%s}' % (b"true" if stream else b"false")
    head = (
        f"POST /llm/call/{slug}/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {TOKEN}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nx-mock: {script}\r\n{more}\r\n"
    )
    return head.encode() + body
