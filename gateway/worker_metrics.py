"""The metrics of all workers of a gateway, whichever of them is asked: each leaves its own in a file each second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sluice.clock import now_micros
from sluice.eventlog.journal.offsets import replace_file
from sluice.exposition import Family, dump_families, load_families, render_families, render_open_metrics

_SUFFIX = ".metrics.json"
_STALE_SECONDS = 10
"""Files of workers that ended without removing theirs are left out."""


class MetricsFolder:
    """``<data_dir>/run/<gateway_id>``."""

    def __init__(self, data_dir: Path, gateway_id: str) -> None:
        self._folder = data_dir / "run" / gateway_id

    def write(self, worker: str, families: Sequence[Family]) -> None:
        """Replace a worker's file."""
        replace_file(self._path(worker), dump_families(families))

    def remove(self, worker: str) -> None:
        """The worker ends."""
        self._path(worker).unlink(missing_ok=True)

    def render(self, worker: str, families: Sequence[Family]) -> str:
        """Prometheus text of this worker, as it is now, and of the others, as of the last second."""
        return render_families(self._processes(worker, families))

    def render_open(self, worker: str, families: Sequence[Family]) -> str:
        """The same as OpenMetrics, with exemplars."""
        return render_open_metrics(self._processes(worker, families))

    def _processes(self, worker: str, families: Sequence[Family]) -> list[tuple[dict[str, str], Sequence[Family]]]:
        processes = [({"worker": worker}, families)]
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            name = path.name.removesuffix(_SUFFIX)
            if name != worker and (theirs := _fresh(path)) is not None:
                processes.append(({"worker": name}, theirs))
        return processes

    def _path(self, worker: str) -> Path:
        return self._folder / f"{worker}{_SUFFIX}"


def _fresh(path: Path) -> list[Family] | None:
    try:
        if now_micros() / 1e6 - path.stat().st_mtime > _STALE_SECONDS:
            return None
        return load_families(path.read_bytes())
    except (OSError, ValueError, TypeError):
        return None  # replaced or removed while we looked, or of another version
