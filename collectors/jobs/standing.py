"""How jobs stand, by what lies in their folders: those that run, and those that have ended.

Nothing is asked of their processes: a job shows the same whoever began it, and after whoever looks was started anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from collectors.jobs.folder import JOBS_FOLDER, LOCK, PLAN, PROGRESS, REPORT, is_running, jobs_in
from collectors.jobs.pulse import PULSE
from sluice.clock import iso_micros

MAX_JOBS = 30
"""The newest that are shown."""
_COUNTS = ("read", "matched", "written", "already_there", "passed", "failed", "undecodable")
_MAX_FILE_BYTES = 8 << 20
_LISTED = 20
"""Problems, notes and groups that are shown of a job."""


def jobs_standing(data_dir: Path, limit: int = MAX_JOBS) -> list[dict[str, Any]]:
    """The newest first; what is damaged is shown as far as it can be read."""
    return [job_standing(data_dir, name) for name in reversed(jobs_in(data_dir)[-limit:])]


def job_standing(data_dir: Path, name: str) -> dict[str, Any]:
    """One job: what it is, how far, and what came of it."""
    folder = data_dir / JOBS_FOLDER / name
    is_at_work, unknown = _at_work(data_dir, name)  # first: what ends meanwhile has left its report
    plan, report, pulse = _read(folder / PLAN), _read(folder / REPORT), _read(folder / PULSE)
    state = "running" if is_at_work else str(report.get("state", "unknown" if unknown else "broken off"))
    return {
        "job": name,
        "command": str(plan.get("command", "")),
        "asked": asked_in(plan),
        "state": state,
        "process": _process(folder / LOCK) if is_at_work else None,
        "began_at": _time_of(folder / PLAN),
        "ended_at": None if is_at_work else _time_of(folder / REPORT) or _time_of(folder / PROGRESS),
        **_figures(report, pulse, is_at_work=is_at_work),
        "problems": [] if is_at_work else unknown or _problems(report, name, str(plan.get("command", ""))),
        "notes": [] if is_at_work else _texts(report.get("notes")),
        "groups": _rows(_mapping(report.get("details")).get("groups")),
    }


def _at_work(data_dir: Path, name: str) -> tuple[bool, list[str]]:
    """Whether a process works on it; of another user's job that may not be seen, and hides no other."""
    try:
        return is_running(data_dir, name), []
    except OSError as error:
        return False, [f"whether it runs cannot be seen: {data_dir / JOBS_FOLDER / name / LOCK}: {error.strerror}"]


def asked_in(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, without what is as it is by default."""
    options = {**_mapping(plan.get("wanted")), **_mapping(plan.get("asked")), **_mapping(plan.get("reprice"))}
    own = {name: plan.get(name) for name in ("sink", "to_topic", "archive", "rate")}
    own["rebuild"] = bool(plan.get("rebuild"))
    return {name: value for name, value in {**options, **own}.items() if value and _is_plain(value)}


def _figures(report: Mapping[str, Any], pulse: Mapping[str, Any], *, is_at_work: bool) -> dict[str, Any]:
    counts = report if report and not is_at_work else _mapping(pulse.get("counts"))
    return {
        **{name: counts.get(name) if isinstance(counts.get(name), int) else None for name in _COUNTS},
        "done": pulse.get("done") if is_at_work else None,
        "total": pulse.get("total") if is_at_work else None,
        "seconds_left": pulse.get("seconds_left") if is_at_work else None,
        "rate": (pulse if is_at_work else report).get("rate"),
        "seconds": None if is_at_work else report.get("seconds"),
    }


def _problems(report: Mapping[str, Any], name: str, command: str) -> list[str]:
    if report:
        return _texts(report.get("problems"))
    return [f"its process ended without a report; sluice {command or 'replay'} --resume {name} goes on"]


def _texts(found: Any) -> list[str]:
    return [each for each in found if isinstance(each, str)][:_LISTED] if isinstance(found, list) else []


def _rows(found: Any) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)][:_LISTED] if isinstance(found, list) else []


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) or (isinstance(value, list) and all(map(_is_plain, value)))


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _process(lock: Path) -> int | None:
    try:
        text = lock.read_text("ascii", "replace").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _time_of(path: Path) -> str | None:
    try:
        return iso_micros(path.stat().st_mtime_ns // 1_000)
    except OSError:
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            found = orjson.loads(file.read(_MAX_FILE_BYTES))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
