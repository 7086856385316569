"""The gateway under measurement: floor, durable and kafka behind one mock vendor, one load, in turn."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from sluice.dev.servers.ports import free_port
from tests.benchmarks.processes import MEASURED_CORE, OTHER_CORE, Process

TOKEN = "bench-token"
CONNECTIONS = 32
FOLDER = Path(__file__).parent
PROMPT = "Say something about rivers, weirs and sluices. " * 20  # a body of about 1 KB
VARIANTS = ("floor", "durable", "kafka")
Figures = dict[str, float]


@dataclass
class Target:
    """One variant that can be loaded."""

    name: str
    process: Process
    url: str
    settled: Callable[[], bool]
    """Whether nothing of the load is still being worked on."""


def body(*, stream: bool) -> str:
    """One chat request."""
    request: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": PROMPT}]}
    if stream:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(request)


def start_vendor(folder: Path) -> tuple[Process, str]:
    """The mock vendor on the other core: an answer at once, streams of 20 chunks 5 ms apart."""
    port = free_port()
    command = [sys.executable, "-m", "sluice", "mock-vendor", "--port", str(port)]
    command += ["--set", "chunks=20", "--set", "pace_ms=5"]
    process = Process(command, OTHER_CORE, folder / "vendor.log")
    process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/v1/models"))
    return process, f"http://127.0.0.1:{port}/v1"


def start_floor(folder: Path, vendor: str, under: Sequence[object] = ()) -> Target:
    """The bare pass-through. ``under``: a command that runs another."""
    port = free_port()
    command = [*under, sys.executable, FOLDER / "floor.py", str(port), vendor]
    process = Process(command, MEASURED_CORE, folder / "floor.log")
    process.wait_until(lambda: listens(port))
    return Target("floor", process, f"http://127.0.0.1:{port}/llm/call/bench", lambda: True)


def start_gateway(folder: Path, vendor: str, name: str, bootstrap: str, under: Sequence[object] = ()) -> Target:
    """A gateway with a token, a plugin for each hook, a price and its journal; a relay where Kafka is named."""
    port = free_port()
    config = folder / f"{name}.yaml"
    config.write_text(yaml.safe_dump(settings(folder / name, vendor, port, bootstrap)))
    command = [*under, sys.executable, "-m", "sluice", "gateway", "--config", config, "--log-level", "warning"]
    process = Process(command, MEASURED_CORE, folder / f"{name}.log")
    base = f"http://127.0.0.1:{port}"
    process.wait_until(lambda: answers(f"{base}/ready"))
    settled = (lambda: gauge(base, "sluice_relay_lag_records") == 0) if bootstrap else (lambda: True)
    return Target(name, process, f"{base}/llm/call/bench", settled)


def settings(data_dir: Path, vendor: str, port: int, bootstrap: str) -> dict[str, Any]:
    """``sluice.yaml`` of a measured gateway. Streams go to an LLM without a body hook, which would refuse them."""
    module = "python://tests.benchmarks.noop_plugins"
    names = ("NoopPreAuth", "NoopPostAuth", "NoopHeaders", "NoopBody")
    llm = {"vendor": "openai", "base_url": vendor, "api_key": "vendor-key"}
    return {
        "data_dir": str(data_dir),
        "kafka": {"bootstrap_servers": bootstrap, "single_broker": True, "namespace": data_dir.name},
        "gateway": {"id": data_dir.name, "port": port},
        "plugins": [{"id": at, "name": name, "command": f"{module}:{name}"} for at, name in enumerate(names, start=1)],
        "llms": [
            {"id": 1, "slug": "bench", "plugins": list(names), **llm},
            {"id": 2, "slug": "bench-stream", "plugins": list(names[:3]), **llm},
        ],
        "apps": [{"id": 1, "name": "bench", "llms": ["bench", "bench-stream"]}],
        "tokens": [{"app": 1, "sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}],
        "prices": [{"id": "bench", "model": "gpt-4o*", "prompt": "0.15", "response": "0.60"}],
    }


def measure(target: Target, *, stream: bool, seconds: float) -> Figures:
    """One run: CPU of the tree from the first request until nothing is left to do, over the answers."""
    os.sync()  # or what runs before left to be written is written back during this one
    before = target.process.cpu_seconds()
    found = run_load(target, stream=stream, seconds=seconds)
    asking = settle(target)
    cpu_us = (target.process.cpu_seconds() - before - asking) / found["requests"] * 1e6
    return {"cpu_us": cpu_us, **{key: found[key] for key in ("requests_per_second", "p50_ms", "p99_ms")}}


def settle(target: Target) -> float:
    """Wait until nothing of the load is left to do; the CPU seconds that asking for it took: no part of the load."""
    asking = 0.0

    def ask() -> bool:
        nonlocal asking
        before = target.process.cpu_seconds()
        is_settled = target.settled()
        asking += target.process.cpu_seconds() - before
        return is_settled

    target.process.wait_until(ask)
    return asking


def run_load(target: Target, *, stream: bool, seconds: float, connections: int = CONNECTIONS) -> Figures:
    """The load; what it saw."""
    url = target.url + ("-stream" if stream and target.name != "floor" else "") + "/chat/completions"
    load = subprocess.run(
        [
            *("taskset", "-c", str(OTHER_CORE), sys.executable, str(FOLDER / "load.py"), url, "--body"),
            *(body(stream=stream), "--header", f"authorization: Bearer {TOKEN}", "--seconds", str(seconds)),
            *("--connections", str(connections)),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(load.stdout)
    if found["errors"]:
        raise RuntimeError(f"{target.name}: {found['errors']:g} answers were no 200: the figures would mean nothing")
    return found


def median_of(runs: list[Figures]) -> dict[str, Any]:
    """The median of each figure, and the runs it came from."""
    medians: dict[str, Any] = {key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]}
    return medians | {f"runs_{key}": [round(run[key], 3) for run in runs] for key in runs[0]}


def answers(url: str) -> bool:
    """Whether the URL answers with 200."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def listens(port: int) -> bool:
    """Whether anything accepts connections on the port."""
    try:
        httpx.get(f"http://127.0.0.1:{port}/", timeout=2)
    except httpx.TransportError:
        return False
    return True


def gauge(base: str, name: str) -> float | None:
    """Its value, as of the last second."""
    lines = httpx.get(f"{base}/metrics", timeout=5).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), None)
