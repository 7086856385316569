"""The processes of a gateway: they share a port, are started again when they die, and end with who started them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from gateway.listener import listen
from gateway.workers import stop_on_signals
from sluice.dev.servers.ports import LOOPBACK
from sluice.dev.vendor import MockVendor
from sluice.eventlog.journal.lock import LOCK_FILE, is_held
from tests.gateway.test_worker import INTERRUPTED, SECONDS, Command, asked, command, ended, is_alive
from tests.integration.service import descendants
from tests.integration.waiting import until


def worker_pids(supervisor: int) -> dict[str, int]:
    """The workers of a gateway, by name."""
    found = {}
    for pid in descendants(supervisor):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") if is_alive(pid) else []
        if b"--worker" in arguments:
            found[arguments[arguments.index(b"--worker") + 1].decode()] = pid
    return found


async def both_serve(gateway: Command, supervisor: int) -> dict[str, int]:
    """Until each holds its journal."""
    locks = [gateway.journal(name) / LOCK_FILE for name in ("w0", "w1")]
    await until(lambda: all(map(is_held, locks)), SECONDS, "both hold their journals")
    return worker_pids(supervisor)


async def busy_worker(gateway: Command, vendor: MockVendor) -> str:
    """The one that has the exchange which the vendor was asked for."""
    await asked(vendor)
    return next(name for name in ("w0", "w1") if gateway.in_flight(name))


async def test_a_worker_that_is_killed_is_started_again(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Under its name and on the same port, where the others serve meanwhile; what was cut is recorded by itself."""
    async with command(tmp_path, mock_vendor, workers=2) as gateway:
        process = await gateway.start()
        before = await both_serve(gateway, process.pid)
        async with asyncio.TaskGroup() as tasks:
            cut = tasks.create_task(gateway.fate())
            name = await busy_worker(gateway, mock_vendor)
            os.kill(before[name], signal.SIGKILL)
        assert cut.result() == 0
        assert (await gateway.post()).status_code == 200, "the other one serves"
        await until(lambda: worker_pids(process.pid).get(name, before[name]) != before[name], SECONDS, "started again")
        await until(lambda: "interrupted" in gateway.outcomes(name), SECONDS, "what was cut is recorded")
        assert gateway.in_flight(name) == 0
        after = worker_pids(process.pid)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
        assert not any(map(is_alive, after.values()))
        assert '"worker ended"' in gateway.said()
        assert [*gateway.outcomes("w0"), *gateway.outcomes("w1")].count("interrupted") == 1


async def test_workers_end_with_their_supervisor_and_fewer_adopt(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Whatever ended it they drain and let the port go; a start with fewer closes the journals of who is gone."""
    async with command(tmp_path, mock_vendor, workers=2, shutdown_seconds=1.0) as gateway:
        process = await gateway.start()
        pids = await both_serve(gateway, process.pid)
        async with asyncio.TaskGroup() as tasks:
            fates = []
            while not gateway.in_flight("w1"):
                fates.append(tasks.create_task(gateway.fate()))
                await asked(mock_vendor, len(fates))
            os.kill(pids["w1"], signal.SIGKILL)
            process.kill()
            process.wait()
        assert 200 not in {fate.result() for fate in fates}
        await until(lambda: not any(map(is_alive, pids.values())), SECONDS, "the other one ended by itself")

        await gateway.start("--workers", "1")
        await until(lambda: "interrupted" in gateway.outcomes("w1"), SECONDS, "adopted")
        assert await gateway.metric(INTERRUPTED) >= 1
        assert gateway.in_flight("w1") == 0


async def test_a_taken_port_is_said_and_nothing_is_started(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Status 2 and a line that names the setting; no journal, no worker."""
    async with command(tmp_path, mock_vendor, workers=2) as gateway:
        with listen(LOOPBACK, gateway.port):
            assert await ended(gateway.launch()) == 2
        assert gateway.said().strip() == (
            f"{LOOPBACK}:{gateway.port} is taken: set gateway.port (or --port), or end what listens there"
        )
        assert not gateway.journal().exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_at_once(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first asks to stop; the second does not wait, unless it may be an echo of the first."""
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    loop = asyncio.get_running_loop()
    try:
        for at_once, expected in ((True, [1]), (False, [])):
            stop = asyncio.Event()
            stop_on_signals(stop, at_once_on_second=at_once)
            assert not stop.is_set()
            os.kill(os.getpid(), number)
            async with asyncio.timeout(SECONDS):
                await stop.wait()
            assert exits == []
            os.kill(os.getpid(), number)
            await asyncio.sleep(0)
            await until(lambda wanted=expected: exits == wanted, SECONDS, "the second one")  # type: ignore[misc]
            exits.clear()
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
