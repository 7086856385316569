"""``make test``: all tests, in three parts side by side: those on real servers, those of the gateway (the part has a
PostgreSQL of its own), and all others.

Many tests wait for something, so the parts together take little more than the longest one. The part on real servers
goes first where all want a core, and says what it has to say as it comes; the reports of the others follow, each in one
piece. Arguments are pytest's and go to all of them.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

QUICK = "not long and not chaos"
GATEWAY = "gateway and not kafka and not elasticsearch and not opensearch"
OTHERS = "not gateway and not kafka and not elasticsearch and not opensearch and not postgres"
ON_SERVERS = f"not ({GATEWAY}) and not ({OTHERS})"
NOTHING_SELECTED = 5
"""pytest's status where no test was left, as when the arguments name tests of one part."""


def pytest(selection: str, *options: str) -> list[str]:
    """The command of one part."""
    return [sys.executable, "-m", "pytest", "-m", f"{QUICK} and {selection}", *options, *sys.argv[1:]]


def others() -> dict[str, list[str]]:
    """The commands of the parts that need no Java."""
    here = Path(__file__).parent
    beside = [path for path in sorted(here.iterdir()) if path.is_dir() or path.name.startswith("test_")]
    return {
        "the gateway's tests": pytest(GATEWAY, *[f"--ignore={each}" for each in beside if each.name != "gateway"]),
        "all other tests that need no server": pytest(OTHERS, f"--ignore={here / 'gateway'}"),
    }


def main() -> int:
    """0 where all parts passed."""
    statuses: list[int] = []
    with tempfile.TemporaryDirectory(prefix="sluice-tests-") as folder, contextlib.ExitStack() as stack:
        running = []
        for at, (name, command) in enumerate(others().items()):
            report = Path(folder) / str(at)
            output = stack.enter_context(report.open("wb"))
            process = subprocess.Popen(
                ["nice", "-n", "5", *command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
            running.append((name, report, stack.enter_context(process)))
        statuses.append(subprocess.run(pytest(ON_SERVERS), check=False).returncode)
        for name, report, process in running:
            print(f"\n== {name}", flush=True)
            statuses.append(process.wait())
            sys.stdout.write(report.read_text(errors="replace"))
    failed = {*statuses} - {0, NOTHING_SELECTED}
    return max(failed, default=NOTHING_SELECTED if {*statuses} == {NOTHING_SELECTED} else 0)


if __name__ == "__main__":
    raise SystemExit(main())
