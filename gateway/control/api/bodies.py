"""A request's body: read within a bound, and JSON whatever its ``Content-Type`` says."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from starlette.requests import ClientDisconnect, Request

from gateway.control.api.problems import Problem

MAX_BODY_BYTES = 1 << 20
_MAX_DEPTH = 64
_INT_64 = range(-(1 << 63), 1 << 63)
_JSON_TYPE = (b"content-type", b"application/json")


class JsonRequest(Request):
    """A request whose body was read and parsed; its type is JSON, whatever it said."""

    def __init__(self, request: Request, raw: bytes) -> None:
        others = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
        super().__init__({**request.scope, "headers": [*others, _JSON_TYPE]}, request.receive)
        self._raw = raw
        self._value = parse_json(raw) if raw else None

    async def body(self) -> bytes:
        """The bytes as they came."""
        return self._raw

    async def json(self) -> Any:
        """What they say."""
        return self._value


async def read_body(request: Request) -> bytes:
    """All of the body; 413 beyond ``MAX_BODY_BYTES``, without reading on."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > MAX_BODY_BYTES):
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise _too_large()
            chunks.append(chunk)
    except ClientDisconnect:
        raise Problem(400, "client_closed", "the client left before its request was complete") from None
    return b"".join(chunks)


def parse_json(raw: bytes) -> Any:
    """The value, numbers with a point or an exponent as ``Decimal``; whatever cannot be kept is a 400."""
    try:
        value = json.loads(
            raw.decode(),
            parse_float=Decimal,
            parse_int=_integer,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise _not_json("it is not UTF-8") from None
    except RecursionError:
        raise _not_json("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _not_json(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError as error:
        raise _not_json(str(error)) from None
    _check(value, 0)
    return value


def _integer(digits: str) -> int:
    # 20 characters are the longest 64-bit integer; Python refuses to read some thousands
    if len(digits) > 20 or (number := int(digits)) not in _INT_64:
        message = f"{digits[:24]} does not fit into 64 bits"
        raise ValueError(message)
    return number


def _constant(name: str) -> float:
    message = f"{name} is no JSON"
    raise ValueError(message)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        message = f"key {twice[:64]!r} stands twice; one of both would be lost"
        raise ValueError(message)
    return found


def _check(value: Any, depth: int) -> None:
    """What no database keeps as text (NUL, half of a surrogate pair), and what is nested beyond any use."""
    if isinstance(value, str):
        if "\x00" in value or not _is_utf8(value):
            raise _not_json("a text has a NUL or half of a surrogate pair")
    elif isinstance(value, dict | list):
        if depth >= _MAX_DEPTH:
            raise _not_json(f"it is nested more than {_MAX_DEPTH} deep")
        for inner in value:
            _check(inner, depth + 1)
        if isinstance(value, dict):
            for inner in value.values():
                _check(inner, depth + 1)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_large() -> Problem:
    message = f"the body is larger than {MAX_BODY_BYTES} bytes"
    return Problem(413, "request_too_large", message, headers={"connection": "close"})


def _not_json(reason: str) -> Problem:
    return Problem(400, "invalid_json", f"the body cannot be read as JSON: {reason}", field="body")
