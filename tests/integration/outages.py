"""Kafka goes away while a block runs, and is there again behind it, whatever happened in between."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import pytest

from sluice.dev.servers import KafkaServer
from tests.integration.service import descendants
from tests.servers import Kafka


@contextlib.asynccontextmanager
async def kafka_killed(kafka: Kafka) -> AsyncIterator[None]:
    """SIGKILL: connections break and nobody listens."""
    await asyncio.to_thread(kafka.kill)
    try:
        yield
    finally:
        await asyncio.to_thread(kafka.restart)


@contextlib.asynccontextmanager
async def kafka_silent(kafka: Kafka) -> AsyncIterator[None]:
    """SIGSTOP: connections stay, are even accepted, and no answer comes."""
    if not isinstance(kafka, KafkaServer):
        pytest.skip(f"{kafka.address} is your own: it is not stopped by tests")
    processes = descendants(kafka.pid)
    assert processes, "no process of Kafka was found"
    _signal(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(processes, signal.SIGCONT)


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        os.kill(process, number)
