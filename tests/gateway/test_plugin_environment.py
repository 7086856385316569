"""What plugins of a worker stand in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.control.opening import prepare
from gateway.control.plane import open_plane
from gateway.plugin_environment import PluginEnvironment
from gateway.settings import Settings
from gateway.telemetry import GatewayMetrics
from schemas.topics import Topics
from sluice.sdk.errors import NotFound, ServiceUnavailable


async def test_every_service_of_a_gateway_is_there(tmp_path: Path) -> None:
    """In the runtime that it belongs to; nothing is made that no plugin uses."""
    settings = Settings(data_dir=tmp_path)
    await prepare(settings)
    environment = PluginEnvironment(settings, "w0", Topics(), GatewayMetrics())
    async with open_plane(settings, tmp_path / "sluice.yaml", list) as plane:
        services = environment.open(plane)
        assert not (tmp_path / "plugins.db").exists()
        running = asyncio.ensure_future(environment.run())  # noqa: TID251 - ended below
        own = services(7, "mine", "gateway")
        assert await own.kv.write("a", b"1")
        assert await own.kv.read("a") == b"1"
        assert (await own.gateway().get_license_info()).license_valid
        with pytest.raises(NotFound):
            await own.gateway().get_app(99_999)
        with pytest.raises(ServiceUnavailable):
            own.studio()
        assert len(await services(7, "mine", "studio").studio().list_apps()) == 1  # the one of the first admin token
        assert await own.gateway().send_to_control_json({"a": 1}) == 1
        running.cancel()
        await asyncio.wait([running])
    await environment.close()
    assert (tmp_path / "plugins.db").exists()
