"""Settings that cannot be used: a command ends with status 2 and says what to change, before anything listens."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from sluice.dev.servers.ports import LOOPBACK, free_port
from tests.integration.stack import merged, write_yaml

END_SECONDS = 60.0

GATEWAY: dict[str, Any] = {"gateway": {"port": 0}, "kafka": {"namespace": "bad"}}
COLLECTORS: dict[str, Any] = {
    "version": "1.0",
    "server": {"port": 0},
    "data_collection_plugins": [{"name": "rows", "path": "sink://database", "config": {"url": "sqlite:///rows.db"}}],
}


async def ended(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run ``sluice`` to its end, which has to come by itself: (status, what it said)."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sluice", *arguments, cwd=folder, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(END_SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode()


@asynccontextmanager
async def nobody_listens_on(port: int) -> AsyncIterator[None]:
    """The port stays free for the whole block, and whatever is started in it never listens there."""
    opened = False

    async def watch() -> None:
        nonlocal opened
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            opened = True
            writer.close()
            return

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        yield
        watching.cancel()
    assert not opened, f"something listened on {port}"


BAD_GATEWAY = [
    pytest.param({"gateway": {"max_request_byte": 5}}, ["gateway.max_request_byte", "max_request_bytes"], id="near"),
    pytest.param({"gatway": {}}, ["gatway", "unknown key", "gateway"], id="unknown section"),
    pytest.param({"zzz": 1}, ["zzz", "unknown key", "remove it"], id="unknown"),
    pytest.param({"gateway": {"max_in_flight": "many"}}, ["gateway.max_in_flight", "integer", "'many'"], id="type"),
    pytest.param({"gateway": {"workers": 0}}, ["gateway.workers", "greater than or equal to 1", "0"], id="bound"),
    pytest.param({"llms": [{"id": 1, "slug": "a"}]}, ["llms[0].base_url", "required", "add it"], id="missing"),
    pytest.param({"data_dir": "${SLUICE_NOWHERE}/x"}, ["data_dir", "SLUICE_NOWHERE", "set it", ":-"], id="variable"),
    pytest.param({"eventlog": {"durability": "strict"}}, ["kafka.bootstrap_servers", "set it"], id="strict"),
    pytest.param({"apps": [{"id": 1, "name": "a", "llms": ["gone"]}]}, ["apps.a.llms", "'gone'", "known"], id="link"),
]


@pytest.mark.parametrize(("change", "says"), BAD_GATEWAY)
async def test_a_gateway_refuses_bad_settings(tmp_path: Path, change: dict[str, Any], says: list[str]) -> None:
    """Status 2, and one line with file, key, value and remedy; no port opens, no folder is made, nothing is traced."""
    port = free_port()
    path = write_yaml(tmp_path / "bad.yaml", merged(merged(GATEWAY, {"gateway": {"port": port}}), change))
    async with nobody_listens_on(port):
        status, output = await ended(tmp_path, "gateway", "--config", "bad.yaml")
    assert status == 2, output
    (line,) = output.splitlines()
    assert line.startswith("bad.yaml: ")
    for part in says:
        assert part in line
    assert list(tmp_path.iterdir()) == [path]


async def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """Nobody has to start five times to mend five mistakes; a secret among them is not shown."""
    change = {"zzz": 1, "gateway": {"workers": 0, "port": 70_000}, "tokens": [{"app": 1, "sha256": "my-secret-token"}]}
    write_yaml(tmp_path / "bad.yaml", merged(GATEWAY, change))
    status, output = await ended(tmp_path, "gateway", "--config", "bad.yaml")
    assert status == 2
    assert len(output.splitlines()) == 4
    for key in ("zzz", "gateway.workers", "gateway.port", "tokens[0].sha256"):
        assert f"bad.yaml: {key}: " in output
    assert "my-secret-token" not in output


BAD_COLLECTORS = [
    pytest.param({"serve": {}}, ["serve", "unknown key", "server"], id="near"),
    pytest.param({"server": {"port": "http"}}, ["server.port", "integer", "'http'"], id="type"),
    pytest.param({"shutdown_seconds": "${SLUICE_NOWHERE}"}, ["shutdown_seconds", "SLUICE_NOWHERE"], id="variable"),
    pytest.param({"data_collection_plugins": []}, ["data_collection_plugins", "add one"], id="nothing"),
    pytest.param({"data_collection_plugins": [{"name": "a", "path": "sink://nowhere"}]},
                 ["data_collection_plugins[0]", "sink://database"], id="sink"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), BAD_COLLECTORS)
async def test_collectors_refuse_bad_settings(tmp_path: Path, change: dict[str, Any], says: list[str]) -> None:
    """The same for ``sluice collect``: status 2, file, key, value, remedy, and nothing was opened."""
    port = free_port()
    write_yaml(tmp_path / "sluice.yaml", GATEWAY)
    write_yaml(tmp_path / "bad.yaml", merged(merged(COLLECTORS, {"server": {"port": port}}), change))
    async with nobody_listens_on(port):
        status, output = await ended(tmp_path, "collect", "--config", "sluice.yaml", "--collectors", "bad.yaml")
    assert status == 2, output
    (line,) = output.splitlines()
    assert line.startswith("bad.yaml: ")
    for part in says:
        assert part in line
    assert {path.name for path in tmp_path.iterdir()} == {"sluice.yaml", "bad.yaml"}


async def test_collectors_refuse_the_gateways_bad_settings(tmp_path: Path) -> None:
    """What is wrong in the gateway's own file is said under its name."""
    write_yaml(tmp_path / "bad.yaml", merged(GATEWAY, {"kafka": {"partitions": "${SLUICE_NOWHERE}"}}))
    write_yaml(tmp_path / "collectors.yaml", COLLECTORS)
    status, output = await ended(tmp_path, "collect", "--config", "bad.yaml", "--collectors", "collectors.yaml")
    assert status == 2
    assert output.startswith("bad.yaml: kafka.partitions: environment variable SLUICE_NOWHERE is not set; set it")


