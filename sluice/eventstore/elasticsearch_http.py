"""Elasticsearch over the official client's transport: bytes out, status and bytes back, no retries of its own.

The only file that knows ``elastic_transport``. Its helpers are not used: they serialise again what is bytes already,
keep one bulk in flight and retry only 429.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from elastic_transport import AsyncTransport, ConnectionTimeout, NodeConfig, SerializerCollection, TransportError

JSON_TYPE = "application/json"
NDJSON_TYPE = "application/x-ndjson"
_DEFAULT_PORTS = {"http": 9200, "https": 9200}


class ElasticsearchUnreachableError(Exception):
    """No answer came: refused, reset, cut or too late. Whether the request was applied is not known."""


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
    """One server; safe to use from many tasks of one loop."""

    def __init__(
        self, url: str, *, username: str = "", password: str = "", timeout_seconds: float = 10.0, connections: int = 10
    ) -> None:
        parts = urlsplit(url)
        config = NodeConfig(
            scheme=parts.scheme,
            host=parts.hostname or "",
            port=parts.port or _DEFAULT_PORTS[parts.scheme],
            path_prefix=parts.path.rstrip("/"),
            connections_per_node=connections,
            request_timeout=timeout_seconds,
            headers=_authorization(username, password),
        )
        self._transport = AsyncTransport([config], max_retries=0, retry_on_status=(), meta_header=False)
        self._transport.serializers = _RawBytes()

    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Whatever status came back; raises ElasticsearchUnreachableError where none did."""
        sent = {"accept": JSON_TYPE, **({"content-type": JSON_TYPE} if body is not None else {}), **(headers or {})}
        try:
            response = await self._transport.perform_request(method, f"/{path}", body=body, headers=sent)
        except ConnectionTimeout as error:
            raise ElasticsearchUnreachableError("timeout") from error
        except (TransportError, OSError) as error:
            raise ElasticsearchUnreachableError(f"{type(error).__name__}: {error}") from error
        meta = response.meta
        return Answer(meta.status, response.body or b"", meta.headers.get("retry-after") or "")

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()


def _authorization(username: str, password: str) -> dict[str, str]:
    if not username:
        return {}
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"authorization": f"Basic {token}"}
