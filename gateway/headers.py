"""Header hygiene both ways: what belongs to one connection never reaches the other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.exchange import Exchange
    from gateway.upstreams.client import Headers

_HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
     b"trailer", b"transfer-encoding", b"upgrade")
)  # fmt: skip
_CREDENTIALS = frozenset(
    (b"authorization", b"x-api-key", b"api-key", b"cookie", b"x-goog-api-key", b"x-goog-iam-authorization-token",
     b"x-goog-user-project",
     b"ocp-apim-subscription-key", b"x-amz-date", b"x-amz-content-sha256", b"x-amz-security-token",
     b"x-amz-access-token")
)  # fmt: skip
"""Where any vendor's SDK puts what proves its client, and what belongs to such a proof: ours goes out instead."""
_NOT_UPSTREAM = _HOP_BY_HOP | _CREDENTIALS | frozenset(
    (b"host", b"content-length", b"expect", b"accept-encoding", b"x-request-id", b"traceparent", b"forwarded",
     b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip",
     b"x-sluice-exchange-id", b"x-sluice-cost", b"x-http-method-override", b"x-http-method", b"x-method-override")
)  # fmt: skip
"""A method in a header too (Google's servers heed it): what is a GET to us, and costs nothing, must be one to them."""
_NOT_UPSTREAM_UNTRACED = _NOT_UPSTREAM | {b"tracestate"}
"""Without a ``traceparent`` that can be read its companion means nothing (W3C Trace Context, 3.3.1)."""
_NOT_DOWNSTREAM = _HOP_BY_HOP | frozenset(
    (b"x-request-id", b"x-sluice-exchange-id", b"x-sluice-llm", b"x-sluice-cost", b"x-sluice-cost-currency",
     b"x-sluice-cost-status", b"x-sluice-tokens", b"alt-svc", b"set-cookie")
)  # fmt: skip
BODILESS = frozenset((204, 304))
"""Statuses of answers that have no body (RFC 9110, 6.4.1); a ``Content-Length`` is of the body that they do not have,
as in an answer to HEAD (8.6)."""
_NAMES_NONE = frozenset((b"keep-alive", b"close", b"Keep-Alive"))
"""The usual values of ``Connection``."""
_NOTHING: frozenset[bytes] = frozenset()
CR, LF = b"\r\n"
"""Numbers, to be looked for with ``in``: for a needle of bytes ``bytes.__contains__`` raises an error and drops it."""
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def header(headers: Headers, name: bytes) -> bytes | None:
    """The first value of a header."""
    for key, value in headers:
        if key == name:
            return value
    return None


def first_values(headers: Headers) -> dict[bytes, bytes]:
    """The first value of each header, for whoever asks for several; as ``header`` finds them."""
    return dict(reversed(headers))


def all_values(headers: Headers, name: bytes) -> list[bytes]:
    """Each line of a header, in order."""
    return [value for key, value in headers if key == name]


def connection_names(headers: Headers) -> frozenset[bytes]:
    """Headers that ``Connection`` names: they too belong to one connection only (RFC 9110, 7.6.1)."""
    named = [value for key, value in headers if key == b"connection" and value not in _NAMES_NONE]
    return connection_options(named) if named else _NOTHING


def connection_options(values: Iterable[bytes]) -> frozenset[bytes]:
    """What lines of ``Connection`` list, in lower case: names of headers, ``close``, ``upgrade``."""
    return frozenset([option.strip().lower() for value in values for option in value.split(b",")])


def upstream_headers(exchange: Exchange, authorization: Headers) -> Headers:
    """What goes to the vendor: the client's own headers but the connection's and its credential, then ours.

    Compression is refused (``identity``): the terminal event cannot be cut out of a compressed stream, and usage is
    read beside the bytes.
    """
    dropped = _NOT_UPSTREAM if exchange.traceparent else _NOT_UPSTREAM_UNTRACED
    headers = [
        *_without(exchange.headers, exchange.values(), dropped),
        *authorization,
        (b"accept-encoding", b"identity"),
        (b"x-request-id", exchange.request_id.encode("ascii")),
        (b"x-sluice-exchange-id", exchange.exchange_id.encode("ascii")),
    ]
    if exchange.traceparent:
        headers.append((b"traceparent", exchange.traceparent.encode("ascii")))
    return headers


def downstream_headers(exchange: Exchange, upstream: Headers, values: Mapping[bytes, bytes]) -> Headers:
    """What goes to the client; the vendor's own request id stays visible under another name. ``values`` are the first
    ones of ``upstream``."""
    headers = _without(upstream, values, _NOT_DOWNSTREAM)
    vendor_id = values.get(b"x-request-id")
    if vendor_id is not None:
        headers.append((b"x-vendor-request-id", vendor_id))
    headers += own_headers(exchange)
    return headers


def _without(headers: Headers, values: Mapping[bytes, bytes], dropped: frozenset[bytes]) -> Headers:
    """But for what belongs to this connection alone. Where no name repeats, so that there is one ``Connection``, and it
    is the usual one, it names nothing."""
    connection = values.get(b"connection")
    if connection is not None and (connection not in _NAMES_NONE or len(values) < len(headers)):
        dropped |= connection_names(headers)
    kept: Headers = []
    for pair in headers:  # a comprehension is a function that CPython 3.11 makes anew each time
        if pair[0] not in dropped:
            kept.append(pair)
    return kept


def own_headers(exchange: Exchange) -> Headers:
    """In every answer; which LLM it comes from where that is not the one that was asked."""
    headers = [
        (b"x-request-id", exchange.request_id.encode("ascii")),
        (b"x-sluice-exchange-id", exchange.exchange_id.encode("ascii")),
    ]
    if exchange.served_by is not None:
        headers.append((b"x-sluice-llm", exchange.served_by.slug.encode("ascii")))
    return headers


def parse_traceparent(value: bytes | None) -> tuple[str, str]:
    """(traceparent, trace id) where the header is well formed, else two empty strings."""
    if value is None:
        return "", ""
    text = value.decode("latin-1")
    match = _TRACEPARENT.fullmatch(text)
    if match is None or match[1] == "0" * 32 or match[2] == "0" * 16:
        return "", ""
    return text, match[1]
