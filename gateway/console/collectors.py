"""Collectors, as their own health servers tell: all are asked at once, and none is waited for longer than 2 seconds.

What they must read the log for (dead letters, a dry run) may take longer; a worker asks a few such questions at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Path, Request, Response

from gateway.console.answers import answer
from gateway.console.door import Changing, Looking, parts_of
from gateway.console.lazily import Lazily
from gateway.control.api.problems import Problem

if TYPE_CHECKING:
    import httpx

router = APIRouter()
_TIME_LIMIT_SECONDS = 2.0
_DESK_SECONDS = 40.0
"""A desk answers within 30 s, or says why not."""
_DESK_AT_ONCE = 4
_MAX_BYTES = 4 << 20
_ServiceName = Annotated[str, Path(min_length=1, max_length=200)]


class CollectorAwayError(Exception):
    """It gave no answer that can be used; the message says which and why."""


class Collectors:
    """The collectors that ``console.collectors`` names."""

    def __init__(self, urls: Sequence[str], token: str = "", transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.urls = tuple(url.rstrip("/") for url in urls)
        self._token = token
        self._client = Lazily(partial(_client, transport))
        self._desk_turns = asyncio.Semaphore(_DESK_AT_ONCE)

    async def standing(self) -> list[dict[str, Any]]:
        """What each says of its services, or why it says nothing."""
        return list(await asyncio.gather(*(self._one(url) for url in self.urls)))

    async def change(self, number: int, service: str, wanted: Literal["pause", "resume"]) -> dict[str, Any]:
        """Pause or resume a service. Raises CollectorAwayError, or a ``Problem`` where the collector refuses."""
        path = f"{self._url(number)}/services/{quote(service, safe='')}/{wanted}"
        status, document = await self._ask("POST", path, self._headers())
        if status != 200:
            raise _refused(status, document)
        return document

    async def desk(self, number: int, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What the desk of a collector answers to a question, or to an order where there is a body. Raises
        CollectorAwayError, and a ``Problem`` where it refuses."""
        url = f"{self._url(number)}/desk/{path}"
        if self._desk_turns.locked():
            message = "too much is being asked of collectors at once; ask again in a moment"
            raise Problem(503, "console_busy", message, error="Busy", headers={"retry-after": "2"})
        async with self._desk_turns:
            method = "GET" if body is None else "POST"
            status, document = await self._ask(method, url, self._headers(), body, _DESK_SECONDS)
        if status != 200:
            raise _refused(status, document)
        return _something(url, document)

    async def everybody(self, path: str) -> list[dict[str, Any]]:
        """What each desk answers to one question that takes no time, or its ``problem``; of all at once."""
        return list(await asyncio.gather(*(self._of_desk(url, path) for url in self.urls)))

    async def reports(self) -> list[dict[str, Any]]:
        """What each desk has read of gateways, or its ``problem``."""
        if self._desk_turns.locked():
            return [{"url": url, "problem": "too much is being asked at once; ask again"} for url in self.urls]
        async with self._desk_turns:
            found = await asyncio.gather(*(self._of_desk(url, "gateways", _DESK_SECONDS) for url in self.urls))
        return [_with_boots(each) for each in found]

    async def _of_desk(self, url: str, path: str, seconds: float | None = None) -> dict[str, Any]:
        try:
            status, document = await self._ask("GET", f"{url}/desk/{path}", self._headers(), None, seconds)
            if status == 200:
                return {"url": url, "problem": "", **_something(url, document)}
        except CollectorAwayError as error:
            return {"url": url, "problem": str(error)}
        return {"url": url, "problem": _refused(status, document).message}

    def _url(self, number: int) -> str:
        if not 0 <= number < len(self.urls):
            raise Problem(404, "not_found", f"there is no collector {number}; see console.collectors")
        return self.urls[number]

    def _headers(self) -> dict[str, str]:
        shown = {"authorization": f"Bearer {self._token}"} if self._token else {}
        return {"content-type": "application/json", **shown}

    async def _one(self, url: str) -> dict[str, Any]:
        services, jobs = await asyncio.gather(self._services(url), self._of_desk(url, "jobs"))
        found = jobs.get("jobs")
        return {
            **services,
            "jobs": [each for each in found if isinstance(each, dict)] if isinstance(found, list) else [],
            "jobs_problem": "" if services["problem"] else jobs["problem"],
        }

    async def _services(self, url: str) -> dict[str, Any]:
        try:
            status, document = await self._ask("GET", f"{url}/services", {})
        except CollectorAwayError as error:
            return {"url": url, "problem": str(error), "services": []}
        services = document.get("services")
        if status != 200 or not isinstance(services, list):
            return {"url": url, "problem": f"{url} is no collector: /services answered {status}", "services": []}
        known = [each for each in services if isinstance(each, dict) and isinstance(each.get("service"), str)]
        return {"url": url, "problem": "", "services": known}

    async def _ask(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: Mapping[str, Any] | None = None,
        seconds: float | None = None,
    ) -> tuple[int, dict[str, Any]]:
        limit = seconds or _TIME_LIMIT_SECONDS
        sent = None if body is None else orjson.dumps(body)
        client = await self._client.get()
        from httpx import HTTPError, InvalidURL  # noqa: PLC0415 - see _client

        try:
            async with asyncio.timeout(limit), client.stream(method, url, headers=headers, content=sent) as response:
                content = await _read(response)
        except (HTTPError, InvalidURL, TimeoutError) as error:
            reason = f"did not answer within {limit:g} s" if "imeout" in type(error).__name__ else "cannot be reached"
            message = f"{url} {reason} ({type(error).__name__}); check console.collectors, and that it runs"
            raise CollectorAwayError(message) from error
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError:
            document = {}
        return response.status_code, document if isinstance(document, dict) else {}

    async def close(self) -> None:
        """Close the connections."""
        if self._client.is_made:
            await (await self._client.get()).aclose()


def _client(transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    import httpx  # noqa: PLC0415 - with its certificates 7 MB that a gateway nobody looks at does without

    limits = httpx.Limits(max_connections=16, max_keepalive_connections=4)
    return httpx.AsyncClient(
        timeout=_DESK_SECONDS, limits=limits, transport=transport, trust_env=False, follow_redirects=False
    )


def _something(url: str, document: dict[str, Any]) -> dict[str, Any]:
    """What a desk answered: it never says nothing, and what cannot be read is no empty list."""
    if not document:
        raise CollectorAwayError(f"{url} answered what is no JSON, or more than {_MAX_BYTES >> 20} MiB")
    return document


def _with_boots(found: dict[str, Any]) -> dict[str, Any]:
    boots = found.get("boots")
    return {**found, "boots": [each for each in boots if isinstance(each, dict)] if isinstance(boots, list) else []}


def _refused(status: int, document: Mapping[str, Any]) -> Problem:
    """In the collector's own words; whose fault it is stays to be seen by the status."""
    said = document.get("error") or f"it answered {status}"
    if status in {400, 404, 409} and "error" in document:
        return Problem(status, "collector_refused", str(said), error="The collector refused")
    if status == 404:
        return Problem(502, "collector_old", "this sluice collect has no desk: start it anew with this version")
    hint = "; see console.collectors_token" if status in {401, 403} else ""
    return Problem(502, "collector_refused", f"the collector refused: {said}{hint}", error="The collector refused")


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
