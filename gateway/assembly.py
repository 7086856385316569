"""One worker's object graph: the one place where the parts of the flow are made and joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gateway.accept import Acceptor
from gateway.access.admission import LimitedAdmission
from gateway.asgi import Gateway
from gateway.bridge.accept import BridgeAcceptor
from gateway.bridge.caller import BridgeCaller
from gateway.ended_streams import EndedStreams
from gateway.hooks import Hooks
from gateway.plugin_endpoints.flow import PluginEndpoints
from gateway.proxy import Proxy
from gateway.recording.backlog import Backlog, EventIds, Mark
from gateway.recording.events import EventBuilder
from gateway.recording.keeping import Keeping
from gateway.recording.recorder import Recorder
from gateway.recording.recovery import ChargeRule
from gateway.respond import Responder
from gateway.snapshot import PresentPrices
from gateway.upstreams.caller import Caller
from gateway.upstreams.http1 import LeanClient
from gateway.upstreams.limits import ClientLimits
from gateway.witness import open_witness
from sluice.privacy.bodies import BodyRedactor

if TYPE_CHECKING:
    from gateway.access.credentials import Credentials
    from gateway.access.host_share import HostShare
    from gateway.asgi import Application
    from gateway.plugin_endpoints.table import Plugins
    from gateway.recording.inflight import InFlightFile
    from gateway.settings import Settings, UpstreamSettings
    from gateway.snapshot import SnapshotHolder
    from gateway.sweep import Sweep
    from gateway.telemetry import GatewayMetrics
    from gateway.upstreams.client import UpstreamClient
    from gateway.witness import Outlet, Witness
    from sluice.eventlog.interface import Boot, EventLog

_EVENT_OVERHEAD_BYTES = 16 << 10
"""What a proxy log may have besides bodies and header lines, and Kafka's record around it."""


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What the worker's process must know of."""

    app: Gateway
    sweep: Sweep
    endpoint_sweep: Sweep
    backlog: Backlog
    client: UpstreamClient
    snapshots: SnapshotHolder
    outlets: tuple[Outlet, ...]
    """Of traces and of the access log; run beside the server, closed behind it."""


def assemble(
    settings: Settings,
    *,
    log: EventLog,
    boot: Boot,
    inflight: InFlightFile,
    mark: Callable[[], Mark],
    event_ids_since: EventIds,
    snapshots: SnapshotHolder,
    credentials: Credentials,
    plugins: Callable[[], Plugins],
    share: HostShare,
    sweep: Sweep,
    endpoint_sweep: Sweep,
    metrics: GatewayMetrics,
    application: Application,
) -> WorkerParts:
    """Join everything; ``application`` answers all but the data plane. Nothing here opens a file or a connection."""
    own = settings.gateway
    rule = ChargeRule(settings.budget.interrupted, PresentPrices(snapshots))
    backlog = Backlog(log, inflight, boot, rule, event_ids_since, share.budgets)
    keeping = _keeping(settings)
    witness, outlets = open_witness(settings, boot, keeping, metrics)
    recorder = Recorder(
        log=log,
        builder=_event_builder(settings, boot, keeping),
        inflight=inflight,
        backlog=backlog,
        budgets=share.budgets,
        mark=mark,
        metrics=metrics,
        unauthenticated_per_second=settings.record.unauthenticated_per_second,
    )
    hooks, client = Hooks(own.id, own.namespace), make_client(own.upstream)
    output_tokens = settings.budget.default_output_tokens
    flow = partial(
        Proxy,
        hooks=hooks,
        credentials=credentials,
        admission=LimitedAdmission(share.limits, share.budgets, output_tokens),
        responder=Responder(own, hooks, recorder),
        recorder=recorder,
        sweep=sweep,
        ended_streams=EndedStreams(hooks, sweep, metrics, own.max_response_bytes),
        write_timeout_seconds=own.client_write_timeout_seconds,
        witness=witness,
    )
    base = (own, snapshots.get, recorder, sweep)
    proxy = flow(acceptor=Acceptor(*base), caller=Caller(client, recorder, own.upstream))
    bridge = flow(acceptor=BridgeAcceptor(*base, output_tokens), caller=BridgeCaller(client, recorder, own))
    endpoints = _endpoints(settings, plugins, snapshots, credentials, recorder, endpoint_sweep, witness)
    app = Gateway(proxy, application, endpoints, bridge)
    return WorkerParts(app, sweep, endpoint_sweep, backlog, client, snapshots, outlets)


def _endpoints(
    settings: Settings,
    plugins: Callable[[], Plugins],
    snapshots: SnapshotHolder,
    credentials: Credentials,
    recorder: Recorder,
    sweep: Sweep,
    witness: Witness | None,
) -> PluginEndpoints:
    return PluginEndpoints(
        gateway=settings.gateway,
        bounds=settings.plugin_host.endpoints,
        plugins=plugins,
        snapshot=snapshots.get,
        acceptor=Acceptor(settings.gateway, snapshots.get, recorder, sweep),
        credentials=credentials,
        recorder=recorder,
        sweep=sweep,
        witness=witness,
    )


def _keeping(settings: Settings) -> Keeping:
    bodies = settings.gateway.bodies
    return Keeping(bodies.policy, BodyRedactor(bodies.redact), bodies.max_bytes)


def _event_builder(settings: Settings, boot: Boot, keeping: Keeping) -> EventBuilder:
    bodies = settings.gateway.bodies
    return EventBuilder(boot, bodies.max_bytes, settings.journal.max_exchange_bytes - _EVENT_OVERHEAD_BYTES, keeping)


def make_client(settings: UpstreamSettings) -> UpstreamClient:
    """The upstream client that the settings name."""
    limits = ClientLimits(max_connections_per_origin=settings.max_connections_per_origin)
    if settings.client == "aiohttp":
        from gateway.upstreams.aiohttp_client import AiohttpClient  # noqa: PLC0415 - a heavy import for the few

        return AiohttpClient(limits, ca_file=settings.ca_file)
    return LeanClient(limits, ca_file=settings.ca_file)
