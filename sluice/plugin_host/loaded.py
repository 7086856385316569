"""A plugin that serves, and how the operator wants it to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sluice.plugin_host.gate import Gate
from sluice.plugin_host.link import Link
from sluice.plugin_host.registration import Instance, PluginRegistration
from sluice.plugin_host.running import RunningPlugin
from sluice.sdk.capabilities import Hook
from sluice.sdk.context import Context, ExchangeFacts, Runtime
from sluice.sdk.endpoints import EndpointRegistration
from sluice.sdk.services import Services


@dataclass(slots=True, eq=False, kw_only=True)
class LoadedPlugin:
    """One life of a plugin. Complete before its first exchange, and the same until its last."""

    instance: Instance
    registration: PluginRegistration
    """The instance's; with the manifest's ``hook_types`` where the operator named none."""
    running: RunningPlugin
    services: Services
    runtime: Runtime = "gateway"
    edge_id: str = ""
    edge_namespace: str = ""
    gate: Gate = field(default_factory=Gate)
    links: Mapping[Hook, Link] = field(default_factory=dict)
    """Where it acts: the hooks it implements and the operator wants."""
    endpoints: tuple[EndpointRegistration, ...] = ()
    """Checked; empty where it has none, or the operator does not want them."""
    slug: str = ""
    """Where its endpoints are: below ``/plugins/{slug}``."""

    @property
    def key(self) -> str:
        """Of its instance."""
        return self.instance.key

    @property
    def plugin_id(self) -> int:
        """Of its registration."""
        return self.registration.id

    @property
    def name(self) -> str:
        """What events and logs call it."""
        return self.registration.name

    @property
    def collects(self) -> bool:
        """Whether events may be given to it."""
        return bool(self.running.described.collects) and self.registration.wants_type("data_collection")

    def context(self, facts: ExchangeFacts | None = None) -> Context:
        """For calls that belong to no exchange of an LLM; ``facts`` are completed with what the gateway is."""
        if facts is None:
            facts = ExchangeFacts()
        facts.edge_id, facts.edge_namespace = self.edge_id, self.edge_namespace
        return Context(facts, self.services, self.runtime, self.key)
