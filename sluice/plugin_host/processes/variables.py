"""What a plugin's process finds in its environment: what any program needs, and none of the gateway's secrets.

A proxy's address is needed by any program too, and is passed on with whatever password is in it.

The gateway's own environment holds keys of vendors and the master key; a plugin gets what its ``config`` says, where
an operator can write ``${VARIABLE}``.
"""

from __future__ import annotations

from collections.abc import Mapping

from sluice.sdk.context import Runtime

COOKIE = ("AI_STUDIO_PLUGIN", "v1")
"""By which an executable knows that it was started as a plugin."""

SOCKETS = "PLUGIN_UNIX_SOCKET_DIR"
"""Where its sockets are to lie."""

PASSED = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH"),
        *("GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK"),
    )
)
"""What is passed on where it is set; so is every ``LC_`` variable."""


def plugin_environment(host: Mapping[str, str], runtime: Runtime, sockets: str) -> dict[str, str]:
    """The whole environment of a plugin whose sockets are to lie in a folder.

    The protocol knows two runtimes: a collector's services are the gateway's.
    """
    passed = {name: value for name, value in host.items() if name in PASSED or name.startswith("LC_")}
    return passed | {
        COOKIE[0]: COOKIE[1],
        "PLUGIN_PROTOCOL_VERSIONS": "1",
        "PLUGIN_RUNTIME": "studio" if runtime == "studio" else "gateway",
        SOCKETS: sockets,
        "SLUICE_PLUGIN_RUNTIME": runtime,
    }
