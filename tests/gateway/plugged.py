"""The flow's gateway before a scripted vendor, its LLM with a test's own plugins."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from tests.contracts.scripted_upstream import ScriptedUpstream
from tests.gateway.flow import Flow, running
from tests.gateway.test_respond import Vendor

Plugins = Mapping[type, Mapping[str, Any]]
"""Plugin classes in order, each with what its registration says besides."""


def registered(plugins: Plugins) -> list[dict[str, Any]]:
    """Their registrations."""
    return [
        {"id": at, "name": plugin.__name__, "command": f"python://{plugin.__module__}:{plugin.__name__}", **options}
        for at, (plugin, options) in enumerate(plugins.items(), 1)
    ]


def plugged_sections(base_url: str, plugins: Plugins, **llm: Any) -> dict[str, Any]:
    """Settings of one LLM with these plugins."""
    names = [plugin.__name__ for plugin in plugins]
    demo = {"id": 1, "slug": "demo", "base_url": base_url, "api_key": "vendor-key", "plugins": names}
    apps = [{"id": 1, "name": "tests", "user_id": 7, "llms": ["demo"]}, {"id": 2, "name": "stranger"}]
    return {"plugins": registered(plugins), "llms": [{**demo, **llm}], "apps": apps}


@contextlib.asynccontextmanager
async def plugged(
    folder: Path, plugins: Plugins, *, llm: Mapping[str, Any] | None = None, **sections: Any
) -> AsyncIterator[tuple[Flow, Vendor]]:
    """A gateway whose LLM ``demo`` has these plugins."""
    vendor = Vendor()
    async with ScriptedUpstream(vendor.serve) as upstream:
        url = f"http://{upstream.origin.host}:{upstream.origin.port}/v1"
        settings = {**plugged_sections(url, plugins, **(llm or {})), **sections}
        async with running(folder, url, **settings) as flow:
            yield flow, vendor
