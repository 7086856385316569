"""Where clients of OpenAI's dialect put their key, and where ours goes."""

from __future__ import annotations

from gateway.upstreams.client import Headers

_KEY_HEADERS = frozenset((b"api-key", b"x-api-key"))


def bearer_of(headers: Headers) -> str | None:
    """``Authorization: Bearer <token>``."""
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].strip().decode("latin-1")
    return None


def key_of(headers: Headers) -> str | None:
    """A key in ``api-key`` (Azure's) or ``x-api-key``."""
    for name, value in headers:
        if name in _KEY_HEADERS and value.strip():
            return value.strip().decode("latin-1")
    return None


def bearer_header(api_key: str) -> Headers:
    """``Authorization: Bearer <key>``; nothing where there is no key."""
    return [(b"authorization", f"Bearer {api_key}".encode())] if api_key else []
