"""A stream's pieces in a chain: one timing a plugin, however many pieces, with the heaviest decision."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.stream_pieces import StreamPieces
from sluice.plugin_host.errors import PluginBlocked
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.messages import ResponseWriteRequest
from tests.gateway.test_exchange import an_exchange


class Decides:
    """A chain of two plugins whose decisions are scripted."""

    def __init__(self, *decisions: tuple[str, str]) -> None:
        self.decisions = list(decisions)
        self.seen: list[ResponseWriteRequest] = []

    async def run(self, _: ExchangeFacts, message: ResponseWriteRequest, timings: list[Any]) -> ResponseWriteRequest:
        """The next decisions; raises where one is a block."""
        self.seen.append(message)
        for plugin, decision in zip("ab", self.decisions.pop(0), strict=True):
            timings.append({"plugin": plugin, "hook": "response_body", "micros": 5, "decision": decision})
            if decision == "block":
                raise PluginBlocked(plugin, "response_body", 403, [], None, "no")
        return message.replace(body=message.body.upper())


@pytest.mark.parametrize(
    ("decisions", "summed"),
    [
        ([("allow", "allow")], ["allow", "allow"]),
        ([("allow", "modify"), ("modify", "allow")], ["modify", "modify"]),
        ([("failed", "modify"), ("modify", "skipped")], ["failed", "modify"]),
        ([("allow", "skipped"), ("skipped", "allow")], ["skipped", "skipped"]),
        ([("allow", "failed"), ("block", "allow")], ["block", "failed"]),
    ],
)
async def test_each_plugin_leaves_one_timing(decisions: list[tuple[str, str]], summed: list[str]) -> None:
    """Its time is the sum of all its pieces'."""
    exchange, chain = an_exchange(), Decides(*decisions)
    pieces = StreamPieces(exchange, chain, ExchangeFacts())  # type: ignore[arg-type]
    for _ in decisions:
        try:
            await pieces.take(b"x", is_last=False)
        except PluginBlocked:
            break
    assert [timing["decision"] for timing in exchange.timings] == summed
    assert exchange.timings[0]["micros"] == 5 * len(decisions)


async def test_a_piece_is_told_to_be_one() -> None:
    """With the answer's status, its headers as they went out, and whether it is the last."""
    exchange = an_exchange(response_code=206, response_headers=[(b"x-a", b"1")])
    chain = Decides(("allow", "allow"), ("allow", "allow"))
    pieces = StreamPieces(exchange, chain, ExchangeFacts())  # type: ignore[arg-type]
    assert await pieces.take(b"one", is_last=False) == b"ONE"
    assert await pieces.take(b"", is_last=True) == b""
    assert [(seen.body, seen.is_stream_chunk, seen.is_last_chunk) for seen in chain.seen] == [
        (b"one", True, False), (b"", True, True),
    ]  # fmt: skip
    assert {(seen.status_code, seen.headers["x-a"], seen.request_id) for seen in chain.seen} == {
        (206, "1", "request-1")
    }


async def test_a_plugin_that_is_twice_in_a_chain_has_two_timings() -> None:
    """They are its places', not its name's."""
    exchange = an_exchange()

    class Twice:
        async def run(self, _: ExchangeFacts, message: Any, timings: list[Any]) -> Any:
            await asyncio.sleep(0)
            timings += [
                {"plugin": "a", "hook": "response_body", "micros": micros, "decision": "allow"} for micros in (1, 2)
            ]
            return message

    pieces = StreamPieces(exchange, Twice(), ExchangeFacts())  # type: ignore[arg-type]
    for _ in range(3):
        await pieces.take(b"", is_last=False)
    assert [timing["micros"] for timing in exchange.timings] == [3, 6]
