"""Tests of ``sluice.memory``: what lives for long is set apart, and nothing else changes."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from sluice import memory

CYCLES = """
import gc, weakref
from sluice.memory import MANY, settle_memory

class Node:
    pass

settle_memory(MANY)
assert gc.isenabled() and gc.get_threshold()[0] == MANY
assert gc.get_freeze_count() > 1_000, "what was there before is walked through no more"
node = Node()
node.itself = node
gone = weakref.ref(node)
del node
held = [[] for _ in range(2 * MANY)]
assert gone() is None, "a cycle outlives an allocation of twice the threshold"
"""

HUGE = """
import hashlib, pathlib
from sluice.memory import HUGE_PAGE_BYTES, take_huge_pages

held = [str(number) * 10 for number in range(200_000)]
before = hashlib.sha256("".join(held).encode()).digest()
taken = take_huge_pages()
rollup = pathlib.Path("/proc/self/smaps_rollup").read_text()
(huge,) = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("AnonHugePages:")]
assert hashlib.sha256("".join(held).encode()).digest() == before
assert taken % HUGE_PAGE_BYTES == 0 and huge * 1024 >= taken
"""
KEPT = """
import resource
from sluice.memory import FEW, settle_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        held = [bytes(3_000) for _ in range(3_000)]  # events that wait for their round
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
before = faults()
settle_memory(FEW)
faults()
after = faults()
assert after * 100 < before, (before, after)
"""
GRANTED = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def run(script: str) -> None:
    """In a process of its own, whose memory is nobody else's."""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_cycles_are_still_found_after_what_lives_for_long_is_set_apart() -> None:
    """Garbage in a cycle goes with the allocations that follow, without anybody asking."""
    run(CYCLES)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc than glibc's")
def test_what_was_freed_is_touched_again_without_a_fault() -> None:
    """Memory of some megabytes that comes and goes stays with the process."""
    run(KEPT)


@pytest.mark.skipif(not GRANTED.exists(), reason="this system has no transparent huge pages")
def test_what_lies_in_huge_pages_is_what_lay_there_before() -> None:
    """As much as is said lies in them; it may be nothing, where the system has none to give."""
    run(HUGE)


@pytest.mark.parametrize("maps", [FileNotFoundError(), PermissionError()])
def test_where_nobody_tells_of_memory_all_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, maps: OSError) -> None:
    """Another system than Linux, or one that hides ``/proc``."""

    def refuse(_: Path) -> bytes:
        raise maps

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert memory.take_huge_pages() == 0


def test_no_page_of_a_file_or_of_others_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all that a process has, what it alone may write and that has no file."""
    maps = b"""\
00400000-00600000 r-xp 00000000 08:01 1 /usr/bin/python3.11
00600000-00800000 rw-p 00200000 08:01 1 /usr/bin/python3.11
00800000-01000000 rw-p 00000000 00:00 0 [heap]
01000000-01200000 rw-s 00000000 08:01 2 /var/lib/sluice/a file
01200000-01400000 ---p 00000000 00:00 0
01400000-01600000 rw-p 00000000 08:01 3 /var/lib/\xff\xe2\x80\xa8no text\r
7f0000000000-7f0000200000 rw-p 00000000 00:00 0
7ff000000000-7ff000200000 rw-p 00000000 00:00 0 [stack]
"""
    monkeypatch.setattr(Path, "read_bytes", lambda _: maps)
    assert memory._heap() == [(0x800000, 0x1000000), (0x7F0000000000, 0x7F0000200000)]
