"""``make test``: all tests, in two halves side by side: those on real servers, and all others.

Most tests wait for something, so two halves take little more than the longer one. The half on real servers goes first
where both want a core, and says what it has to say as it comes; the other half's report follows in one piece.
Arguments are pytest's and go to both.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

QUICK = "not long and not chaos"
ON_SERVERS = "(kafka or elasticsearch or postgres)"
NOTHING_SELECTED = 5
"""pytest's status where no test was left, as when the arguments name tests of one half."""


def pytest(selection: str) -> list[str]:
    """The command of one half."""
    return [sys.executable, "-m", "pytest", "-m", f"{QUICK} and {selection}", *sys.argv[1:]]


def main() -> int:
    """0 where both halves passed."""
    with tempfile.TemporaryDirectory(prefix="sluice-tests-") as folder:
        report = Path(folder) / "report"
        with (
            report.open("wb") as output,
            subprocess.Popen(
                ["nice", "-n", "5", *pytest(f"not {ON_SERVERS}")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as others,
        ):
            on_servers = subprocess.run(pytest(ON_SERVERS), check=False).returncode
            print("\n== the tests that need no server", flush=True)
            status = others.wait()
        sys.stdout.write(report.read_text(errors="replace"))
    failed = {on_servers, status} - {0, NOTHING_SELECTED}
    nothing = on_servers == status == NOTHING_SELECTED
    return max(failed, default=NOTHING_SELECTED if nothing else 0)


if __name__ == "__main__":
    raise SystemExit(main())
