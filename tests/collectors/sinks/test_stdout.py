"""Lines on the standard output: whole, of one kind each, and harmless to a terminal."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import Halt
from collectors.sinks.interface import Verdict
from collectors.sinks.stdout import StdoutSink
from schemas.events import KINDS, Kind
from tests.contracts.sink_laws import LogPart


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Reading and writing end; the test may close the reading one."""
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


def shown(kind: Kind, **changes: Any) -> str:
    """The line of one event for eyes."""
    [line] = StdoutSink("text").prepare(LogPart().frame(kind, 1, **changes)).documents
    return line.decode()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_line_of_json_says_which_event_it_is(kind: Kind, tmp_path: Path) -> None:
    """The document that other sinks have, after the event's name."""
    frame = LogPart().frame(kind, 3)
    with (tmp_path / "out").open("wb") as file:
        sink = StdoutSink("json", file.fileno())
        await sink.start()
        assert await sink.write(sink.prepare(frame).documents) == Verdict()
    found = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert [(each["event"], each["event_id"]) for each in found] == [(kind, id_) for id_ in frame.rows["event_id"]]


def test_a_line_for_eyes() -> None:
    """Time, event, and what tells most; what is absent is left out."""
    assert shown("analytics") == (
        "2025-11-24T16:00:00.000000Z analytics outcome=ok app_id=7 llm_slug=gpt model_name=gpt-4o response_code=200 "
        "total_tokens=46 cost=0.123456789 total_micros=1500 request_id=r-1\n"
    )
    assert "app_id" not in shown("analytics", app_id=None)
    assert "path=/v1/chat/completions" in shown("proxy_log")


@pytest.mark.parametrize("hostile", ["\x1b[2J", "a\nb", "\r", "\x9b31m", "\0", "x y", "a=b", "", "\u202e", '"'])
def test_a_terminal_is_not_obeyed(hostile: str) -> None:
    """Whatever a client called itself: one line, printable, and where the value ends can be seen."""
    line = shown("analytics", request_id=hostile)
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert line.count("request_id=") == 1
    assert json.loads(line[:-1].partition("request_id=")[2]) == hostile


async def test_a_broken_pipe_halts(pipe: tuple[int, int]) -> None:
    """Nobody reads: the service stops taking events, says what to do, and nothing is acknowledged."""
    reading, writing = pipe
    sink = StdoutSink("json", writing)
    documents = sink.prepare(LogPart().frame(count=3)).documents
    os.close(reading)
    verdict = await sink.write(documents)
    assert verdict.retry == [0, 1, 2]
    assert isinstance(verdict.cause, Halt)
    assert "reads it" in str(verdict.cause)


async def test_a_closed_descriptor_halts(pipe: tuple[int, int]) -> None:
    """As where a service manager gave none."""
    os.close(pipe[1])
    sink = StdoutSink("json", pipe[1])
    with pytest.raises(Halt):
        await sink.start()


async def test_a_slow_reader_is_waited_for(pipe: tuple[int, int]) -> None:
    """The loop goes on meanwhile; lines of two writes are not mixed."""
    reading, writing = pipe
    sink = StdoutSink("json", writing)
    log = LogPart()
    frames = [log.frame("proxy_log", 40, request_body=b"x" * 10_000) for _ in range(2)]
    content = bytearray()
    async with asyncio.TaskGroup() as tasks:
        writes = [tasks.create_task(sink.write(sink.prepare(frame).documents)) for frame in frames]
        await asyncio.sleep(0.05)
        assert not any(write.done() for write in writes)
        size = sum(len(line) for frame in frames for line in sink.prepare(frame).documents)
        while len(content) < size:
            content += await asyncio.to_thread(os.read, reading, 1 << 16)
    assert [write.result() for write in writes] == [Verdict(), Verdict()]
    ids = [json.loads(line)["event_id"] for line in content.splitlines()]
    assert ids == [event_id for frame in frames for event_id in frame.rows["event_id"]]
