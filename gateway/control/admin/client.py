"""Calls the control API over HTTP; foreign errors are translated here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gateway.control.admin.errors import RefusedError, UnreachableError, UsageError

if TYPE_CHECKING:
    import ssl

    import httpx

    from gateway.control.admin.target import Target

TIMEOUT_SECONDS = 30.0
PAGE = 100
"""The largest page that the API gives."""
_PREFIX = "/api/v1"

Body = dict[str, Any]


def transport() -> httpx.BaseTransport | None:
    """What carries requests; ``None`` is the network."""
    return None


class AdminClient:
    """A client of one gateway's API; a context manager."""

    def __init__(self, target: Target) -> None:
        import httpx  # noqa: PLC0415 - every sluice command imports this file

        self._url = target.url
        self._client = httpx.Client(
            headers={"authorization": f"Bearer {target.token}", "accept": "application/json"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,  # a proxy of the environment would get the token
            verify=_certificates() if target.url.startswith("https://") else False,
            transport=transport(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Body:
        """The body of the answer. ``path`` is below ``/api/v1``. Raises RefusedError, UnreachableError, UsageError."""
        import httpx  # noqa: PLC0415 - as above

        try:
            answer = self._client.request(
                method,
                f"{self._url}{_PREFIX}{path}",
                content=None if body is None else json.dumps(body),
                params={name: _text(value) for name, value in (query or {}).items()},
                headers=dict(headers or {}),
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
            raise UsageError(f"{self._url}{path}: cannot be asked ({error}); correct --url or the path") from None
        except httpx.HTTPError as error:
            remedy = "is the gateway running, and is --url its control API?"
            raise UnreachableError(
                f"{self._url}: does not answer ({type(error).__name__}: {error}); {remedy}"
            ) from None
        return self._read(answer)

    def pages(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[Body]:
        """Every item of a list, page by page; also of a list that has no pages. Raises as ``request``."""
        page = 1
        while True:
            body = self.request("GET", path, query={**(query or {}), "page": page, "limit": PAGE})
            items = body.get("data") or []
            yield from items
            pages = (body.get("pagination") or {}).get("total_pages", 1)
            if page >= pages or not items:
                return
            page += 1

    def _read(self, answer: httpx.Response) -> Body:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or (answer.status_code >= 400 and "error" not in body):  # the API's own have one
            remedy = "is --url the gateway's control API, and control.enabled on?"
            raise UnreachableError(f"{self._url}: answered {answer.status_code}, and not as the API does; {remedy}")
        if answer.status_code >= 400:
            raise RefusedError(answer.status_code, body)
        return body


def _certificates() -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - for the few

    return ssl.create_default_context()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
