"""What endpoints answer, checked: a lie about types is an error with a name, not a surprise further on.

Everything here raises ``AnswerError`` for what cannot be sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from sluice.plugin_host.answers import AnswerError
from sluice.sdk.endpoints import EndpointResponse
from sluice.sdk.headers import Headers, RawHeaders, check_raw_headers

MAX_HEADER_BYTES = 64 << 10
MAX_MESSAGE_CHARACTERS = 4096

_OURS = frozenset(
    (b"connection", b"content-length", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding",
     b"upgrade", b"x-request-id", b"x-sluice-exchange-id")
)  # fmt: skip
"""How bytes travel on a connection, and which exchange this is: the host's to say, whatever a plugin answers."""


class Head(NamedTuple):
    """The status and the headers of an answer, without those that are the host's."""

    status: int
    headers: RawHeaders


class Answer(NamedTuple):
    """A whole answer; ``said`` is the message that the plugin left the host to say."""

    head: Head
    body: bytes
    said: str = ""


def check_response(response: Any, max_bytes: int) -> Answer:
    """A unary answer. A ``message`` without a body is said as ``{"error": …}``, with 500 for a status below 400."""
    if not isinstance(response, EndpointResponse):
        message = f"answered {type(response).__name__}, not EndpointResponse"
        raise AnswerError(message)
    body, said = check_body(response.body, max_bytes), check_text(response.message)
    head = check_head(response.status_code, response.headers)
    return error_answer(said, head) if said and not body else Answer(head, body)


def error_answer(said: str, head: Head) -> Answer:
    """What a plugin called an error, as JSON."""
    status = head.status if head.status >= 400 else 500
    headers = [line for line in head.headers if line[0] != b"content-type"]
    return Answer(Head(status, [*headers, (b"content-type", b"application/json")]), orjson.dumps({"error": said}), said)


def check_head(status: Any, headers: Any) -> Head:
    """Status and headers; a status of 0, which is what Go leaves unset, is 200."""
    if not isinstance(status, int) or isinstance(status, bool) or not (status == 0 or 200 <= status <= 599):
        message = f"answered with status {status!r:.40}, which is not one of 200 to 599"
        raise AnswerError(message)
    if not isinstance(headers, Mapping):
        message = f"headers are of type {type(headers).__name__}, not a mapping"
        raise AnswerError(message)
    try:
        raw = Headers(headers).raw
        check_raw_headers(raw)
    except (TypeError, ValueError, AttributeError) as error:
        message = f"headers cannot be sent: {error}"
        raise AnswerError(message) from error
    if sum(len(name) + len(value) for name, value in raw) > MAX_HEADER_BYTES:
        message = f"headers are larger than {MAX_HEADER_BYTES} bytes"
        raise AnswerError(message)
    return Head(int(status) or 200, [line for line in raw if line[0] not in _OURS])


def check_body(body: Any, max_bytes: int) -> bytes:
    """A whole body, or a piece of one."""
    if not isinstance(body, bytes | bytearray | memoryview):
        message = f"body is of type {type(body).__name__}, not bytes"
        raise AnswerError(message)
    size = memoryview(body).nbytes
    if size > max_bytes:
        message = f"body has {size} bytes, more than {max_bytes} (plugin_host.endpoints.max_response_bytes)"
        raise AnswerError(message)
    return body if type(body) is bytes else bytes(memoryview(body))  # a subclass may lie about its length


def check_text(text: Any) -> str:
    """A message, cut to what a client gets to read."""
    if not isinstance(text, str):
        message = f"message is of type {type(text).__name__}, not text"
        raise AnswerError(message)
    return text.encode("utf-8", "replace").decode()[:MAX_MESSAGE_CHARACTERS]
