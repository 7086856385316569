"""Elasticsearch over the official client's transport: bytes out, status and bytes back.

The only file that knows ``elastic_transport``. The client's helpers are not used: they serialise again what is bytes
already, keep one bulk in flight and retry only 429. Of several nodes one that does not answer is left alone for a while
and the request goes to the next; whatever is answered is the caller's to judge.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from elastic_transport import AsyncTransport, ConnectionTimeout, NodeConfig, SerializerCollection, TransportError

from sluice.eventstore.elasticsearch_tls import DistrustError, Tls, open_context

Flavour = Literal["elasticsearch8", "elasticsearch9", "opensearch"]
"""Which media types a server is spoken to with."""

JSON_TYPE = "application/json"
NDJSON_TYPE = "application/x-ndjson"
_COMPATIBLE_WITH: dict[Flavour, int] = {"elasticsearch8": 8, "elasticsearch9": 9}
_DEFAULT_PORTS = {"http": 9200, "https": 9200}
_DISTRUSTED = ("certificate verify failed", "certificate_verify_failed", "wrong_version_number", "_alert_")
"""In what OpenSSL says of a handshake that will not go better."""

logging.getLogger("elastic_transport").setLevel(logging.CRITICAL)  # its errors reach us as exceptions: ours to say


class ElasticsearchUnreachableError(Exception):
    """No answer came: refused, reset, cut or too late. Whether the request was applied is not known."""


class ElasticsearchDistrustError(ElasticsearchUnreachableError):
    """None will come until somebody changes something: a certificate is not good."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server, or whatever stands before it, answered."""

    status: int
    body: bytes
    retry_after: str = ""


class _RawBytes(SerializerCollection):
    """Leaves bodies as they are, whatever a proxy calls them."""

    def dumps(self, data: Any, mimetype: str | None = None) -> bytes:  # noqa: ARG002 - the transport's signature
        return bytes(data)

    def loads(self, data: bytes, mimetype: str | None = None) -> bytes:  # noqa: ARG002 - the transport's signature
        return data


class ElasticsearchHttp:
    """One cluster by one or several of its nodes; safe to use from many tasks of one loop."""

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        username: str = "",
        password: str = "",
        authorization: str = "",
        tls: Tls = Tls(),  # noqa: B008 - frozen
        flavour: Flavour | None = None,
        timeout_seconds: float = 10.0,
        connections: int = 10,
    ) -> None:
        """``authorization`` is the header's value; without a ``flavour`` plain media types, which all servers take."""
        self._nodes = [urlsplit(url) for url in ([urls] if isinstance(urls, str) else urls)]
        self._authorization = authorization or basic_authorization(username, password)
        self._tls = tls
        self._flavour = flavour
        self._timeout_seconds = timeout_seconds
        self._connections = connections
        self._opening = asyncio.Lock()
        self._transport: AsyncTransport | None = None

    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Whatever status came back. Raises ElasticsearchUnreachableError where no node answered, and at once where
        one was asked and its answer is late."""
        sent = {"accept": JSON_TYPE, **({"content-type": JSON_TYPE} if body is not None else {}), **(headers or {})}
        sent = {name: self._media_type(value) for name, value in sent.items()}
        transport = self._transport or await self._open()
        failure: Exception | None = None
        for _ in self._nodes:
            try:
                response = await transport.perform_request(method, f"/{path}", body=body, headers=sent)
            except ConnectionTimeout as error:
                raise ElasticsearchUnreachableError("timeout") from error
            except (TransportError, OSError) as error:
                failure = error
                continue
            meta = response.meta
            return Answer(meta.status, response.body or b"", meta.headers.get("retry-after") or "")
        raise await self._given_up(_unreachable(failure or OSError("no nodes"))) from failure

    async def _given_up(self, error: ElasticsearchUnreachableError) -> ElasticsearchUnreachableError:
        """Where certificates are at fault they are read anew for the next request: somebody may have mended them."""
        if isinstance(error, ElasticsearchDistrustError):
            await self.close()
        return error

    def _media_type(self, value: str) -> str:
        version = _COMPATIBLE_WITH.get(self._flavour) if self._flavour else None
        if version is None or value not in {JSON_TYPE, NDJSON_TYPE}:
            return value
        return f"{value.replace('/', '/vnd.elasticsearch+')}; compatible-with={version}"

    async def _open(self) -> AsyncTransport:
        async with self._opening:
            if self._transport is None:
                context = await self._context()
                configs = [self._config(parts, context) for parts in self._nodes]
                transport = AsyncTransport(configs, max_retries=0, retry_on_status=(), meta_header=False)
                transport.serializers = _RawBytes()
                self._transport = transport
            return self._transport

    async def _context(self) -> SSLContext | None:
        """Of all nodes, from the first that answers where one must be asked."""
        failure: ElasticsearchUnreachableError | None = None
        for parts in self._nodes:
            if parts.scheme != "https":
                continue
            try:
                return await open_context(self._tls, parts.hostname or "", _port(parts), self._timeout_seconds)
            except DistrustError as error:
                failure = ElasticsearchDistrustError(error.reason, error.remedy)
            except OSError as error:  # TimeoutError is one
                failure = _unreachable(error)
        if failure is not None:
            raise failure
        return None

    def _config(self, parts: SplitResult, context: SSLContext | None) -> NodeConfig:
        return NodeConfig(
            scheme=parts.scheme,
            host=parts.hostname or "",
            port=_port(parts),
            path_prefix=parts.path.rstrip("/"),
            connections_per_node=self._connections,
            request_timeout=self._timeout_seconds,
            headers={"authorization": self._authorization} if self._authorization else {},
            ssl_context=context if parts.scheme == "https" else None,
        )

    async def close(self) -> None:
        """Close the connections."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()


def _port(parts: SplitResult) -> int:
    return parts.port or _DEFAULT_PORTS[parts.scheme]


def _unreachable(error: Exception) -> ElasticsearchUnreachableError:
    text = str(error.__context__ or error)  # a TlsError itself says no more than that it is one
    if any(known in text.lower() for known in _DISTRUSTED):
        remedy = "check the scheme of the URL, the name in it, ca_file or ca_fingerprint, and client_certificate_file"
        return ElasticsearchDistrustError(f"TLS: {text}", remedy)
    return ElasticsearchUnreachableError(f"{type(error).__name__}: {text}")


def basic_authorization(username: str, password: str) -> str:
    """The header's value for a user; empty where there is none."""
    if not username:
        return ""
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def api_key_authorization(api_key: str) -> str:
    """The header's value for an API key: ``id:key``, or both in base64 as Elasticsearch calls it ``encoded``."""
    encoded = base64.b64encode(api_key.encode()).decode() if ":" in api_key else api_key
    return f"ApiKey {encoded}"
