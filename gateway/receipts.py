"""What an exchange cost, told in its own answer to those who ask for it.

Four headers, and the same four lines as comments of a stream of server-sent events, before its terminal event:

``x-sluice-cost``           currency units as decimal text, exactly; not there where no price is known
``x-sluice-cost-currency``  ISO 4217; there where the cost is
``x-sluice-cost-status``    ``exact``, ``estimated`` or ``unpriced``, as in the event
``x-sluice-tokens``         ``prompt=12; response=34; cached=0; reasoning=0; total=46``

They are added when the exchange is priced, before it is recorded: they go out with the last byte.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.headers import header
from gateway.transfer import Transfer
from gateway.upstreams.vendors.scanning import media_type
from sluice.money.nanos import format_nanos
from sluice.money.usage import Usage

if TYPE_CHECKING:
    from gateway.asgi import Message, Send
    from gateway.exchange import Exchange
    from gateway.settings import CostInAnswers, GatewaySettings
    from gateway.upstreams.client import Headers

ASKING_HEADER: Final = b"x-sluice-cost"
_YES: Final = frozenset((b"true", b"1", b"yes"))
_NO: Final = frozenset((b"false", b"0", b"no"))
_NO_USAGE: Final = Usage()
_WHOLE_FRAMES: Final = re.compile(rb"(?:data|event|id|retry)?:.*(?:\r\n\r\n|\n\n|\r\r)", re.DOTALL)
"""What begins where an SSE frame does and ends where one does."""


def is_wanted(rule: CostInAnswers, value: bytes | None) -> bool:
    """Whether an answer shall say what it cost, by the setting and what the request's header says, if it has one."""
    if rule == "never":
        return False
    said = value.strip().lower() if value is not None else b""
    return said not in _NO if rule == "always" else said in _YES


def with_receipt(exchange: Exchange, last: list[Message]) -> list[Message]:
    """The messages that end an answer, with what it cost: in its head where that is among them, else in a comment.

    Nothing where neither can be: the head is out, and the end is none of a whole stream of server-sent events. The
    exchange is priced by now.
    """
    if not last:
        return last
    first = last[0]
    if first["type"] == "http.response.start":
        exchange.response_headers = [*first["headers"], *lines_of(exchange)]
        return [{**first, "headers": exchange.response_headers}, *last[1:]]
    if exchange.outcome == "ok" and _is_event_stream(exchange.response_headers):
        body = first.get("body", b"")
        if _WHOLE_FRAMES.fullmatch(body):  # no empty line behind the comments: some SDKs make an event of each
            comments = b"".join([b": %s: %s\n" % line for line in lines_of(exchange)])
            return [{**first, "body": comments + body}, *last[1:]]
    return last


def lines_of(exchange: Exchange) -> Headers:
    """The headers that say what an exchange was worth. Where no vendor was called that is nothing, exactly."""
    lines: Headers = []
    status = exchange.cost_status or "exact"
    if status != "unpriced":
        lines.append((b"x-sluice-cost", format_nanos(exchange.cost_nanos or 0).encode()))
        currency = exchange.price.currency if exchange.price is not None else "USD"
        lines.append((b"x-sluice-cost-currency", currency.encode()))
    lines.append((b"x-sluice-cost-status", status.encode()))
    lines.append((b"x-sluice-tokens", _tokens(exchange.usage or _NO_USAGE)))
    return lines


class HeldTransfer(Transfer):
    """A transfer that keeps the head back until the answer was read to its end, so that it can say what that cost.

    An answer of more than ``gateway.max_response_bytes``, of which no usage is read either, goes out as it comes from
    there on.
    """

    def __init__(self, settings: GatewaySettings, exchange: Exchange, send: Send, max_response_bytes: int = 0) -> None:
        super().__init__(settings, exchange, send, max_response_bytes)
        self._waiting: list[bytes] | None = []
        self._left = settings.max_response_bytes

    async def forward(self, chunk: bytes) -> None:
        """Keep a chunk, or send it where there is no room for it."""
        if self._waiting is None:
            await super().forward(chunk)
            return
        self._waiting.append(chunk)
        self._left -= len(chunk)
        if self._left < 0:
            waiting, self._waiting = self._waiting, None
            for each in waiting:
                await super().forward(each)

    def last(self, held: bytes) -> list[Message]:
        """As ``Transfer.last``, with what was kept."""
        if self._waiting:
            held = b"".join((*self._waiting, held))
        return super().last(held)


def _tokens(usage: Usage) -> bytes:
    prompt, response = usage.prompt_tokens or 0, usage.response_tokens or 0
    return b"prompt=%d; response=%d; cached=%d; reasoning=%d; total=%d" % (
        prompt,
        response,
        usage.cache_read_prompt_tokens or 0,
        usage.reasoning_tokens or 0,
        prompt + response,
    )


def _is_event_stream(headers: Headers) -> bool:
    kind = header(headers, b"content-type")
    if kind is None or header(headers, b"content-encoding") not in {None, b"identity"}:
        return False
    return media_type(kind) == b"text/event-stream"
