"""Tests of ``sluice.plugin_host.message_sockets``: workers hear one another; the deaf and the dead hurt nobody."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from structlog.testing import capture_logs

from sluice.plugin_host import message_sockets as module
from sluice.plugin_host.message_sockets import WorkerSockets
from sluice.sdk.services import Message
from tests.sluice.plugin_host.waiting import until

MAX_BYTES = 1 << 20
DEADLINE_SECONDS = 40


class Worker:
    """One worker's carrier, and what arrived at it."""

    def __init__(self, folder: Path) -> None:
        self.carrier = WorkerSockets(folder, MAX_BYTES)
        self.arrived: list[Message] = []


@asynccontextmanager
async def workers(folder: Path, count: int) -> AsyncIterator[list[Worker]]:
    """All of them listening."""
    made = [Worker(folder) for _ in range(count)]
    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each.carrier.run(each.arrived.append)) for each in made]
        await until(lambda: all((folder / each.carrier._own).exists() for each in made))
        yield made
        for task in running:
            task.cancel()


def sockets_in(folder: Path) -> list[Path]:
    """Of whoever listens, or died listening."""
    return list(folder.glob("*.sock"))


def message(payload: bytes = b"", topic: str = "t") -> Message:
    """Any."""
    return Message("id", topic, payload, "plugin:1@g", "up")


async def test_every_other_worker_gets_a_message_once_and_the_sender_none(tmp_path: Path) -> None:
    """In order, as it was."""
    async with workers(tmp_path / "messages", 3) as (first, second, third):
        sent = [message(b"%d" % number) for number in range(100)]
        for each in sent:
            first.carrier.carry(each)
        await until(lambda: len(second.arrived) == len(third.arrived) == 100)
        third.carrier.carry(message(b"back"))
        await until(lambda: first.arrived and len(second.arrived) == 101)
        assert second.arrived[:100] == third.arrived == sent
        assert first.arrived == second.arrived[100:] == [message(b"back")]


async def test_the_largest_message_arrives_whole(tmp_path: Path) -> None:
    """Many times what a socket takes at once, with others behind it."""
    async with workers(tmp_path, 2) as (first, second):
        sent = [message(os.urandom(MAX_BYTES), "t" * 200), message(b"small"), message(os.urandom(MAX_BYTES))]
        for each in sent:
            first.carrier.carry(each)
        await until(lambda: len(second.arrived) == 3)
        assert second.arrived == sent
        assert first.carrier.dropped == 0


async def test_a_path_that_is_too_long_for_a_socket_is_none_for_workers(tmp_path: Path) -> None:
    """Data may lie as deep as operators like."""
    async with workers(tmp_path / ("deep" * 40) / "messages", 2) as (first, second):
        first.carrier.carry(message())
        await until(lambda: second.arrived)


async def test_nobody_else_may_look_into_the_folder(tmp_path: Path) -> None:
    """Who can connect can publish."""
    async with workers(tmp_path / "messages", 1):
        assert stat.S_IMODE((tmp_path / "messages").stat().st_mode) == 0o700


async def test_a_worker_that_ends_takes_its_socket_along(tmp_path: Path) -> None:
    """The others go on; one that comes later is found."""
    async with workers(tmp_path, 1) as (first,):
        async with workers(tmp_path, 1) as (second,):
            first.carrier.carry(message(b"1"))
            await until(lambda: second.arrived)
        assert len(sockets_in(tmp_path)) == 1
        first.carrier.carry(message(b"2"))
        async with workers(tmp_path, 1) as (third,):
            first.carrier.carry(message(b"3"))
            await until(lambda: third.arrived)
            assert [each.payload for each in third.arrived] == [b"3"]
    assert first.carrier.dropped == 0
    assert sockets_in(tmp_path) == []


async def test_what_is_carried_where_nobody_listens_is_nobodys(tmp_path: Path) -> None:
    """No folder, no other worker, none that listens yet: no fault."""
    lonely = WorkerSockets(tmp_path / "none", MAX_BYTES)
    lonely.carry(message())
    assert lonely.dropped == 0


async def test_the_socket_of_the_dead_is_removed_by_the_first_message(tmp_path: Path) -> None:
    """A kill leaves its file behind."""
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "1-dead.sock"))
    dead.listen()
    dead.close()
    async with workers(tmp_path, 2) as (first, second):
        first.carrier.carry(message())
        await until(lambda: second.arrived)
        assert not (tmp_path / "1-dead.sock").exists()


async def test_a_worker_that_does_not_read_loses_messages_and_keeps_nobody(tmp_path: Path) -> None:
    """What waits for it is bounded; others get everything at once; when it reads again it gets whole messages."""
    count, payload = 40, os.urandom(MAX_BYTES)
    deaf = socket.socket(socket.AF_UNIX)
    deaf.bind(str(tmp_path / "1-deaf.sock"))
    deaf.listen()
    async with workers(tmp_path, 2) as (first, second):
        for _ in range(count):
            first.carrier.carry(message(payload))
            await until(lambda: not first.carrier._peers[second.carrier._own]._waiting)
        await until(lambda: len(second.arrived) == count)
        assert first.carrier._peers["1-deaf.sock"]._waiting_bytes <= module.MAX_WAITING_BYTES
        assert count - 10 < first.carrier.dropped < count
        connection, _ = deaf.accept()
        connection.settimeout(0.2)
        got = await asyncio.to_thread(_read_all, connection)
        frame_bytes = 8 + int.from_bytes(got[4:8], "big")
        assert len(got) == (count - first.carrier.dropped) * frame_bytes
        connection.close()
    deaf.close()


