"""Plugins: what each does, how long it takes, how often it fails, in which order they act; admins load one anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Request, Response

from gateway.console.answers import answer
from gateway.console.door import Changing, Looking, parts_of
from gateway.control.api.fields import MAX_ID
from gateway.control.api.plugin_views import by_plugin, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.control.entities import LlmEntity, PluginEntity
    from sluice.plugin_host.health import PluginHealth

router = APIRouter()
_PAGE = 100
MAX_SHOWN = 500


@router.get("/plugins")
async def list_plugins(_visitor: Looking, request: Request) -> Response:
    """Every plugin with its instances in the worker that answers, and the chain of each LLM."""
    services = parts_of(request).services
    plugins = await _all(services.store.plugins)
    llms = await _all(services.store.llms)
    found = by_plugin(services.plugins.health())
    names = {plugin.id: plugin.name for plugin in plugins}
    shown = {
        "plugins": [_shown(plugin, found.get(plugin.id, [])) for plugin in plugins],
        "chains": [chain for llm in llms if (chain := _chain(llm, names))],
        "cut": max(len(plugins), len(llms)) >= MAX_SHOWN,
    }
    return answer(shown)


@router.post("/plugins/{plugin_id}/reload")
async def reload_plugin(plugin_id: Annotated[int, Path(ge=1, le=MAX_ID)], who: Changing, request: Request) -> Response:
    """Load a plugin anew in every worker, with what its file says now."""
    services = parts_of(request).services
    plugin = await services.store.renew_plugin(plugin_id, who.actor)
    await services.refresh()
    return answer({"plugin": plugin.name})


async def _all(repository: Any) -> list[Any]:
    found: list[Any] = []
    for number in range(1, MAX_SHOWN // _PAGE + 1):
        page = await repository.find(page=number, limit=_PAGE)
        found += page.items
        if len(found) >= page.total:
            break
    return found


def _shown(plugin: PluginEntity, instances: Sequence[PluginHealth]) -> dict[str, Any]:
    """Without its configuration, which may hold credentials."""
    return {
        "id": plugin.id,
        "name": plugin.name,
        "slug": plugin.slug,
        "description": plugin.description,
        "command": plugin.command,
        "is_active": plugin.is_active,
        "hooks": list(plugin.hook_types),
        "timeout_ms": plugin.timeout_ms,
        "on_failure": plugin.on_failure or "by hook",
        "state": state_of(instances) if plugin.is_active else "inactive",
        "instances": [_instance(each) for each in instances],
    }


def _instance(health: PluginHealth) -> dict[str, Any]:
    plain = (
        "key", "status", "error", "is_serving", "attempted_at", "load_micros", "failures", "version", "where", "pid",
        "restarts", "since", "breaker", "breaker_openings", "under_way", "calls", "not_called",
    )  # fmt: skip
    figures = {hook: msgspec.structs.asdict(each) for hook, each in health.figures.items()}
    return {**{name: getattr(health, name) for name in plain}, "hooks": list(health.hooks), "figures": figures}


def _chain(llm: LlmEntity, names: dict[int, str]) -> dict[str, Any] | None:
    """The plugins of an LLM, in the order in which they act; nothing where it has none."""
    links = [
        {
            "id": each.plugin_id,
            "name": names.get(each.plugin_id, f"plugin {each.plugin_id}"),
            "is_active": each.is_active,
            "app_id": each.app_id,
        }
        for each in llm.attachments
    ]
    return {"llm": llm.name, "slug": llm.slug, "plugins": links} if links else None
