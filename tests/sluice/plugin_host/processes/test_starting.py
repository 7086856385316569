"""Real processes: started, attached to, ended; nothing of them is left, whoever dies first."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.host import SHUTDOWN_SECONDS
from sluice.plugin_host.processes import child, life
from sluice.plugin_host.processes.faults import RemoteFault
from sluice.plugin_host.processes.opening import open_remote
from sluice.plugin_host.processes.starting import attach_process, start_process
from sluice.plugin_host.running import RunningPlugin
from sluice.sdk.fakes import RecordingServices
from sluice.sdk.testing import make_context, make_request
from tests.sluice.plugin_host.processes.peers import (
    STAND_IN,
    is_running,
    make_opening,
    make_registration,
    printed,
    serving,
    until,
    willing,
    write_script,
    write_stand_in,
)

CONTEXT = make_context()
Opening = Callable[..., Awaitable[RunningPlugin]]


@pytest.fixture
def services() -> RecordingServices:
    """With the plugin's log."""
    return RecordingServices()


@pytest.fixture
async def opened(tmp_path: Path, services: RecordingServices) -> AsyncIterator[Opening]:
    """Opens, initialises and keeps stand-ins; all are shut down in the end."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:

        async def opening(*modes: str, keep: bool = True, **process: Any) -> RunningPlugin:
            registration = make_registration(write_stand_in(tmp_path, *modes))
            plugin = await open_remote(registration, make_opening(tmp_path, services, **process))
            stack.push_async_callback(plugin.shutdown, CONTEXT)
            await plugin.initialize(CONTEXT)
            if keep:
                keeping = group.create_task(plugin.keep())
                stack.callback(keeping.cancel)
            return plugin

        yield opening
        await stack.aclose()


async def ask(plugin: RunningPlugin, path: str = "/chat") -> Any:
    """One hook."""
    return await plugin.handlers()["post_auth"](CONTEXT, make_request(path=path))


def pid_of(plugin: RunningPlugin) -> int:
    """Of its present process."""
    assert plugin.described.pid is not None
    return plugin.described.pid


def sockets(folder: Path) -> list[Path]:
    """At any depth."""
    return [path for path in folder.rglob("*") if path.is_socket()]


async def test_a_plugin_s_process_answers_and_ends_in_order(
    opened: Opening, services: RecordingServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears of its end, then it is gone by itself, and so are its sockets."""
    monkeypatch.setattr(life, "EXIT_SECONDS", 40)
    before = set(sockets(tmp_path))
    plugin = await opened()
    answer = await ask(plugin)
    assert answer.headers["x-pid"] == str(pid_of(plugin))
    assert set(sockets(tmp_path)) > before
    began = time.monotonic()
    await plugin.shutdown(CONTEXT)
    assert time.monotonic() - began < 35, "nobody had to kill it"
    assert "shutdown was heard" in printed(services)
    assert not is_running(pid_of(plugin))
    assert set(sockets(tmp_path)) <= before


