"""The second client, on aiohttp: slower, for what the lean one leaves out (HTTP proxies from the environment).

The same contract (``UpstreamClient``), held by the same tests; what differs is in the table of this package's README.
Needs the extra ``gateway``: ``pip install 'sluice-gateway[gateway]'``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.request import getproxies

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar
from multidict import CIMultiDict
from yarl import URL

from gateway.errors import UpstreamFault, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.upstreams.aiohttp_response import AiohttpResponse
from gateway.upstreams.aiohttp_wire import FAILURES, WireBody, WireCall, WireConnector, WireRequest, as_fault
from gateway.upstreams.dial import tls_context
from gateway.upstreams.framing import added_headers, check_request
from gateway.upstreams.limits import DEFAULT_LIMITS, ClientLimits
from gateway.upstreams.proxies import proxy_for

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from gateway.upstreams.client import UpstreamRequest


class _StaleConnection(Exception):  # noqa: N818 - never leaves this file
    """A kept connection was closed before it gave a byte."""

    def __init__(self, fault: UpstreamFault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class AiohttpClient:
    """An ``UpstreamClient`` on aiohttp. ``ca_file`` and ``tls`` are as ``LeanClient`` has them; ``proxies`` by scheme,
    and exceptions under ``no``, are the environment's (``HTTPS_PROXY``, ``NO_PROXY``) unless given."""

    def __init__(
        self,
        limits: ClientLimits = DEFAULT_LIMITS,
        *,
        ca_file: str = "",
        tls: ssl.SSLContext | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        self._limits = limits
        self._tls = tls or tls_context(ca_file)
        self._proxies = dict(getproxies() if proxies is None else proxies)
        self._sessions: dict[bool, ClientSession] = {}
        """By whether private addresses may be connected to: neither is given the other's connections."""
        self._responses: set[AiohttpResponse] = set()
        self._closed = False

    async def send(self, request: UpstreamRequest) -> AiohttpResponse:
        """Send the whole request and wait for the answer's head; see ``UpstreamClient``."""
        headers = _headers(request)
        if request.origin.scheme not in {"http", "https"}:
            raise ValueError(f"the scheme {request.origin.scheme!r} is neither http nor https")
        total_at = asyncio.get_running_loop().time() + request.timeouts.total_seconds
        try:
            return await self._attempt(request, headers, total_at, is_retry=False)
        except _StaleConnection:
            pass
        try:
            return await self._attempt(request, headers, total_at, is_retry=True)
        except _StaleConnection as error:
            raise error.fault from None

    async def close(self) -> None:
        """Close all connections, those in use too."""
        self._closed = True
        for response in tuple(self._responses):
            response.fail(UpstreamProtocolError("the client was closed"))
        for session in self._sessions.values():
            await session.close()

    async def _attempt(
        self, request: UpstreamRequest, headers: CIMultiDict[str], total_at: float, *, is_retry: bool
    ) -> AiohttpResponse:
        if self._closed:
            message = "the client is closed"
            raise UpstreamUnreachable(message)
        call: WireCall | None = None
        deadline = asyncio.timeout_at(total_at)
        try:
            async with deadline:
                call = WireCall(request, deadline, total_at, is_retry=is_retry)
                answer = await self._request(call, headers, total_at)
        except TimeoutError:
            # The clock may stand a hair before the deadline that fired: which one was set says which one it was.
            is_total = deadline.when() == total_at
            raise _timeout(request, is_total=is_total, sent=call is not None and call.sent) from None
        response = AiohttpResponse(answer, call, total_at, self._responses.discard)
        self._responses.add(response)
        response.check(self._limits)
        return response

    async def _request(self, call: WireCall, headers: CIMultiDict[str], total_at: float) -> ClientResponse:
        """aiohttp's part. Raises ``UpstreamFault`` or ``_StaleConnection``; no error of aiohttp's."""
        request = call.request
        left = max(total_at - asyncio.get_running_loop().time(), 0.001)
        timeout = ClientTimeout(total=None, connect=min(request.timeouts.connect_seconds, left))
        proxy = proxy_for(request.origin, self._proxies)  # which resolves the name itself

        async def exactly(aiohttp_request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            """The innermost layer: here aiohttp can neither add a header nor send a request again."""
            aiohttp_request.headers = headers.copy()
            if isinstance(aiohttp_request, WireRequest):
                aiohttp_request.call = call
            try:
                return await handler(aiohttp_request)
            except asyncio.CancelledError:
                call.drop()
                self._refuse_if_closed()
                raise
            except FAILURES as error:
                raise self._failed(call, error) from error

        try:
            return await self._ready(allows_private=request.origin.allows_private or proxy is not None).request(
                request.method.decode("ascii"),
                _url(request),
                headers=headers,
                data=WireBody(request.body) if request.body else None,
                allow_redirects=False,
                timeout=timeout,
                proxy=proxy,
                middlewares=(exactly,),
            )
        except FAILURES as error:  # raised before the innermost layer: an address that is none
            raise as_fault(error, request.origin, sent=call.sent) from error

    def _failed(self, call: WireCall, error: Exception) -> Exception:
        fault = as_fault(error, call.request.origin, sent=call.sent)
        call.drop()
        return _StaleConnection(fault) if call.is_stale and not self._closed else fault

    def _refuse_if_closed(self) -> None:
        """Closing cancels those who wait in line, whose task nobody cancelled."""
        task = asyncio.current_task()
        if self._closed and task is not None and not task.cancelling():
            message = "the client was closed"
            raise UpstreamUnreachable(message)

    def _ready(self, *, allows_private: bool) -> ClientSession:
        """A session, which must be made inside a running loop."""
        if allows_private not in self._sessions:
            limits = self._limits
            self._sessions[allows_private] = ClientSession(
                connector=WireConnector(limits, self._tls, allows_private=allows_private),
                request_class=WireRequest,
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
                read_bufsize=limits.max_buffered_bytes // 2,  # aiohttp pauses at twice this
                max_line_size=limits.max_header_bytes,
                max_field_size=limits.max_header_bytes,
                max_headers=limits.max_headers,
            )
        return self._sessions[allows_private]


def _headers(request: UpstreamRequest) -> CIMultiDict[str]:
    """The request's headers, complete and in order. Raises ``ValueError``."""
    check_request(request)
    if request.method != request.method.upper():
        raise ValueError(f"the method {request.method!r} is not in upper case, as aiohttp would send it")
    try:
        pairs = [(name.decode("ascii"), value.decode()) for name, value in request.headers + added_headers(request)]
    except UnicodeDecodeError as error:
        message = "a header value is not UTF-8, and aiohttp writes no other"
        raise ValueError(message) from error
    return CIMultiDict(pairs)


def _url(request: UpstreamRequest) -> URL:
    origin = request.origin
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return URL(f"{origin.scheme}://{host}:{origin.port}{request.target.decode('ascii')}", encoded=True)


def _timeout(request: UpstreamRequest, *, is_total: bool, sent: bool) -> UpstreamFault:
    if not sent:
        return as_fault(TimeoutError(), request.origin, sent=False)
    if is_total:
        return UpstreamTimeout("total", request.timeouts.total_seconds)
    return UpstreamTimeout("first_byte", request.timeouts.first_byte_seconds)
