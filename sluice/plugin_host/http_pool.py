"""The HTTP connections that plugins of a process share; httpx is loaded by the first plugin that calls somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.sdk.errors import ServiceUnavailable

if TYPE_CHECKING:
    import httpx


class HttpPool:
    """Makes a client for each plugin, all of which use the same connections. Those are opened when they are needed."""

    def __init__(self) -> None:
        self._owner: httpx.AsyncClient | None = None

    def client(self) -> httpx.AsyncClient:
        """A client whose headers and hooks are its plugin's own. Raises ServiceUnavailable where httpx is missing."""
        try:
            from sluice.sdk.http_client import borrow, open_pool  # noqa: PLC0415 - 60 ms, for who needs it
        except ImportError as error:
            message = "http: httpx is not installed; pip install 'sluice-gateway[plugins]'"
            raise ServiceUnavailable(message) from error
        if self._owner is None:
            self._owner = open_pool()
        return borrow(self._owner)

    async def close(self) -> None:
        """Close every connection; of no effect on a pool that was not used."""
        owner, self._owner = self._owner, None
        if owner is not None:
            await owner.aclose()
