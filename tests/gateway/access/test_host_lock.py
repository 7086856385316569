"""The host's lock: one at a time, given up by whoever dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest

from gateway.access.host_lock import HostLock


def test_one_at_a_time_also_in_one_process(tmp_path: Path) -> None:
    """Each instance is a holder of its own: threads that open their own are kept apart."""
    one, other = HostLock(tmp_path / "lock"), HostLock(tmp_path / "lock")
    order: list[str] = []

    def wait() -> None:
        with other:
            order.append("other")

    thread = threading.Thread(target=wait)
    with one:
        thread.start()
        thread.join(0.02)
        order.append("one")
    thread.join()
    assert order == ["one", "other"]


def test_it_is_given_up_behind_a_fault(tmp_path: Path) -> None:
    """Whatever was raised in it."""
    one, other = HostLock(tmp_path / "lock"), HostLock(tmp_path / "lock")
    with pytest.raises(KeyError), one:
        raise KeyError
    assert other.try_to_keep()


def test_who_keeps_it_keeps_it_until_it_is_closed(tmp_path: Path) -> None:
    """Others are told at once."""
    one, other = HostLock(tmp_path / "lock"), HostLock(tmp_path / "lock")
    assert one.try_to_keep()
    assert one.try_to_keep()
    assert not other.try_to_keep()
    one.close()
    assert other.try_to_keep()


def _hold(path: Path, is_held: multiprocessing.synchronize.Event) -> None:
    with HostLock(path):
        is_held.set()
        signal.pause()


def test_a_kill_gives_it_up(tmp_path: Path) -> None:
    """The kernel does."""
    context = multiprocessing.get_context("fork")
    is_held = context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "lock", is_held))
    process.start()
    assert is_held.wait(10)
    assert not HostLock(tmp_path / "lock").try_to_keep()
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    assert HostLock(tmp_path / "lock").try_to_keep()
