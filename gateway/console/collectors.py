"""Collectors, as their own health servers tell: all are asked at once, and none is waited for longer than 2 seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote

import httpx
import orjson
from fastapi import APIRouter, Path, Request, Response

from gateway.console.answers import answer
from gateway.console.door import Changing, Looking, parts_of
from gateway.control.api.problems import Problem

router = APIRouter()
_TIME_LIMIT_SECONDS = 2.0
_MAX_BYTES = 4 << 20
_ServiceName = Annotated[str, Path(min_length=1, max_length=200)]


class CollectorAwayError(Exception):
    """It gave no answer that can be used; the message says which and why."""


class Collectors:
    """The collectors that ``console.collectors`` names."""

    def __init__(self, urls: Sequence[str], token: str = "", transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.urls = tuple(url.rstrip("/") for url in urls)
        self._token = token
        limits = httpx.Limits(max_connections=16, max_keepalive_connections=4)
        self._client = httpx.AsyncClient(
            timeout=_TIME_LIMIT_SECONDS, limits=limits, transport=transport, trust_env=False, follow_redirects=False
        )

    async def standing(self) -> list[dict[str, Any]]:
        """What each says of its services, or why it says nothing."""
        return list(await asyncio.gather(*(self._one(url) for url in self.urls)))

    async def change(self, number: int, service: str, wanted: Literal["pause", "resume"]) -> dict[str, Any]:
        """Pause or resume a service. Raises CollectorAwayError, or a ``Problem`` where the collector refuses."""
        if not 0 <= number < len(self.urls):
            raise Problem(404, "not_found", f"there is no collector {number}; see console.collectors")
        path = f"{self.urls[number]}/services/{quote(service, safe='')}/{wanted}"
        shown = {"authorization": f"Bearer {self._token}"} if self._token else {}
        headers = {"content-type": "application/json", **shown}
        status, document = await self._ask("POST", path, headers)
        if status != 200:
            said = document.get("error") or f"it answered {status}"
            raise Problem(502, "collector_refused", f"the collector refused: {said}; see console.collectors_token")
        return document

    async def _one(self, url: str) -> dict[str, Any]:
        try:
            status, document = await self._ask("GET", f"{url}/services", {})
        except CollectorAwayError as error:
            return {"url": url, "problem": str(error), "services": []}
        services = document.get("services")
        if status != 200 or not isinstance(services, list):
            return {"url": url, "problem": f"{url} is no collector: /services answered {status}", "services": []}
        known = [each for each in services if isinstance(each, dict) and isinstance(each.get("service"), str)]
        return {"url": url, "problem": "", "services": known}

    async def _ask(self, method: str, url: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        try:
            async with (
                asyncio.timeout(_TIME_LIMIT_SECONDS),
                self._client.stream(method, url, headers=headers) as response,
            ):
                content = await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            reason = "did not answer within 2 s" if "imeout" in type(error).__name__ else "cannot be reached"
            message = f"{url} {reason} ({type(error).__name__}); check console.collectors, and that it runs"
            raise CollectorAwayError(message) from error
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError:
            document = {}
        return response.status_code, document if isinstance(document, dict) else {}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _read(response: httpx.Response) -> bytes:
    """All of a body that is within bounds; of others nothing."""
    found = bytearray()
    async for piece in response.aiter_bytes():
        found += piece
        if len(found) > _MAX_BYTES:
            return b""
    return bytes(found)


@router.get("/collectors")
async def list_collectors(_visitor: Looking, request: Request) -> Response:
    """Every collector that the settings name, with its services."""
    found = parts_of(request).collectors
    return answer({"collectors": await found.standing(), "is_configured": bool(found.urls)})


@router.post("/collectors/{number}/services/{service}/{wanted}")
async def change_service(
    number: int, service: _ServiceName, wanted: Literal["pause", "resume"], _who: Changing, request: Request
) -> Response:
    """Pause a service, or let it go on."""
    try:
        return answer(await parts_of(request).collectors.change(number, service, wanted))
    except CollectorAwayError as error:
        raise Problem(502, "collector_away", str(error), error="The collector does not answer") from error
