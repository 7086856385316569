"""``sluice retention``: the job once, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from collectors.operations.printing import Printer
from collectors.operations.running import OK, WRONG, UsageError, settings_of
from collectors.retention.floors import TooYoungError
from collectors.retention.job import KV, Result, Retention, Sweep
from collectors.settings import HostSettings, Settings


async def retention(file: Path, config: Path, store: str, printer: Printer, *, dry_run: bool) -> int:
    """``sluice retention``."""
    settings, host = settings_of(file, Settings), settings_of(config, HostSettings)
    if settings.retention is None:
        raise UsageError(f"{file}: retention: is not set; name stores and how long they keep what, e.g. {_EXAMPLE}")
    known = [*settings.retention.stores, KV]
    if store and store not in known:
        raise UsageError(f"--store: {store!r} is none of {', '.join(known)}")
    job = Retention(settings, host, file.parent)
    try:
        results = await job.sweep(Sweep(is_dry=dry_run, store=store, progress=printer.progress))
    except TooYoungError as error:
        raise UsageError(f"{file}: {error}") from error
    return show(results, printer, dry_run=dry_run)


_EXAMPLE = "retention: {stores: {search: {proxy_log: {max_age: 90d}}}}"


def show(results: list[Result], printer: Printer, *, dry_run: bool) -> int:
    """1 where something could not be deleted, or where more is kept than ``max_bytes``."""
    if printer.as_json:
        for result in results:
            printer.object(_as_dict(result, dry_run=dry_run))
    else:
        columns = ["store", "kind", "would delete" if dry_run else "deleted", "in", "problem"]
        printer.table(columns, [_row(result) for result in results])
    return WRONG if any(result.problem or result.excess_bytes for result in results) else OK


def _as_dict(result: Result, *, dry_run: bool) -> dict[str, Any]:
    due = [{"name": each.name, "events": each.events, "bytes": each.size_bytes} for each in result.due]
    return {
        "store": result.store, "kind": result.kind, "dry_run": dry_run, "events": result.events, "due": due,
        "excess_bytes": result.excess_bytes, "problem": result.problem,
    }  # fmt: skip


def _row(result: Result) -> tuple[Any, ...]:
    names = [due.name for due in result.due]
    within = "" if not names else names[0] if len(names) == 1 else f"{names[0]} … {names[-1]} ({len(names)})"
    problem = result.problem
    if result.excess_bytes:
        problem = f"{result.excess_bytes} bytes above max_bytes: the log still keeps them. {problem}".strip()
    return (result.store, result.kind, result.events, within, problem)
