"""``ctx.services.studio()``: what the control side knows, from the control database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.plugin_services.records import app_of, llm_of

if TYPE_CHECKING:
    from gateway.control.store import ControlStore
    from gateway.plugin_services.asking import Asking
    from sluice.sdk.records import App, Llm


class PluginStudio:
    """Every plugin's ``StudioServices``: there is nothing of a plugin's own in it. Active or not, all are here."""

    def __init__(self, store: ControlStore, asking: Asking) -> None:
        self._store = store
        self._ask = asking

    async def list_llms(self, page: int = 1, limit: int = 10) -> Sequence[Llm]:
        """By id; at most 1,000 a page."""
        found = await self._ask("list_llms", lambda: self._store.llms.find(page=page, limit=limit))
        return [llm_of(entity) for entity in found.items]

    async def get_llm(self, llm_id: int) -> Llm:
        """Raises NotFound."""
        return llm_of(await self._ask("get_llm", lambda: self._store.llms.get(llm_id)))

    async def list_apps(self, page: int = 1, limit: int = 10) -> Sequence[App]:
        """By id; at most 1,000 a page."""
        found = await self._ask("list_apps", lambda: self._store.apps.find(page=page, limit=limit))
        return [app_of(entity) for entity in found.items]

    async def get_app(self, app_id: int) -> App:
        """Raises NotFound."""
        return app_of(await self._ask("get_app", lambda: self._store.apps.get(app_id)))
