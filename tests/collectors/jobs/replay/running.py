"""``sluice replay`` in this process: its exit code, its report, and what it said."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from collectors.jobs.interface import USAGE, WRONG, UsageError
from collectors.jobs.options import JobOptions, RangeOptions
from collectors.jobs.rebuild.job import RebuildOptions
from collectors.jobs.replay.plan import ReplayOptions
from collectors.jobs.replay.run import replay
from collectors.operations.printing import Printer
from sluice.eventlog.interface import EventLogError

_RANGE = {field.name for field in fields(RangeOptions)}
_REBUILD = {"rebuild", "swap", "delete_old", "undo"}


async def replayed(
    folder: Path, sink: str = "", to_topic: str = "", archive: str = "", **given: Any
) -> tuple[int, dict[str, Any], str]:
    """With the settings files of the folder; the names are those of the options' classes."""
    wanted = RangeOptions(**{name: value for name, value in given.items() if name in _RANGE})
    rebuild = RebuildOptions(**{name: value for name, value in given.items() if name in _REBUILD})
    how = JobOptions(**{name: value for name, value in given.items() if name not in _RANGE | _REBUILD})
    out, err = io.StringIO(), io.StringIO()
    printer = Printer(as_json=True, out=out, err=err)
    options = ReplayOptions(wanted, how, sink, to_topic, rebuild, archive)
    try:
        code = await replay(folder / "sluice.yaml", folder / "collectors.yaml", options, printer)
    except UsageError as error:
        return USAGE, {}, str(error)
    except EventLogError as error:
        return WRONG, {}, str(error)
    lines = out.getvalue().splitlines()
    return code, json.loads(lines[-1]) if lines else {}, err.getvalue()
