"""Tests of ``sluice.sdk.serving.process``: real processes, started as a host starts them."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import grpc
import grpc.aio
import pytest

from sluice.plugin_wire import go_plugin_pb2
from sluice.plugin_wire import plugin_pb2 as pb
from sluice.plugin_wire.rpc import CONTROLLER, Stub
from tests.sluice.sdk.serving.harness import child, start, stub_of, until

COLLECTS_BATCHES = """
from sluice.sdk import BasePlugin, DataCollector, serve

class Batches(BasePlugin, DataCollector):
    name = "batches"

    async def handle_batch(self, ctx, kind, frame): ...

serve(Batches())
"""

PRINTS_EARLY = "print('1|1|unix|/nowhere|grpc|')\n"


async def test_a_plugin_says_where_it_listens_and_nothing_else(tmp_path: Path) -> None:
    """The line of the protocol, on standard output; what the plugin prints goes to standard error."""
    with child(tmp_path) as plugin:
        core, app, network, socket, protocol, certificate = plugin.line.split("|")
        assert (core, app, network, protocol, certificate) == ("1", "1", "unix", "grpc", "")
        assert Path(socket).parent == tmp_path
        assert Path(socket).stat().st_mode & 0o077 == 0, "others could call it"
        async with stub_of(f"unix:{socket}") as stub:
            assert (await stub.Initialize(pb.InitRequest())).success
            await stub.ProcessPreAuth(pb.PluginRequest(body=b"print"))
        await until(lambda: "/nowhere" in plugin.log)
        plugin.process.send_signal(signal.SIGTERM)
        assert plugin.wait() == 0
        assert plugin.process.stdout is not None
        assert plugin.process.stdout.read() == b""


@pytest.mark.parametrize("versions", ["", "1", "2,3", "nonsense"])
def test_it_speaks_one_version_whatever_is_asked_for(tmp_path: Path, versions: str) -> None:
    """The host compares: it may speak that one too."""
    with child(tmp_path, PLUGIN_PROTOCOL_VERSIONS=versions) as plugin:
        assert plugin.line.startswith("1|1|unix|")


async def test_what_was_printed_before_does_not_break_the_line(tmp_path: Path) -> None:
    """A plugin may print while it is imported."""
    script = tmp_path / "early.py"
    script.write_text(PRINTS_EARLY + "from tests.sluice.sdk.serving.everything import *\nserve(Everything())\n")
    with child(tmp_path, script=script) as plugin:
        assert Path(plugin.socket).parent == tmp_path
        await until(lambda: "/nowhere" in plugin.log)


async def test_sigterm_ends_it_in_order(tmp_path: Path) -> None:
    """The session first, then the plugin, then the process; its socket is gone."""
    with child(tmp_path) as plugin:
        async with stub_of(f"unix:{plugin.socket}") as stub:
            assert (await stub.Initialize(pb.InitRequest(config={"greeting": "hi"}))).success
            session = stub.OpenSession(pb.OpenSessionRequest(plugin_id=7, timeout_ms=60_000))
            await until(lambda: "session is ready" in plugin.log)
            plugin.process.send_signal(signal.SIGTERM)
            assert (await session).close_reason == pb.OpenSessionResponse.EXPLICIT_CLOSE
        assert plugin.wait() == 0
        said = next(json.loads(line) for line in plugin.log.splitlines() if '"ended"' in line)
        assert said["said"] == ["initialize hi gateway", "ready", "closing", "shutdown"]
        assert not Path(plugin.socket).exists()


async def test_a_call_under_way_is_answered_before_the_end(tmp_path: Path) -> None:
    """SIGTERM costs no exchange."""
    with child(tmp_path) as plugin:
        async with stub_of(f"unix:{plugin.socket}") as stub:
            await stub.Initialize(pb.InitRequest())
            call = stub.ProcessPreAuth(pb.PluginRequest(body=b"sleep 0.5"))
            await until(lambda: "sleeping" in plugin.log)
            plugin.process.send_signal(signal.SIGTERM)
            assert (await call).modified
        assert plugin.wait() == 0


async def test_a_call_that_does_not_end_does_not_keep_it(tmp_path: Path) -> None:
    """A hook that waits for ever has two seconds."""
    with child(tmp_path) as plugin:
        async with stub_of(f"unix:{plugin.socket}") as stub:
            await stub.Initialize(pb.InitRequest())
            call = stub.ProcessPreAuth(pb.PluginRequest(body=b"wait"))
            await until(lambda: "waiting" in plugin.log)
            plugin.process.send_signal(signal.SIGTERM)
            with pytest.raises(grpc.aio.AioRpcError):
                await call
        assert plugin.wait() == 0
        assert '"shutdown"' in plugin.log


async def test_the_controller_ends_it(tmp_path: Path) -> None:
    """As go-plugin's hosts do, behind ``Shutdown``; interrupts of a terminal mean nothing."""
    with child(tmp_path) as plugin:
        plugin.process.send_signal(signal.SIGINT)
        async with grpc.aio.insecure_channel(f"unix:{plugin.socket}") as channel:
            stub = Stub(channel, CONTROLLER)
            await stub.Shutdown(go_plugin_pb2.Empty())
        assert plugin.wait() == 0
        assert not Path(plugin.socket).exists()


@pytest.mark.parametrize("cookie", ["", "v2"])
def test_without_the_cookie_it_says_what_it_is(tmp_path: Path, cookie: str) -> None:
    """Somebody ran it by hand: exit code 1, nothing on standard output, and both ways to run it."""
    with child(tmp_path, AI_STUDIO_PLUGIN=cookie) as plugin:
        assert plugin.line == ""
        assert plugin.wait() == 1
        assert "is a plugin of a gateway" in plugin.log
        assert "file://" in plugin.log
        assert "--address" in plugin.log


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """One line with the place, no traceback."""
    with child(tmp_path, PLUGIN_UNIX_SOCKET_DIR=str(tmp_path / "nowhere")) as plugin:
        assert plugin.wait() == 1
        assert "cannot listen on" in plugin.log
        assert "Traceback" not in plugin.log


def test_a_collector_of_batches_alone_is_refused(tmp_path: Path) -> None:
    """The protocol has no batches: it would acknowledge every event and store none."""
    script = tmp_path / "batches.py"
    script.write_text(COLLECTS_BATCHES)
    with child(tmp_path, script=script) as plugin:
        assert plugin.wait() == 1
        assert "handle_batch alone" in plugin.log


async def test_it_is_attached_to_by_address(tmp_path: Path) -> None:
    """Started by hand it needs no cookie, says where on standard error, and ends with the terminal's interrupt."""
    with (tmp_path / "stderr").open("wb") as stderr:
        variables = {"AI_STUDIO_PLUGIN": "", "PLUGIN_RUNTIME": ""}
        script = Path(__file__).with_name("everything.py")
        port = free_port()
        with start(script, tmp_path, ("--address", f"127.0.0.1:{port}"), variables, stderr) as process:
            try:
                await until(lambda: f"127.0.0.1:{port}" in (tmp_path / "stderr").read_text())
                async with stub_of(f"127.0.0.1:{port}") as stub:
                    assert (await stub.Initialize(pb.InitRequest())).success
                process.send_signal(signal.SIGINT)
                assert process.wait(60) == 0
            finally:
                process.kill()
    assert '"initialize hello gateway"' in (tmp_path / "stderr").read_text()


def free_port() -> int:
    """One that was free just now."""
    import socket  # noqa: PLC0415 - the name is a fixture's elsewhere

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
