"""The plugins of a worker: loaded for the LLMs that they are attached to, chained for each, replaced while it serves.

A plugin is one instance for all LLMs that attach it as it is; an attachment with a configuration of its own, or for
one app, is an instance of its own. One that cannot be loaded leaves the one before it in its place; where there is
none, its exchanges are refused or go on without it, as its ``on_failure`` says. At the start those of ``sluice.yaml``
must load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.snapshot import NOTHING, Chains
from sluice.plugin_host.answers import Limits
from sluice.plugin_host.host import LoadedPlugin, PluginHealth, PluginHost
from sluice.plugin_host.registration import Instance, PluginRegistration

if TYPE_CHECKING:
    from gateway.control.entities import Attachment, LlmEntity, PluginEntity
    from gateway.settings import Settings


class WorkerPlugins:
    """``start`` once, ``chains`` for each LLM, ``close`` once; ``close`` also where ``start`` raised."""

    def __init__(self) -> None:
        self._host: PluginHost | None = None
        self._plugins: Mapping[int, PluginEntity] = {}

    async def start(
        self, settings: Settings, folder: Path, llms: Mapping[int, LlmEntity], plugins: Mapping[int, PluginEntity]
    ) -> None:
        """Load and initialise; raises PluginLoadError for the first of the file's that cannot serve. Relative paths
        begin in ``folder``."""
        limits = Limits(max_body_bytes=max(settings.gateway.max_request_bytes, settings.gateway.max_response_bytes))
        host = self._host = PluginHost(folder, limits)
        self._plugins = plugins
        instances = list(instances_of(llms, plugins))
        files = {plugin.id for plugin in plugins.values() if plugin.managed_by == "file"}
        await host.start(instance for instance in instances if instance.registration.id in files)
        await host.reconcile(instances)

    def take(self, plugins: Mapping[int, PluginEntity]) -> None:
        """From now on ``chains`` knows these: an LLM with one that is not loaded as it is here has none yet."""
        self._plugins = plugins

    async def reconcile(self, llms: Mapping[int, LlmEntity]) -> list[LoadedPlugin]:
        """Load what these LLMs need now; returns what nobody needs any more, for ``retire``."""
        return await self._serving().reconcile(list(instances_of(llms, self._plugins)))

    async def retire(self, plugins: list[LoadedPlugin]) -> None:
        """Shut these down."""
        await self._serving().retire(plugins)

    def chains(self, llm: LlmEntity) -> Chains | None:
        """The chains of an LLM; ``None`` while one of its plugins is not loaded as it should be."""
        if not llm.attachments:
            return Chains()
        if any(attachment.plugin_id not in self._plugins for attachment in llm.attachments):
            return None
        attached = [(instance, app_id) for instance, app_id in _attached(llm, self._plugins)]
        if not attached:
            return Chains()
        if self._host is None or not all(self._host.is_settled(instance) for instance, _ in attached):
            return None
        apps = {app_id for _, app_id in attached if app_id is not None}
        by_app = {app_id: self._chained(attached, app_id) for app_id in sorted(apps)}
        return self._chained(attached, None, by_app or NOTHING)

    def _chained(
        self, attached: list[tuple[Instance, int | None]], app_id: int | None, by_app: Mapping[int, Chains] = NOTHING
    ) -> Chains:
        keys = [instance.key for instance, only in attached if only is None or only == app_id]
        chain = self._serving().chain
        return Chains(
            chain(keys, "pre_auth"),
            chain(keys, "post_auth"),
            chain(keys, "response_headers"),
            chain(keys, "response_body"),
            by_app,
        )

    def health(self) -> list[PluginHealth]:
        """Of every instance in this worker."""
        return [] if self._host is None else self._host.health()

    async def try_out(self, plugin: PluginEntity, config: dict[str, Any] | None = None) -> None:
        """Load a plugin beside those that serve, and shut it down; raises PluginLoadError."""
        await self._serving().try_out(registration_of(plugin, config))

    async def close(self) -> None:
        """Shut every plugin down."""
        if self._host is not None:
            await self._host.close()

    def _serving(self) -> PluginHost:
        if self._host is None:
            message = "the plugins of this worker were not started"
            raise RuntimeError(message)
        return self._host


def instances_of(llms: Mapping[int, LlmEntity], plugins: Mapping[int, PluginEntity]) -> Iterator[Instance]:
    """What must be loaded: every active plugin as it is, unless it is attached in other ways alone, and those.

    One that nobody uses is loaded too: its faults are seen when it is made, not when it is first attached.
    """
    attached: dict[str, Instance] = {}
    for llm in llms.values():
        if llm.is_active:
            attached.update({instance.key: instance for instance, _ in _attached(llm, plugins)})
    used = {instance.registration.id for instance in attached.values()}
    for plugin in plugins.values():
        shared = _shared(plugin)
        if plugin.is_active and (plugin.id not in used or shared.key in attached):
            yield attached.pop(shared.key, shared)
    yield from attached.values()


def registration_of(plugin: PluginEntity, config: Mapping[str, Any] | None = None) -> PluginRegistration:
    """The plugin as its host knows it. Not validated: what is wrong with it is a failure to load."""
    return PluginRegistration.model_construct(
        id=plugin.id,
        name=plugin.slug,
        command=plugin.command,
        checksum=plugin.checksum,
        hook_types=plugin.hook_types,
        config=dict(plugin.config if config is None else config),
        timeout_ms=plugin.timeout_ms,
        on_failure=plugin.on_failure,
    )


def _attached(llm: LlmEntity, plugins: Mapping[int, PluginEntity]) -> Iterator[tuple[Instance, int | None]]:
    """The active attachments of an LLM in order, each with the app that it is for."""
    times: dict[str, int] = {}
    for attachment in llm.attachments:
        plugin = plugins.get(attachment.plugin_id)
        if plugin is None or not plugin.is_active or not attachment.is_active:
            continue
        if attachment.config is None and attachment.app_id is None:
            yield _shared(plugin), None
        else:
            yield _own(llm, attachment, plugin, times), attachment.app_id


def _shared(plugin: PluginEntity) -> Instance:
    return Instance(str(plugin.id), registration_of(plugin), plugin.version)


def _own(llm: LlmEntity, attachment: Attachment, plugin: PluginEntity, times: dict[str, int]) -> Instance:
    """Its key is its place: where its configuration changes, the one before it serves until the new one does."""
    key = f"{plugin.id}@{llm.id}.{attachment.app_id or 'all'}"
    times[key] = times.get(key, 0) + 1
    return Instance(f"{key}.{times[key]}", registration_of(plugin, attachment.config), plugin.version)
