"""The services of a plugin that runs in a process of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sluice.sdk.context import Runtime
from sluice.sdk.errors import ServiceUnavailable
from sluice.sdk.services import GatewayServices, KeyValue, Logger, Messages, StudioServices
from sluice.sdk.serving.connection import Connection
from sluice.sdk.serving.gateway import RemoteGateway
from sluice.sdk.serving.kv import RemoteKeyValue
from sluice.sdk.serving.logger import StderrLogger
from sluice.sdk.serving.messages import RemoteMessages

if TYPE_CHECKING:
    import httpx


class ProcessServices:
    """What ``ctx.services`` is here: log and HTTP are this process's own, the rest the host's, over its way back."""

    def __init__(self, connection: Connection, runtime: Runtime, group: asyncio.TaskGroup) -> None:
        self._connection = connection
        self._runtime = runtime
        self._logger = StderrLogger(connection.plugin)
        self._kv = RemoteKeyValue(connection)
        self._messages = RemoteMessages(connection, group, self._logger)
        self._gateway = RemoteGateway(connection)
        self._pool: httpx.AsyncClient | None = None
        self._http: httpx.AsyncClient | None = None

    @property
    def logger(self) -> Logger:
        """To standard error, where the host reads it."""
        return self._logger

    @property
    def kv(self) -> KeyValue:
        """Kept by the host."""
        return self._kv

    @property
    def messages(self) -> Messages:
        """Over the host."""
        return self._messages

    @property
    def http(self) -> httpx.AsyncClient:
        """As in the gateway's process; made when it is first asked for."""
        if self._http is None:
            from sluice.sdk.http_client import borrow, open_pool  # noqa: PLC0415 - httpx, for plugins that use it

            self._pool = open_pool()
            self._http = borrow(self._pool)
        return self._http

    def gateway(self) -> GatewayServices:
        """Raises ServiceUnavailable on the control side."""
        if self._runtime == "studio":
            message = "gateway services are not offered on the control side; use studio() there, in its own process"
            raise ServiceUnavailable(message)
        return self._gateway

    def studio(self) -> StudioServices:
        """Raises ServiceUnavailable: the protocol has no way to the control side's services."""
        message = "studio services are not offered to a plugin in a process of its own; run it as python:// there"
        raise ServiceUnavailable(message)

    async def close(self) -> None:
        """Close what is open."""
        self._messages.close()
        pool, self._pool, self._http = self._pool, None, None
        if pool is not None:
            await pool.aclose()
        await self._connection.close()
