"""A real PostgreSQL: the server that this machine has installed, with a folder, a port and a password of our own."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sluice.dev.servers.errors import ServerStartError
from sluice.dev.servers.folders import NOBODY_UID, RunFolder, default_cache_folder, open_cache
from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.dev.servers.prerequisites import find_postgres, postgres_version
from sluice.dev.servers.process import ServerProcess
from sluice.dev.servers.progress import Progress, Step, silent
from sluice.dev.servers.server import Server

USER = "sluice"

_NAME = "PostgreSQL"
_READY = b"database system is ready to accept connections"
"""Also written after the recovery that follows a kill, and not before it is over."""

_INITDB = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # the path of one may have 107 bytes, which temporary folders exceed
    "max_connections": "200",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}

# What was committed survives a kill, for the kernel has it; only a power cut would take it.
_QUICK = {"fsync": "off", "full_page_writes": "off"}


class PostgresServer(Server):
    """A single server on the loopback interface; its one user may do anything."""

    def __init__(self, process: ServerProcess, folder: RunFolder, port: int, version: str) -> None:
        super().__init__(process, folder, port)
        self.version = version
        self.name = f"{_NAME} {version}"
        self._password = _password_file(folder.path).read_text("ascii")

    @property
    def url(self) -> str:
        """The database ``postgres``, as SQLAlchemy takes it; has the password."""
        return self.database_url("postgres")

    @property
    def address(self) -> str:
        """``host:port``, without the password."""
        return f"{LOOPBACK}:{self.port}"

    def database_url(self, database: str) -> str:
        """A database of this server, which may not exist yet, as SQLAlchemy takes it; has the password."""
        return f"postgresql+asyncpg://{USER}:{self._password}@{self.address}/{database}"

    def is_ready(self) -> bool:
        """Whether the server has said so since it was launched."""
        return _READY in self._process.log_since_launch()


def start_postgres(
    progress: Progress = silent,
    *,
    port: int | None = None,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    settings: Mapping[str, str] | None = None,
    survives_power_cut: bool = False,
) -> PostgresServer:
    """Start the PostgreSQL that is installed and return when it is ready.

    ``data_dir`` keeps data and password between runs (a temporary folder otherwise); ``settings`` go over the ones of
    ``postgresql.conf``. Unless it must survive a power cut, nothing waits for the disk.
    """
    programs = find_postgres()
    version = postgres_version(programs)
    port = port or free_port()
    folder = RunFolder.open(open_cache(cache_dir or default_cache_folder()), "postgres", data_dir)
    progress(Step(f"{_NAME} {version}", f"starting on {LOOPBACK}:{port}"))
    uid = NOBODY_UID if os.getuid() == 0 else None  # it refuses to run as root
    _initialise(programs, folder, uid)
    placed = {"port": str(port), **({} if survives_power_cut else _QUICK)}
    process = ServerProcess(
        _NAME,
        [str(programs / "postgres"), "-D", "data", *_flags({**_SETTINGS, **placed, **(settings or {})})],
        folder=folder.path,
        log_path=folder.path / "postgres.log",
        uid=uid,
        stop_order=b"I",  # SIGTERM would wait for every client to leave
    )
    server = PostgresServer(process, folder, port, version)
    server.start()
    return server


def _initialise(programs: Path, folder: RunFolder, uid: int | None) -> None:
    """Make the data folder, once in the life of the data, under a name that says it is not finished until it is."""
    made, unfinished = folder.path / "data", folder.path / "data.unfinished"
    if not made.exists():
        shutil.rmtree(unfinished, ignore_errors=True)
        _write_password(_password_file(folder.path))
    if uid is not None:
        folder.give_to(uid)
    if not made.exists():
        _initdb(programs, folder.path, unfinished, uid)
        unfinished.replace(made)


def _initdb(programs: Path, folder: Path, unfinished: Path, uid: int | None) -> None:
    command = [str(programs / "initdb"), "-D", unfinished.name, f"--username={USER}", *_INITDB]
    command.append(f"--pwfile={_password_file(folder).name}")
    groups: list[int] | None = None if uid is None else []
    log_path = folder / "initdb.log"
    with log_path.open("wb") as log:
        ended = subprocess.run(  # noqa: S603 (found on the PATH or where Debian has it)
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
            user=uid,
            group=uid,
            extra_groups=groups,
        )
    if ended.returncode != 0:
        raise ServerStartError(_NAME, "its data folder could not be made", log_path)


def _password_file(folder: Path) -> Path:
    return folder / "password"


def _write_password(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(16), "ascii")


def _flags(settings: Mapping[str, str]) -> list[str]:
    return [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
