"""A request as bytes, and the requests that no client of ours will write.

A header or target that holds a line break would end the line early and smuggle a second request to the vendor, so it
is refused before anything is written. That is a fault of whoever built the request (a plugin, or we), never of the
upstream: ``ValueError``, nothing was sent.
"""

from __future__ import annotations

import string
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.headers import CR, LF

if TYPE_CHECKING:
    from gateway.upstreams.client import Headers, Origin, UpstreamRequest

_NUL = 0
_NAME_BYTES = b"!#$%&'*+-.^_`|~" + (string.digits + string.ascii_lowercase).encode()
"""A token (RFC 9110, 5.6.2) in lower case, as ``Headers`` promises; so names compare as they are."""
_METHOD_BYTES = _NAME_BYTES + string.ascii_uppercase.encode()
_TARGET_BYTES = bytes(range(0x21, 0x7F)).replace(b"#", b"")
"""Printable, and no fragment: that is never sent (RFC 9110, 7.1)."""
_AS_NAME, _AS_METHOD, _AS_TARGET = (
    bytes([byte if byte in allowed else byte ^ 1 for byte in range(256)])
    for allowed in (_NAME_BYTES, _METHOD_BYTES, _TARGET_BYTES)
)
"""Tables that change nothing but what is none of these bytes; to delete those costs ``translate`` twice as much."""
_OURS = frozenset((b"content-length", b"transfer-encoding"))
_USUAL = frozenset(
    (b"accept", b"accept-encoding", b"accept-language", b"anthropic-beta", b"anthropic-version", b"api-key",
     b"authorization", b"content-type", b"host", b"openai-beta", b"openai-organization", b"openai-project",
     b"traceparent", b"tracestate", b"user-agent", b"x-api-key", b"x-goog-api-client", b"x-goog-api-key",
     b"x-request-id", b"x-sluice-exchange-id", b"x-stainless-arch", b"x-stainless-async", b"x-stainless-lang",
     b"x-stainless-os", b"x-stainless-package-version", b"x-stainless-raw-response", b"x-stainless-read-timeout",
     b"x-stainless-retry-count", b"x-stainless-runtime", b"x-stainless-runtime-version", b"x-stainless-timeout")
)  # fmt: skip
"""What vendors' SDKs and we send: names that need no look at each of their bytes."""
_WITHOUT_BODY = frozenset((b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE"))
"""Methods whose empty body is not announced (RFC 9110, 8.6)."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


def check_request(request: UpstreamRequest) -> None:
    """Raise ``ValueError`` for a request that would not arrive as the one request it is."""
    if not request.method or request.method.translate(_AS_METHOD) != request.method:
        raise ValueError(f"the method {request.method!r} is not a token")
    if request.target[:1] != b"/" or request.target.translate(_AS_TARGET) != request.target:
        raise ValueError("the target must begin with / and be percent-encoded")
    if request.headers:
        _check_headers(request.headers)


def _check_headers(headers: Headers) -> None:
    unusual, values = [], []
    for name, value in headers:
        if name not in _USUAL:
            unusual.append(name)
        values.append(value)
    if unusual:
        _check_names(unusual)
    text = b"".join(values)
    if LF in text or CR in text or _NUL in text:
        raise ValueError("a header value holds CR, LF or NUL")


def _check_names(names: list[bytes]) -> None:
    text = b"".join(names)
    if text.translate(_AS_NAME) != text or not all(names):
        raise ValueError("a header name is not a lower-case token")
    if not _OURS.isdisjoint(names):
        raise ValueError("content-length and transfer-encoding are written by the client alone")


def request_head(request: UpstreamRequest) -> bytes:
    """The head as it goes on the wire, with its empty line. Raises ``ValueError`` (see ``check_request``)."""
    check_request(request)
    lines = b"\r\n".join(map(b": ".join, [*request.headers, *added_headers(request)]))
    return b"%b %b HTTP/1.1\r\n%b\r\n\r\n" % (request.method, request.target, lines)


def added_headers(request: UpstreamRequest) -> Headers:
    """What a client adds to the caller's headers: ``host``, unless it is there, and ``content-length``, but for an
    empty body that nobody expects."""
    added: Headers = []
    if not _names_host(request.headers):
        added.append((b"host", host_of(request.origin)))
    body = request.body
    if body or request.method not in _WITHOUT_BODY:
        added.append((b"content-length", b"%d" % len(body)))
    return added


def _names_host(headers: Headers) -> bool:
    """Whether the caller set ``host`` itself. It does so last, so the search begins there."""
    for name, _ in reversed(headers):  # noqa: SIM110 - a generator costs as much as the rest of the head
        if name == b"host":
            return True
    return False


@lru_cache(maxsize=256)
def host_of(origin: Origin) -> bytes:
    """The ``host`` value of an origin: without its port where that is the scheme's own."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    if origin.port != _DEFAULT_PORTS.get(origin.scheme):
        host = f"{host}:{origin.port}"
    return host.encode("ascii")
