"""One server as a process that can be killed, stopped and started again, and that never outlives us."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sluice.dev.servers import keeper
from sluice.dev.servers.errors import ServerStartError

STOP_SECONDS = 30.0
"""After which a server that does not end by itself is killed; both end within a second."""

POLL_SECONDS = 0.1


class ServerProcess:
    """The command of a server, its log file, and the keeper that runs it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        log_path: Path,
        uid: int | None,
        stop_order: bytes = b"T",
    ) -> None:
        self.name = name
        self.log_path = log_path
        self._stop_order = stop_order
        self._command = [str(part) for part in command]
        self._folder = folder
        self._uid = -1 if uid is None else uid
        self._keeper: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """The process that holds the server and all of its own; 0 where nothing runs."""
        return 0 if self._keeper is None else self._keeper.pid

    @property
    def is_running(self) -> bool:
        """Whether any process of the server is left."""
        if self._keeper is None:
            return False
        if self._keeper.poll() is None:
            return True
        self._wait(STOP_SECONDS)  # it ended by itself: let go of its pipe
        return False

    def launch(self) -> None:
        """Start the command; returns at once. One that ended by itself before is tidied up."""
        self._wait(STOP_SECONDS)
        self._wait(STOP_SECONDS)
        self.log_path.touch()
        self._log_start = self.log_path.stat().st_size
        arguments = [sys.executable, "-I", "-S", keeper.__file__, str(self.log_path), str(self._uid), *self._command]
        self._keeper = subprocess.Popen(  # noqa: S603 (our own script)
            arguments, stdin=subprocess.PIPE, cwd=self._folder, start_new_session=True
        )

    def log_since_launch(self) -> bytes:
        """What the server has written since it was last launched."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read()

    def wait_until(self, condition: Callable[[], bool], *, timeout_seconds: float) -> None:
        """Return when ``condition`` holds; raise with the log when the server dies or the time is over."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            if not self.is_running:
                self._wait(STOP_SECONDS)
                raise ServerStartError(self.name, "it ended by itself", self.log_path)
            if time.monotonic() > deadline:
                self.kill()
                raise ServerStartError(self.name, f"not ready after {timeout_seconds:g} s", self.log_path)
            time.sleep(POLL_SECONDS)

    def kill(self) -> None:
        """SIGKILL to everything of it, as a power cut would; returns when it is gone."""
        self._order(b"K")
        self._wait(STOP_SECONDS)

    def stop(self) -> None:
        """SIGTERM (or what ``stop_order`` says to the keeper), then wait; killed when that takes too long."""
        self._order(self._stop_order)
        try:
            self._wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def ask_to_end(self) -> None:
        """SIGTERM to the command itself and not to its children; returns at once, and never kills."""
        self._order(b"L")

    def _order(self, order: bytes) -> None:
        if self._keeper is None or self._keeper.stdin is None or self._keeper.poll() is not None:
            return
        try:
            self._keeper.stdin.write(order)
            self._keeper.stdin.flush()
        except BrokenPipeError:
            return  # it ended between the look and the order: what was asked for has happened

    def _wait(self, timeout_seconds: float) -> None:
        if self._keeper is None:
            return
        self._keeper.wait(timeout_seconds)
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        self._keeper = None
