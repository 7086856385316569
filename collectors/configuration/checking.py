"""Whether a configuration can be used here: as a whole, before anything of it is touched."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from collectors.entries import AnyEntry, PluginEntry
from collectors.plans import ServicePlan
from collectors.settings import HostSettings, Settings
from collectors.sinks.registry import kind_of
from collectors.tracing import missing_of
from sluice.commands import Examined
from sluice.plugin_host.registration import scheme_of
from sluice.settings import SettingsError, parse_document, settings_of

_BARE_VARIABLE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"(?i)(password|secret|secret_access_key|api_key|token)$")
_NO_ENTRY = "data_collection_plugins: has no enabled entry; add one, or enable one"


@dataclass(frozen=True, slots=True)
class Configuration:
    """One that can be used: what it says, and the services that it makes here."""

    settings: Settings
    plans: tuple[ServicePlan, ...]
    version: str
    """Of the bytes that it was read from."""


def version_of(data: bytes) -> str:
    """The same for the same bytes."""
    return hashlib.sha256(data).hexdigest()[:12]


def configuration_of(
    data: bytes,
    where: str,
    folder: Path,
    services: Sequence[str] = (),
    host: HostSettings | None = None,
    *,
    needs_files: bool = True,
) -> Configuration:
    """What these bytes say, for these services or all. Raises SettingsError with every problem of them.

    Files that are not there are no problem at a start: there is nothing better to run, and the service says it.
    Without a ``host`` what depends on its settings is not looked at.
    """
    settings = settings_of(parse_document(data, where), Settings, where, folder=folder)
    try:
        plans = settings.services(tuple(services))
    except ValueError as error:
        raise SettingsError(where, [str(error)]) from error
    problems = [_NO_ENTRY] if not plans else list(missing_packages(settings, plans))
    if needs_files:
        problems += missing_files(plans, folder)
    if host is not None:
        problems += _refused_by(host, settings)
    if problems:
        raise SettingsError(where, problems)
    return Configuration(settings, plans, version_of(data))


def _refused_by(host: HostSettings, settings: Settings) -> Iterator[str]:
    from collectors.retention.floors import refusal  # noqa: PLC0415 - it knows Kafka, which may not be installed

    if refused := refusal(settings.retention, host):
        yield refused


def missing_packages(settings: Settings, plans: Sequence[ServicePlan]) -> Iterator[str]:
    """What valid settings need that is not installed."""
    for entry in entries_of(plans):
        kind = kind_of(entry.path)
        if missing := kind.missing():
            text = f"{entry.name}: {entry.path} needs what is not installed ({', '.join(missing)})"
            yield f"{text}; pip install 'sluice-gateway[{kind.extra}]'"
    if missing_trace := missing_of(settings.tracing):
        yield missing_trace


def missing_files(plans: Sequence[ServicePlan], folder: Path) -> Iterator[str]:
    """Files that valid settings name and that cannot be read."""
    for entry in entries_of(plans):
        yield from _unreadable(entry, folder)


def entries_of(plans: Sequence[ServicePlan]) -> Iterator[AnyEntry]:
    """Each entry, fallbacks included."""
    yield from (each for plan in plans for each in (*plan.entries, plan.fallback) if each is not None)


def _unreadable(entry: AnyEntry, folder: Path) -> Iterator[str]:
    files = dict(_files_in(entry, ""))
    if isinstance(entry, PluginEntry):
        files |= _files_of(entry, folder)
    for key, path in files.items():
        if not path.is_file():
            yield f"{entry.name}: {key}: there is no file {path}; name an existing one"
        elif not os.access(path, os.R_OK):
            yield f"{entry.name}: {key}: {path} cannot be read; let the user that runs collectors read it"


def _files_in(settings: BaseModel, key: str) -> Iterator[tuple[str, Path]]:
    """Whatever key ends in ``_file``, at any depth."""
    for name in type(settings).model_fields:
        value, path = getattr(settings, name), f"{key}.{name}".lstrip(".")
        if isinstance(value, BaseModel):
            if name != "fallback":  # which is an entry of its own here
                yield from _files_in(value, path)
        elif name.endswith("_file") and isinstance(value, str | Path) and str(value):
            yield path, Path(value)


def _files_of(entry: PluginEntry, folder: Path) -> Mapping[str, Path]:
    """The plugin's own: its program, and where its token is."""
    found: dict[str, Path] = {}
    scheme = scheme_of(entry.path)
    if scheme == "file":
        found["path"] = Path(entry.path.removeprefix("file://"))
    elif scheme == "py_file":
        found["path"] = folder / entry.path.partition(":")[0]
    if entry.token.startswith("file:"):
        found["token"] = folder / entry.token.removeprefix("file:")
    if entry.ca_file:
        found["ca_file"] = folder / entry.ca_file
    return found


def examine(document: dict[str, Any], settings: Settings, folder: Path) -> Examined:
    """What ``sluice validate`` says beside what is wrong with the form."""
    plans = settings.services()
    problems = [*missing_packages(settings, plans), *missing_files(plans, folder)]
    if not plans:
        return Examined(notes=(_NO_ENTRY, *notes_on(document)))
    return Examined(tuple(problems), tuple(notes_on(document)))


def notes_on(document: Any, key: str = "") -> Iterator[str]:
    """What a document says that is allowed and not the recommended form: before variables are put in."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from notes_on(value, f"{key}.{name}".lstrip("."))
    elif isinstance(document, list):
        for at, value in enumerate(document):
            yield from notes_on(value, f"{key}[{at}]")
    elif isinstance(document, str):
        if _BARE_VARIABLE.fullmatch(document):
            yield f"{key}: {document} is not expanded; write ${{{document[1:]}}}"
        elif document and _SECRET.search(key) and "${" not in document and not document.startswith(("env:", "file:")):
            yield f"{key}: a secret stands in clear; write ${{VARIABLE}} or ${{file:/path}}"
