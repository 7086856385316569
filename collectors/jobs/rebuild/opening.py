"""The rebuild of an entry, or why it has none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from collectors.entries import AnyEntry, DatabaseEntry, ElasticsearchEntry
from collectors.jobs.interface import UsageError
from collectors.jobs.rebuild.elasticsearch import ElasticsearchRebuild
from collectors.jobs.rebuild.interface import Rebuild
from schemas.events import Kind

_JOB = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}", re.ASCII)


_ROWS = (
    "delete the rows that are wrong (of proxy_logs, analytics, budget_usage, by occurred_at) and replay without "
    "--rebuild, which writes what is not there; sluice reconcile then says whether all is equal to the log"
)
_OTHERS = "replay without --rebuild: what is there is not written twice"


def open_rebuild(entry: AnyEntry, folder: Path, job: str, kinds: Sequence[Kind], instead: str = "") -> Rebuild:
    """``folder`` is the job's; ``instead``: what to do where there is no rebuild, by default a replay. Reaches nothing
    yet; raises UsageError."""
    if _JOB.fullmatch(job) is None:
        raise UsageError(
            f"--job: {job!r} cannot stand in the name of an index; use at most 80 small letters, digits, dots, dashes "
            "and underscores, such as january-again"
        )
    wanted = [kind for kind in kinds if kind in entry.hook_types]
    if isinstance(entry, ElasticsearchEntry):
        return ElasticsearchRebuild(entry, folder, job, wanted)
    is_rows = isinstance(entry, DatabaseEntry)
    why = "whose tables have all days in one: no day has a place" if is_rows else "which has nothing to swap"
    raise UsageError(
        f"--rebuild: {entry.name} is {entry.path}, {why}; rebuild one of sink://elasticsearch, or "
        f"{instead or (_ROWS if is_rows else _OTHERS)}"
    )
