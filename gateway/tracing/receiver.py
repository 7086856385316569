"""One request to an OTLP receiver, and what its answer means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import msgspec

from gateway.errors import UpstreamFault
from gateway.headers import header
from gateway.tracing.encoding import rejected_by
from gateway.upstreams.client import Origin, Timeouts, UpstreamRequest
from gateway.upstreams.http1 import LeanClient
from gateway.upstreams.limits import ClientLimits
from gateway.upstreams.retries import retry_after_seconds

if TYPE_CHECKING:
    from gateway.tracing.settings import TracingSettings
    from gateway.upstreams.client import UpstreamResponse

MAX_ANSWER_BYTES = 64 << 10
_LATER = frozenset((429, 502, 503, 504))
"""What OTLP/HTTP says may be sent again; anything else that is no success would be refused again."""

Result = Literal["exported", "later", "refused", "garbled"]


class Answer(msgspec.Struct, frozen=True):
    """What became of one request."""

    result: Result
    detail: str = ""
    """A status, or what stood between us; never what the receiver wrote."""
    retry_after_seconds: float = 0.0
    rejected: int = 0
    """Spans that were not taken out of a request that was."""


class Receiver:
    """Sends to one receiver, over a connection that is nobody else's."""

    def __init__(self, settings: TracingSettings) -> None:
        url = urlsplit(settings.endpoint)
        port = url.port or (443 if url.scheme == "https" else 80)
        self._origin = Origin(url.scheme, url.hostname or "", port)
        self._target = ((url.path or "/") + (f"?{url.query}" if url.query else "")).encode("ascii")
        self.address = f"{url.scheme}://{url.hostname}:{port}{url.path}"
        """For logs: a query may hold a key."""
        seconds = settings.timeout_seconds
        self._timeouts = Timeouts(seconds, seconds, seconds, seconds)
        self._headers = [
            (b"content-type", b"application/x-protobuf"),
            *(
                (name.lower().encode("latin-1"), value.get_secret_value().encode("latin-1"))
                for name, value in settings.headers.items()
            ),
        ]
        self._client = LeanClient(ClientLimits(max_connections_per_origin=1), ca_file=settings.ca_file)

    async def send(self, body: bytes) -> Answer:
        """One request; within its time limit, whatever the receiver does."""
        request = UpstreamRequest(self._origin, b"POST", self._target, self._headers, body, self._timeouts)
        try:
            response = await self._client.send(request)
            return await self._read(response)
        except UpstreamFault as fault:
            return Answer("later", type(fault).__name__)

    async def close(self) -> None:
        """Close its connection."""
        await self._client.close()

    async def _read(self, response: UpstreamResponse) -> Answer:
        answer = b""
        while piece := await response.read():
            answer += piece
            if len(answer) > MAX_ANSWER_BYTES:
                response.abort()
                return Answer("garbled", f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        detail = f"status {response.status}"
        if response.status in _LATER:
            return Answer("later", detail, retry_after_seconds(response.headers))
        if not 200 <= response.status < 300:
            return Answer("refused", detail)
        try:
            if header(response.headers, b"content-type") != b"application/json":
                return Answer("exported", detail, rejected=rejected_by(answer))
        except ValueError:
            return Answer("garbled", "an answer that is no protobuf")
        return Answer("exported", detail)
