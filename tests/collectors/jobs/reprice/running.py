"""``sluice reprice`` in this process: its exit code, its report, and what it said."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from collectors.jobs.interface import USAGE, WRONG, UsageError
from collectors.jobs.options import JobOptions, RangeOptions
from collectors.jobs.rebuild.job import RebuildOptions
from collectors.jobs.reprice.plan import RepriceOptions
from collectors.jobs.reprice.run import reprice
from collectors.operations.printing import Printer
from sluice.eventlog.interface import EventLogError

_RANGE, _HOW, _REBUILD = ({field.name for field in fields(each)} for each in (RangeOptions, JobOptions, RebuildOptions))


async def repriced(folder: Path, version: str = "", **given: Any) -> tuple[int, dict[str, Any], str]:
    """With the settings files of the folder; the names are those of the options' classes."""
    parts: dict[str, Any] = {
        "wanted": RangeOptions(**{name: value for name, value in given.items() if name in _RANGE}),
        "how": JobOptions(**{name: value for name, value in given.items() if name in _HOW}),
        "rebuild": RebuildOptions(**{name: value for name, value in given.items() if name in _REBUILD}),
    }
    more = {name: value for name, value in given.items() if name not in _RANGE | _HOW | _REBUILD}
    out, err = io.StringIO(), io.StringIO()
    options = RepriceOptions(version, **parts, **more)
    try:
        code = await reprice(
            folder / "sluice.yaml", folder / "collectors.yaml", options, Printer(as_json=True, out=out, err=err)
        )
    except UsageError as error:
        return USAGE, {}, str(error)
    except EventLogError as error:
        return WRONG, {}, str(error)
    lines = out.getvalue().splitlines()
    return code, json.loads(lines[-1]) if lines else {}, err.getvalue()
