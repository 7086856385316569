"""The plugins of a worker: loaded for the LLMs that they are attached to, chained for each, replaced while it serves.

A plugin is one instance for all LLMs and apps that attach it as it is; an attachment with a configuration of its own is
an instance of its own. One that cannot be loaded leaves the one before it in its place; where there is none, its
exchanges are refused or go on without it, as its ``on_failure`` says. At the start those of ``sluice.yaml`` must load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.snapshot import NOTHING, Chains
from sluice.plugin_host.answers import Limits
from sluice.plugin_host.host import LoadedPlugin, PluginHealth, PluginHost
from sluice.plugin_host.registration import Instance, Placement, PluginRegistration
from sluice.plugin_host.services import ServicesFactory, bare_services

if TYPE_CHECKING:
    from gateway.control.entities import Attachment, LlmEntity, PluginEntity
    from gateway.settings import Settings
    from gateway.snapshot import Llm
    from sluice.plugin_host.chain import Link
    from sluice.plugin_host.running import Described


class WorkerPlugins:
    """``start`` once, ``chains`` for each LLM, ``run`` beside the server, ``close`` once; ``close`` also where
    ``start`` raised."""

    def __init__(self) -> None:
        self._host: PluginHost | None = None
        self._plugins: Mapping[int, PluginEntity] = {}
        self._shared: Mapping[int, Instance] = NOTHING
        """What LLMs share that attach a plugin as it is, by its id: made once, and not for each of them."""
        self._endpoints: Mapping[str, LoadedPlugin] = NOTHING
        self._receivers: Mapping[int, LoadedPlugin] = NOTHING

    async def start(
        self,
        settings: Settings,
        folder: Path,
        llms: Mapping[int, LlmEntity],
        plugins: Mapping[int, PluginEntity],
        services: ServicesFactory = bare_services,
    ) -> None:
        """Load and initialise; raises PluginLoadError for the first of the file's that cannot serve. Relative paths
        begin in ``folder``."""
        own = settings.gateway
        host = self._host = PluginHost(
            folder,
            Limits(max_body_bytes=max(own.max_request_bytes, own.max_response_bytes)),
            services=services,
            settings=settings.plugin_host,
            edge_id=own.id,
            edge_namespace=own.namespace,
            data_dir=settings.data_dir,
        )
        self.take(plugins)
        instances = list(self._instances(llms))
        files = {plugin.id for plugin in plugins.values() if plugin.managed_by == "file"}
        await host.start(instance for instance in instances if instance.registration.id in files)
        await host.reconcile(instances)
        self._look_again()

    async def run(self) -> None:
        """Keep plugins alive until it is cancelled; behind ``start``."""
        await self._serving().run()

    @property
    def endpoints(self) -> Mapping[str, LoadedPlugin]:
        """Plugins with endpoints, by slug; another object whenever it changes."""
        return self._endpoints

    @property
    def receivers(self) -> Mapping[int, LoadedPlugin]:
        """Plugins that take payloads from edges, by id; another object whenever it changes."""
        return self._receivers

    def take(self, plugins: Mapping[int, PluginEntity]) -> None:
        """From now on ``chains`` knows these: an LLM with one that is not loaded as it is here has none yet."""
        before, self._plugins = self._plugins, plugins
        self._shared = {
            plugin.id: self._shared[plugin.id] if before.get(plugin.id) is plugin else _instance(plugin)
            for plugin in plugins.values()
            if plugin.is_active
        }

    async def reconcile(self, llms: Mapping[int, LlmEntity]) -> list[LoadedPlugin]:
        """Load what these LLMs need now; returns what nobody needs any more, for ``retire``."""
        retired = await self._serving().reconcile(list(self._instances(llms)))
        self._look_again()
        return retired

    def retry_seconds(self) -> float | None:
        """Until ``reconcile`` tries again what could not be loaded; ``None`` where there is nothing to try."""
        return None if self._host is None else self._host.retry_seconds()

    def failed(self) -> set[int]:
        """The ids of plugins of which an instance could not be loaded."""
        return {health.plugin_id for health in self.health() if health.status == "failed"}

    async def retire(self, plugins: list[LoadedPlugin]) -> None:
        """Shut these down."""
        await self._serving().retire(plugins)

    def chains(self, llm: LlmEntity) -> Chains | None:
        """The chains of an LLM; ``None`` while one of its plugins is not loaded as it should be."""
        if not llm.attachments:
            return Chains()
        if any(attachment.plugin_id not in self._plugins for attachment in llm.attachments):
            return None
        attached = list(self._attached(llm))
        if not attached:
            return Chains()
        if self._host is None or not all(self._host.is_settled(instance) for instance, _ in attached):
            return None
        places = [place for _, place in attached]
        apps = {place.app_id for place in places if place.app_id is not None}
        by_app = {app_id: self._chained(places, app_id) for app_id in sorted(apps)}
        return self._chained(places, None, by_app or NOTHING)

    def _chained(self, places: list[Placement], app_id: int | None, by_app: Mapping[int, Chains] = NOTHING) -> Chains:
        host = self._serving()
        own = [place for place in places if place.app_id is None or place.app_id == app_id]
        streams = host.stream_plan(own)
        return Chains(
            pre_auth=host.chain(own, "pre_auth"),
            auth=host.auth_chain(places) if app_id is None else None,
            post_auth=host.chain(own, "post_auth"),
            response_headers=host.chain(own, "response_headers"),
            response_body=host.chain(own, "response_body"),
            stream_chunks=streams.chunks,
            stream_whole=streams.whole,
            stream_refused_by=streams.refused_by,
            stream_skipped=streams.skipped,
            stream_complete=host.chain(own, "stream_complete"),
            by_app=by_app,
        )

    def health(self) -> list[PluginHealth]:
        """Of every instance in this worker."""
        return [] if self._host is None else self._host.health()

    async def try_out(self, plugin: PluginEntity, config: dict[str, Any] | None = None) -> Described:
        """Load a plugin beside those that serve, shut it down, and tell what it said of itself; raises
        PluginLoadError."""
        return await self._serving().try_out(registration_of(plugin, config))

    async def close(self) -> None:
        """Shut every plugin down."""
        if self._host is not None:
            await self._host.close()

    def _instances(self, llms: Mapping[int, LlmEntity]) -> Iterator[Instance]:
        """What must be loaded: every active plugin as it is, unless it is attached in other ways alone, and those.

        One that nobody uses is loaded too: its faults are seen when it is made, not when it is first attached.
        """
        attached: dict[str, Instance] = {}
        for llm in llms.values():
            if llm.attachments and llm.is_active:
                attached.update({instance.key: instance for instance, _ in self._attached(llm)})
        used = {instance.registration.id for instance in attached.values()}
        for plugin_id, shared in self._shared.items():
            if plugin_id not in used or shared.key in attached:
                yield attached.pop(shared.key, shared)
        yield from attached.values()

    def _attached(self, llm: LlmEntity) -> Iterator[tuple[Instance, Placement]]:
        """The active attachments of an LLM in order, each with its place."""
        times: dict[str, int] = {}
        for attachment in llm.attachments:
            shared = self._shared.get(attachment.plugin_id)
            if shared is None or not attachment.is_active:
                continue
            own = attachment.config is not None
            instance = _own(llm, attachment, self._plugins[attachment.plugin_id], times) if own else shared
            turn = times.get(instance.key, 0)
            times[instance.key] = turn + 1
            yield instance, Placement(instance.key, attachment.on_stream, attachment.app_id, turn)

    def _look_again(self) -> None:
        """One of each plugin: the instance that is nobody's own where there is one, else the first."""
        loaded = sorted(self._serving().plugins, key=lambda each: each.key != str(each.plugin_id))
        endpoints = {each.slug: each for each in reversed(loaded) if each.endpoints}
        receivers = {each.plugin_id: each for each in reversed(loaded) if each.running.described.receives_payloads}
        if endpoints != self._endpoints:
            self._endpoints = endpoints
        if receivers != self._receivers:
            self._receivers = receivers

    def _serving(self) -> PluginHost:
        if self._host is None:
            message = "the plugins of this worker were not started"
            raise RuntimeError(message)
        return self._host


