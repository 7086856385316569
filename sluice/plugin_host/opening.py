"""From a registration to a plugin that runs, wherever its command says that it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.local import open_local
from sluice.plugin_host.registration import COMMAND_REMEDY, PluginRegistration, misfit, scheme_of
from sluice.plugin_host.settings import PluginHostSettings
from sluice.sdk.context import Runtime

if TYPE_CHECKING:
    from sluice.plugin_host.running import RunningPlugin
    from sluice.sdk.services import Services

EXTRA_REMEDY = "pip install 'sluice-gateway[plugins]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What opening a plugin needs besides its registration."""

    folder: Path
    """Where relative paths begin: the settings file's."""
    settings: PluginHostSettings
    services: Services
    """This plugin's own."""
    runtime: Runtime
    edge_id: str = ""
    edge_namespace: str = ""
    data_dir: Path
    """For what must lie in private folders, such as sockets."""


async def open_plugin(registration: PluginRegistration, opening: Opening) -> RunningPlugin:
    """The plugin, made and configured, not yet initialised. Raises PluginLoadError."""
    scheme = scheme_of(registration.command)
    if scheme is None:
        raise PluginLoadError(registration.name, f"{registration.command!r} is no plugin", COMMAND_REMEDY)
    if problem := misfit(registration):
        raise PluginLoadError(registration.name, *problem.split("; ", 1))
    if scheme in {"python", "py_file"}:
        return await open_local(registration, opening.folder)
    try:
        from sluice.plugin_host.processes.opening import open_remote  # noqa: PLC0415 - gRPC, for those who use it
    except ImportError as error:
        problem = f"{scheme}:// plugins need what is not installed ({error.name})"
        raise PluginLoadError(registration.name, problem, EXTRA_REMEDY) from error
    return await open_remote(registration, opening)
