"""One worker's object graph: the one place where the parts of the flow are made and joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.accept import Acceptor
from gateway.access.admission import OpenAdmission
from gateway.asgi import Gateway
from gateway.endpoints import make_application
from gateway.hooks import Hooks
from gateway.proxy import Proxy
from gateway.recording.backlog import Backlog, EventIds, Mark
from gateway.recording.events import EventBuilder
from gateway.recording.recorder import Recorder
from gateway.recording.recovery import ChargeRule
from gateway.respond import Responder
from gateway.snapshot import Snapshot, build_snapshot
from gateway.sweep import Sweep
from gateway.upstreams.caller import Caller
from gateway.upstreams.http1 import LeanClient
from gateway.upstreams.limits import ClientLimits

if TYPE_CHECKING:
    from gateway.plugins import WorkerPlugins
    from gateway.recording.inflight import InFlightFile
    from gateway.settings import Settings, UpstreamSettings
    from gateway.telemetry import GatewayMetrics
    from gateway.upstreams.client import UpstreamClient
    from sluice.eventlog.interface import Boot, EventLog

_EVENT_OVERHEAD_BYTES = 16 << 10
"""What a proxy log may have besides bodies and header lines, and Kafka's record around it."""


class SnapshotHolder:
    """The present snapshot; swapped whole."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def get(self) -> Snapshot:
        """The one that holds now."""
        return self._snapshot

    def replace(self, snapshot: Snapshot) -> None:
        """From the next request on."""
        self._snapshot = snapshot


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What the worker's process must know of."""

    app: Gateway
    sweep: Sweep
    backlog: Backlog
    client: UpstreamClient
    snapshots: SnapshotHolder


def assemble(
    settings: Settings,
    *,
    log: EventLog,
    boot: Boot,
    inflight: InFlightFile,
    mark: Callable[[], Mark],
    event_ids_since: EventIds,
    plugins: WorkerPlugins,
    metrics: GatewayMetrics,
    ready: Callable[[], list[str]],
    render_metrics: Callable[[], str],
) -> WorkerParts:
    """Join everything. Nothing here opens a file or a connection."""
    own = settings.gateway
    snapshots = SnapshotHolder(build_snapshot(settings, plugins.chains()))
    builder = EventBuilder(boot, own.bodies.max_bytes, settings.journal.max_exchange_bytes - _EVENT_OVERHEAD_BYTES)
    rule = ChargeRule(settings.budget.interrupted, snapshots.get().prices)
    backlog = Backlog(log, inflight, boot, rule, event_ids_since)
    recorder = Recorder(
        log=log,
        builder=builder,
        inflight=inflight,
        backlog=backlog,
        mark=mark,
        metrics=metrics,
        unauthenticated_per_second=settings.record.unauthenticated_per_second,
    )
    sweep = Sweep(own.drain_timeout_seconds)
    hooks = Hooks()
    client = make_client(own.upstream)
    proxy = Proxy(
        acceptor=Acceptor(own, snapshots.get, recorder, sweep),
        hooks=hooks,
        admission=OpenAdmission(settings.budget.default_output_tokens),
        caller=Caller(client, recorder, own.upstream),
        responder=Responder(own, hooks, recorder),
        recorder=recorder,
        sweep=sweep,
        write_timeout_seconds=own.client_write_timeout_seconds,
    )
    return WorkerParts(Gateway(proxy, make_application(ready, render_metrics)), sweep, backlog, client, snapshots)


def make_client(settings: UpstreamSettings) -> UpstreamClient:
    """The upstream client that the settings name."""
    limits = ClientLimits(max_connections_per_origin=settings.max_connections_per_origin)
    if settings.client == "aiohttp":
        from gateway.upstreams.aiohttp_client import AiohttpClient  # noqa: PLC0415 - a heavy import for the few

        return AiohttpClient(limits, ca_file=settings.ca_file)
    return LeanClient(limits, ca_file=settings.ca_file)
