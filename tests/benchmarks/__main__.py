"""``make bench``: what a request costs, and how fast a collector is, on this machine.

Everything that is compared runs in one call, in turn, pinned: the measured process on one core, load, mock vendor,
Kafka and Elasticsearch on the other. CPU is user + system time of the process tree over the exchanges. Medians of
several runs go to ``results.json`` and into the table of ``README.md``; quote ratios, these machines are noisy: each is
the median of the rounds' own, for a machine that is slow for some seconds is slow for all who run in them.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from sluice.clock import iso_micros, now_micros
from sluice.dev.servers import start_elasticsearch, start_kafka
from tests.benchmarks.collectors import measure_collector, start_null_bulk
from tests.benchmarks.control import measure_control
from tests.benchmarks.gateways import Target, measure, median_of, start_floor, start_gateway, start_vendor
from tests.benchmarks.processes import MEASURED_CORE, OTHER_CORE, pin_tree
from tests.benchmarks.table import write_table
from tests.go_build import build

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
ROUNDS_OF_A_SET = 3


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each gateway run")
    parser.add_argument("--events", type=int, default=400_000, help="of each collector run")
    parser.add_argument(
        "--only",
        choices=("gateway", "collector", "control", "plugins"),
        help="measure one part; the others keep their figures",
    )
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if options.only and RESULTS.exists() else {}
    with tempfile.TemporaryDirectory(prefix="sluice-bench-", dir="/var/tmp") as temporary:
        folder = Path(temporary)
        if options.only in {None, "control"}:
            results["control"] = measure_control(folder, 2 * options.seconds)
        if options.only in {None, "plugins"}:
            results["plugins"] = plugin_figures()
        if options.only in {None, "gateway", "collector"}:
            results |= log_figures(folder, options)
    results["machine"] = {
        "at": iso_micros(now_micros()),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(write_table(results))


def plugin_figures() -> dict[str, float]:
    """A hook in the gateway's process, and one whose plugin is a process of its own, in Go."""
    own = [sys.executable, "-m", "tests.benchmarks.hooks"]
    commands = [["taskset", "-c", str(MEASURED_CORE), *own]]
    if shutil.which("go"):
        commands.append([sys.executable, "-m", "tests.benchmarks.process_hooks", str(build().unified)])
    found: dict[str, float] = {}
    for command in commands:
        found |= json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def log_figures(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What runs over Kafka: gateways, collectors, or both."""
    results = {}
    with start_kafka(print) as kafka:
        pin_tree(kafka.pid, OTHER_CORE)
        if options.only != "collector":
            results["gateway"] = gateway_figures(folder, kafka.bootstrap_servers, options.rounds, options.seconds)
        if options.only != "gateway":
            results["collector"] = collector_figures(folder, kafka.bootstrap_servers, options.rounds, options.events)
    return results


def gateway_figures(folder: Path, bootstrap: str, rounds: int, seconds: float) -> dict[str, Any]:
    """All variants, plain and streamed, round by round; new gateways for every ``ROUNDS_OF_A_SET`` of them, for one
    process differs from the next by up to a tenth, by where its memory lies."""
    vendor, url = start_vendor(folder)
    runs: dict[tuple[bool, str], list[dict[str, float]]] = {}
    idle: dict[str, list[float]] = {}
    try:
        for first in range(0, rounds, ROUNDS_OF_A_SET):
            with started_gateways(folder / f"set-{first}", url, bootstrap) as targets:
                for target in targets:
                    idle.setdefault(target.name, []).append(target.process.rss_bytes() / (1 << 20))
                for at in range(first, min(first + ROUNDS_OF_A_SET, rounds)):
                    for stream, target in product((False, True), targets):
                        figures = measure(target, stream=stream, seconds=seconds)
                        runs.setdefault((stream, target.name), []).append(figures)
                        print(f"round {at + 1} {'stream' if stream else 'plain'} {target.name}: {figures}", flush=True)
                    targets.append(targets.pop(0))  # nobody always runs behind the same one
    finally:
        vendor.stop()
    for (stream, _), each in runs.items():
        for figures, floor in zip(each, runs[stream, "floor"], strict=True):
            figures["of_floor"] = figures["cpu_us"] / floor["cpu_us"]
    found: dict[str, Any] = {name: median_of(each) for (stream, name), each in runs.items() if not stream}
    found["stream"] = {name: median_of(each) for (stream, name), each in runs.items() if stream}
    found["idle_rss_mib"] = {name: round(statistics.median(each), 1) for name, each in idle.items()}
    return found


@contextmanager
def started_gateways(folder: Path, vendor: str, bootstrap: str) -> Iterator[list[Target]]:
    """Floor, durable and kafka, each anew."""
    folder.mkdir()
    targets: list[Target] = []
    try:
        targets.append(start_floor(folder, vendor))
        targets.append(start_gateway(folder, vendor, "durable", ""))
        targets.append(start_gateway(folder, vendor, "kafka", bootstrap))
        yield targets
    finally:
        for target in targets:
            target.process.stop()


def collector_figures(folder: Path, bootstrap: str, rounds: int, events: int) -> dict[str, Any]:
    """Analytics events and proxy logs into nothing, and analytics events into a real Elasticsearch."""
    server, url = start_null_bulk(folder)
    try:
        null = [measure_collector(folder, bootstrap, url, events, null=True) for _ in range(rounds)]
        replayed = [measure_collector(folder, bootstrap, url, events, null=True, replay=True) for _ in range(rounds)]
        logs = [
            measure_collector(folder, bootstrap, url, events // 2, null=True, kind="proxy_log") for _ in range(rounds)
        ]
    finally:
        server.stop()
    with start_elasticsearch(print) as elasticsearch:
        pin_tree(elasticsearch.pid, OTHER_CORE)
        real = [measure_collector(folder, bootstrap, elasticsearch.url, events // 4, null=False) for _ in range(rounds)]
    runs = {"null_bulk": null, "replay, null_bulk": replayed, "null_bulk, proxy logs": logs, "elasticsearch": real}
    return {name: median_of(each) for name, each in runs.items()}


def processor() -> str:
    """The processor's name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
