"""Where hosts say that their services are. Each says so on a stream of its own, which stays open while it lives."""

from __future__ import annotations

import asyncio
from typing import Final

from sluice.plugin_wire.go_plugin_pb2 import ConnInfo

_NETWORKS: Final = {"unix": "unix:", "tcp": ""}


class Announcements:
    """By service; several workers of a host may be attached at once."""

    def __init__(self) -> None:
        self._open: dict[object, dict[int, str]] = {}
        self._latest: dict[int, str] = {}
        self._changed = asyncio.Condition()

    async def put(self, stream: object, info: ConnInfo) -> None:
        """The host behind ``stream`` has a service there; what is no place is ignored."""
        if info.network not in _NETWORKS or not info.address:
            return
        place = _NETWORKS[info.network] + info.address
        async with self._changed:
            self._open.setdefault(stream, {})[info.service_id] = place
            self._latest[info.service_id] = place
            self._changed.notify_all()

    def end(self, stream: object) -> None:
        """The host is gone, or has no more to say."""
        self._open.pop(stream, None)

    async def wait(self, service_id: int, present: str, seconds: float) -> str:
        """Where a service is: ``present`` while its host is there, else the last that another said.

        Raises TimeoutError where nobody says so in time.
        """
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: service_id in self._latest)
        places = [known[service_id] for known in self._open.values() if service_id in known]
        if present in places:
            return present
        return places[-1] if places else self._latest[service_id]
