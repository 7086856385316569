"""The plugin's key-value store, which the host keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from sluice.clock import now_micros
from sluice.plugin_wire import extensions_pb2, management_pb2
from sluice.plugin_wire.rpc import HOST_EXTENSIONS, MANAGEMENT
from sluice.sdk.arguments import utf8_of, view_of
from sluice.sdk.errors import ServiceError
from sluice.sdk.serving.connection import Connection
from sluice.sdk.wire.values import i32, timestamp

SCOPE: Final = "kv.readwrite"
_MICROS: Final = 1_000_000
_NEVER: Final = 253_402_300_800 * _MICROS
"""The year 10000, which no timestamp reaches."""


class RemoteKeyValue:
    """Each call is one to the host; see ``sluice.sdk.services.KeyValue``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self, key: str) -> bytes:
        """Raises NotFound."""
        request = management_pb2.ReadPluginKVRequest(context=self._context(), key=_key(key))
        answer = await self._connection.call(MANAGEMENT, "ReadPluginKV", request, SCOPE)
        return bytes(answer.value)

    async def write(self, key: str, value: bytes, expires_at: int | None = None) -> bool:
        """Whether the key is new; ``expires_at`` in micros of the epoch. Raises PayloadTooLarge."""
        request = management_pb2.WritePluginKVRequest(
            context=self._context(),
            key=_key(key),
            value=bytes(view_of(value, "a kv value")),
            expire_at=_expiry(expires_at),
        )
        answer = await self._connection.call(MANAGEMENT, "WritePluginKV", request, SCOPE)
        return bool(answer.created)

    async def write_with_ttl(self, key: str, value: bytes, ttl_seconds: float) -> bool:
        """As ``write``, to expire so many seconds from now; they are more than 0."""
        if not ttl_seconds > 0:
            message = f"kv: ttl_seconds is {ttl_seconds}; it must be more than 0, or use write for what does not expire"
            raise ServiceError(message)
        expires_at = None if math.isinf(ttl_seconds) else now_micros() + int(ttl_seconds * _MICROS)
        return await self.write(key, value, expires_at)

    async def delete(self, key: str) -> bool:
        """Whether there was one."""
        request = management_pb2.DeletePluginKVRequest(context=self._context(), key=_key(key))
        answer = await self._connection.call(MANAGEMENT, "DeletePluginKV", request, SCOPE)
        return bool(answer.deleted)

    async def list(self, prefix: str = "", limit: int = 1000) -> Sequence[str]:
        """Only our own host has this: others raise ServiceUnavailable."""
        if limit <= 0:
            return ()  # to the host no limit
        request = extensions_pb2.ListKeysRequest(
            plugin_id=self._connection.plugin_id, method_scope=SCOPE, prefix=_key(prefix), limit=i32(limit)
        )
        answer = await self._connection.call(HOST_EXTENSIONS, "ListKeys", request, SCOPE)
        return tuple(answer.keys)

    def _context(self) -> management_pb2.PluginContext:
        return management_pb2.PluginContext(plugin_id=self._connection.plugin_id, method_scope=SCOPE)


def _key(key: str) -> str:
    utf8_of(key, "a kv key")
    return key


def _expiry(expires_at: int | None) -> Timestamp | None:
    """None is for ever; what has expired before there were timestamps has expired too."""
    return None if expires_at is None or expires_at >= _NEVER else timestamp(max(1, int(expires_at)))
