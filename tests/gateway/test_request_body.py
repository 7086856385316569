"""A request's body within its bound."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.outcomes import ClientGone, RequestTooLarge
from gateway.request_body import read_body
from tests.gateway.test_exchange import Connection, an_exchange


def receiving(*pieces: bytes, leaves: bool = False) -> Any:
    """A ``receive`` of these pieces; how often it was asked is ``asked``."""
    messages = [
        {"type": "http.request", "body": piece, "more_body": leaves or at < len(pieces) - 1}
        for at, piece in enumerate(pieces)
    ]
    messages.append({"type": "http.disconnect"})

    async def receive() -> Any:
        receive.asked += 1  # type: ignore[attr-defined]
        return messages.pop(0)

    receive.asked = 0  # type: ignore[attr-defined]
    return receive


@pytest.mark.parametrize("pieces", [[b""], [b"abc"], [b"a", b"", b"bc"], [b"12345", b"67890"]])
async def test_a_body_within_its_bound_is_read_whole(pieces: list[bytes]) -> None:
    """In however many pieces it comes; the time to send it ends with it."""
    exchange = an_exchange()
    await read_body(exchange, receiving(*pieces), 10, "some.bound", 5.0)
    assert (exchange.body, exchange.deadline) == (b"".join(pieces), 0.0)


async def test_a_length_beyond_the_bound_is_refused_unread() -> None:
    """413, naming the setting; not a byte was asked for."""
    exchange, receive = an_exchange(headers=[(b"content-length", b"11")]), receiving(b"x")
    with pytest.raises(RequestTooLarge, match=r"larger than 10 bytes \(some.bound\)"):
        await read_body(exchange, receive, 10, "some.bound", 5.0)
    assert receive.asked == 0


async def test_a_flood_in_chunks_is_cut_at_the_bound() -> None:
    """No length was said: what is beyond the bound is not asked for."""
    exchange, receive = an_exchange(), receiving(*[b"12345"] * 100)
    with pytest.raises(RequestTooLarge):
        await read_body(exchange, receive, 10, "some.bound", 5.0)
    assert receive.asked == 3


async def test_a_client_that_leaves_in_its_body_is_gone() -> None:
    """What came of it reaches nobody."""
    exchange = an_exchange()
    with pytest.raises(ClientGone):
        await read_body(exchange, receiving(b"12", leaves=True), 10, "some.bound", 5.0)
    assert exchange.body == b""


async def test_the_sweep_is_told_until_when_to_wait() -> None:
    """A client that sends nothing is given up."""
    exchange, begun = an_exchange(), time.monotonic()

    async def receive() -> Any:
        assert begun + 5.0 <= exchange.deadline <= time.monotonic() + 5.0
        return {"type": "http.request", "body": b"", "more_body": False}

    await read_body(exchange, receive, 10, "some.bound", 5.0)


class Whole(Connection):
    """One whose client has sent all of its body."""

    def rest_of_body(self) -> bytes | None:
        """Here it is."""
        return b"1234567890"


async def test_a_body_that_has_come_is_taken_without_receiving_it() -> None:
    """Within the same bound."""
    exchange, receive = an_exchange(connection=Whole()), receiving()
    await read_body(exchange, receive, 10, "some.bound", 5.0)
    assert (exchange.body, exchange.deadline) == (b"1234567890", 0.0)
    with pytest.raises(RequestTooLarge, match=r"larger than 9 bytes \(some.bound\)"):
        await read_body(exchange, receive, 9, "some.bound", 5.0)
    assert receive.asked == 0
