"""How a plugin is opened that nobody serves with: with services in memory, from wherever its file lies."""

from __future__ import annotations

from pathlib import Path

from sluice.plugin_host.opening import Opening
from sluice.plugin_host.registration import PluginRegistration, scheme_of
from sluice.plugin_host.settings import PluginHostSettings, ProcessSettings
from sluice.sdk.services import Services

START_SECONDS = 5.0
"""For a process to come up, or to be reached."""


def trial_opening(registration: PluginRegistration, folder: Path, scratch: Path, services: Services) -> Opening:
    """Relative paths begin in ``folder``; sockets lie in ``scratch``."""
    path = registration.command.removeprefix("file://")
    allowed = (str(Path(path).parent),) if scheme_of(registration.command) == "file" else ()
    process = ProcessSettings(start_timeout_seconds=START_SECONDS)
    return Opening(
        folder=folder,
        settings=PluginHostSettings(allowed_directories=allowed, process=process),
        services=services,
        runtime="gateway",
        data_dir=scratch,
    )
