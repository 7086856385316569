"""What a collector's plugins get: the host's key-value store and HTTP, and a plain word where there is nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.plugin_services import CollectorServices
from collectors.settings import ControlSettings
from sluice.plugin_host.settings import KvSettings
from sluice.sdk.errors import ServiceUnavailable


async def test_two_of_one_id_share_their_store(tmp_path: Path) -> None:
    """A gateway's plugin and its collector have no memory in common: what one writes the other reads."""
    one, other = (
        CollectorServices(tmp_path, KvSettings(), ControlSettings()),
        CollectorServices(tmp_path, KvSettings(), ControlSettings()),
    )
    await one.sources.services_of(7, "p", "gateway").kv.write("key", b"value")
    assert await other.sources.services_of(7, "p", "collector").kv.read("key") == b"value"
    await one.close()
    await other.close()


async def test_nothing_is_made_before_it_is_used(tmp_path: Path) -> None:
    """A collector whose plugin keeps nothing leaves no file."""
    services = CollectorServices(tmp_path / "data", KvSettings(), ControlSettings())
    services.sources.services_of(7, "p", "collector")
    await services.close()
    assert not (tmp_path / "data").exists()


async def test_connections_are_closed_with_it(tmp_path: Path) -> None:
    """A client that a plugin kept reaches nobody any more."""
    services = CollectorServices(tmp_path, KvSettings(), ControlSettings())
    client = services.sources.services_of(7, "p", "collector").http
    await services.close()
    assert services._http._owner is None
    with pytest.raises(RuntimeError, match="closed"):
        await client.get("http://127.0.0.1:1")


async def test_there_is_neither_gateway_nor_control_side(tmp_path: Path) -> None:
    """Asking for them says so by name."""
    services = CollectorServices(tmp_path, KvSettings(), ControlSettings())
    own = services.sources.services_of(7, "p", "collector")
    with pytest.raises(ServiceUnavailable, match="gateway"):
        own.gateway()
    with pytest.raises(ServiceUnavailable, match="studio"):
        own.studio()
    await services.close()


async def test_with_a_control_api_there_is_a_gateway_to_ask(tmp_path: Path) -> None:
    """Nothing is connected for it; still there is no control side."""
    control = ControlSettings.model_validate({"url": "http://127.0.0.1:1", "token": "t"})
    services = CollectorServices(tmp_path, KvSettings(), control)
    own = services.sources.services_of(7, "p", "collector")
    with pytest.raises(ServiceUnavailable, match=r"control\.url"):
        await own.gateway().get_app(1)
    with pytest.raises(ServiceUnavailable, match="studio"):
        own.studio()
    await services.close()
