"""The services that plugins get in this process."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from sluice.sdk.services import Logger


@dataclass(frozen=True, slots=True)
class HostServices:
    """What one plugin's contexts hand out."""

    logger: Logger


def services_of(plugin_id: int, plugin: str) -> HostServices:
    """Services that know whose they are."""
    return HostServices(structlog.get_logger("sluice.plugin").bind(plugin=plugin, plugin_id=plugin_id))
