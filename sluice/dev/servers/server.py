"""What all servers have in common once they run."""

from __future__ import annotations

import http.client
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from sluice.dev.servers.folders import RunFolder
from sluice.dev.servers.ports import LOOPBACK
from sluice.dev.servers.process import ServerProcess


class Server(ABC):
    """A running server: ``kill``, ``stop`` and ``restart`` keep port and data, ``close`` ends it and tidies up.

    All methods block (a restart for seconds): call them through ``asyncio.to_thread`` where an event loop runs.
    """

    name: str
    version: str
    start_timeout_seconds: ClassVar[float] = 120.0
    """Generous, because four test runs may share two cores; a server that dies is noticed at once."""

    def __init__(self, process: ServerProcess, folder: RunFolder, port: int) -> None:
        self._process = process
        self._folder = folder
        self.port = port

    @property
    @abstractmethod
    def address(self) -> str:
        """What to put into the settings."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it serves now."""

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._process.is_running

    @property
    def pid(self) -> int:
        """The root of its process tree; 0 where nothing runs."""
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """Where it writes its log."""
        return self._process.log_path

    def start(self) -> None:
        """Launch it and return when it is ready."""
        self._process.launch()
        self._process.wait_until(self.is_ready, timeout_seconds=self.start_timeout_seconds)

    def kill(self) -> None:
        """SIGKILL; the data stays as it is."""
        self._process.kill()

    def stop(self) -> None:
        """Ask it to end; the data stays."""
        self._process.stop()

    def restart(self) -> None:
        """Start again on the same port and data, after ending it if it still runs."""
        if self.is_running:
            self.stop()
        self.start()

    def close(self) -> None:
        """End it at once and delete what is temporary."""
        self._process.stop()
        self._folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class HttpServer(Server):
    """One that says over HTTP whether it is ready."""

    health_path: ClassVar[str]
    """Answers 200 when it serves."""
    health_seconds: ClassVar[float] = 3.0

    @property
    def url(self) -> str:
        """``http://host:port``."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def address(self) -> str:
        """The same as ``url``."""
        return self.url

    def connect(self, timeout_seconds: float) -> http.client.HTTPConnection:
        """To ask for its health."""
        return http.client.HTTPConnection(LOOPBACK, self.port, timeout=timeout_seconds)

    def headers(self) -> dict[str, str]:
        """What such a request carries."""
        return {}

    def is_ready(self) -> bool:
        """Whether ``health_path`` answers."""
        connection = self.connect(self.health_seconds)
        try:
            connection.request("GET", self.health_path, headers=self.headers())
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
