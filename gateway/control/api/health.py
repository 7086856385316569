"""How what the control API stands on is doing, for ``/health/detailed``: states and counts, no addresses, no texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.control.api.plugin_views import by_plugin, state_of, summary_of
from gateway.control.errors import ControlError

if TYPE_CHECKING:
    from gateway.control.api.services import ControlServices


async def detailed_health(services: ControlServices) -> dict[str, Any]:
    """``status`` is ``healthy`` where the control database can be read; plugins that failed are told, and no more."""
    found = by_plugin(services.plugins.health())
    summary = summary_of([state_of(instances) for instances in found.values()]).model_dump()
    plugins = {"summary": summary, "all_ready": summary["all_ready"]}
    try:
        generation = await services.store.generation()
    except ControlError as error:
        database: dict[str, Any] = {"status": "unhealthy", "error": type(error).__name__}
        return {"service": "sluice", "status": "unhealthy", "database": database, "plugins": plugins}
    database = {"status": "healthy", "generation": generation}
    return {"service": "sluice", "status": "healthy", "database": database, "plugins": plugins}
