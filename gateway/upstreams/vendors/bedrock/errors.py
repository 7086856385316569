"""Errors of ours as AWS's are: SDKs choose a class by ``__type``, in streams by the message's ``:exception-type``."""

from __future__ import annotations

import struct
import zlib
from typing import Final

import orjson

_TYPES: Final = {
    400: "ValidationException",
    401: "AccessDeniedException",
    402: "ServiceQuotaExceededException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    413: "ValidationException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}
_STREAM_TYPES: Final = {429: "throttlingException", 503: "serviceUnavailableException"}
"""Streams know fewer; of the others some SDKs say nothing at all."""
_PRELUDE = struct.Struct(">II")
_CRC = struct.Struct(">I")


def error_body(status: int, message: str, code: str) -> bytes:
    """``{"__type", message, status, error_code}``. AWS itself names the type in a header; all SDKs read it here, and
    would take a ``code`` for it."""
    kind = _TYPES.get(status, "InternalServerException" if status >= 500 else "ValidationException")
    return orjson.dumps({"__type": kind, "message": _text(message), "status": status, "error_code": code})


def stream_error(status: int, message: str, code: str) -> bytes:
    """A message of an event stream on which SDKs raise."""
    kind = _STREAM_TYPES.get(status, "internalServerException" if status >= 500 else "validationException")
    payload = orjson.dumps({"message": _text(message), "error_code": code})
    names = ((":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception"))
    return _message(b"".join(_header(name, value) for name, value in names), payload)


def _header(name: str, value: str) -> bytes:
    text_type = b"\7"
    return bytes([len(name)]) + name.encode() + text_type + struct.pack(">H", len(value)) + value.encode()


def _message(headers: bytes, payload: bytes) -> bytes:
    prelude = _PRELUDE.pack(len(headers) + len(payload) + 16, len(headers))
    body = prelude + _CRC.pack(zlib.crc32(prelude)) + headers + payload
    return body + _CRC.pack(zlib.crc32(body))


def _text(message: str) -> str:
    return message.encode("utf-8", "replace").decode()  # JSON carries no lone surrogate
