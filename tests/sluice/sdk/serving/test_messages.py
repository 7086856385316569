"""Tests of ``sluice.sdk.serving.messages``, against our own host's side."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sluice.plugin_wire.go_plugin_pb2 import ConnInfo
from sluice.sdk import Message, NotFound, ServiceError
from sluice.sdk.serving import messages as module
from sluice.sdk.testing import make_context
from tests.sluice.sdk.serving.asking import asking
from tests.sluice.sdk.serving.harness import DEADLINE_SECONDS, connected, host_of, until


@pytest.fixture
def host() -> Any:
    """A host's services."""
    return make_context().services


async def test_what_is_published_reaches_who_subscribed(tmp_path: Path, host: Any) -> None:
    """Of its topic, or of all; with its id, payload and direction."""
    seen: list[Message] = []
    everything: list[Message] = []

    async def see(message: Message) -> None:
        seen.append(message)

    async def see_all(message: Message) -> None:
        everything.append(message)

    async with asking(host, tmp_path) as services:
        await services.messages.subscribe("a", see)
        await services.messages.subscribe_all(see_all)
        published = await services.messages.publish("a", b"\x00", "up")
        await services.messages.publish("b", b"2")
        await until(lambda: len(everything) == 2)
    assert [(each.id, each.topic, each.payload, each.direction) for each in seen] == [(published, "a", b"\x00", "up")]
    assert [each.topic for each in everything] == ["a", "b"]


async def test_who_unsubscribed_hears_nothing(tmp_path: Path, host: Any) -> None:
    """And cannot do so twice, or for another."""
    seen: list[Message] = []
    still: list[Message] = []

    async def see(message: Message) -> None:
        seen.append(message)

    async def see_still(message: Message) -> None:
        still.append(message)

    async with asking(host, tmp_path) as services:
        subscription = await services.messages.subscribe("a", see)
        await services.messages.subscribe("a", see_still)
        await services.messages.unsubscribe(subscription)
        await services.messages.publish("a", b"1")
        await until(lambda: still)
        with pytest.raises(NotFound):
            await services.messages.unsubscribe(subscription)
    assert seen == []


async def test_a_subscriber_that_raises_gets_the_next_one_too(
    tmp_path: Path, host: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its mistake is in the plugin's log."""
    seen: list[bytes] = []

    async def fail_first(message: Message) -> None:
        seen.append(message.payload)
        if message.payload == b"1":
            raise ValueError("told to")

    async with asking(host, tmp_path) as services:
        await services.messages.subscribe("a", fail_first)
        for payload in (b"1", b"2"):
            await services.messages.publish("a", payload)
        await until(lambda: seen == [b"1", b"2"])
    assert "ValueError: told to" in capsys.readouterr().err


async def test_a_broken_subscription_is_opened_anew(tmp_path: Path, host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host was restarted and announced its services again."""
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.01)
    seen: list[bytes] = []

    async def see(message: Message) -> None:
        seen.append(message.payload)

    async with connected() as (connection, services):
        connection.plugin_id, connection.broker_id = 7, 1
        for number in (1, 2):
            async with host_of(host, f"{tmp_path}/{number}") as address:
                await connection.announcements.put("host", ConnInfo(service_id=1, network="unix", address=address))
                if number == 1:
                    await services.messages.subscribe("a", see)

                async def published(number: int = number) -> None:
                    await host.messages.publish("a", str(number).encode())

                await until_seen(published, seen, str(number).encode())


async def until_seen(publish: Any, seen: list[bytes], payload: bytes) -> None:
    """Published until it arrives: what is published while a stream is broken is lost."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while payload not in seen:
            await publish()
            await asyncio.sleep(0.01)


async def test_a_direction_that_is_none_is_refused(tmp_path: Path, host: Any) -> None:
    """Before anything is sent."""
    async with asking(host, tmp_path) as services:
        with pytest.raises(ServiceError, match="sideways"):
            await services.messages.publish("a", b"", "sideways")  # type: ignore[arg-type]


async def test_a_subscription_outlives_a_connection_that_is_given_up(
    tmp_path: Path, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another call was the first to see that the host is somewhere else."""
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.01)
    other, seen = make_context().services, list[bytes]()

    async def see(message: Message) -> None:
        seen.append(message.payload)

    async with (
        host_of(host, f"{tmp_path}/1") as first,
        host_of(other, f"{tmp_path}/2") as second,
        connected() as (connection, services),
    ):
        connection.plugin_id, connection.broker_id = 7, 1
        await connection.announcements.put("one", ConnInfo(service_id=1, network="unix", address=first))
        await services.messages.subscribe("a", see)
        connection.announcements.end("one")
        await connection.announcements.put("two", ConnInfo(service_id=1, network="unix", address=second))
        await services.kv.list()

        async def published() -> None:
            await other.messages.publish("a", b"2")

        await until_seen(published, seen, b"2")


@pytest.mark.parametrize("escape", [asyncio.CancelledError, SystemExit])
async def test_a_subscriber_that_raises_anything_gets_the_next_one_too(
    tmp_path: Path, host: Any, escape: type[BaseException]
) -> None:
    """A cancellation that nobody asked for ends neither its subscription nor the process."""
    seen: list[bytes] = []

    async def fail_first(message: Message) -> None:
        seen.append(message.payload)
        if message.payload == b"1":
            raise escape

    async with asking(host, tmp_path) as services:
        await services.messages.subscribe("a", fail_first)
        for payload in (b"1", b"2"):
            await services.messages.publish("a", payload)
        await until(lambda: seen == [b"1", b"2"])