@pytest.mark.parametrize("mode", ["hang_at_shutdown", "immortal"])
async def test_one_that_does_not_want_to_end_is_killed(
    opened: Opening, mode: str, services: RecordingServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its time is over, with what it started."""
    monkeypatch.setattr(life, "EXIT_SECONDS", 0.2)
    monkeypatch.setattr(life, "_FAREWELLS", tuple((*each, seconds / 5) for *each, seconds in life._FAREWELLS))
    plugin = await opened(mode, "child")
    await until(lambda: printed(services))
    started = int(printed(services)[0].split()[1])
    assert is_running(started)
    began = time.monotonic()
    await plugin.shutdown(CONTEXT)
    assert time.monotonic() - began < 20
    assert not is_running(pid_of(plugin))
    await until(lambda: not is_running(started))


def test_all_of_a_farewell_fits_into_what_a_host_gives_to_a_shutdown() -> None:
    """Else it would end by the host's patience, and never by its own."""
    farewells = sum(seconds for *_, seconds in life._FAREWELLS)
    assert farewells + life.EXIT_SECONDS + 2 * child._LAST_WORDS_SECONDS < SHUTDOWN_SECONDS


async def _ask_until_it_fails(plugin: RunningPlugin, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    while True:
        await ask(plugin)


def _is_another(plugin: RunningPlugin, pid: int) -> bool:
    return plugin.condition().status == "ready" and plugin.described.pid != pid


async def test_death_in_mid_call_fails_that_call_and_brings_another_process(opened: Opening) -> None:
    """By exit or by signal; sockets of the dead are gone."""
    plugin = await opened()
    for kill in (False, True):
        first = pid_of(plugin)
        with pytest.raises(RemoteFault, match=r"connection was lost|its process|does not run"):
            await (_ask_until_it_fails(plugin, first) if kill else ask(plugin, "/exit"))
        await until(partial(_is_another, plugin, first))
        answer = await ask(plugin)
        assert answer.headers["x-pid"] == str(plugin.described.pid)
    assert plugin.condition().restarts == 2


async def test_nonsense_fails_its_call_alone(opened: Opening) -> None:
    """The process is as well as before."""
    plugin = await opened()
    with pytest.raises(RemoteFault, match="20 bytes that are no PluginResponse"):
        await ask(plugin, "/garbage")
    assert (await ask(plugin)).headers["x-pid"] == str(plugin.described.pid)
    assert plugin.condition().restarts == 0


async def test_a_stopped_process_is_noticed_and_replaced(opened: Opening) -> None:
    """It is there and does not answer: pings tell."""
    plugin = await opened(ping_timeout_seconds=1)
    first = pid_of(plugin)
    os.kill(first, signal.SIGSTOP)
    await until(lambda: plugin.condition().restarts == 1)
    assert not is_running(first)
    await ask(plugin)


async def test_a_changed_executable_is_looked_at_anew_at_a_restart(opened: Opening, tmp_path: Path) -> None:
    """What was allowed once is not allowed for ever; what was repaired runs again."""
    plugin = await opened()
    (tmp_path / "stand_in").chmod(0o644)
    os.kill(pid_of(plugin), signal.SIGKILL)
    await until(lambda: "may not be executed" in plugin.condition().error)
    (tmp_path / "stand_in").chmod(0o755)
    await until(lambda: plugin.condition().status == "ready")


HOST = """
import asyncio, sys
from pathlib import Path
from tests.sluice.plugin_host.processes.peers import *
from sluice.plugin_host.processes.faults import RemoteFault
from sluice.plugin_host.processes.opening import open_remote

async def main():
    folder = Path(sys.argv[1])
    plugin = await open_remote(make_registration(folder / "stand_in"), make_opening(folder))
    print(plugin.described.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_gateway_that_is_killed_leaves_no_orphan(tmp_path: Path) -> None:
    """kill -9, at whatever it was doing: the kernel ends the plugin."""
    write_stand_in(tmp_path)
    command = (sys.executable, "-c", HOST, str(tmp_path))
    host = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert host.stdout is not None
    pid = int(await host.stdout.readline())
    assert is_running(pid)
    host.kill()
    await host.wait()
    await until(lambda: not is_running(pid))


async def test_what_a_plugin_started_outlives_its_gateway_only_until_the_next_start(tmp_path: Path) -> None:
    """A script around a program: the kernel ends the script with the gateway, the next start ends the program."""
    inner = tmp_path / "inner"
    text = f'"{sys.executable}" "{STAND_IN}" & echo $! > "{inner}.tmp"; mv "{inner}.tmp" "{inner}"; wait'
    write_script(tmp_path / "stand_in", text)
    command = (sys.executable, "-c", HOST, str(tmp_path))
    host = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert host.stdout is not None
    outer = int(await host.stdout.readline())
    host.kill()
    await host.wait()
    await until(lambda: not is_running(outer))
    assert is_running(int(inner.read_text()))
    another = await start_process(make_registration(write_stand_in(tmp_path, name="another")), make_opening(tmp_path))
    await until(lambda: not is_running(int(inner.read_text())))
    assert another.child is not None
    assert is_running(another.child.pid)
    await another.close("done")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("echo 'no such flag' >&2; exit 1", "exited with status 1 before .*; it printed: no such flag"),
        ("echo '1|9|unix|/s|grpc|'; sleep 60", "protocol version '9'"),
        ("sleep 60", "did not say where it listens within 1.5 s"),
        ("echo '1|1|unix|/nowhere/s|grpc|'; sleep 60", "cannot be reached: no connection within 1.5 s"),
    ],
)
async def test_what_does_not_start_is_refused_and_gone(tmp_path: Path, text: str, problem: str) -> None:
    """In time, with a reason and a remedy; no process, folder or socket is left."""
    script = write_script(tmp_path / "plugin", f"echo $$ > {tmp_path}/pid; {text}")
    opening = make_opening(tmp_path, start_timeout_seconds=1.5)
    with pytest.raises(PluginLoadError, match=f"plugin 'peer': .*{problem}") as caught:
        await start_process(make_registration(script), opening)
    assert caught.value.remedy
    assert not is_running(int((tmp_path / "pid").read_text()))
    assert not sockets(tmp_path)


async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    """Whoever waited for it has left."""
    script = write_script(tmp_path / "plugin", f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; sleep 60")
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(start_process(make_registration(script), make_opening(tmp_path)))
        await until((tmp_path / "pid").exists)
        assert not starting.done()
        starting.cancel()
    assert starting.cancelled()
    assert not is_running(int((tmp_path / "pid").read_text()))


async def test_a_script_that_was_swapped_is_not_told_anything(tmp_path: Path) -> None:
    """What it was when it was looked at is what may answer."""
    swap = f'cp "{tmp_path}/other" "{tmp_path}/swap"; mv "{tmp_path}/swap" "{tmp_path}/plugin"'
    write_script(tmp_path / "other", "exit")
    script = write_script(tmp_path / "plugin", f"{swap}; echo '1|1|unix|/s|grpc|'; sleep 60")
    with pytest.raises(PluginLoadError, match="was changed while it was being started"):
        await start_process(make_registration(script), make_opening(tmp_path))


async def test_a_socket_elsewhere_is_used_and_never_removed(tmp_path: Path) -> None:
    """A plugin may say whatever path it likes: what lies there is not ours."""
    precious = tmp_path / "p"
    with socket.socket(socket.AF_UNIX) as server:
        with suppress(OSError):
            server.bind(str(precious))
        script = write_script(tmp_path / "plugin", f"echo '1|1|unix|{precious}|grpc|'; sleep 60")
        with pytest.raises(PluginLoadError):
            await start_process(make_registration(script), make_opening(tmp_path, start_timeout_seconds=0.3))
        assert precious.exists()


async def test_a_folder_that_cannot_be_made_refuses_the_plugin(tmp_path: Path) -> None:
    """With the folder's name."""
    opening = make_opening(tmp_path)
    opening.data_dir.write_text("a file")
    with pytest.raises(PluginLoadError, match=r"no folder for its sockets in .*/data"):
        await start_process(make_registration(write_stand_in(tmp_path)), opening)


async def test_who_answers_at_an_address_next_is_configured_too(tmp_path: Path) -> None:
    """Between two pings what runs there was replaced: gRPC alone would go on as if nothing had happened."""
    services, peers = RecordingServices(), (willing(), willing())
    async with serving(peers[0]) as port:
        opening = make_opening(tmp_path, services, ping_seconds=60, start_timeout_seconds=1)
        plugin = await open_remote(make_registration(f"grpc://127.0.0.1:{port}"), opening)
        await plugin.initialize(CONTEXT)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(plugin.keep())
        await until(lambda: plugin.condition().status == "failed")
        async with serving(peers[1], f"127.0.0.1:{port}"):
            await until(lambda: plugin.condition().status == "ready")
            assert "Initialize" in peers[1].calls
            await plugin.shutdown(CONTEXT)
        await asyncio.wait_for(keeping, 30)


async def test_what_runs_already_is_attached_to_and_left_running(tmp_path: Path) -> None:
    """On this machine with a way back; away from it that cannot be reached."""
    peer = willing()
    async with serving(peer) as port:
        attached = await attach_process(make_registration(f"grpc://127.0.0.1:{port}"), make_opening(tmp_path))
        assert attached.way_back is not None
        assert attached.child is None
        await attached.stop()
        assert "Shutdown" not in peer.calls
    with pytest.raises(
        PluginLoadError, match=r"cannot be reached: no connection within 0.2 s .*refused.*; .*must speak TLS"
    ):
        await attach_process(
            make_registration(f"grpc://127.0.0.1:{port}"), make_opening(tmp_path, start_timeout_seconds=0.2)
        )
