"""Where journals and the locks of groups lie below ``data_dir``.

journals/<gateway_id>/<worker>      a gateway worker's journal
journals/collectors/<service>       a collector's own: dead letters, alerts
locks/group-<group>.lock            held by the one process of a group on this host
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

JOURNALS_FOLDER = "journals"
COLLECTORS_FOLDER = "collectors"
LOCKS_FOLDER = "locks"


def gateway_journal(data_dir: Path, gateway_id: str, worker: str) -> Path:
    """The journal of one worker of a gateway; raises ValueError where the gateway has a name that is taken."""
    if gateway_id == COLLECTORS_FOLDER:
        message = f"gateway.id: {COLLECTORS_FOLDER} is where collectors keep their journals; choose another"
        raise ValueError(message)
    return data_dir / JOURNALS_FOLDER / _folder_name(gateway_id) / _folder_name(worker)


def collector_journal(data_dir: Path, service: str) -> Path:
    """The journal of a collector service."""
    return data_dir / JOURNALS_FOLDER / COLLECTORS_FOLDER / _folder_name(service)


def all_journals(data_dir: Path) -> list[Path]:
    """Every journal's directory that exists, in a steady order."""
    return sorted(path for path in (data_dir / JOURNALS_FOLDER).glob("*/*") if path.is_dir())


def group_lock(data_dir: Path, group: str) -> Path:
    """What the one process of a group on this host holds."""
    return data_dir / LOCKS_FOLDER / f"group-{quote(group, safe='')}.lock"


def _folder_name(name: str) -> str:
    """The name as one folder's, whatever is in it."""
    return quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")
