"""What an exchange takes in instructions of user code, counted by valgrind's callgrind.

The figure is the same on a busy machine as on a quiet one, to about half a percent, and the profile behind it says
where they go. It knows nothing of caches, of system calls or of what a processor does at once: what it finds is
confirmed with ``make bench``. Run as ``python -m tests.benchmarks.instructions [floor] [durable] [--stream]``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.gateways import Target, run_load, start_floor, start_gateway, start_vendor

SECONDS = 10.0
"""Of load; before it a third of that, so that code is specialized and memos are full."""
CONNECTIONS = 4
TOTALS = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def main() -> None:
    """Count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", default=["floor", "durable"], help="floor or durable; both by default")
    parser.add_argument("--stream", action="store_true", help="a stream of 20 chunks instead of a whole answer")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not there: install it (Debian: apt-get install valgrind)")
    folder = Path(tempfile.mkdtemp(prefix="sluice-instructions-", dir="/var/tmp"))
    vendor, url = start_vendor(folder)
    try:
        for name in options.variants:
            profile = folder / f"{name}.callgrind"
            count = count_variant(folder, name, url, profile, stream=options.stream)
            print(f"{name}: {count:,.0f} instructions ({profile}.1)", flush=True)
    finally:
        vendor.stop()
    print("callgrind_annotate --inclusive=yes shows a profile; a Python with symbols makes it readable")


def count_variant(folder: Path, name: str, vendor: str, profile: Path, *, stream: bool) -> float:
    """Instructions of one exchange."""
    under = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={profile}"]
    is_floor = name == "floor"
    target = start_floor(folder, vendor, under) if is_floor else start_gateway(folder, vendor, name, "", under)
    try:
        return _count(target, profile, stream=stream)
    finally:
        target.process.stop()


def _count(target: Target, profile: Path, *, stream: bool) -> float:
    run_load(target, stream=stream, seconds=SECONDS / 3, connections=CONNECTIONS)
    pid = str(target.process.pid)
    for command in (["-i", "on"], ["-z"]):
        subprocess.run(["callgrind_control", *command, pid], check=True, capture_output=True)
    answers = run_load(target, stream=stream, seconds=SECONDS, connections=CONNECTIONS)["requests"]
    subprocess.run(["callgrind_control", "-d", pid], check=True, capture_output=True)
    totals = TOTALS.search(Path(f"{profile}.1").read_text(errors="replace"))
    if totals is None:
        raise RuntimeError(f"{profile}.1 has no totals")
    return int(totals[1]) / answers


if __name__ == "__main__":
    main()
