"""Where clients of Google's dialects put their key, and where ours goes."""

from __future__ import annotations

import msgspec

from gateway.upstreams.client import Headers, UpstreamRequest
from gateway.upstreams.vendors.openai.auth import bearer_header, bearer_of
from gateway.upstreams.vendors.queries import parameter

_KEY_HEADER = b"x-goog-api-key"
_KEY_PARAMETER = b"key"
_API_KEY_PREFIXES = ("AIza", "AQ.")
"""Of all of Google's API keys; access tokens begin otherwise (``ya29.``)."""


def credentials_of(headers: Headers, query: bytes) -> list[tuple[str, str]]:
    """Everything a client presents, with its kind: ``x-goog-api-key``, ``?key=``, a bearer token."""
    found = [(value.strip().decode("latin-1"), "api_key") for name, value in headers if name == _KEY_HEADER]
    if query and (key := parameter(query, _KEY_PARAMETER)) is not None:
        found.append((key.strip(), "api_key"))
    if (token := bearer_of(headers)) is not None:
        found.append((token, "bearer"))
    return [pair for pair in found if pair[0]]


def one_credential(headers: Headers, query: bytes) -> tuple[str, str]:
    """The credential and its kind; two empty strings where there is none, or where two are not the same: nobody can
    tell which of them is meant."""
    found = credentials_of(headers, query)
    return found[0] if len({credential for credential, _ in found}) == 1 else ("", "")


def key_header(api_key: str) -> Headers:
    """``x-goog-api-key: <key>``; nothing where there is no key."""
    return [(_KEY_HEADER, api_key.encode())] if api_key else []


def is_api_key(key: str) -> bool:
    """Whether it is an API key, and no access token."""
    return key.startswith(_API_KEY_PREFIXES)


class CompatibleKeySigner:
    """Puts the key where the OpenAI-compatible endpoint wants it: as a bearer token there, and never in both places,
    which the vendor refuses."""

    def __init__(self, api_key: str) -> None:
        self._bearer = bearer_header(api_key)

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest:
        """The request with its key in the right header."""
        if b"/openai/" not in request.target.partition(b"?")[0]:
            return request
        headers = [pair for pair in request.headers if pair[0] != _KEY_HEADER]
        return msgspec.structs.replace(request, headers=headers + self._bearer)
