"""A ``sluice`` for tests of whoever asks a desk: it answers at once as the real one does, and notes what it was asked.

Run as ``python -S stub.py FOLDER …``; that the real command answers so is what ``test_desk.py`` holds.
"""

import fcntl
import json
import sys
import time
from pathlib import Path

folder, command, *options = sys.argv[1:]
FOLDER = Path(folder)
LETTER = {
    "id": "collectors/store/0/7", "kind": "proxy_log", "appended_at": "2026-11-26T12:00:00Z", "key": "key",
    "state": "open", "headers": {"ce_id": "x-p"}, "event": {"path": "/chat", "request_body": "a secret prompt"},
    "dead_letter": {"error.type": "row_refused", "error.reason": "<img src=x>", "collector": "store", "attempts": "3"},
}  # fmt: skip
GROUP = {"count": 5, "reason": "row_refused", "collector": "store", "kind": "proxy_log"}
BOOT = {
    "gateway_id": "gateway-1", "worker": "w0", "boot_id": "b1", "version": "1.0", "state": "reports",
    "started_at": "2026-11-26T11:00:00Z", "last_seen_at": "2026-11-26T12:00:00Z", "reports": 4, "exchanges": 12,
    "outcomes": {"ok": 12}, "cost_nanos": 5_000_000_000, "unrecorded": 0, "request_bytes": 1, "response_bytes": 2,
    "last_sequences": {"proxy_log": 12}, "drops": {}, "longest_pause_seconds": 60.0,
    "steps": [{"at": "2026-11-26T12:00:00Z", "exchanges": 3, "cost_nanos": 7}],
}  # fmt: skip
REPORT = {
    "state": "counted", "read": 5, "matched": 5, "notes": [], "problems": [],
    "details": {"left": 0, "groups": [{**GROUP, "redrives": 0, "goes_to": "store"}]},
}  # fmt: skip


def tell(document: object) -> None:
    """A line of JSON."""
    print(json.dumps(document))


def begin(job: str) -> None:
    """As a redrive does that runs until somebody stops it."""
    place = FOLDER / "jobs" / job
    place.mkdir(parents=True)
    lock = (place / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (place / "plan.json").write_text(json.dumps({"command": "redrive", "asked": {"collector": "store"}}))
    counts = {"read": 2, "matched": 5, "written": 2}
    pulse = {"done": 2, "total": 5, "seconds_left": 12.0, "rate": 1.5, "counts": counts}
    (place / "pulse.json").write_text(json.dumps(pulse))
    (FOLDER / "begun").write_text(job)
    time.sleep(600)


with (FOLDER / "asked.jsonl").open("a") as asked:
    asked.write(json.dumps([command, *options]) + "\n")
if (FOLDER / "fails").exists():
    sys.exit((FOLDER / "fails").read_text())
if command == "gateways":
    tell(BOOT)
elif command == "redrive" and "--dry-run" in options:
    tell(REPORT)
elif command == "redrive":
    begin(next(each for each in options if each.startswith("--job=")).removeprefix("--job="))
elif "count" in options:
    tell(GROUP)
elif "list" in options or LETTER["id"] in options:
    tell(LETTER)
else:
    sys.stderr.write("show: nothing lies there\n")
    sys.exit(2)