async def test_a_worker_that_goes_while_messages_wait_for_it_is_forgotten(tmp_path: Path) -> None:
    """Its connection ends in the midst of one; the next one finds nobody and removes the socket."""
    going = socket.socket(socket.AF_UNIX)
    going.bind(str(tmp_path / "1-going.sock"))
    going.listen()
    async with workers(tmp_path, 2) as (first, second):
        for _ in range(3):
            first.carrier.carry(message(os.urandom(MAX_BYTES)))
        going.accept()[0].close()
        going.close()
        await until(lambda: len(second.arrived) == 3)
        first.carrier.carry(message(b"next"))
        first.carrier.carry(message(b"last"))
        await until(lambda: len(second.arrived) == 5)
        assert not (tmp_path / "1-going.sock").exists()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"SLM1" + b"\xff\xff\xff\xff",
        b"SLM1" + (3).to_bytes(4, "big") + b"abc",
        b"SLM1" + (1).to_bytes(4, "big") + b"\xc0",
        b"\0" * 100_000,
        b"SLM1" + (20).to_bytes(4, "big") + b"\x85\xa2id\xa1a" + b"\xff" * 14,
    ],
)
async def test_garbage_cuts_its_connection_and_no_other(tmp_path: Path, garbage: bytes) -> None:
    """Whoever sent it; it is counted, and messages go on."""
    async with workers(tmp_path, 2) as (first, second):
        first.carrier.carry(message(b"before"))
        await until(lambda: second.arrived)
        for path in sockets_in(tmp_path):
            with socket.socket(socket.AF_UNIX) as intruder:
                intruder.connect(str(path))
                intruder.sendall(garbage)
        await until(lambda: first.carrier.garbled == second.carrier.garbled == 1)
        first.carrier.carry(message(b"after"))
        await until(lambda: len(second.arrived) == 2)


async def test_half_a_message_is_none(tmp_path: Path) -> None:
    """A sender that dies in the midst of one leaves nothing behind it."""
    async with workers(tmp_path, 2) as (first, second):
        for path in sockets_in(tmp_path):
            with socket.socket(socket.AF_UNIX) as dying:
                dying.connect(str(path))
                dying.sendall(b"SLM1" + (50).to_bytes(4, "big") + b"\x85")
        first.carrier.carry(message(b"whole"))
        await until(lambda: second.arrived)
        assert second.carrier.garbled == 0


async def test_a_folder_that_cannot_be_written_to_is_said_and_hurts_nobody(tmp_path: Path) -> None:
    """The worker serves on; its own messages stay in it."""
    (tmp_path / "file").write_bytes(b"")
    with capture_logs() as lines:
        await WorkerSockets(tmp_path / "file" / "messages", MAX_BYTES).run(lambda _: None)
    assert [line["event"] for line in lines] == ["messages of other workers are not heard"]


def test_workers_run_on_uvloop_as_they_run_on_asyncio(tmp_path: Path) -> None:
    """The loop that gateways have."""
    uvloop.run(test_the_largest_message_arrives_whole(tmp_path / "messages"))


CHILD = """
import asyncio, json, os, sys
from pathlib import Path
import uvloop
from sluice.plugin_host.message_sockets import WorkerSockets
from sluice.plugin_host.messages import MessageBus

async def main(folder, name):
    bus = MessageBus(gateway_id="g", workers=WorkerSockets(Path(folder), 1 << 20))
    messages = bus.of_plugin(os.getpid())
    async def hear(message):
        print(json.dumps([message.origin, message.payload.decode()]), flush=True)
    await messages.subscribe("t", hear)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bus.run())
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while len(list(Path(folder).glob(f"{os.getpid()}-*.sock"))) < 1:
            await asyncio.sleep(0.001)
        print("ready", flush=True)
        while line := await reader.readline():
            await messages.publish("t", line.strip())
        os._exit(0)

uvloop.run(main(*sys.argv[1:]))
"""


async def test_processes_hear_one_another_through_kills_and_stops(tmp_path: Path) -> None:
    """Each message once in every process, the publisher's own included; one that is killed, stopped and replaced hurts
    nobody."""
    async with asyncio.timeout(90):
        first, second, third = [await _start(tmp_path) for _ in range(3)]
        origin = f"plugin:{first.pid}@g"
        await _say(first, b"one")
        for each in (first, second, third):
            assert await _heard(each) == [origin, "one"]
        second.send_signal(signal.SIGSTOP)
        third.kill()
        await third.wait()
        await _say(first, b"two")
        assert await _heard(first) == [origin, "two"]
        fourth = await _start(tmp_path)
        await _say(first, b"three")
        assert await _heard(first) == await _heard(fourth) == [origin, "three"]
        second.send_signal(signal.SIGCONT)
        assert [await _heard(second), await _heard(second)] == [[origin, "two"], [origin, "three"]]
        assert len(sockets_in(tmp_path)) == 3
        for each in (first, second, fourth):
            each.kill()
            await each.wait()


async def _start(folder: Path) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(folder), "x", stdin=pipe, stdout=pipe, cwd=Path(__file__).parents[3]
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    return child


async def _say(child: asyncio.subprocess.Process, line: bytes) -> None:
    assert child.stdin is not None
    child.stdin.write(line + b"\n")
    await child.stdin.drain()


async def _heard(child: asyncio.subprocess.Process) -> list[str]:
    assert child.stdout is not None
    heard: list[str] = json.loads(await child.stdout.readline())
    return heard


def _read_all(connection: socket.socket) -> bytes:
    got = bytearray()
    try:
        while data := connection.recv(1 << 20):
            got += data
    except TimeoutError:
        pass
    return bytes(got)
