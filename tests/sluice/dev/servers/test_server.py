"""What every server can be asked for, held on the smallest one."""

from __future__ import annotations

from pathlib import Path

from sluice.dev.servers.folders import RunFolder
from sluice.dev.servers.process import ServerProcess
from sluice.dev.servers.server import Server


class Echo(Server):
    """Says that it is ready, and waits."""

    name = "echo"
    version = "1"

    @property
    def address(self) -> str:
        """Nowhere."""
        return "nowhere"

    def is_ready(self) -> bool:
        """Whether it has said so since its launch."""
        return self._process.log_since_launch() == b"ready\n"


def echo_in(folder: Path) -> Echo:
    """One that is not started yet."""
    run = RunFolder.open(folder, "echo", None)
    command = ["sh", "-c", "echo ready; exec sleep 600"]
    return Echo(ServerProcess("echo", command, folder=run.path, log_path=run.path / "log", uid=None), run, 0)


def test_a_server_is_killed_restarted_and_closed(tmp_path: Path) -> None:
    """Its folder stays through a kill and a restart, and goes when it is closed."""
    with echo_in(tmp_path) as server:
        server.start()
        first = server.pid
        server.kill()
        assert server.pid == 0
        server.restart()
        assert server.pid not in {0, first}
        assert server.log_path.read_bytes() == b"ready\nready\n"
        folder = server.log_path.parent
    assert not server.is_running
    assert not folder.exists()
