"""Work that may never end keeps neither the loop, nor its pool of threads, nor the process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from sluice.plugin_host.aside import StillUnderWay, run_aside

SECONDS = 5.0


async def eventually(holds: Callable[[], bool]) -> None:
    """Until it does, or the test has failed."""
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 - a thread's end
            await asyncio.sleep(0.001)


async def test_its_result_comes_back() -> None:
    """From another thread."""
    assert await run_aside("a", threading.get_ident, SECONDS) != threading.get_ident()


@pytest.mark.parametrize(
    ("raised", "comes"),
    [
        (ValueError("no"), ValueError),
        (SystemExit(3), RuntimeError),
        (KeyboardInterrupt(), RuntimeError),
        (asyncio.CancelledError(), RuntimeError),
        (StopIteration(), RuntimeError),
        (GeneratorExit(), RuntimeError),
    ],
)
async def test_what_it_raises_comes_back(raised: BaseException, comes: type[Exception]) -> None:
    """As an error of this call alone: a loop that is told to exit by somebody's module would obey."""

    def work() -> None:
        raise raised

    with pytest.raises(comes):
        await run_aside("a", work, SECONDS)


async def test_what_takes_too_long_is_not_begun_again_beside_itself() -> None:
    """Each try would cost a thread, for ever; when it has ended after all it may be tried again."""
    goes_on = threading.Event()
    with pytest.raises(TimeoutError):
        await run_aside("slow", goes_on.wait, 0.01)
    with pytest.raises(StillUnderWay):
        await run_aside("slow", goes_on.wait, SECONDS)
    assert await run_aside("other", lambda: 1, SECONDS) == 1
    goes_on.set()
    await eventually(lambda: not [each for each in threading.enumerate() if each.name == "aside: slow"])
    assert await run_aside("slow", lambda: 2, SECONDS) == 2


async def test_two_that_are_in_time_run_beside_each_other() -> None:
    """The same plugin may be loaded twice, with two configurations."""
    both = threading.Barrier(2, timeout=SECONDS)
    await asyncio.gather(run_aside("a", both.wait, SECONDS), run_aside("a", both.wait, SECONDS))


def test_a_process_ends_whatever_hangs_in_it() -> None:
    """A gateway with such a plugin could not be stopped otherwise."""
    script = """
import asyncio, threading
from sluice.plugin_host.aside import run_aside
try:
    asyncio.run(run_aside("a", threading.Event().wait, 0.01))
except TimeoutError:
    print("given up")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "given up\n"
