"""What the shell offers for arguments: services, entries and topics, of the files that the command line names.

Cheap, and silent where something is amiss: whoever presses the tab key waits, and wants no message. Only names are
read, without the settings tree, so that a file that is not valid yet completes too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import typer

MAX_FILE_BYTES: Final = 1 << 20
"""A larger file is not looked at."""
MAX_NAMES: Final = 200

_COLLECTORS, _ENTRIES = "collectors.yaml", "data_collection_plugins"
_KINDS: Final = ("proxy-log", "analytics", "budget")
_TOPICS: Final = (*_KINDS, "events", "dead-letters", "alert")


def complete_files(incomplete: str) -> list[str]:
    """Paths that begin so; folders end with a slash."""
    with suppress(OSError, ValueError):
        path = Path(incomplete)
        folder, start = (path, "") if incomplete.endswith("/") or not incomplete else (path.parent, path.name)
        prefix = incomplete[: len(incomplete) - len(start)]
        names = sorted(each.name + "/" * each.is_dir() for each in folder.iterdir() if each.name.startswith(start))
        return [f"{prefix}{name}" for name in names if start or not name.startswith(".")][:MAX_NAMES]
    return []


def complete_services(ctx: typer.Context, incomplete: str) -> list[str]:
    """The services of ``collectors.yaml``."""
    names = {str(entry.get("service") or entry.get("name") or "") for entry in _entries(ctx)}
    return _starting(names, incomplete)


def complete_entries(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of its entries: what ``--sink`` and ``--collector`` take."""
    return _starting({str(entry.get("name") or "") for entry in _entries(ctx)}, incomplete)


def complete_kinds(incomplete: str) -> list[str]:
    """The kinds of event."""
    return _starting({name.replace("-", "_") for name in _KINDS}, incomplete)


def complete_topics(incomplete: str) -> list[str]:
    """What topics may be called."""
    return _starting(set(_TOPICS), incomplete)


def _starting(names: set[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete) and name.isprintable() and name)[:MAX_NAMES]


def _entries(ctx: typer.Context) -> Iterator[Mapping[str, Any]]:
    """Of the file that the command line names, else of the one in this folder."""
    document = _document(Path(str(ctx.params.get("collectors") or _COLLECTORS)))
    found = document.get(_ENTRIES) if isinstance(document, Mapping) else None
    for entry in found if isinstance(found, list) else ():
        if isinstance(entry, Mapping):
            yield entry


def _document(path: Path) -> Any:
    from sluice.settings import SettingsError, read_document  # noqa: PLC0415 - pydantic is not loaded for `sluice --help`

    with suppress(OSError, ValueError, SettingsError):
        if path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
            return read_document(path)
    return None
