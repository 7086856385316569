"""Tests of ``sluice.plugin_host.http_pool``: nothing is loaded, opened or closed for plugins that call nobody."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from sluice.plugin_host.http_pool import HttpPool
from sluice.sdk.errors import ServiceUnavailable


async def test_a_pool_that_was_not_used_is_closed_all_the_same() -> None:
    """Also twice."""
    pool = HttpPool()
    await pool.close()
    assert isinstance(pool.client(), httpx.AsyncClient)
    await pool.close()
    await pool.close()


def test_every_plugin_has_a_client_of_its_own() -> None:
    """What one sets on it is not the other's."""
    pool = HttpPool()
    assert pool.client() is not pool.client()


def test_without_httpx_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ``ImportError`` is no error of a service."""
    monkeypatch.setitem(sys.modules, "sluice.sdk.http_client", None)
    with pytest.raises(ServiceUnavailable, match=r"pip install 'sluice-gateway\[plugins\]'"):
        HttpPool().client()


def test_a_process_whose_plugins_call_nobody_never_loads_httpx() -> None:
    """Nor gRPC, by having services to offer."""
    code = (
        "import sys; from sluice.plugin_host.services import *; from sluice.plugin_host.http_pool import *;"
        "ServiceSources(http=HttpPool()).services_of(1, 'a', 'gateway');"
        "sys.exit(any(name in sys.modules for name in ('httpx', 'grpc', 'google.protobuf')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
