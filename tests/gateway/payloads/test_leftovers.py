"""Queues that nobody writes to any more go when nothing waits in them, and no sooner."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.payloads.leftovers import remove_leftovers
from gateway.payloads.queue import making_or_removing
from sluice.eventlog.places import all_journals
from tests.gateway.payloads.making import queue_in
from tests.gateway.payloads.test_queue import deliver, record


async def test_a_queue_goes_when_all_of_it_is_delivered(tmp_path: Path) -> None:
    """Of a worker that is no more: not before, and with its folder; what is sent again begins anew."""
    queue = queue_in(tmp_path)
    await queue.append(1, record(b"one"))
    await queue.close()
    remove_leftovers(queue.root)
    assert queue_in(tmp_path).waiting() == 1
    assert await deliver(queue, 1) == [b"one"]
    remove_leftovers(queue.root)
    assert list((queue.root / "journals").iterdir()) == []
    again = queue_in(tmp_path)
    await again.append(1, record(b"two"))
    assert await deliver(again, 1) == [b"two"]
    await again.close()


async def test_a_queue_that_is_open_stays(tmp_path: Path) -> None:
    """Its worker will write to it; one of another worker is no matter of it."""
    queue, dead = queue_in(tmp_path, "0"), queue_in(tmp_path, "1")
    await queue.append(1, record())
    await dead.append(1, record())
    await dead.close()
    await deliver(queue, 2)
    remove_leftovers(queue.root)
    assert all_journals(queue.root) == [queue._journals[1].directory]
    await queue.append(1, record(b"more"))
    assert await deliver(queue, 1) == [b"more"]
    await queue.close()


async def test_one_that_nobody_registered_for_is_kept(tmp_path: Path) -> None:
    """Its offset was lost: nobody knows what was delivered."""
    queue = queue_in(tmp_path)
    await queue.append(1, record())
    await queue.close()
    [directory] = all_journals(queue.root)
    (directory / "groups" / "delivery.json").unlink()
    remove_leftovers(queue.root)
    assert all_journals(queue.root) == [directory]


async def test_no_queue_is_made_while_others_are_removed(tmp_path: Path) -> None:
    """A folder without anything in it may be one whose worker is about to lock it: the two never meet."""
    queue = queue_in(tmp_path)
    async with asyncio.TaskGroup() as tasks:
        with making_or_removing(queue.root):
            sending = tasks.create_task(queue.append(1, record()))
            removing = tasks.create_task(asyncio.to_thread(remove_leftovers, queue.root))
            await asyncio.wait((sending, removing), timeout=0.1)
            assert not sending.done()
            assert not removing.done()
            assert all_journals(queue.root) == []
    assert queue_in(tmp_path).waiting() == 1
    await queue.close()
