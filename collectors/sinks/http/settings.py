"""What the ``config`` of every sink that speaks HTTP has."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from collectors.sinks.settings import Duration
from sluice.eventlog.settings import Section

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,4094}[\x21-\x7e])?")
_FRAMING = frozenset(
    (
        "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host", "te",
        "trailer", "transfer-encoding",
    )
)  # fmt: skip


def _headers(value: Any) -> Any:
    """Checked as a whole, so that no error shows a value: it may be a key."""
    if not isinstance(value, dict):
        message = "must be a mapping of header names to values"
        raise ValueError(message)  # noqa: TRY004 - pydantic reports ValueErrors
    return {name: _header(name, held) for name, held in value.items()}


def _header(name: Any, value: Any) -> SecretStr:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        message = f"{str(name)[:40]!r} is no header name"
        raise ValueError(message)
    if name.lower() in _FRAMING:
        message = f"{name} is given by the sink itself; remove it"
        raise ValueError(message)
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if isinstance(value, dict | list | bool) or value is None or not _VALUE.fullmatch(text):
        message = f"the value of {name} must be one line of ASCII text"
        raise ValueError(message)
    return SecretStr(text)


Headers = Annotated[dict[str, SecretStr], BeforeValidator(_headers)]


def check_url(key: str, value: Any, example: str, *, with_query: bool = False) -> None:
    """An absolute http(s) URL without credentials or fragment; ValueError names ``key`` and shows no part of it."""
    parts = _split(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
        message = f"{key}: must be an absolute http:// or https:// URL, e.g. {example}"
        raise ValueError(message)
    if "@" in parts.netloc:
        message = f"{key}: must not hold credentials; use bearer_token or headers"
        raise ValueError(message)
    if parts.query and not with_query:
        message = f"{key}: must not have a query; remove what begins with '?'"
        raise ValueError(message)


def _split(value: Any) -> SplitResult | None:
    """The parts, or ``None`` where they are none."""
    if not isinstance(value, str) or not value.isascii() or any(sign <= " " for sign in value):
        return None
    try:
        parts = urlsplit(value)
        is_one = parts.port != 0  # which raises where it is no number
    except ValueError:
        return None
    return parts if is_one else None


def origin_of(url: str) -> str:
    """``scheme://host:port``: as much of a URL as logs may show, for what follows may be a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class HttpSettings(Section):
    """Who we are to the server, and how long we wait for it."""

    own_headers: ClassVar[Collection[str]] = ()
    """Further names that the sink itself gives, in lower case."""

    headers: Headers = Field(default_factory=dict, examples=[{"x-tenant": "${TENANT_KEY}"}])
    """Sent with every request; values are secrets, and never shown."""
    bearer_token: SecretStr = SecretStr("")
    """Sent as ``authorization: Bearer …``."""
    ca_file: Annotated[str, Field(examples=["/etc/sluice/ca.pem"])] = ""
    """Who signed the server's certificate: a PEM file; empty is who the system trusts."""
    timeout: Duration = 10.0
    """For a whole answer, from the first byte of the request."""
    compress: bool = False
    """gzip level 1: pays where the network, not the processor, is the bound."""

    @model_validator(mode="after")
    def headers_are_said_once(self) -> Self:
        """One that would be sent twice would be taken by some servers and refused by others."""
        names = [name.lower() for name in self.headers]
        if doubled := next((name for name in names if names.count(name) > 1), None):
            message = f"headers: {doubled} stands twice; names differ by more than case"
            raise ValueError(message)
        if own := next((name for name in names if name in self.own_headers), None):
            message = f"headers: {own} is given by the sink itself; remove it"
            raise ValueError(message)
        token = self.bearer_token.get_secret_value()
        if token and "authorization" in names:
            message = "headers: authorization and bearer_token are both given; remove one"
            raise ValueError(message)
        if token and not _VALUE.fullmatch(token):
            message = "bearer_token: must be one line of ASCII text"
            raise ValueError(message)
        return self

    def sent_headers(self) -> dict[str, str]:
        """What every request carries."""
        sent = {name: value.get_secret_value() for name, value in self.headers.items()}
        if token := self.bearer_token.get_secret_value():
            sent["authorization"] = f"Bearer {token}"
        return sent
