"""The count: what is in the files and not committed, at a bounded cost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway.payloads.count import Count
from tests.gateway.payloads.making import queue_in
from tests.gateway.payloads.test_queue import deliver, record


async def test_it_is_what_was_appended_and_not_delivered(tmp_path: Path) -> None:
    """Of all queues, for anybody who looks; one that is gone counts no more."""
    queue = queue_in(tmp_path)
    for plugin_id in (1, 1, 2):
        await queue.append(plugin_id, record(plugin_id=plugin_id))
    count = Count(queue.root)
    assert count.value() == 3
    await deliver(queue, 3)
    count._due_at = 0.0
    assert count.value() == 0
    count.close()
    await queue.close()


def test_between_two_looks_what_was_added_here_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a second is not too long for the files: for the sender it would be."""
    count = Count(tmp_path)
    assert count.value() == 0
    monkeypatch.setattr(count, "_look", None)
    count.added()
    count.added()
    assert count.value() == 2


def test_looking_takes_its_share_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a look at hundreds of queues takes, who asks each time spends a twentieth of its time on it."""
    looks = 0

    def slow() -> int:
        nonlocal looks
        looks += 1
        time.sleep(0.02)
        return 7

    count = Count(tmp_path)
    monkeypatch.setattr(count, "_look", slow)
    began = time.monotonic()
    while time.monotonic() < began + 0.3:
        assert count.value() == 7
    assert looks <= 1 + (time.monotonic() - began) / (20 * 0.02)  # one, unless the machine stood still
