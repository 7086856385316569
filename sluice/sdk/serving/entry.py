"""How an author's file becomes a process: ``serve``. Light, since a plugin in the gateway's process imports it too."""

from __future__ import annotations

import sys
from typing import Any

from sluice.sdk.plugin import BasePlugin


def serve(plugin: BasePlugin[Any], *, address: str = "", certificate: str = "", key: str = "", token: str = "") -> None:
    """Make this process the plugin; returns when its host ends it. Exits with 1, and says why, where it cannot.

    A host that runs this file with ``file://`` needs nothing else. With ``address`` (``host:port``, or ``--address`` on
    the command line) it listens there, to be attached as ``grpc://host:port``; beyond this machine that takes a
    ``certificate`` and its ``key`` (files, PEM) and a ``token`` (``env:NAME`` or ``file:PATH``) that hosts must show.
    """
    try:
        from sluice.sdk.serving.launch import Options  # noqa: PLC0415 - gRPC, for processes alone
        from sluice.sdk.serving.process import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"grpc", "google"}:
            raise
        print(f"no module {error.name}: run pip install 'sluice-gateway[plugins]'", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None
    run(plugin, Options(address=address, certificate=certificate, key=key, token=token))
