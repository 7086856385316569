"""``sluice gateways``: what the workers of gateways reported of themselves, boot by boot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from collectors.operations.log import Log
from collectors.operations.moments import ago, moment_ms
from collectors.operations.printing import Printer
from collectors.operations.running import OK, WRONG, settings_of
from collectors.settings import HostSettings
from sluice.clock import iso_micros, now_micros

SILENT_SECONDS = 180.0
"""A worker reports each minute: one that has not for so long, and has not said that it ends, is silent."""
MAX_STEPS = 10
"""Reports of a boot that are shown one by one: what was done from each to the next."""
_NAMES = ("gateway_id", "worker", "boot_id")
_TOTALS = ("request_bytes", "response_bytes", "cost_nanos", "unrecorded")
_MAX_COUNT = 1 << 63


@dataclass(slots=True)
class BootReports:
    """All of one boot. Numbers are absolute and running: the newest report says all."""

    gateway_id: str
    worker: str
    boot_id: str
    reports: int = 0
    at_ms: int = 0
    """When the newest was appended."""
    newest: Mapping[str, Any] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    longest_pause_seconds: float = 0.0
    """Between two reports."""

    def add(self, body: Mapping[str, Any], at_ms: int) -> None:
        """Take one in; they come in the order of the log."""
        if self.reports and at_ms >= self.at_ms:
            self.longest_pause_seconds = max(self.longest_pause_seconds, (at_ms - self.at_ms) / 1_000)
        before = self.newest
        done, spent = _exchanges(body) - _exchanges(before), _count(body, "cost_nanos") - _count(before, "cost_nanos")
        if self.reports:
            self.steps = [*self.steps, {"at": _moment(at_ms), "exchanges": done, "cost_nanos": spent}][-MAX_STEPS:]
        self.reports += 1
        self.at_ms = max(self.at_ms, at_ms)
        self.newest = _adopted(before, body) if body.get("adopted") is True else body

    def state(self, now_ms: int) -> str:
        """``ended``, ``killed`` where its successor had to say so, ``silent``, or ``reports``."""
        if self.newest.get("adopted") is True:
            return "killed"
        if self.newest.get("closing") is True:
            return "ended"
        return "silent" if now_ms - self.at_ms > SILENT_SECONDS * 1_000 else "reports"

    def as_dict(self, now_ms: int) -> dict[str, Any]:
        """For scripts."""
        body = self.newest
        return {
            "gateway_id": self.gateway_id,
            "worker": self.worker,
            "boot_id": self.boot_id,
            "version": body.get("version") if isinstance(body.get("version"), str) else None,
            "state": self.state(now_ms),
            "started_at": body.get("started_at") if isinstance(body.get("started_at"), str) else None,
            "last_seen_at": _moment(self.at_ms),
            "reports": self.reports,
            "longest_pause_seconds": self.longest_pause_seconds,
            "exchanges": _exchanges(body),
            "outcomes": _counts(body, "outcomes"),
            **{name: _count(body, name) for name in _TOTALS},
            "last_sequences": _counts(body, "last_sequences"),
            "drops": {name: number for name, number in _counts(body, "drops").items() if number},
            "steps": self.steps,
        }


async def gateways(config: Path, since: str, printer: Printer, clock: Callable[[], int] = now_micros) -> int:
    """The command; 1 where a worker is silent."""
    from_ms = moment_ms(since, "--from", clock)
    async with Log(settings_of(config, HostSettings)) as log:
        boots, garbage = await read_boots(log, from_ms)
    if garbage:
        printer.note(f"{garbage} records of {log.topics.gateway_report.name} are no reports; they were passed over")
    now_ms = clock() // 1_000
    boots.sort(key=lambda each: -each.at_ms)
    found = [boot.as_dict(now_ms) for boot in boots]
    if printer.as_json:
        for each in found:
            printer.object(each)
    elif not found:
        printer.line(f"no gateway reported since {since}; each worker does each minute")
    else:
        names = ("gateway", "worker", "boot", "state", "last seen", "exchanges", "cost", "unrecorded", "sequences")
        printer.table(names, [_row(each, boot.at_ms, now_ms) for each, boot in zip(found, boots, strict=True)])
    return WRONG if any(each["state"] == "silent" for each in found) else OK


async def read_boots(log: Log, from_ms: int) -> tuple[list[BootReports], int]:
    """All boots that reported since, and how many records are no report. Raises EventLogError."""
    names = (log.topics.gateway_report.name,)
    boots: dict[tuple[str, ...], BootReports] = {}
    garbage = 0
    async for _, records in log.read(await log.ranges(names, from_ms), names):
        for record in records:
            body = _body(record.value)
            if body is None:
                garbage += 1
                continue
            gateway, worker, boot = (str(body[name]) for name in _NAMES)
            found = boots.setdefault((gateway, worker, boot), BootReports(gateway, worker, boot))
            found.add(body, record.timestamp)
    return list(boots.values()), garbage


def _body(value: bytes | None) -> dict[str, Any] | None:
    try:
        found = orjson.loads(value or b"")
    except ValueError:
        return None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) and found[name] for name in _NAMES):
        return None
    return found


def _row(each: Mapping[str, Any], at_ms: int, now_ms: int) -> tuple[Any, ...]:
    sequences = ", ".join(f"{kind} {number}" for kind, number in each["last_sequences"].items())
    return (
        each["gateway_id"], each["worker"], each["boot_id"], each["state"], f"{ago((now_ms - at_ms) / 1_000)} ago",
        each["exchanges"], f"{each['cost_nanos'] / 1e9:.9f}", each["unrecorded"], sequences,
    )  # fmt: skip


def _adopted(before: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Who closes a boot that was killed knows its last numbers, and of its totals only what the kill cut."""
    outcomes = {**_counts(before, "outcomes"), **_counts(body, "outcomes")}
    return {**before, "adopted": True, "outcomes": outcomes, "last_sequences": _counts(body, "last_sequences")}


def _exchanges(body: Mapping[str, Any]) -> int:
    return sum(_counts(body, "outcomes").values())


def _counts(body: Mapping[str, Any], name: str) -> dict[str, int]:
    found = body.get(name)
    names = found if isinstance(found, dict) else {}
    return {key: _count(names, key) for key in names}


def _count(body: Mapping[str, Any], name: str) -> int:
    found = body.get(name, 0)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < _MAX_COUNT else 0


def _moment(at_ms: int) -> str:
    try:
        return iso_micros(at_ms * 1_000)
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"