@pytest.mark.parametrize(
    ("command", "content"),
    [
        *(
            ("gateway", content)
            for content in (b"\xff\xfe\x00", b"a: [", b"- 1\n", b"a: 1\na: 2\n", b"a: &x [*x]\n", None)
        ),
        ("collect", b"a: ["),
        ("collect", None),
    ],
)
async def test_a_file_that_is_none(tmp_path: Path, command: str, content: bytes | None) -> None:
    """Not there, no UTF-8, no YAML, no mapping, a key twice, an alias of itself: status 2, one line, no traceback."""
    if content is not None:
        (tmp_path / "bad.yaml").write_bytes(content)
    write_yaml(tmp_path / "collectors.yaml", COLLECTORS)
    more = ["--collectors", "collectors.yaml"] if command == "collect" else []
    status, output = await ended(tmp_path, command, "--config", "bad.yaml", *more)
    assert status == 2, output
    assert output.startswith("bad.yaml: ")
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_gateway_names_a_taken_port(tmp_path: Path, workers: int) -> None:
    """Host, port and what to do, with status 2; no journal was made."""
    with closing(socket.create_server((LOOPBACK, 0))) as taken:
        port = taken.getsockname()[1]
        write_yaml(tmp_path / "sluice.yaml", merged(GATEWAY, {"gateway": {"port": port, "workers": workers}}))
        status, output = await ended(tmp_path, "gateway", "--config", "sluice.yaml")
    assert status == 2
    assert output == f"{LOOPBACK}:{port} is taken: set gateway.port (or --port), or end what listens there\n"
    assert [path.name for path in tmp_path.iterdir()] == ["sluice.yaml"]


async def test_collectors_name_a_taken_port(tmp_path: Path) -> None:
    """Host, port and what to do, and the command ends with an error."""
    with closing(socket.create_server((LOOPBACK, 0))) as taken:
        port = taken.getsockname()[1]
        write_yaml(tmp_path / "sluice.yaml", GATEWAY)
        write_yaml(tmp_path / "collectors.yaml", merged(COLLECTORS, {"server": {"port": port}}))
        status, output = await ended(tmp_path, "collect", "--config", "sluice.yaml", "--collectors", "collectors.yaml")
    assert status != 0
    last = output.splitlines()[-1]
    assert f"cannot listen on {LOOPBACK}:{port}" in last
    assert "set server.port in collectors.yaml" in last
    assert "Traceback" not in output
