"""Commands as children: bounded in time and in what they say, and never left behind."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from collectors.operations.desk import children
from collectors.operations.desk.children import ChildError, Running, ask

PYTHON = (sys.executable, "-S", "-c")
HANGS = 'echo $$ > "$0"; exec sleep 600'
"""Of a shell, which has said its number long before a second is over."""


async def until_gone(pid: int) -> None:
    """Until no process has it."""
    async with asyncio.timeout(30):
        while Path(f"/proc/{pid}").exists():  # noqa: ASYNC110 - the kernel tells it no other way
            await asyncio.sleep(0.02)


async def test_what_it_says_and_how_it_ends() -> None:
    """Both outputs and the exit code, whatever that is."""
    script = "import sys; print('out'); print('why', file=sys.stderr); sys.exit(3)"
    said = await ask([*PYTHON, script], 30)
    assert (said.code, said.out, said.err) == (3, b"out\n", "why")


async def test_one_that_hangs_is_killed(tmp_path: Path) -> None:
    """In time, and it is gone."""
    with pytest.raises(ChildError, match="no answer within 2 s"):
        await ask(["sh", "-c", HANGS, str(tmp_path / "pid")], 2)
    await until_gone(int((tmp_path / "pid").read_text()))


async def test_what_a_child_began_is_killed_with_it(tmp_path: Path) -> None:
    """Plugins of a dry run that hangs, which may hold its output open for ever."""
    with pytest.raises(ChildError, match="no answer within 2 s"):
        await ask(["sh", "-c", f"sh -c '{HANGS}' \"$0\"; true", str(tmp_path / "pid")], 2)
    await until_gone(int((tmp_path / "pid").read_text()))


async def test_a_flood_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read to its end, and not kept."""
    monkeypatch.setattr(children, "MAX_OUTPUT_BYTES", 1 << 20)
    with pytest.raises(ChildError, match="more than 1 MiB"):
        await ask([*PYTHON, "import sys; sys.stdout.write('x' * (3 << 20))"], 30)


async def test_what_cannot_be_started_says_why() -> None:
    """As of a package that was removed meanwhile."""
    for start in (lambda: ask(["/nowhere/sluice"], 1), lambda: Running.start(["/nowhere/sluice"])):
        with pytest.raises(ChildError, match="/nowhere/sluice cannot be started"):
            await start()


async def test_one_that_goes_on_is_stopped_in_order_and_at_last_killed() -> None:
    """SIGTERM first, which it may take to finish what is in flight; who does not heed it is killed."""
    heeds = await Running.start(
        [*PYTHON, "import sys, time; print('begun', file=sys.stderr, flush=True); time.sleep(600)"]
    )
    async with asyncio.timeout(30):
        while not heeds.said:  # noqa: ASYNC110 - another process's output
            await asyncio.sleep(0.02)
    assert (heeds.code, heeds.said) == (None, "begun")
    await heeds.close(30)
    assert heeds.code == -15
    script = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('x', file=sys.stderr, flush=True)"
    deaf = await Running.start([*PYTHON, f"{script}; time.sleep(600)"])
    async with asyncio.timeout(30):
        while not deaf.said:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    await deaf.close(0.2)
    assert deaf.code == -9


async def test_it_is_out_of_reach_of_our_terminal() -> None:
    """Ctrl-C is for us, who then stop it in order."""
    said = await ask([*PYTHON, "import os; print(os.getsid(0))"], 30)
    assert int(said.out) != os.getsid(0)
