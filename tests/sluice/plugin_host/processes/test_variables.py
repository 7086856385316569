"""A plugin's environment has what programs need, and nothing of ours."""

from __future__ import annotations

import pytest

from sluice.plugin_host.processes.variables import plugin_environment
from sluice.sdk.context import Runtime

HOST = {
    "PATH": "/bin",
    "LC_ALL": "C.UTF-8",
    "HTTPS_PROXY": "http://proxy:3128",
    "DATABASE_URL": "postgresql://user:password@host/db",
    "OPENAI_API_KEY": "sk-1",
    "SLUICE_MASTER_KEY": "k",
    "AWS_SECRET_ACCESS_KEY": "s",
    "PLUGIN_CLIENT_CERT": "c",
    "LD_PRELOAD": "x.so",
    "PYTHONPATH": "/ours",
    "GATEWAY_MODE": "standalone",
}


def test_secrets_of_the_gateway_stay_with_it() -> None:
    """What is not on the list is not passed, whatever it is."""
    given = plugin_environment(HOST, "gateway", "/run/s")
    ours = {name for name in given if name.startswith(("PLUGIN_", "AI_STUDIO_", "SLUICE_"))}
    assert set(given) - ours == {"PATH", "LC_ALL", "HTTPS_PROXY"}
    assert ours == {
        "AI_STUDIO_PLUGIN",
        "PLUGIN_PROTOCOL_VERSIONS",
        "PLUGIN_RUNTIME",
        "PLUGIN_UNIX_SOCKET_DIR",
        "SLUICE_PLUGIN_RUNTIME",
    }


@pytest.mark.parametrize(("runtime", "known"), [("gateway", "gateway"), ("collector", "gateway"), ("studio", "studio")])
def test_peers_are_told_a_runtime_that_they_know(runtime: Runtime, known: str) -> None:
    """A collector's services are the gateway's; plugins of ours are told which it is."""
    given = plugin_environment({}, runtime, "/run/s")
    assert (given["PLUGIN_RUNTIME"], given["SLUICE_PLUGIN_RUNTIME"]) == (known, runtime)
    assert given["AI_STUDIO_PLUGIN"] == "v1"
    assert given["PLUGIN_UNIX_SOCKET_DIR"] == "/run/s"
