"""How the plugins of a process are, for whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sluice.plugin_host.gate import BreakerState
from sluice.plugin_host.loaded import LoadedPlugin
from sluice.plugin_host.registration import PluginRegistration
from sluice.plugin_host.running import Where
from sluice.plugin_host.tally import HookFigures
from sluice.sdk.capabilities import Hook

Status = Literal["ready", "loading", "failed"]


@dataclass(frozen=True, slots=True)
class PluginHealth:
    """How one instance is; ``status`` is of the last attempt to load it, or of its process."""

    key: str
    plugin_id: int
    name: str
    status: Status
    error: str
    is_serving: bool
    """Whether it acts; where it failed, whether the one before it does."""
    attempted_at: int
    """Micros of the epoch."""
    load_micros: int
    failures: int
    """Of its hooks, since it was loaded."""
    command: str = ""
    version: str = ""
    where: Where = "in_process"
    hooks: tuple[Hook, ...] = ()
    """At which it acts."""
    pid: int | None = None
    """Of its process, where it has one of its own."""
    restarts: int = 0
    """Of its process."""
    since: int = 0
    """Micros of the epoch: since when it is as it is."""
    breaker: BreakerState = "closed"
    breaker_openings: int = 0
    under_way: int = 0
    """Hooks that wait for something now."""
    calls: int = 0
    not_called: int = 0
    """Exchanges that found its breaker open or too many calls under way."""
    oversized: int = 0
    """Bodies that its protocol could not carry."""
    skipped_streams: int = 0
    """Streams that passed by it (``on_stream: skip``)."""
    blocked_loop: int = 0
    """Calls that kept every other exchange of the worker waiting for more than 100 ms."""
    figures: Mapping[Hook, HookFigures] = field(default_factory=dict)
    """Calls and times of each hook."""
    endpoints: tuple[str, ...] = ()
    """``GET /plugins/slug/path`` …"""


def health_of(
    key: str,
    registration: PluginRegistration,
    loaded: LoadedPlugin | None,
    *,
    error: str = "",
    is_loading: bool = False,
    attempted_at: int = 0,
    load_micros: int = 0,
) -> PluginHealth:
    """Of an instance; ``loaded`` is what serves in its place, if anything."""
    status: Status = "loading" if is_loading else "failed" if error else "ready"
    if loaded is None:
        return PluginHealth(
            key, registration.id, registration.name, status, error, False, attempted_at, load_micros, 0,
            command=registration.command,
        )  # fmt: skip
    described, condition, gate = loaded.running.described, loaded.running.condition(), loaded.gate
    figures = {hook: link.tally.figures() for hook, link in loaded.links.items()}
    each = figures.values()
    return PluginHealth(
        key=key,
        plugin_id=registration.id,
        name=registration.name,
        status=condition.status if status == "ready" else status,
        error=error or condition.error,
        is_serving=True,
        attempted_at=attempted_at,
        load_micros=load_micros,
        failures=sum(hook.failures for hook in each),
        command=registration.command,
        version=described.version,
        where=described.where,
        hooks=tuple(loaded.links),
        pid=described.pid,
        restarts=condition.restarts,
        since=condition.since,
        breaker=gate.state,
        breaker_openings=gate.openings,
        under_way=gate.under_way,
        calls=sum(hook.calls for hook in each),
        not_called=sum(hook.not_called for hook in each),
        oversized=sum(hook.oversized for hook in each),
        skipped_streams=sum(hook.skipped_streams for hook in each),
        blocked_loop=sum(hook.blocked_loop for hook in each),
        figures=figures,
        endpoints=tuple(
            f"{method} /plugins/{loaded.slug}{endpoint.path}"
            for endpoint in loaded.endpoints
            for method in endpoint.methods
        ),
    )
