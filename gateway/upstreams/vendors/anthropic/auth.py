"""Where clients of Anthropic's dialect put their key, and where ours goes."""

from __future__ import annotations

from gateway.upstreams.client import Headers


def key_of(headers: Headers) -> str | None:
    """A key in ``x-api-key``."""
    for name, value in headers:
        if name == b"x-api-key" and value.strip():
            return value.strip().decode("latin-1")
    return None


def key_header(api_key: str) -> Headers:
    """``x-api-key: <key>``; nothing where there is no key. The client's ``anthropic-version`` and ``anthropic-beta``
    go to the vendor as they are."""
    return [(b"x-api-key", api_key.encode())] if api_key else []
