"""The plugins of a worker: loaded once, chained for each LLM, shut down with the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.snapshot import Chains
from sluice.plugin_host.answers import Limits
from sluice.plugin_host.host import PluginHost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gateway.settings import Settings


class WorkerPlugins:
    """``start`` once, ``chains`` for each snapshot, ``close`` once; ``close`` also where ``start`` raised."""

    def __init__(self) -> None:
        self._host: PluginHost | None = None
        self._names: Mapping[str, tuple[str, ...]] = {}

    async def start(self, settings: Settings, folder: Path) -> None:
        """Load and initialise; raises PluginLoadError. Relative paths begin in ``folder``."""
        limits = Limits(max_body_bytes=max(settings.gateway.max_request_bytes, settings.gateway.max_response_bytes))
        self._host = PluginHost(folder, limits)
        self._names = {llm.slug: llm.plugins for llm in settings.llms}
        await self._host.start(settings.plugins)

    def chains(self) -> dict[str, Chains]:
        """The chains of every LLM, by slug."""
        host = self._host
        if host is None:
            return {}
        return {
            slug: Chains(
                host.chain(names, "pre_auth"),
                host.chain(names, "post_auth"),
                host.chain(names, "response_headers"),
                host.chain(names, "response_body"),
            )
            for slug, names in self._names.items()
        }

    async def close(self) -> None:
        """Shut every plugin down."""
        if self._host is not None:
            await self._host.close()
