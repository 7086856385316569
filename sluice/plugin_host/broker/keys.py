"""The protocol's calls of the key-value store, and our own that lists keys."""

from __future__ import annotations

from typing import Any

from sluice.plugin_wire import extensions_pb2
from sluice.plugin_wire import management_pb2 as pb
from sluice.sdk.services import Services
from sluice.sdk.wire.values import micros_of_timestamp

DEFAULT_LIMIT = 1000


class Keys:
    """Answers for one plugin; who may ask has been seen to."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def read(self, request: pb.ReadPluginKVRequest, _context: Any) -> pb.ReadPluginKVResponse:
        """Raises NotFound where there is none or it has expired."""
        return pb.ReadPluginKVResponse(value=await self._services.kv.read(request.key))

    async def write(self, request: pb.WritePluginKVRequest, _context: Any) -> pb.WritePluginKVResponse:
        """For ever, where it does not say until when."""
        expires_at = micros_of_timestamp(request.expire_at) if request.HasField("expire_at") else None
        return pb.WritePluginKVResponse(created=await self._services.kv.write(request.key, request.value, expires_at))

    async def delete(self, request: pb.DeletePluginKVRequest, _context: Any) -> pb.DeletePluginKVResponse:
        """Whether there was one."""
        return pb.DeletePluginKVResponse(deleted=await self._services.kv.delete(request.key))

    async def list(self, request: extensions_pb2.ListKeysRequest, _context: Any) -> extensions_pb2.ListKeysResponse:
        """Keys with a prefix."""
        limit = request.limit if request.limit > 0 else DEFAULT_LIMIT
        return extensions_pb2.ListKeysResponse(keys=await self._services.kv.list(request.prefix, limit))
