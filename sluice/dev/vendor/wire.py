"""Requests cut out of a connection's bytes, by hand: a plain request costs the vendor a few microseconds."""

from __future__ import annotations

from typing import NamedTuple

MAX_HEAD_BYTES = 256 << 10
MAX_BODY_BYTES = 256 << 20


class BadRequestError(ValueError):
    """Bytes that are no request; the connection cannot be used any further."""


class Request(NamedTuple):
    """One request; header names in lower case."""

    method: bytes
    target: bytes
    headers: dict[bytes, bytes]
    """The last value of each name."""
    head: bytes
    body: bytes


def cut_request(data: bytes | bytearray) -> tuple[Request, int] | None:
    """The first request and how many bytes it takes; ``None`` while it is incomplete. Raises BadRequestError."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > MAX_HEAD_BYTES:
            message = "the head is too large"
            raise BadRequestError(message)
        return None
    head = bytes(data[:end])
    lines = head.split(b"\r\n")
    try:
        method, target, _ = lines[0].split(b" ")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        return _with_body(data, end + 4, Request(method, target, headers, head, b""))
    except ValueError as error:
        raise BadRequestError(str(error)) from error


def _with_body(data: bytes | bytearray, start: int, request: Request) -> tuple[Request, int] | None:
    if b"transfer-encoding" in request.headers:
        return _with_chunks(data, start, request)
    length = int(request.headers.get(b"content-length", b"0"))
    if not 0 <= length <= MAX_BODY_BYTES:
        message = "the declared length cannot be"
        raise BadRequestError(message)
    end = start + length
    if len(data) < end:
        return None
    return (request._replace(body=bytes(data[start:end])) if length else request), end


def _with_chunks(data: bytes | bytearray, start: int, request: Request) -> tuple[Request, int] | None:
    """Chunk by chunk; trailers are read over."""
    chunks: list[bytes] = []
    while (end := data.find(b"\r\n", start)) >= 0:
        size = int(bytes(data[start:end]).partition(b";")[0], 16)
        start = end + 2
        if size == 0:
            return _without_trailers(data, start, request._replace(body=b"".join(chunks)))
        chunks.append(bytes(data[start : start + size]))
        start += size + 2
        if start > len(data):
            return None
    return None


def _without_trailers(data: bytes | bytearray, start: int, request: Request) -> tuple[Request, int] | None:
    while (end := data.find(b"\r\n", start)) >= 0:
        if end == start:
            return request, end + 2
        start = end + 2
    return None


def all_headers(head: bytes) -> tuple[tuple[str, str], ...]:
    """Every header line of a head, in order."""
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return tuple((name.lower().decode("latin-1"), value.strip().decode("latin-1")) for name, _, value in pairs)