def uses(llm: Llm | None, plugin: LoadedPlugin) -> bool:
    """Whether an exchange of this LLM may still call the plugin; one whose LLM is not known yet may."""
    if llm is None:
        return True
    seen = (llm, *llm.by_app.values())  # until its app is known an exchange may become any of them
    return any(link.running is plugin.running for each in seen for link in _links(each.chains))


def _links(chains: Chains) -> Iterator[Link]:
    found = (
        chains.pre_auth, chains.auth, chains.post_auth, chains.response_headers, chains.response_body,
        chains.stream_chunks, chains.stream_whole, chains.stream_complete,
    )  # fmt: skip
    for chain in found:
        if chain is not None:
            yield from chain.links


def registration_of(plugin: PluginEntity, config: Mapping[str, Any] | None = None) -> PluginRegistration:
    """The plugin as its host knows it. Not validated: what is wrong with it is a failure to load.

    Hooks that its manifest named, and no operator, are left to the manifest that it has now.
    """
    follows_manifest = plugin.manifest is not None and not plugin.hook_types_customized
    return PluginRegistration.model_construct(
        id=plugin.id,
        name=plugin.slug,
        command=plugin.command,
        checksum=plugin.checksum,
        hook_types=() if follows_manifest else plugin.hook_types,
        config=dict(plugin.config if config is None else config),
        timeout_ms=plugin.timeout_ms,
        on_failure=plugin.on_failure,
        on_stream=plugin.on_stream,
        on_oversize=plugin.on_oversize,
        max_concurrent=plugin.max_concurrent,
        breaker_failures=plugin.breaker_failures,
        breaker_pause_seconds=plugin.breaker_pause_seconds,
        service_scopes=plugin.service_scopes,
        token=plugin.token,
        ca_file=plugin.ca_file,
    )


def _instance(plugin: PluginEntity) -> Instance:
    return Instance(str(plugin.id), registration_of(plugin), plugin.version)


def _own(llm: LlmEntity, attachment: Attachment, plugin: PluginEntity, times: dict[str, int]) -> Instance:
    """Its key is its place: where its configuration changes, the one before it serves until the new one does."""
    key = f"{plugin.id}@{llm.id}.{attachment.app_id or 'all'}"
    times[key] = times.get(key, 0) + 1
    return Instance(f"{key}.{times[key]}", registration_of(plugin, attachment.config), plugin.version)
