"""A plugin's services, connected to a host that keeps what it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

from sluice.plugin_wire.go_plugin_pb2 import ConnInfo
from sluice.sdk.services import Scope, Services
from sluice.sdk.serving.services import ProcessServices
from tests.sluice.sdk.serving.harness import PLUGIN_ID, connected, host_of


@asynccontextmanager
async def asking(
    host: Services, folder: Path, scopes: tuple[Scope, ...] = get_args(Scope)
) -> AsyncIterator[ProcessServices]:
    """Over our own host's servicers."""
    async with host_of(host, f"{folder}/host", scopes) as address, connected() as (connection, services):
        connection.plugin_id, connection.broker_id = PLUGIN_ID, 1
        await connection.announcements.put("host", ConnInfo(service_id=1, network="unix", address=address))
        yield services
