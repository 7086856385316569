"""HTTP over httpx: bytes out, status and bytes back; no redirects, no retries, every answer bounded.

The only file of the sinks that knows httpx, whose errors become ours here.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from collectors.errors import Halt
from collectors.sinks.halving import UnansweredError
from collectors.sinks.http.settings import HttpSettings, origin_of

MAX_ANSWER_BYTES = 4 << 20
"""More than this of an answer is not read: nothing that we ask for is as long."""

_CLOSE_SECONDS = 1.0
_GZIP_WBITS = 31  # zlib's code for a gzip frame
_OWN_HEADERS = {"accept-encoding": "identity", "user-agent": "sluice"}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the server, or whatever stands before it, answered."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    is_whole: bool = True
    """Whether ``body`` is all of it."""


class HttpClient:
    """One server; safe to use from many tasks of one loop."""

    def __init__(self, settings: HttpSettings, origin: str, *, connections: int = 10) -> None:
        """``origin``: any URL of the server; only its scheme, host and port are ever shown."""
        self._settings = settings
        self._origin = origin_of(origin)
        self._connections = connections
        self._client: httpx.AsyncClient | None = None
        self._is_closed = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def open(self) -> httpx.AsyncClient:
        """Read the certificates; again has no effect. Raises ``Halt`` where they cannot be used."""
        if self._is_closed:
            raise UnansweredError("the sink is closed")
        if self._client is None:
            limits = httpx.Limits(max_connections=self._connections, max_keepalive_connections=self._connections)
            self._client = httpx.AsyncClient(
                headers=_OWN_HEADERS | self._settings.sent_headers(),
                timeout=self._settings.timeout,
                limits=limits,
                verify=self._tls(),
                follow_redirects=False,
                trust_env=False,  # the environment is read by the settings alone
            )
        return self._client

    def _tls(self) -> ssl.SSLContext | bool:
        if not self._origin.startswith("https"):
            return False
        try:
            return ssl.create_default_context(cafile=self._settings.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            reason = f"ca_file: {self._settings.ca_file!r} cannot be used ({type(error).__name__})"
            raise Halt(reason, "name a readable PEM file of certificates") from error

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """Whatever was answered. Raises UnansweredError where nothing was, ``Halt`` for a server we do not trust."""
        return await self._request("POST", url, body, headers)

    async def get(self, url: str) -> HttpAnswer:
        """As ``post``."""
        return await self._request("GET", url, b"", {})

    async def _request(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        client = self.open()
        self._under_way += 1
        self._idle.clear()
        try:
            async with (
                asyncio.timeout(self._settings.timeout),  # httpx's own is of each byte: an answer may drip
                client.stream(method, url, content=body, headers=dict(headers)) as response,
            ):
                return await _read(response)
        except TimeoutError as error:
            raise self._unanswered("no answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            if _is_distrust(error):
                reason = f"{self._origin}: its certificate is not trusted"
                raise Halt(reason, "name the one who signed it in ca_file, or renew it") from error
            raise self._unanswered(type(error).__name__) from error
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    def _unanswered(self, why: str) -> UnansweredError:
        return UnansweredError(f"{self._origin} does not answer: {why}")

    async def close(self) -> None:
        """Close the connections, for good; what is under way has a moment to end."""
        self._is_closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._idle.wait()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


async def _read(response: httpx.Response) -> HttpAnswer:
    body, is_whole = bytearray(), True
    async for piece in response.aiter_raw():  # we ask for no compression: who compresses all the same is not unpacked
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            is_whole = False
            break
    return HttpAnswer(response.status_code, bytes(body), {k.lower(): v for k, v in response.headers.items()}, is_whole)


def _is_distrust(error: BaseException | None) -> bool:
    """Whether TLS refused the server, however deep the libraries have wrapped that."""
    depth = 0
    while error is not None and depth < 10:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error, depth = error.__cause__ or error.__context__, depth + 1
    return False


async def reach(url: str, timeout_seconds: float) -> None:
    """Open a connection and close it: all that can be asked of a server without sending it anything.

    Raises UnansweredError.
    """
    parts = httpx.URL(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(timeout_seconds):
            _, writer = await asyncio.open_connection(parts.host, port)
        writer.close()
        await writer.wait_closed()
    except (OSError, TimeoutError, UnicodeError) as error:
        raise UnansweredError(f"{origin_of(url)} cannot be reached: {type(error).__name__}") from error


def gzipped(body: bytes) -> bytes:
    """gzip, level 1."""
    packer = zlib.compressobj(level=1, wbits=_GZIP_WBITS)
    return packer.compress(body) + packer.flush()
