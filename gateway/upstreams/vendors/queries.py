"""Query strings: a parameter's value, and the rest without those that carry credentials."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final
from urllib.parse import unquote_to_bytes

CREDENTIAL_PARAMETERS: Final = frozenset((
    b"access_token", b"api-key", b"api_key", b"apikey", b"key", b"token",
    b"x-amz-credential", b"x-amz-security-token", b"x-amz-signature",
))  # fmt: skip
"""Never meant for a vendor: what a client presents is the gateway's, whatever name it gave it. In lower case."""


def parameter(query: bytes, name: bytes) -> str | None:
    """The first value of a parameter, decoded; its name's case does not matter."""
    for pair in query.split(b"&"):
        key, _, value = pair.partition(b"=")
        if _name(key) == name:
            return unquote_to_bytes(value.replace(b"+", b" ")).decode("utf-8", "replace")
    return None


def without(query: bytes, names: AbstractSet[bytes] = CREDENTIAL_PARAMETERS) -> bytes:
    """The query without these parameters; the others stay byte for byte."""
    if not query:
        return query
    return b"&".join(pair for pair in query.split(b"&") if _name(pair.partition(b"=")[0]) not in names)


def _name(key: bytes) -> bytes:
    return (unquote_to_bytes(key) if b"%" in key else key).lower()
