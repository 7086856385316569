"""Opens a plugin of ``file://`` or ``grpc://``: started, asked what it is, its configuration checked."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sluice.plugin_host.config_schema import config_by_schema
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.opening import Opening
from sluice.plugin_host.processes.describing import ask
from sluice.plugin_host.processes.faults import RemoteFault
from sluice.plugin_host.processes.remote import RemotePlugin
from sluice.plugin_host.processes.starting import attach_process, start_process
from sluice.plugin_host.registration import PluginRegistration, scheme_of
from sluice.plugin_host.running import RunningPlugin, Where


async def open_remote(registration: PluginRegistration, opening: Opening) -> RunningPlugin:
    """The plugin, running and configured, not yet initialised; ``shutdown`` ends it. Raises PluginLoadError."""
    is_ours = scheme_of(registration.command) == "file"
    start = partial(start_process if is_ours else attach_process, registration, opening)
    where: Where = "process" if is_ours else "attached"
    life = await start()
    try:
        described = replace(await ask(registration, life.calls, where), pid=life.child.pid if life.child else None)
        config = config_by_schema(registration.name, described.config_schema or {}, registration.config)
        return RemotePlugin(registration, described, config, opening, start, life)
    except RemoteFault as error:
        await life.close("it could not be asked what it is")
        remedy = "see what the plugin logs"
        raise PluginLoadError(registration.name, f"it does not say what it is: {error}", remedy) from error
    except BaseException:
        await life.close("it could not be loaded")
        raise
