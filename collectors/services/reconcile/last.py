"""What the last comparison of this host found, kept so that others can see it: ``<data_dir>/reconcile/last.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import structlog

from collectors.services.reconcile.results import Findings
from collectors.services.reconcile.stores import Span
from sluice.clock import iso_micros

_PLACE = Path("reconcile") / "last.json"
_MAX_FILE_BYTES = 1 << 20

_log = structlog.get_logger(__name__)


def keep_last(data_dir: Path, findings: Findings, span: Span, at_micros: int) -> None:
    """Whole or not at all. A disk that refuses it is logged: what was found is told otherwise as well."""
    facts = {
        "at": iso_micros(at_micros),
        "from": iso_micros(span.start),
        "to": iso_micros(span.end),
        "equal": findings.is_equal,
        "log": [check.as_dict() for check in findings.checks],
        "sinks": [each.as_dict() for each in findings.comparisons],
        "not_compared": [{"sink": each.sink, "reason": each.reason} for each in findings.incomparable],
    }
    path = data_dir / _PLACE
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(orjson.dumps(facts))
        temporary.replace(path)
    except OSError as error:
        _log.warning("what was reconciled is not kept", path=str(path), error=type(error).__name__)


def last_result(data_dir: Path) -> dict[str, Any] | None:
    """``None`` where nothing was compared yet, or what was kept is damaged."""
    try:
        with (data_dir / _PLACE).open("rb") as file:
            found = orjson.loads(file.read(_MAX_FILE_BYTES))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
