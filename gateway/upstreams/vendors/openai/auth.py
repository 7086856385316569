"""Where clients of OpenAI's dialect put their key, and where ours goes."""

from __future__ import annotations

from gateway.upstreams.client import Headers

_KEY_HEADERS = frozenset((b"api-key", b"x-api-key"))


def bearer_of(headers: Headers) -> str | None:
    """``Authorization: Bearer <token>``."""
    value = dict(reversed(headers)).get(b"authorization")
    if value is not None and not _is_bearer(value):  # of several lines another may be one
        value = next((each for name, each in headers if name == b"authorization" and _is_bearer(each)), None)
    return None if value is None else value[7:].strip().decode("latin-1")


def key_of(headers: Headers) -> str | None:
    """A key in ``api-key`` (Azure's) or ``x-api-key``."""
    for name, value in headers:
        if name in _KEY_HEADERS and value.strip():
            return value.strip().decode("latin-1")
    return None


def bearer_header(api_key: str) -> Headers:
    """``Authorization: Bearer <key>``; nothing where there is no key."""
    return [(b"authorization", f"Bearer {api_key}".encode())] if api_key else []


def _is_bearer(value: bytes) -> bool:
    return value[:7].lower() == b"bearer "
