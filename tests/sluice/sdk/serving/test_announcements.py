"""Tests of ``sluice.sdk.serving.announcements``."""

from __future__ import annotations

import asyncio

import pytest

from sluice.plugin_wire.go_plugin_pb2 import ConnInfo
from sluice.sdk.serving.announcements import Announcements


def info(address: str, service_id: int = 1, network: str = "unix") -> ConnInfo:
    """As a host sends it."""
    return ConnInfo(service_id=service_id, network=network, address=address)


async def test_a_wait_ends_with_the_announcement() -> None:
    """Of that service, not of another."""
    announcements = Announcements()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(announcements.wait(1, "", 5))
        await announcements.put("host", info("/other", service_id=2))
        await asyncio.sleep(0)
        assert not waiting.done()
        await announcements.put("host", info("/a"))
    assert waiting.result() == "unix:/a"
    assert await announcements.wait(2, "", 0.1) == "unix:/other"


@pytest.mark.parametrize("wrong", [info(""), info("/a", network="carrier pigeon"), ConnInfo()])
async def test_what_is_no_place_is_ignored(wrong: ConnInfo) -> None:
    """The next announcement may be one."""
    announcements = Announcements()
    await announcements.put("host", wrong)
    with pytest.raises(TimeoutError):
        await announcements.wait(1, "", 0.01)
    await announcements.put("host", info("127.0.0.1:7", network="tcp"))
    assert await announcements.wait(1, "", 0.1) == "127.0.0.1:7"


async def test_another_worker_s_word_does_not_break_the_present_connection() -> None:
    """Several attach to one process, and each announces its own."""
    announcements = Announcements()
    await announcements.put("one", info("/1"))
    await announcements.put("other", info("/2"))
    assert await announcements.wait(1, "unix:/1", 0.1) == "unix:/1"
    assert await announcements.wait(1, "", 0.1) == "unix:/2"


async def test_a_worker_that_is_gone_leaves_it_to_the_others() -> None:
    """Though it was the last to speak."""
    announcements = Announcements()
    await announcements.put("one", info("/1"))
    await announcements.put("other", info("/2"))
    announcements.end("other")
    assert await announcements.wait(1, "unix:/2", 0.1) == "unix:/1"


async def test_a_host_that_only_ended_its_stream_is_still_known() -> None:
    """The protocol does not say that it must stay open."""
    announcements = Announcements()
    await announcements.put("one", info("/1"))
    announcements.end("one")
    announcements.end("one")
    assert await announcements.wait(1, "", 0.1) == "unix:/1"


async def test_a_host_that_speaks_again_means_its_new_place() -> None:
    """On the same stream."""
    announcements = Announcements()
    await announcements.put("one", info("/1"))
    await announcements.put("one", info("/2"))
    assert await announcements.wait(1, "unix:/1", 0.1) == "unix:/2"
