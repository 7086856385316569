"""Asks the control API over HTTP what a collector's plugins want to know: bounded, and translated in one place."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from time import monotonic
from typing import Any, TypeVar, cast

import httpx

from collectors.settings import ControlSettings
from sluice.sdk.errors import NotFound, ServiceError, ServiceUnavailable

REQUEST_SECONDS = 5.0
REMEMBER_SECONDS = 5.0
"""A collector asks again and again for the same few apps; how old an answer may be."""
_MAX_REMEMBERED = 4096
_PAGE = 100
"""The largest page that the API gives."""
_MAX_LIMIT = 1000
_NOT_FOUND = 404
_REFUSED = frozenset((401, 403))
_OURS = range(400, 500)

T = TypeVar("T")


class ControlClient:
    """One sink's; what it says is not to be changed. Nothing is connected before the first question."""

    def __init__(self, settings: ControlSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            base_url=f"{settings.url.rstrip('/')}/api/v1",
            headers={"authorization": f"Bearer {settings.token.get_secret_value()}"},
            timeout=REQUEST_SECONDS,
            transport=transport,
        )
        self._known: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    async def one(self, path: str) -> Mapping[str, Any]:
        """The ``data`` of an answer, at most some seconds old. Raises NotFound, ServiceUnavailable."""

        async def load() -> Mapping[str, Any]:
            return _mapping(_mapping(await self.ask("GET", path)).get("data"))

        return await self._remembered(path, load)

    async def part(self, path: str, query: Mapping[str, str], page: Any, limit: Any) -> Sequence[Mapping[str, Any]]:
        """A page of a list, in pages of the API's. Raises ServiceError, ServiceUnavailable."""
        if not (isinstance(page, int) and isinstance(limit, int) and page >= 1 and 1 <= limit <= _MAX_LIMIT):
            message = f"page must be 1 or more, limit from 1 to {_MAX_LIMIT}"
            raise ServiceError(message)
        start, end = (page - 1) * limit, page * limit
        found: list[Mapping[str, Any]] = []
        at = start - start % _PAGE
        while at < end:
            items, total = await self._page(path, query, at // _PAGE + 1, _PAGE)
            found += items[max(0, start - at) : end - at]
            at += _PAGE
            if at >= total:
                break
        return found

    async def all(self, path: str, query: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        """A whole list, at most some seconds old. Raises ServiceUnavailable."""
        return await self._remembered(f"{path} {sorted(query.items())}", lambda: self._all(path, query))

    async def _all(self, path: str, query: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        page, total = 1, 1
        while (page - 1) * _PAGE < total:
            items, total = await self._page(path, query, page, _PAGE)
            found += items
            page += 1
        return found

    async def count(self, path: str, query: Mapping[str, str]) -> int:
        """How many a list has. Raises ServiceUnavailable."""
        return (await self._page(path, query, 1, 1))[1]

    async def _remembered(self, key: str, load: Callable[[], Awaitable[T]]) -> T:
        known = self._known.get(key)
        if known is not None and known[0] > monotonic():
            return cast("T", known[1])
        value = await load()
        self._known[key] = (monotonic() + REMEMBER_SECONDS, value)
        self._known.move_to_end(key)
        if len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)
        return value

    async def _page(
        self, path: str, query: Mapping[str, str], page: int, limit: int
    ) -> tuple[Sequence[Mapping[str, Any]], int]:
        answer = _mapping(await self.ask("GET", path, params={**query, "page": str(page), "limit": str(limit)}))
        items, total = answer.get("data"), _mapping(answer.get("pagination")).get("total")
        if not isinstance(items, list) or not isinstance(total, int):
            raise _unreadable()
        return [_mapping(item) for item in items], total

    async def ask(self, method: str, path: str, *, no: Collection[int] = (), **options: Any) -> Any:
        """The answer as JSON; ``None`` where its status is one of ``no``.

        Raises NotFound, ServiceError for what cannot be asked, ServiceUnavailable.
        """
        try:
            async with asyncio.timeout(REQUEST_SECONDS):  # httpx's own is of each byte: an answer may drip
                response = await self._client.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            message = f"the control API does not answer ({type(error).__name__}); see control.url"
            raise ServiceUnavailable(message) from error
        if response.status_code in no:
            return None
        if response.status_code == _NOT_FOUND:
            message = f"there is no {path.strip('/')}"
            raise NotFound(message)
        if response.status_code in _REFUSED:
            message = "the control API refuses control.token; give one with the scope admin"
            raise ServiceUnavailable(message)
        if response.status_code in _OURS:
            message = f"the control API refuses the question ({response.status_code})"
            raise ServiceError(message)
        if not response.is_success:
            message = f"the control API cannot answer now ({response.status_code})"
            raise ServiceUnavailable(message)
        try:
            return response.json()
        except ValueError as error:
            raise _unreadable() from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _unreadable()
    return value


def _unreadable() -> ServiceUnavailable:
    message = "the control API answers in a form that is not its own; control.dialect must be clean"
    return ServiceUnavailable(message)
